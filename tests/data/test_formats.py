"""Every format yields the same numbers, of the same dtype, from files and compressed files."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lossctl.data import open_sources
from lossctl.errors import DataError, LossctlError
from tests.support.source_files import (
    COMPRESSIONS,
    TABLES,
    TEXT_TABLES,
    TYPED_TABLES,
    encode,
    encode_array,
    equal_bits,
    read_in_blocks,
    read_in_pieces,
    write,
)

RANDOM = np.random.default_rng(8)
SCORES = RANDOM.normal(size=1000) * 10.0 ** RANDOM.integers(-300, 300, 1000)
LABELS = RANDOM.integers(-(2**62), 2**62, 1000)
COLUMNS = {"score": SCORES, "label": LABELS, "right": LABELS > 0}


@pytest.fixture(autouse=True, params=[900, 1 << 20], ids=["short pieces", "long pieces"])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, request.param)


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", TEXT_TABLES)
def test_text_files_plain_and_compressed(tmp_path: Path, kind: str, packed: str) -> None:
    content = encode(COLUMNS, kind)
    path = write(
        tmp_path / f"eval.{kind}{packed}",
        COMPRESSIONS[packed[1:]](content) if packed else content,
    )
    sources = open_sources([f"{path}#{name}" for name in COLUMNS])
    for source, values in zip(sources, COLUMNS.values(), strict=True):
        assert equal_bits(read_in_blocks(source), values)
        assert source.length == 1000


@pytest.mark.parametrize("kind", TYPED_TABLES)
def test_typed_files(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"eval.{kind}", encode(COLUMNS, kind))
    sources = open_sources([f"{path}#{name}" for name in COLUMNS])
    assert {source.length for source in sources} == {None if kind == "arrows" else 1000}
    assert [source.dtype for source in sources] == [array.dtype for array in COLUMNS.values()]
    for source, values in zip(sources, COLUMNS.values(), strict=True):
        assert equal_bits(read_in_blocks(source), values)
        assert source.length == 1000


@pytest.mark.parametrize("kind", TABLES)
def test_columns_as_a_matrix(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"eval.{kind}", encode({"p": SCORES, "q": SCORES[::-1]}, kind))
    expected = np.column_stack([SCORES, SCORES[::-1]])
    for reference in (path, f"{path}#p:q"):
        (source,) = open_sources([reference])
        assert source.trailing == (2,)
        assert equal_bits(read_in_blocks(source), expected)


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind not in ("csv", "tsv")])
def test_lists_are_matrices(tmp_path: Path, kind: str) -> None:
    lists = {"id": np.arange(250), "embedding": list(SCORES.reshape(250, 4))}
    path = write(tmp_path / f"eval.{kind}", encode(lists, kind))
    (source,) = open_sources([f"{path}#embedding"])
    assert source.trailing == (4,)
    assert str(source.place((3, 1))).endswith("column 'embedding', element 1")
    assert equal_bits(read_in_blocks(source, 11), SCORES.reshape(250, 4))


@pytest.mark.parametrize("kind", TABLES)
def test_missing_values_are_nan(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"eval.{kind}", encode({"p": [1, None, 3], "q": [0, 0, 0]}, kind))
    (source,) = open_sources([f"{path}#p"])
    assert np.array_equal(read_in_blocks(source), [1, np.nan, 3], equal_nan=True)


@pytest.mark.parametrize("kind", TABLES)
def test_whole_after_reading_starts_again(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"eval.{kind}", encode(COLUMNS, kind))
    score, label = open_sources([f"{path}#score", f"{path}#label"])
    score.read(500, 600)
    label.read(500, 600)
    assert equal_bits(score.whole(), SCORES)
    assert equal_bits(label.whole(), LABELS)
    score.close()
    label.close()


@pytest.mark.parametrize("kind", TABLES)
def test_counting_needs_no_whole_array(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"eval.{kind}", encode(COLUMNS, kind))
    (source,) = open_sources([f"{path}#score"])
    source.read(0, 10)
    assert source.count() == 1000
    assert source.length == 1000
    source.close()


@pytest.mark.parametrize("packed", COMPRESSIONS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_compressed_npy(tmp_path: Path, packed: str, order: Any) -> None:
    array = np.asarray(SCORES.reshape(250, 2, 2), order=order)
    path = write(tmp_path / f"x.npy.{packed}", COMPRESSIONS[packed](encode_array(array)))
    (source,) = open_sources([path])
    assert source.shape == (250, 2, 2)
    source.read(0, 10)
    assert equal_bits(source.whole(), array)
    assert equal_bits(read_in_blocks(source), array)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_what_needs_its_end_first_is_unpacked_to_a_file(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"x.{kind}.gz", gzip.compress(encode(COLUMNS, kind)))
    (source,) = open_sources([f"{path}#score"])
    assert equal_bits(read_in_blocks(source), SCORES)


DTYPES = ["uint8", "int8", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["npy", "npy.gz", *TYPED_TABLES])
def test_numbers_of_every_size_are_unharmed(tmp_path: Path, dtype: str, kind: str) -> None:
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    values = np.array([limits.max, 0, 1, limits.min, 3] * 40, dtype)
    array = kind.startswith("npy")
    content = encode_array(values) if array else encode({"x": values}, kind)
    content = gzip.compress(content) if kind.endswith(".gz") else content
    (source,) = open_sources([write(tmp_path / f"x.{kind}", content)])
    assert source.dtype == values.dtype
    assert equal_bits(read_in_blocks(source, 33), values)


def test_members_are_concatenated(tmp_path: Path) -> None:
    content = encode({"x": SCORES}, "csv")
    for name, pack in COMPRESSIONS.items():
        path = write(tmp_path / f"x.csv.{name}", pack(content[:5001]) + pack(content[5001:]))
        (source,) = open_sources([path])
        assert equal_bits(read_in_blocks(source), SCORES)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "npy", "arrows"])
@pytest.mark.parametrize(("packed", "damage"), [("gz", "cut"), ("gz", "flipped"), ("zst", "cut")])
def test_broken_compression(tmp_path: Path, packed: str, kind: str, damage: str) -> None:
    content = encode_array(SCORES) if kind == "npy" else encode({"x": SCORES}, kind)
    data = bytearray(COMPRESSIONS[packed](content))
    if damage == "cut":
        del data[len(data) // 2 :]
    else:
        data[-6] ^= 0xFF  # in the checksum, which pyarrow's zstd has not
    path = write(tmp_path / f"x.{kind}.{packed}", bytes(data))
    with pytest.raises(DataError, match=rf"x\.{kind}\.{packed}"):
        read_to_the_end(path)


def read_to_the_end(path: Path) -> None:
    """Open a file, read it and close it."""
    (source,) = open_sources([path])
    try:
        source.whole()
    finally:
        source.close()


def test_compressed_text_of_no_bytes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty: it has 0 bytes"):
        open_sources([write(tmp_path / "x.csv.gz", gzip.compress(b""))])


def test_the_line_of_a_bad_cell_in_a_compressed_file(tmp_path: Path) -> None:
    lines = "".join(f"{row}\n" for row in range(3000))
    text = f"x\n{lines}oops\n1\n".encode()
    for name, pack in COMPRESSIONS.items():
        path = write(tmp_path / f"x.csv.{name}", pack(text))
        with pytest.raises(DataError, match=r"row 3000 \(line 3002\): 'oops' is not a number"):
            read_to_the_end(path)
    (source,) = open_sources([write(tmp_path / "y.csv.gz", gzip.compress(text[:-7]))])
    read_in_blocks(source)
    assert str(source.place((2999,))) == "row 2999 (line 3001), column 'x'"


@pytest.mark.parametrize("kind", TYPED_TABLES)
def test_damaged_typed_files_never_surprise(tmp_path: Path, kind: str) -> None:
    lists = {"x": list(SCORES.reshape(250, 4)), "y": pa.array(SCORES[:250])}
    whole = encode(lists, kind, rows=100)
    chance = np.random.default_rng(4)
    path = tmp_path / f"x.{kind}"
    for cut in (len(whole) // 3, len(whole) - 9):
        path.write_bytes(whole[:cut])
        if kind != "arrows" or cut < len(whole) // 2:
            with pytest.raises(DataError, match="broken or cut off"):
                read_to_the_end(Path(f"{path}#x"))
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[chance.integers(8, len(whole))] = chance.integers(256)
        path.write_bytes(damaged)
        for name in ("x", "y"):
            try:
                read_to_the_end(Path(f"{path}#{name}"))
            except LossctlError:
                continue


@pytest.mark.parametrize(
    ("kind", "absent"),
    [("npy.gz", ["pyarrow", "pandas"])]
    + [(kind, ["pyarrow.compute", "pandas"]) for kind in ("csv", "jsonl", "feather")],
)
def test_what_is_slow_to_import_stays_away(tmp_path: Path, kind: str, absent: list[str]) -> None:
    array = kind == "npy.gz"
    content = gzip.compress(encode_array(SCORES)) if array else encode({"x": SCORES}, kind)
    path = write(tmp_path / f"x.{kind}", content)
    code = (
        "import sys\n"
        "from lossctl.data import open_sources\n"
        f"(source,) = open_sources([{str(path)!r}])\n"
        "source.read(0, 10)\n"
        "source.close()\n"
        f"print(set({absent!r}) & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
