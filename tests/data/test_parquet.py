"""Parquet files as sources."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.source import Array, Source
from lossctl.data.formats import parquet as parquet_tables
from lossctl.data.tables import typed as typed_tables
from lossctl.errors import DataError, UsageError

NUMBERS = np.random.default_rng(4).normal(size=(60, 6))


def open_column(path: Path, values: Any, *, group: int = 7, name: str = "x") -> Source:
    """Write one column beside another, and open it."""
    table = pa.table({"other": np.zeros(len(values)), name: values})
    pq.write_table(table, path / "eval.parquet", row_group_size=group)
    (source,) = open_sources([f"{path}/eval.parquet#{name}"])
    return source


def read_in_blocks(source: Source, rows: int) -> Array:
    """Read a source to its end."""
    blocks = [source.read(0, rows)]
    while len(blocks[-1]) == rows:
        blocks.append(source.read(len(blocks) * rows, (len(blocks) + 1) * rows))
    source.close()
    return np.concatenate(blocks)


@pytest.fixture(params=[1, 2000, 1 << 24], ids=["batches", "groups", "at once"])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the file in pieces of several sizes."""
    monkeypatch.setattr(typed_tables, "PIECE_BYTES", request.param)
    monkeypatch.setattr(parquet_tables, "COLUMN_BYTES", request.param)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int8", "uint8", "uint64", "bool"]
)
def test_numbers_keep_their_dtype(tmp_path: Path, dtype: str) -> None:
    values = (NUMBERS[:, 0] * 40).astype(np.int8).astype(dtype)
    source = open_column(tmp_path, values)
    assert (source.length, source.dtype, source.text) == (60, np.dtype(dtype), False)
    read = read_in_blocks(source, 11)
    assert read.dtype == np.dtype(dtype)
    assert np.array_equal(read, values)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed", "nested", "fixed nested"])
def test_lists_are_axes(tmp_path: Path, kind: str) -> None:
    number = pa.float64()
    types = {
        "list": pa.list_(number),
        "large_list": pa.large_list(number),
        "fixed": pa.list_(number, 6),
        "nested": pa.list_(pa.list_(number)),
        "fixed nested": pa.list_(pa.list_(number, 3), 2),
    }
    shape = (60, 2, 3) if "nested" in kind else (60, 6)
    array = NUMBERS.reshape(shape)
    source = open_column(tmp_path, pa.array(array.tolist(), types[kind]))
    assert source.shape == shape
    assert source.dtype == np.float64
    assert str(source.place((4, *[1] * (len(shape) - 1)))).startswith("row 4, column 'x', element ")
    assert np.array_equal(read_in_blocks(source, 11), array)


def test_lists_without_a_fragment(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": NUMBERS.tolist()}), tmp_path / "eval.parquet")
    (source,) = open_sources([tmp_path / "eval.parquet"])
    assert np.array_equal(read_in_blocks(source, 100), NUMBERS)


def test_a_tensor_column(tmp_path: Path) -> None:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(NUMBERS.reshape(60, 2, 3))
    source = open_column(tmp_path, tensors)
    assert np.array_equal(read_in_blocks(source, 11), NUMBERS.reshape(60, 2, 3))


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("group", [4, 100])
def test_ragged_lists_name_both_rows(tmp_path: Path, group: int) -> None:
    lists = [[1.0, 2.0] for _ in range(20)]
    lists[13] = [1.0, 2.0, 3.0]
    with (
        pytest.raises(DataError, match=r"'x' .*row \d+ has 2, row 13 has 3"),
        closing(open_column(tmp_path, lists, group=group)) as source,
    ):
        source.whole()


def test_ragged_inner_lists(tmp_path: Path) -> None:
    lists = [[[1.0], [2.0]] for _ in range(5)]
    lists[3] = [[1.0], [2.0, 3.0]]
    with pytest.raises(DataError, match="row 0 has 1, row 3 has 2"):
        open_column(tmp_path, lists, group=100)


def test_missing_lists_and_missing_elements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_column(tmp_path, [[1, 2], [3, None]])
    assert np.array_equal(read_in_blocks(source, 9), [[1.0, 2.0], [3.0, np.nan]], equal_nan=True)
    with pytest.raises(DataError, match="no list in row 1"):
        open_column(tmp_path, [[1.0], None, [2.0]])
    with pytest.raises(DataError, match="no list in row 2"):
        open_column(tmp_path, [[[1.0], [1.0]], [[1.0], [1.0]], [[1.0], None]])
    monkeypatch.setattr(typed_tables, "PIECE_BYTES", 1)
    with (
        pytest.raises(DataError, match="no list in row 2"),
        closing(open_column(tmp_path, [[1.0], [2.0], None], group=1)) as source,
    ):
        source.whole()


def test_lists_stand_alone(tmp_path: Path) -> None:
    open_column(tmp_path, [[1.0], [2.0]]).close()
    path = f"{tmp_path}/eval.parquet"
    with pytest.raises(UsageError, match="contains lists"):
        open_sources([f"{path}#other,x"])
    with pytest.raises(UsageError, match=r"'x' contains list<element: double>"):
        open_sources([path])


def test_kinds_of_numbers_that_are_not_plain(tmp_path: Path) -> None:
    from decimal import Decimal

    decimals = pa.array([Decimal("1.25"), None], pa.decimal128(5, 2))
    source = open_column(tmp_path, decimals)
    assert np.array_equal(read_in_blocks(source, 9), [1.25, np.nan], equal_nan=True)
    encoded = pa.array([3, 5, 3, None]).dictionary_encode()
    source = open_column(tmp_path, encoded)
    assert np.array_equal(read_in_blocks(source, 9), [3, 5, 3, np.nan], equal_nan=True)
    source = open_column(tmp_path, pa.nulls(3))
    assert np.isnan(read_in_blocks(source, 9)).all()


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pa.array(["a"]), "string"),
        (pa.array([1], pa.timestamp("s")), "timestamp"),
        (pa.array([1], pa.duration("s")), "duration"),
        (pa.array([b"a"]), "binary"),
        (pa.array([{"k": 1}]), "struct"),
        (pa.array([["a"]]), "list<element: string>"),
        (pa.array(["a"]).dictionary_encode(), "dictionary"),
    ],
)
def test_columns_that_are_no_numbers(tmp_path: Path, values: Any, what: str) -> None:
    with pytest.raises(DataError, match=f"column 'x' contains {what}"):
        open_column(tmp_path, values)


