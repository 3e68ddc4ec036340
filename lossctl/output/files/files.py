"""Output files that appear complete or not at all."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from lossctl.errors import FileError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GZIP_LEVEL = 1
"""Digits of losses hardly compress: level 6 takes five times as long for 6 % less."""


class _Target(io.FileIO):
    """A file being written, whose errors name the file that the user asked for."""

    def __init__(self, path: Path | int, mode: str, shown: str) -> None:
        self.shown = shown
        super().__init__(path, mode)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write; an error names the file."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _refusal(self.shown, error) from error

    def close(self) -> None:
        """Close; some file systems report a full disk only now."""
        try:
            super().close()
        except OSError as error:
            raise _refusal(self.shown, error) from error


class Pipe(io.RawIOBase):
    """A binary stream that can only be written from start to end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = 0
        self._abandoned = False

    def writable(self) -> bool:
        """Return True: the stream can be written to."""
        return True

    def tell(self) -> int:
        """Return how much has been written, which pyarrow needs and a pipe does not know."""
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of the data."""
        view = memoryview(data)
        size = view.nbytes
        if size and not self._abandoned:
            view = view.cast("B")
            while view:
                view = view[self._stream.write(view) :]
        self._written += size
        return size

    def flush(self) -> None:
        """Flush the stream."""
        if not self._abandoned:
            self._stream.flush()

    def abandon(self) -> None:
        """Write no more: a proper end would make incomplete output look complete."""
        self._abandoned = True


@contextmanager
def open_pipe(stream: TextIO) -> Iterator[BinaryIO]:
    """Open the bytes behind a stream of text, such as standard output."""
    stream.flush()
    pipe = Pipe(stream.buffer)
    try:
        yield cast("BinaryIO", pipe)
    except BaseException:
        pipe.abandon()
        raise
    pipe.flush()


@contextmanager
def open_spool(folder: Path | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file without a name; it is removed when it is closed."""
    shown = "a temporary file"
    try:
        remedy = " (set TMPDIR to a directory with room)" if folder is None else ""
        shown += f" in {folder or tempfile.gettempdir()}{remedy}"
        with tempfile.TemporaryFile(buffering=0, dir=folder) as made:
            target = _Target(os.dup(made.fileno()), "r+", shown)
    except OSError as error:
        raise _refusal(shown, error) from error
    with io.BufferedRandom(target) as file:
        yield cast("BinaryIO", file)


@contextmanager
def open_binary(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when it is complete.

    The bytes go to a temporary file in the same directory, which is renamed at the end, or
    removed after an error; an existing file is kept until then. Devices and named pipes are
    written to directly.
    """
    shown = fspath(path)
    target = find_target(shown)
    if target.exists() and not target.is_file():
        with io.BufferedWriter(_open_target(target, "w", shown)) as file:
            yield cast("BinaryIO", Pipe(cast("BinaryIO", file)))
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
    """Open a UTF-8 text file like `open_binary`, compressed with gzip or Zstandard on request."""
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


def find_target(shown: str) -> Path:
    """Return the path to write to; raises FileError if it cannot be written."""
    try:
        mode = Path(shown).stat().st_mode
    except FileNotFoundError:
        return _check_directory(Path(shown).resolve(), shown)
    except OSError as error:
        raise _refusal(shown, error) from error
    if stat.S_ISDIR(mode):
        raise FileError(f"{shown}: cannot be written: it is a directory", "Name a file in it.")
    if not os.access(shown, os.W_OK):
        raise FileError(f"{shown}: cannot be written: the file is read-only")
    # A link is resolved to its file, so that it stays a link; a device or pipe is not, since the
    # target of /dev/stdout need not have a path.
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
    """Remove a partial file; an error here must not hide the original one."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return


def _refusal(shown: str, error: OSError) -> FileError:
    return FileError(f"{shown}: cannot be written: {error.strerror or error}")
