"""What is common to table files: columns, shared scans, matrices; shown on CSV and Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.source import Array, Source
from lossctl.data.formats import csv as csv_tables
from lossctl.data.formats import parquet as parquet_tables
from lossctl.data.references.parse import parse_reference
from lossctl.data.tables import scan as tables
from lossctl.data.tables import typed as typed_tables
from lossctl.data.tables.columns import choose_columns
from lossctl.errors import DataError, UsageError

RANDOM = np.random.default_rng(11)
COLUMNS: dict[str, Array] = {
    "id": np.arange(1000),
    "logit_0": RANDOM.normal(size=1000),
    "logit_1": RANDOM.normal(size=1000) * 1e-30,
    "logit_2": RANDOM.normal(size=1000).astype(np.float32),
    "target": RANDOM.integers(0, 3, 1000),
    "right": RANDOM.integers(0, 2, 1000).astype(bool),
}
Write = Callable[..., Path]


@pytest.fixture(params=["csv", "parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes columns as a file of many segments or row groups."""
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", 1500)
    monkeypatch.setattr(typed_tables, "PIECE_BYTES", 2000)
    monkeypatch.setattr(tables, "JOINED_BYTES", 700)

    def write_table(columns: dict[str, Any], name: str = "eval") -> Path:
        path = tmp_path / f"{name}.{request.param}"
        table = pa.table(columns)
        if request.param == "csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pq.write_table(table, path, row_group_size=70)
        return path

    return write_table


def read_in_blocks(source: Source, rows: int) -> Array:
    """Read a source to its end."""
    blocks = [source.read(0, rows)]
    while len(blocks[-1]) == rows:
        blocks.append(source.read(len(blocks) * rows, (len(blocks) + 1) * rows))
    return np.concatenate(blocks)


def test_one_column_is_a_vector(write: Write) -> None:
    path = write(COLUMNS)
    for name, values in COLUMNS.items():
        (source,) = open_sources([f"{path}#{name}"])
        assert source.trailing == ()
        assert source.name == f"{path}#{name}"
        read = read_in_blocks(source, 37)
        assert np.array_equal(read.astype(values.dtype), values)
        assert source.length == 1000
        source.close()


def test_several_columns_are_a_matrix_in_the_order_given(write: Write) -> None:
    path = write(COLUMNS)
    (source,) = open_sources([f"{path}#target,logit_0:logit_2"])
    names = ["target", "logit_0", "logit_1", "logit_2"]
    assert source.trailing == (4,)
    assert source.dtype == np.float64
    expected = np.column_stack([COLUMNS[name] for name in names])
    read = read_in_blocks(source, 37)
    assert np.array_equal(read.astype(np.float32), expected.astype(np.float32))
    assert np.array_equal(read[:, :3], expected[:, :3])
    source.close()


@pytest.mark.parametrize("rows", [1, 13, 999, 1000, 5000])
def test_blocks_of_any_size_give_the_same(write: Write, rows: int) -> None:
    path = write(COLUMNS)
    vector, matrix = open_sources([f"{path}#logit_1", f"{path}#logit_0,logit_1"])
    assert np.array_equal(read_in_blocks(vector, rows), COLUMNS["logit_1"])
    matrix_expected = np.column_stack([COLUMNS["logit_0"], COLUMNS["logit_1"]])
    assert np.array_equal(read_in_blocks(matrix, rows), matrix_expected)
    vector.close()
    matrix.close()


