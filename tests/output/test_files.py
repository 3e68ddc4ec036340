"""Output files appear whole or not at all."""

from __future__ import annotations

import gzip
import os
import resource
import stat
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from lossctl.errors import FileError
from lossctl.output.files.files import open_binary, open_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def list_names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield size
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_file_appears_at_the_end_with_ordinary_permissions(tmp_path: Path) -> None:
    target = tmp_path / "losses.csv"
    before = os.umask(0o027)
    try:
        with open_binary(target) as file:
            file.write(b"loss\n")
            assert not target.exists()
    finally:
        os.umask(before)
    assert target.read_bytes() == b"loss\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list_names(tmp_path) == ["losses.csv"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, FileError])
def test_failure_keeps_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "losses.csv"
    target.write_text("before")
    with pytest.raises(failure), open_text(target) as file:
        file.write("half")
        raise failure("stop")
    assert target.read_text() == "before"
    assert list_names(tmp_path) == ["losses.csv"]


@pytest.mark.parametrize("compression", [None, "gz", "zst"])
def test_failure_leaves_nothing(tmp_path: Path, compression: str | None) -> None:
    with pytest.raises(KeyboardInterrupt), open_text(tmp_path / "losses.csv", compression) as file:
        file.write("half" * 100_000)
        raise KeyboardInterrupt
    assert list_names(tmp_path) == []


def test_full_disk_is_an_error_that_names_the_file(tmp_path: Path, small_files: int) -> None:
    target = tmp_path / "losses.csv"
    with (
        pytest.raises(FileError, match=r"losses\.csv: cannot be written: File too large"),
        open_text(target) as file,
    ):
        for _ in range(100):
            file.write("0" * (small_files // 10))
    assert list_names(tmp_path) == []


def test_full_device_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "full.csv"
    target.symlink_to("/dev/full")
    with pytest.raises(FileError, match=r"full\.csv.*No space left"), open_text(target) as file:
        file.write("loss\n")
    assert target.is_symlink()


def test_device_stays_a_device(tmp_path: Path) -> None:
    target = tmp_path / "null.csv"
    target.symlink_to(os.devnull)
    with open_text(target) as file:
        file.write("loss\n")
    assert target.is_char_device()


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    behind = tmp_path / "real" / "losses.csv"
    behind.write_text("before")
    link = tmp_path / "link.csv"
    link.symlink_to(behind)
    with open_text(link) as file:
        file.write("after")
    assert link.is_symlink()
    assert behind.read_text() == "after"
    assert list_names(tmp_path / "real") == ["losses.csv"]


def test_missing_directory_is_named(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "losses.csv"
    with pytest.raises(FileError) as caught, open_binary(target):
        pytest.fail("the file must not be opened")
    assert f"there is no directory {target.parent}" in caught.value.message
    assert "Create the directory" in caught.value.remedy


def test_directory_as_target(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory"), open_binary(tmp_path):
        pytest.fail("the file must not be opened")


def test_file_as_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileError, match="Not a directory"),
        open_binary(tmp_path / "file" / "losses.csv"),
    ):
        pytest.fail("the file must not be opened")


def test_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "losses.csv"
    target.write_text("before")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(FileError, match="read-only"), open_binary(target):
        pytest.fail("the file must not be opened")
    assert target.read_text() == "before"


def test_longest_name(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".csv")
    with open_text(target) as file:
        file.write("loss\n")
    assert target.read_text() == "loss\n"


def test_compressed_text(tmp_path: Path) -> None:
    text = "Σ\n" * 1000
    for name in ("a", "b"):
        for compression in ("gz", "zst"):
            with open_text(tmp_path / f"{name}.{compression}", compression) as file:
                file.write(text)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()).decode() == text
    with pa.input_stream(str(tmp_path / "a.zst"), compression="zstd") as packed:
        assert packed.read().decode() == text
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    # Bytes 4 to 8 of the format hold a time.
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)


def test_closed_pipe_is_left_to_the_caller(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    target = tmp_path / "pipe.csv"
    target.symlink_to(f"/dev/fd/{writing}")
    try:
        with pytest.raises(OSError, match=r".") as caught, open_text(target) as file:
            file.write("loss\n")
    finally:
        os.close(writing)
    assert isinstance(caught.value, BrokenPipeError)
