"""Output files that appear whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from lossctl.errors import FileError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GZIP_LEVEL = 1
"""The digits of losses hardly pack: level 6 takes five times as long for 6 % less."""


class _Target(io.FileIO):
    """A file being written, whose refusals name the file that the user asked for."""

    def __init__(self, path: Path, mode: str, shown: str) -> None:
        self.shown = shown
        super().__init__(path, mode)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and say which file could not be written."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _refusal(self.shown, error) from error

    def close(self) -> None:
        """Close; some file systems say only now that the disk is full."""
        try:
            super().close()
        except OSError as error:
            raise _refusal(self.shown, error) from error


@contextmanager
def open_binary(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when all of it is there.

    The bytes go to a temporary file in the same directory, which is renamed at the end, or
    removed if anything went wrong; a file that was there before stays as it was until then.
    Devices and named pipes are written to directly.
    """
    shown = fspath(path)
    target = _find_target(shown)
    if target.exists() and not target.is_file():
        with io.BufferedWriter(_open_target(target, "w", shown)) as file:
            yield cast("BinaryIO", file)
        return
    # Short, because the target's own name may be as long as the file system allows.
    temporary = target.with_name(f".lossctl-{secrets.token_hex(8)}.part")
    try:
        with io.BufferedWriter(_open_target(temporary, "x", shown)) as file:
            yield cast("BinaryIO", file)
        try:
            temporary.replace(target)
        except OSError as error:
            raise _refusal(shown, error) from error
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def open_text(path: str | PathLike[str], compression: str | None = None) -> Iterator[TextIO]:
    """Open a UTF-8 text file like `open_binary`, through gzip or Zstandard if asked to."""
    with (
        open_binary(path) as file,
        _compress(file, compression) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text


@contextmanager
def _compress(file: BinaryIO, compression: str | None) -> Iterator[BinaryIO]:
    """Wrap the file in a compressor. The bytes do not depend on the time or the file's name."""
    if compression == "gz":
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            yield cast("BinaryIO", packed)
    elif compression == "zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(file, "zstd") as packed:
            yield packed
    else:
        yield file


def _find_target(shown: str) -> Path:
    """Return the path to write to, or say why the system would refuse it."""
    try:
        mode = Path(shown).stat().st_mode
    except FileNotFoundError:
        return _check_directory(Path(shown).resolve(), shown)
    except OSError as error:
        raise _refusal(shown, error) from error
    if stat.S_ISDIR(mode):
        raise FileError(f"{shown}: cannot be written: it is a directory", "Name a file in it.")
    if not os.access(shown, os.W_OK):
        raise FileError(f"{shown}: cannot be written: the file is protected (read-only)")
    # Through a link to the file behind it, so that the link stays a link; a device or pipe as it is
    # named, since what /dev/stdout links to need not have a path.
    return Path(shown).resolve() if stat.S_ISREG(mode) else Path(shown)


def _check_directory(target: Path, shown: str) -> Path:
    """Return the target if the directory for it exists."""
    if not target.parent.is_dir():
        raise FileError(
            f"{shown}: cannot be written: there is no directory {Path(shown).parent}",
            "Create the directory, or name another file.",
        )
    return target


def _open_target(path: Path, mode: str, shown: str) -> _Target:
    try:
        return _Target(path, mode, shown)
    except OSError as error:
        raise _refusal(shown, error) from error


def _remove(temporary: Path) -> None:
    """Remove what was begun; the reason for the failure matters more than one to remove it."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return


def _refusal(shown: str, error: OSError) -> FileError:
    return FileError(f"{shown}: cannot be written: {error.strerror or error}")