def test_columns_of_one_file_share_one_scan(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(COLUMNS)
    pieces: list[int] = []
    kept: list[int] = []
    for kind in (csv_tables.CsvTable, parquet_tables.ParquetTable):
        monkeypatch.setattr(kind, "pieces", _watch(kind.pieces, pieces))
    sources = open_sources(
        [f"{path}#logit_0:logit_2", f"{path}#target", f"{path.parent}/./{path.name}#right"]
    )
    for start in range(0, 1000, 10):
        for source in sources:
            source.read(start, start + 10)
        kept.append(len(sources[0]._scan._kept))  # type: ignore[attr-defined]
    assert len({id(source._scan) for source in sources}) == 1  # type: ignore[attr-defined]
    assert sum(pieces) == 1000, "every row was parsed once"
    assert len(pieces) > 10
    assert max(kept) <= 2, "and dropped when it was done with"
    for source in sources:
        source.close()


def _watch(pieces: Any, seen: list[int]) -> Any:
    def watched(table: Any, columns: Any) -> Any:
        for piece in pieces(table, columns):
            seen.append(len(next(iter(piece.values()))))
            yield piece

    return watched


def test_sources_of_a_scan_may_run_ahead(write: Write) -> None:
    path = write(COLUMNS)
    first, second = open_sources([f"{path}#logit_0", f"{path}#logit_1"])
    assert np.array_equal(read_in_blocks(first, 100), COLUMNS["logit_0"])
    assert np.array_equal(read_in_blocks(second, 300), COLUMNS["logit_1"])
    first.close()
    second.close()


def test_whole_before_during_and_after_reading(write: Write) -> None:
    path = write(COLUMNS)
    first, second, third = open_sources(
        [f"{path}#logit_0", f"{path}#logit_1", f"{path}#logit_0,logit_1"]
    )
    assert np.array_equal(first.whole(), COLUMNS["logit_0"])
    assert np.array_equal(first.read(10, 20), COLUMNS["logit_0"][10:20])
    assert first.length == 1000
    second.read(0, 500)
    second.read(900, 950)
    third.read(900, 950)
    assert np.array_equal(second.whole(), COLUMNS["logit_1"])
    assert third.whole().shape == (1000, 2)
    assert np.array_equal(third.whole()[:, 0], COLUMNS["logit_0"])
    for source in (first, second, third):
        source.close()


def test_without_a_fragment(write: Write) -> None:
    vector, matrix = open_sources(
        [write({"p": [0.5, 1.5]}, "one"), write({"p": [0.5, 1.5], "q": [1, 2]}, "two")]
    )
    assert np.array_equal(vector.whole(), [0.5, 1.5])
    assert np.array_equal(matrix.whole(), [[0.5, 1], [1.5, 2]])
    vector.close()
    matrix.close()


def test_without_a_fragment_all_columns_must_be_numbers(write: Write) -> None:
    path = write({"id": ["x", "y"], "p": [0.5, 1.5], "split": ["a", "b"]})
    with pytest.raises(UsageError) as caught:
        open_sources([path])
    assert "'id'" in caught.value.message
    assert "'split'" in caught.value.message
    assert "'p'" not in caught.value.message
    assert f"{path}#p" in caught.value.remedy


def test_unknown_columns_get_the_nearest(write: Write) -> None:
    path = write(COLUMNS)
    with pytest.raises(UsageError, match=r"(?s)no column 'logits_0'.*Did you mean logit_0"):
        open_sources([f"{path}#logits_0"])
    with pytest.raises(UsageError, match="no column 'logit_9'"):
        open_sources([f"{path}#logit_0:logit_9"])


def test_a_column_of_text_is_refused(write: Write) -> None:
    path = write({"p": [0.5, 1.5], "label": ["cat", "dog"]})
    with pytest.raises(DataError) as caught:
        open_sources([f"{path}#label"])
    assert path.name in caught.value.message
    assert "'label'" in caught.value.message


def test_nulls_become_nan(write: Write) -> None:
    path = write({"a": [1, None, 3], "b": [True, None, False], "c": [None, 1.5, 2.5]})
    nan = np.nan
    sources = open_sources([f"{path}#{name}" for name in ("a", "b", "c", "a,b")])
    expected = np.array([[1, nan, 3], [1, nan, 0], [nan, 1.5, 2.5]])
    for source, values in zip(sources, [*expected, np.transpose(expected[:2])], strict=True):
        assert source.read(0, 3).dtype == np.float64
        assert np.array_equal(source.whole(), values, equal_nan=True)
        source.close()


def test_nulls_far_into_a_column_of_integers(write: Write) -> None:
    values: list[int | None] = list(range(1000))
    values[990] = None
    (source,) = open_sources([f"{write({'a': values, 'b': values})}#a"])
    read = np.concatenate([source.read(at, at + 100).astype(float) for at in range(0, 1000, 100)])
    assert np.isnan(read[990])
    read[990] = 990
    assert np.array_equal(read, np.arange(1000))
    source.close()


def test_no_rows(write: Write) -> None:
    path = write({"a": np.empty(0), "b": np.empty(0)})
    vector, matrix = open_sources([f"{path}#a", path])
    assert (vector.length, vector.read(0, 10).shape, vector.whole().shape) == (0, (0,), (0,))
    assert (matrix.length, matrix.read(0, 10).shape, matrix.whole().shape) == (0, (0, 2), (0, 2))
    vector.close()
    matrix.close()


def test_wide_tables(write: Write) -> None:
    values = RANDOM.normal(size=(6, 300))
    path = write({f"c{column}": values[:, column] for column in range(300)})
    (source,) = open_sources([f"{path}#c0:c299"])
    assert np.array_equal(read_in_blocks(source, 2), values)
    source.close()


def test_a_file_that_does_not_open_leaves_no_other_open(write: Write) -> None:
    path = write(COLUMNS)
    with pytest.raises(UsageError):
        open_sources([f"{path}#logit_0", f"{path}#nothing"])


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("b", [1]),
        ("c,a", [2, 0]),
        ("a:c", [0, 1, 2]),
        ("b:b", [1]),
        ("d,a:b", [3, 0, 1]),
        ("x:y", [4]),
        ("x:y,a", [4, 0]),
        ("d:x:y", [3, 4]),
        ("p,q", [5]),
        ("b:p,q", [1, 2, 3, 4, 5]),
    ],
)
def test_choosing_columns(fragment: str, expected: list[int]) -> None:
    names = ["a", "b", "c", "d", "x:y", "p,q"]
    if fragment == "b:p,q":
        with pytest.raises(UsageError, match="no column 'p'"):
            choose_columns(fragment, names, "file")
    else:
        assert choose_columns(fragment, names, "file") == expected


