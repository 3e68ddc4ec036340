"""What is too large to be held goes through temporary files, and comes out of them unharmed."""

from __future__ import annotations

import gc
import io
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.cells import Cells
from lossctl.data.formats import parquet as parquet_tables
from lossctl.data.formats.arrow_batches import count_buffers
from lossctl.data.formats.arrow_messages import CONTINUATION, Message
from lossctl.data.streams import spool as spools
from lossctl.data.streams.spool import Spool
from lossctl.data.tables import column_spool
from lossctl.data.tables import typed as typed_tables
from lossctl.data.tables.column_spool import ColumnSpool
from lossctl.errors import DataError, FileError, LossctlError
from tests.support.source_files import equal_bits, list_open_files, read_in_blocks, write
from tests.support.standard_input import standard_input

CHANCE = np.random.default_rng(8)
ROWS = 3000


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See that no temporary file is left behind, and none is still open."""
    directory = tmp_path / "spool"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    yield
    gc.collect()  # errors hold what was mapped when they were raised
    assert list(directory.iterdir()) == []
    assert not [path for path in list_open_files() if path.is_relative_to(directory)]


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Spool whatever is larger than 500 bytes; return a list of the sizes of the spools."""
    sizes: list[int] = []
    mapping = Spool.map

    def note(self: Spool) -> Any:
        sizes.append(self.size)
        return mapping(self)

    monkeypatch.setattr(Spool, "map", note)
    monkeypatch.setattr(spools, "LARGE_BYTES", 500)
    monkeypatch.setattr(column_spool, "RELEASE_BYTES", 2000)
    monkeypatch.setattr(typed_tables, "PIECE_BYTES", 3000)
    monkeypatch.setattr(parquet_tables, "SPOOLED_BYTES", 1000)
    monkeypatch.setattr(parquet_tables, "COLUMN_BYTES", 500)
    monkeypatch.setattr(parquet_tables, "COLUMNS_AT_ONCE", 2)
    return sizes


def make_table() -> pa.Table:
    """Return columns of many types, numbers and others, some with missing values."""
    numbers = np.round(CHANCE.normal(size=ROWS), 2)
    missing = numbers < -1
    lists = pa.array(list(numbers.reshape(-1, 1) * [1, 2, 3]))
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(CHANCE.normal(size=(ROWS, 2, 3)))
    texts = pa.array([f"row {row}" for row in range(ROWS)])
    return pa.table(
        {
            "f8": numbers,
            "nothing": pa.nulls(ROWS),
            "text": texts,
            "f4": numbers.astype(np.float32),
            "f8 missing": pa.array(numbers, mask=missing),
            "struct": pa.StructArray.from_arrays([texts, lists], ["a", "b"]),
            "i4": np.arange(ROWS, dtype=np.int32) % 100,
            "i8 missing": pa.array(np.arange(ROWS), mask=np.arange(ROWS) % 1000 < 10),
            "bool": numbers > 0,
            "zeros": np.zeros(ROWS),
            "dictionary": pa.array(np.arange(ROWS) % 7 * 0.5).dictionary_encode(),
            "list": lists,
            "fixed": lists.cast(pa.list_(pa.float64(), 3)),
            "tensor": tensors,
            "u1": (np.arange(ROWS) % 200).astype(np.uint8),
        }
    )


NUMBERS = (
    "f8", "f4", "f8 missing", "i4", "i8 missing", "bool", "zeros", "dictionary", "list", "fixed",
    "tensor", "u1",
)  # fmt: skip
TABLE = make_table()


