"""Readers where memory is short: flat memory for large files, and files that cannot be mapped."""

from __future__ import annotations

import mmap
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.source import ArraySource
from lossctl.data.arrays.views import ReshapedSource, SqueezedSource
from lossctl.data.formats import npy
from lossctl.data.formats.npy import FileSource
from lossctl.data.streams import spool as spools
from tests.support.peak_memory import measure_peak
from tests.support.source_files import (
    encode,
    encode_array,
    equal_bits,
    read_in_blocks,
    read_in_pieces,
    write,
)

NUMBERS = np.random.default_rng(5).normal(size=(101, 3, 2))
ALLOWED = 200 << 20


@pytest.fixture
def _no_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse every map, as where the address space is limited."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)


@pytest.mark.usefixtures("_no_maps")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "u1", "?"])
def test_npy_without_a_map(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(NUMBERS * 10, dtype=dtype, order=order)
    path = write(tmp_path / "x.npy", encode_array(array))
    (source,) = open_sources([path])
    assert isinstance(source, FileSource)
    assert (source.shape, source.dtype) == (array.shape, array.dtype)
    assert equal_bits(source.whole(), array)
    assert len(source.read(200, 300)) == 0
    read = read_in_blocks(source, 7)
    assert np.array_equal(read, array)


@pytest.mark.usefixtures("_no_maps")
def test_one_number_and_bfloat16_without_a_map(tmp_path: Path) -> None:
    exact = np.array([[1.0, -2.5, 3.140625], [4.0, 0.0, 1e-40]], np.float32)
    stored = (exact.view(np.uint32) >> 16).astype(np.uint16).view("V2")
    one = write(tmp_path / "one.npy", encode_array(np.float32(2.5)))
    half = write(tmp_path / "half.npy", encode_array(stored))
    number, numbers = open_sources([one, half])
    with closing(number), closing(numbers):
        assert float(number.whole()) == 2.5
        assert numbers.dtype == np.float32
        assert np.array_equal(numbers.read(0, 1), exact[:1])


@pytest.mark.parametrize("rows", [1, 7, 50, 200])
def test_many_columns_one_after_another(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.asfortranarray(np.random.default_rng(3).normal(size=(101, 4, 50)))
    path = write(tmp_path / "x.npy", encode_array(array))
    monkeypatch.setattr(npy, "WINDOW_BYTES", array[:20].nbytes)
    (source,) = open_sources([path])
    assert isinstance(source, FileSource)
    assert equal_bits(source.whole(), array)
    assert equal_bits(read_in_blocks(source, rows), array)
    monkeypatch.setattr(spools, "LARGE_BYTES", 1000)
    (source,) = open_sources([path])
    assert not isinstance(source, FileSource)
    source.close()


BOXES = [
    (slice(1, 3), slice(0, 4), slice(0, 5)),
    (slice(2, 3), slice(1, 3), slice(0, 5)),
    (slice(0, 3), slice(3, 4), slice(2, 4)),
    (slice(0, 3), slice(0, 4), slice(0, 5)),
    (slice(0, 3), slice(0, 4), slice(1, 2)),
]


@pytest.fixture
def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of how many bytes were read from arrays that are not mapped."""
    seen: list[int] = []
    read_into = FileSource._read_into

    def note(self: FileSource, array: Any, first: int) -> None:
        seen.append(array.nbytes)
        read_into(self, array, first)

    monkeypatch.setattr(FileSource, "_read_into", note)
    return seen


@pytest.mark.usefixtures("_no_maps")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("box", BOXES)
def test_a_box_of_a_row_without_a_map(
    tmp_path: Path, order: Any, box: tuple[slice, ...], read_bytes: list[int]
) -> None:
    array = np.asarray(np.random.default_rng(3).normal(size=(7, 3, 4, 5)), order=order)
    (source,) = open_sources([write(tmp_path / "x.npy", encode_array(array))])
    with closing(source):
        expected = array[(slice(2, 4), *box)]
        assert equal_bits(source.read_box(2, 4, box), expected)
        if order == "C":
            assert sum(read_bytes) == expected.nbytes
        assert len(source.read_box(6, 9, box)) == 1


def test_a_box_of_other_sources(tmp_path: Path) -> None:
    array = np.random.default_rng(3).normal(size=(6, 1, 4, 5))
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", array[2 * number : 2 * number + 2])
    (source,) = open_sources([f"{tmp_path}/*.npy"])
    box = (slice(0, 1), slice(1, 3), slice(0, 5))
    with closing(source):
        for start, stop in ((0, 1), (3, 4), (1, 4)):
            expected = array[(slice(start, stop), *box)]
            assert equal_bits(source.read_box(start, stop, box), expected)
            squeezed = SqueezedSource(source).read_box(start, stop, box[1:])
            assert equal_bits(squeezed, expected[:, 0])


@pytest.mark.parametrize(
    ("shape", "axis", "box", "cut"),
    [
        ((4, 3, 1, 6, 1), 4, (slice(1, 3), slice(0, 1), slice(2, 5)), np.s_[:, 1:3, :, 2:5, 0]),
        ((4, 1, 6), 1, (slice(2, 5),), np.s_[:, 0, 2:5]),
        ((4,), None, (slice(0, 1),), np.s_[:, np.newaxis]),
    ],
)
def test_a_box_of_a_source_with_another_number_of_axes(
    shape: tuple[int, ...], axis: int | None, box: tuple[slice, ...], cut: Any
) -> None:
    array = np.random.default_rng(3).normal(size=shape)
    found = ReshapedSource(ArraySource("x", array), axis).read_box(1, 3, box)
    assert equal_bits(found, array[cut][1:3])


@pytest.mark.usefixtures("_no_maps")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "feather", "arrows", "lz4.feather"])
def test_tables_without_a_map(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, 300)
    values = NUMBERS.reshape(-1)
    path = write(tmp_path / f"x.{kind}", encode({"x": values}, kind))
    (source,) = open_sources([path])
    assert equal_bits(read_in_blocks(source), values)


@pytest.fixture(scope="module")
def start() -> int:
    """Return the memory of a process that does nothing."""
    return measure_peak("--version")


def write_large(directory: Path, kind: str) -> tuple[str, str]:
    """Write two columns of more than ALLOWED bytes each, most of them zeros."""
    rows = (ALLOWED * 5 // 4) // 8
    match kind:
        case "npy":
            for name in ("p.npy", "t.npy"):
                np.lib.format.open_memmap(directory / name, "w+", np.float64, (rows,))
            return str(directory / "p.npy"), str(directory / "t.npy")
        case "csv":
            text = b"0.123456789,0.12345678\n" * 100_000
            with (directory / "x.csv").open("wb") as file:
                file.write(b"p,t\n")
                file.writelines(text for _ in range(rows // 200_000))
        case "parquet":
            zeros = np.zeros(rows)
            pq.write_table(pa.table({"p": zeros, "t": zeros}), directory / "x.parquet")
        case "arrow":
            zeros = np.zeros(rows)
            table = pa.table({"p": zeros, "t": zeros})
            with pa.ipc.new_file(directory / "x.arrow", table.schema) as writer:
                writer.write_table(table)
    return f"{directory}/x.{kind}#p", f"{directory}/x.{kind}#t"


@pytest.mark.parametrize("kind", ["npy", "csv", "parquet", "arrow"])
def test_memory_is_flat(tmp_path: Path, kind: str, start: int) -> None:
    first, second = write_large(tmp_path, kind)
    try:
        assert measure_peak("compute", "mse", first, second, "-f", "value") < start + ALLOWED
    finally:
        shutil.rmtree(tmp_path)