@pytest.mark.parametrize("fragment", ["c:a", "a,", ",a", "a,,b", "a:", ":a", "e", "a:e", "e:a"])
def test_fragments_that_choose_nothing(fragment: str) -> None:
    with pytest.raises(UsageError):
        choose_columns(fragment, ["a", "b", "c"], "file")


def test_a_reversed_range_says_so() -> None:
    with pytest.raises(UsageError, match="'c' comes after 'a'"):
        choose_columns("c:a", ["a", "b", "c"], "file")


def test_ambiguous_names_are_errors_only_when_used() -> None:
    names = ["a", "b", "a"]
    assert choose_columns("b", names, "file") == [1]
    with pytest.raises(UsageError, match="appears 2 times"):
        choose_columns("a", names, "file")


def test_parsing_references(tmp_path: Path) -> None:
    for name in ("plain.csv", "with", "with#hash.csv", "plain.csv#x"):
        (tmp_path / name).write_text("a\n1\n")

    def split(text: str) -> tuple[str, str | None]:
        reference = parse_reference(f"{tmp_path}/{text}")
        assert reference.text == f"{tmp_path}/{text}"
        return reference.path.name, reference.fragment

    assert split("plain.csv") == ("plain.csv", None)
    assert split("plain.csv#a") == ("plain.csv", "a")
    assert split("plain.csv#a#b") == ("plain.csv", "a#b")
    assert split("plain.csv#x") == ("plain.csv#x", None)
    assert split("with#hash.csv") == ("with#hash.csv", None)
    assert split("with#hash.csv#a,b") == ("with#hash.csv", "a,b")
    assert split("absent.csv#a#b") == ("absent.csv", "a#b")
    for wrong in ("", "#a", f"{tmp_path}/plain.csv#", "a\0b"):
        with pytest.raises(UsageError):
            parse_reference(wrong)
