"""NPY and NPZ files as sources."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl.data import ArraySource, open_sources
from lossctl.data.arrays.source import Array, Source
from lossctl.data.formats import npy as npy_module
from lossctl.errors import DataError, FileError, LossctlError, UsageError

NUMBERS = np.random.default_rng(5).normal(size=(101, 3, 2))


def open_one(reference: object) -> Source:
    """Open one source."""
    (source,) = open_sources([reference])
    return source


def read_in_blocks(source: Source, rows: int) -> Array:
    """Read a source to its end."""
    blocks = [source.read(0, rows)]
    while len(blocks[-1]) == rows:
        blocks.append(source.read(len(blocks) * rows, (len(blocks) + 1) * rows))
    return np.concatenate(blocks)


def save_header(path: Path, header: str, data: bytes, version: bytes = b"\x01\x00") -> Path:
    """Write an NPY file whose header says what it likes."""
    text = header.encode() + b"\n"
    width = 2 if version == b"\x01\x00" else 4
    path.write_bytes(b"\x93NUMPY" + version + len(text).to_bytes(width, "little") + text + data)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "f2", ">i4", "u1", "i8", "?"])
def test_npy_yields_its_rows(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(NUMBERS * 10, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    source = open_one(tmp_path / "x.npy")
    assert isinstance(source, ArraySource)
    assert (source.length, source.trailing) == (101, (3, 2))
    assert source.shape == array.shape
    assert source.dtype == array.dtype
    assert not source.text
    assert np.array_equal(read_in_blocks(source, 7), array)
    assert np.array_equal(source.whole(), array)
    assert str(source.place((4, 2, 1))) == "row 4, position (2, 1)"


def test_npy_is_mapped_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(1000))
    source = open_one(str(tmp_path / "x.npy"))
    assert isinstance(source, ArraySource)
    assert type(source.array) is np.ndarray
    assert not source.array.flags.owndata
    assert not source.array.flags.writeable
    assert np.shares_memory(source.read(10, 20), source.array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_of_every_version(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, NUMBERS, version=version)
    assert np.array_equal(open_one(tmp_path / "x.npy").whole(), NUMBERS)


def test_npy_of_one_number_and_of_none(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.float32(2.5))
    np.save(tmp_path / "none.npy", np.empty((0, 4)))
    one, none = open_sources([tmp_path / "one.npy", tmp_path / "none.npy"])
    assert (one.scalar, one.length, one.shape, float(one.whole())) == (True, 1, (), 2.5)
    assert str(one.place(())).endswith("only element")
    assert (none.length, none.trailing, none.read(0, 9).shape) == (0, (4,), (0, 4))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("stream", [False, True])
def test_bfloat16_becomes_float32_exactly(tmp_path: Path, order: Any, stream: bool) -> None:
    exact = np.array([[1.0, -2.5, 3.140625], [np.inf, np.nan, 1e-40]], np.float32)
    bits = (exact.view(np.uint32) >> 16).astype(np.uint16)
    stored = np.asarray(bits, order=order).view("V2")
    path = tmp_path / ("x.npz" if stream else "x.npy")
    if stream:
        np.savez_compressed(path, x=stored)
    else:
        np.save(path, stored)
    expected = (bits.astype(np.uint32) << 16).view(np.float32)
    source = open_one(path)
    assert source.dtype == np.float32
    assert np.array_equal(source.read(0, 1), expected[:1], equal_nan=True)
    assert np.array_equal(source.whole(), expected, equal_nan=True)
    source.close()


REFUSED = [
    (np.array([1 + 2j]), "complex128", "real part"),
    (np.array(["a", "b"]), "<U1", "indices"),
    (np.array([b"a"]), "|S1", "indices"),
    (np.array([{}, 1], object), "object", "pickle can run code"),
    (np.zeros(2, "M8[s]"), "datetime64", "seconds"),
    (np.zeros(2, [("score", "f4"), ("id", "i4")]), "fields score, id", "array of its own"),
    (np.zeros(2, "V1"), "V1", "float32"),
]


@pytest.mark.parametrize(("array", "what", "remedy"), REFUSED)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_dtypes_that_are_not_numbers(
    tmp_path: Path, array: Array, what: str, remedy: str, suffix: str
) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, x=array)
    with pytest.raises(DataError) as caught:
        open_sources([path])
    assert what in caught.value.message
    assert path.name in caught.value.message
    assert remedy in str(caught.value)


def test_pickles_are_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(DataError, match="pickle can run code"):
        open_sources([tmp_path / "x.npy"])
    assert not (tmp_path / "sprung").exists()


def test_cut_off_npy_says_how_much_is_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((10, 3)))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"cut off.*\(10, 3\) of float64, 240 bytes, but 239"):
        open_sources([tmp_path / "x.npy"])
    (tmp_path / "x.npy").write_bytes(whole[:60])
    for size in (60, 9, 7):
        (tmp_path / "x.npy").write_bytes(whole[:size])
        with pytest.raises(DataError, match=f"cut off: .* within its NPY header, after {size} b"):
            open_sources([tmp_path / "x.npy"])


def test_wrong_beginning_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"hello, world")
    with pytest.raises(DataError) as caught:
        open_sources([tmp_path / "x.npy"])
    assert r"\x93NUMPY" in caught.value.message
    assert "hello, w" in caught.value.message
    (tmp_path / "y.npz").write_bytes(b"\0\1\2")
    with pytest.raises(DataError, match="is not an NPZ file"):
        open_sources([tmp_path / "y.npz"])


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", r"a shape of \(-1,\)"),
        ("{'descr': '<f8', 'fortran_order': False}", "lacks shape"),
        ("{'fortran_order': False}", "lacks descr and shape"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,}", "does not describe an array"),
        ("{'descr': '<f8', 'fortran_order': 3, 'shape': (1,)}", "is 3, neither True nor False"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,)}", r"shape \(1\.5,\) is not"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': [1]}", r"shape \[1\] is not a tuple"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", "has other keys than"),
        ("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}", "dtype 'nonsense' is no"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (10, 99999999999999999)}", "cut off"),
        ("__import__('os')", "does not describe an array"),
        ("[1]", "does not describe an array"),
        ("", "does not describe an array"),
        (f"{{{' ' * 20_000}}}", "claims to be 20,003 bytes long"),
    ],
)
def test_broken_headers(tmp_path: Path, header: str, what: str) -> None:
    with pytest.raises(DataError, match=rf"x\.npy.*{what}"):
        open_sources([save_header(tmp_path / "x.npy", header, b"\0" * 80)])


def test_versions_that_are_not_known(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content.replace(b"\x93NUMPY\1\0", b"\x93NUMPY\7\1"))
    with pytest.raises(DataError, match=r"version 7\.1 of the format is not supported"):
        open_sources([tmp_path / "x.npy"])


def test_content_counts_before_the_suffix(tmp_path: Path) -> None:
    with (tmp_path / "numbers.csv").open("wb") as file:
        np.save(file, NUMBERS)
    assert np.array_equal(open_one(tmp_path / "numbers.csv").whole(), NUMBERS)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95abc", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x00\x01\x02", "unrecognised format"),
        (b"", "is empty"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(DataError, match=what):
        open_sources([tmp_path / "x.bin"])


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "preds.npy", NUMBERS)
    with pytest.raises(FileError, match=r"(?s)perds.npy: there is no such file.*preds.npy"):
        open_sources([tmp_path / "perds.npy"])
    with pytest.raises(FileError, match="does not exist"):
        open_sources([tmp_path / "absent" / "x.npy"])
    with pytest.raises(FileError, match="no such file"):
        open_sources([tmp_path / "preds.npy" / "x.npy"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_files_without_permission(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", NUMBERS)
    (tmp_path / "x.npy").chmod(0)
    with pytest.raises(FileError, match="permission"):
        open_sources([tmp_path / "x.npy"])


def test_permission_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match=r"x.npy: no permission"):
        open_sources([tmp_path / "x.npy"])


def test_npy_has_no_columns(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", NUMBERS)
    with pytest.raises(UsageError, match="no columns"):
        open_sources([f"{tmp_path}/x.npy#logits"])


def test_released_rows_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy_module, "RELEASE_BYTES", 1)
    array = np.arange(60_000.0).reshape(20_000, 3)
    for order in "CF":
        np.save(tmp_path / "x.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
        source = open_one(tmp_path / "x.npy")
        for start in range(0, 20_000, 5_000):
            assert np.array_equal(source.read(start, start + 5_000), array[start : start + 5_000])
            source.release(start + 5_000)
        assert np.array_equal(source.whole(), array)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_out_of_a_pipe(tmp_path: Path, order: Any) -> None:
    np.save(tmp_path / "x.npy", np.asarray(NUMBERS, order=order))
    os.mkfifo(tmp_path / "pipe")
    content = (tmp_path / "x.npy").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    source = open_one(tmp_path / "pipe")
    assert np.array_equal(read_in_blocks(source, 10), NUMBERS)
    source.close()
    writer.join()


def test_a_stream_skips_and_starts_again(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=NUMBERS)
    source = open_one(tmp_path / "x.npz")
    assert np.array_equal(source.read(50, 60), NUMBERS[50:60])
    assert np.array_equal(source.read(55, 61), NUMBERS[55:61])
    assert len(source.read(101, 110)) == 0
    assert np.array_equal(source.whole(), NUMBERS)
    source.close()


def test_npy_needs_neither_pyarrow_nor_pandas(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", NUMBERS)
    np.savez(tmp_path / "x.npz", x=NUMBERS)
    code = (
        "import sys\n"
        "from lossctl.data import open_sources, load_array\n"
        f"for source in open_sources([{str(tmp_path / 'x.npy')!r}, {str(tmp_path / 'x.npz')!r}]):\n"
        "    source.read(0, 10)\n"
        "load_array('0.5,1.5')\n"
        "print({'pyarrow', 'pandas', 'torch', 'rich', 'typer'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_never_surprise(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    np.save(tmp_path / "x.npy", NUMBERS[:5])
    np.savez_compressed(tmp_path / "x.npz", x=NUMBERS[:5])
    for path in (tmp_path / "x.npy", tmp_path / "x.npz"):
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
            for _ in range(chance.choice([1, 5]) if damaged else 0):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            path.write_bytes(damaged)
            try:
                (source,) = open_sources([path])
            except LossctlError:
                continue
            try:
                source.whole()
            except DataError:
                pass
            finally:
                source.close()