def test_names_with_dots_and_names_twice(tmp_path: Path) -> None:
    source = open_column(tmp_path, [1.0, 2.0], name="model.score")
    assert np.array_equal(read_in_blocks(source, 9), [1, 2])
    table = pa.Table.from_arrays(
        [pa.array([1.0]), pa.array([2.0]), pa.array([3.0])], names=["a", "b", "a"]
    )
    path = tmp_path / "eval.parquet"
    pq.write_table(table, path)
    whole, one = open_sources([path, f"{path}#b"])
    assert np.array_equal(whole.whole(), [[1, 2, 3]])
    assert np.array_equal(one.whole(), [2])
    whole.close()
    one.close()


def test_the_index_that_pandas_adds_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "eval.parquet"
    pd.DataFrame({"score": [0.5, 0.25]}, index=[3, 7]).to_parquet(path)
    score, index = open_sources([path, f"{path}#__index_level_0__"])
    assert np.array_equal(score.whole(), [0.5, 0.25])
    assert np.array_equal(index.whole(), [3, 7])
    score.close()
    index.close()


def test_only_what_is_needed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_tables, "PIECE_BYTES", 1)
    monkeypatch.setattr(parquet_tables, "COLUMN_BYTES", 1 << 20)
    read: list[tuple[list[int], list[str]]] = []
    original = pq.ParquetFile.read_row_groups

    def watch(file: Any, groups: list[int], columns: list[str]) -> Any:
        read.append((groups, columns))
        return original(file, groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watch)
    source = open_column(tmp_path, NUMBERS[:, 0], group=10)
    assert read == []
    source.read(0, 10)
    source.read(10, 25)
    source.close()
    assert read[:3] == [([0], ["x"]), ([1], ["x"]), ([2], ["x"])]
    assert len(read) < 5  # the next may have been begun ahead


def test_empty_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "eval.parquet"
    table = pa.table({"x": [[1.0, 2.0], [3.0, 4.0]]})
    with pq.ParquetWriter(path, table.schema) as writer:
        for rows in (0, 1, 0, 1, 0):
            writer.write_table(table.slice(0, rows), row_group_size=10)
    (source,) = open_sources([path])
    assert source.shape == (2, 2)
    assert np.array_equal(source.whole(), [[1, 2], [1, 2]])
    source.close()
    pq.write_table(table.slice(0, 0), path)
    (source,) = open_sources([path])
    assert source.whole().shape == (0, 0)
    source.close()


def test_broken_files(tmp_path: Path) -> None:
    open_column(tmp_path, NUMBERS[:, 0]).close()
    path = tmp_path / "eval.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    with pytest.raises(DataError, match=r"eval.parquet: the Parquet file is broken"):
        open_sources([path])
    path.write_bytes(b"PK not at all")
    with pytest.raises(DataError, match="should begin with b'PAR1'"):
        open_sources([path])
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        open_sources([path])


def test_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "eval.parquet"
    table = pa.table({"x": np.zeros(10_000)})
    pq.write_table(table, path, use_dictionary=False, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    (source,) = open_sources([path])
    with pytest.raises(DataError, match="the Parquet file is broken"):
        source.whole()
    source.close()


def test_parquet_and_csv_need_no_pandas(tmp_path: Path) -> None:
    open_column(tmp_path, [[1.0, None], [2.0, 3.0]]).close()
    (tmp_path / "eval.csv").write_text("a,b\n1,true\n,false\n")
    code = (
        "import sys\n"
        "from lossctl.data import open_sources\n"
        f"for source in open_sources(['{tmp_path}/eval.parquet#x', '{tmp_path}/eval.csv']):\n"
        "    source.read(0, 10)\n"
        "    source.close()\n"
        "print('pyarrow' in sys.modules, 'pandas' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"