def encode_batches(table: pa.Table, kind: str, codec: str | None, rows: int) -> bytes:
    """Return an Arrow file or stream of batches of so many rows."""
    sink = io.BytesIO()
    opened = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with opened(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def expect(name: str) -> Any:
    """Return a column as an array of floats, with NaN for what is missing."""
    values = TABLE[name].combine_chunks()
    if name == "tensor":
        return values.to_numpy_ndarray()
    return np.array(values.to_pylist(), float)


def check_columns(reference: str) -> None:
    """Read all columns of numbers, and one of texts, side by side in blocks; compare them."""
    names = [*NUMBERS, "text"]
    *sources, texts = open_sources([f"{reference}#{name}" for name in names], [len(NUMBERS)])
    parts: list[list[Any]] = [[] for _ in sources]
    read: list[str] = []
    for start in range(0, ROWS, 700):
        for found, source in zip(parts, sources, strict=True):
            found.append(source.read(start, start + 700))
        cells: Any = texts.read(start, start + 700)
        read += cells.values()
    assert read == TABLE["text"].to_pylist()
    texts.close()
    for name, found, source in zip(NUMBERS, parts, sources, strict=True):
        assert np.array_equal(np.concatenate(found), expect(name), equal_nan=True), name
        source.close()


@pytest.mark.parametrize("rows", [ROWS, 1300])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_large_batches(
    tmp_path: Path, kind: str, codec: str | None, rows: int, spooled: list[int]
) -> None:
    content = encode_batches(TABLE, kind, codec, rows)
    path = write(tmp_path / f"x.{kind}", content)
    check_columns(str(path))
    assert len(spooled) == (0 if codec is None else -(-ROWS // rows))
    spooled.clear()
    with standard_input(content):
        check_columns("-")
    if kind == "arrows":
        assert len(spooled) == -(-ROWS // rows)


@pytest.mark.parametrize("rows", [ROWS, 1300])
@pytest.mark.parametrize("codec", ["NONE", "SNAPPY"])
def test_large_row_groups(tmp_path: Path, codec: str, rows: int, spooled: list[int]) -> None:
    pq.write_table(TABLE, tmp_path / "x.parquet", row_group_size=rows, compression=codec)
    check_columns(f"{tmp_path}/x.parquet")
    assert len(spooled) == -(-ROWS // rows)


def test_only_what_is_asked_for_is_decompressed(tmp_path: Path, spooled: list[int]) -> None:
    write(tmp_path / "x.arrow", encode_batches(TABLE, "arrow", "lz4", ROWS))
    (source,) = open_sources([f"{tmp_path}/x.arrow#f4"])
    assert equal_bits(read_in_blocks(source), TABLE["f4"].to_numpy())
    (size,) = spooled
    assert ROWS * 4 < size < ROWS * 8


def test_small_batches_are_not_spooled(tmp_path: Path, spooled: list[int]) -> None:
    write(tmp_path / "x.arrow", encode_batches(TABLE.select(["f8"]), "arrow", "lz4", 50))
    (source,) = open_sources([tmp_path / "x.arrow"])
    assert equal_bits(read_in_blocks(source), TABLE["f8"].to_numpy())
    assert not spooled


def test_a_small_body_that_grows_is_spooled(tmp_path: Path, spooled: list[int]) -> None:
    content = encode_batches(pa.table({"x": np.zeros(ROWS)}), "arrow", "zstd", ROWS)
    assert len(content) < 1500
    (source,) = open_sources([write(tmp_path / "x.arrow", content)])
    assert equal_bits(read_in_blocks(source), np.zeros(ROWS))
    assert len(spooled) == 1


def test_types_whose_buffers_cannot_be_told_apart(tmp_path: Path, spooled: list[int]) -> None:
    texts = pa.array([f"a text of more than twelve letters {row}" for row in range(ROWS)])
    table = pa.table({"text": texts.cast(pa.string_view()), "x": TABLE["f8"]})
    write(tmp_path / "x.arrow", encode_batches(table, "arrow", "lz4", ROWS))
    (source,) = open_sources([f"{tmp_path}/x.arrow#x"])
    assert equal_bits(read_in_blocks(source), TABLE["f8"].to_numpy())
    assert spooled


@pytest.mark.parametrize(
    "column",
    [
        *TABLE.columns,
        pa.array([1, 1, 2]),
        pa.array([[1]], pa.list_view(pa.int8())),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([b"a"]),
        pa.array(["a"], pa.large_string()),
        pa.array([1], pa.timestamp("s")),
        pa.array([1], pa.decimal128(5)),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        pa.UnionArray.from_dense(
            pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]
        ),
        pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1])),
    ],
    ids=lambda column: str(column.type)[:30],
)
def test_counts_of_buffers(column: Any) -> None:
    sink = io.BytesIO()
    table = pa.table({"x": column})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    sink.seek(0)
    messages = list(pa.ipc.MessageReader.open_stream(sink))
    head = Message(messages[-1].metadata.to_pybytes())
    assert len(head.buffers) == count_buffers(table.schema.field("x").type)
    assert (head.rows, head.size) == (len(column), messages[-1].body.size)


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_damaged_large_batches_never_surprise(
    tmp_path: Path, kind: str, codec: str | None, spooled: list[int]
) -> None:
    whole = encode_batches(TABLE.select(["i4", "list", "dictionary"]), kind, codec, 1300)
    refused = 0
    places = [
        *range(0, 900, 7),
        *CHANCE.integers(0, len(whole), 100),
        *range(len(whole) - 300, len(whole), 11),
    ]
    for place in map(int, places):
        for damaged in (whole[:place], whole[:place] + b"\xf3" + whole[place + 1 :]):
            write(tmp_path / f"x.{kind}", damaged)
            try:
                sources = open_sources([f"{tmp_path}/x.{kind}#{name}" for name in ("i4", "list")])
            except LossctlError:
                refused += 1
                continue
            with suppress(DataError):
                for source in sources:
                    read_in_blocks(source, 1000)
            for source in sources:
                source.close()
    assert refused > 20


def test_a_stream_that_ends_within_a_batch(spooled: list[int]) -> None:
    content = encode_batches(TABLE.select(["f8"]), "arrows", None, ROWS)
    for cut in (len(content) - 20, len(content) // 2, 400):
        with standard_input(content[:cut]), pytest.raises(DataError, match="broken or cut off"):
            (source,) = open_sources(["-"])
            with closing(source):
                read_in_blocks(source)
    with standard_input(content[: -len(CONTINUATION) * 2]):  # the mark of the end may be missing
        (source,) = open_sources(["-"])
        assert len(read_in_blocks(source)) == ROWS
    assert spooled


def test_spools_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SPOOL_BYTES", 100)
    with closing(Spool(Path("x.arrow"), "Arrow with large batches", "Write less")) as spool:
        spool.append(bytes(100))
        with pytest.raises(
            FileError, match=r"x.arrow is Arrow with .* larger than .* GiB"
        ) as caught:
            spool.append(b"1")
    assert caught.value.remedy == "Write less."


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
    for size in (3, 3 << 20):
        with (
            closing(Spool(Path("x"), "large")) as spool,
            pytest.raises(FileError, match=r"x: could not be copied .*: No space left on device"),
        ):
            spool.append(bytes(size))
            spool.map()


def test_columns_of_a_spool_come_side_by_side() -> None:
    with closing(Spool(Path("x"), "large")) as spool:
        columns = ColumnSpool(spool)
        for start, stop in ((0, 40), (40, 40), (40, 100)):
            columns.add(3, np.arange(start, stop))
        for start, stop in ((0, 70), (70, 100)):
            columns.add(1, np.arange(start * 2, stop * 2, dtype=np.uint8).reshape(-1, 2))
            columns.add(2, Cells(pa.array([f"r{row}" for row in range(start, stop)])))
        pieces = list(columns.pieces(500))
    assert [len(piece[3]) for piece in pieces] == [len(piece[1]) for piece in pieces]
    assert equal_bits(np.concatenate([piece[3] for piece in pieces]), np.arange(100))
    texts = [text for piece in pieces for text in piece[2].values()]
    assert texts == [f"r{row}" for row in range(100)]
    last = np.arange(200, dtype=np.uint8).reshape(-1, 2)
    assert equal_bits(np.concatenate([piece[1] for piece in pieces]), last)
    del pieces
