"""Temporary files for data too large for memory: written once, mapped, deleted when unused."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from lossctl.data.streams.mmap import MappedFile
from lossctl.errors import FileError, Worded

SPOOL_BYTES = 8 << 30
"""How many bytes of an input are copied to one temporary file."""

LARGE_BYTES = 8 << 20
"""A row or batch that is larger than this is spooled."""

COPIED_BYTES = 1 << 18


class Readable(Protocol):
    """A readable stream."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""


class Spool:
    """An anonymous temporary file, to which bytes are appended, and which is then mapped.

    ``path`` and ``what`` name in messages what is copied, ``remedy`` how to avoid it.
    """

    def __init__(
        self, path: Path | str, what: str, remedy: str | Worded = "Write it to a file first"
    ) -> None:
        self.size = 0
        self._path, self._what, self._remedy = path, what, remedy
        self._directory = tempfile.gettempdir()
        try:
            self.file: IO[bytes] = tempfile.TemporaryFile(buffering=COPIED_BYTES)  # noqa: SIM115
            self._limit = min(SPOOL_BYTES, shutil.disk_usage(self._directory).free)
        except OSError as error:
            raise self._explain(error) from error

    @property
    def location(self) -> Path:
        """A path under which the file can be opened while it is open here."""
        return Path(f"/dev/fd/{self.file.fileno()}")

    def append(self, data: bytes | memoryview) -> int:
        """Append bytes, and return their offset."""
        start, self.size = self.size, self.size + memoryview(data).nbytes
        if self.size > self._limit:
            raise FileError(
                f"{self._path} is {self._what}, which has to be copied to a temporary file, and is "
                f"larger than what may be copied to {self._directory}: "
                f"{self._limit / 2**30:.1f} GiB",
                f"{self._remedy}.",
            )
        try:
            self.file.write(data)
        except OSError as error:
            raise self._explain(error) from error
        return start

    def append_stream(self, file: Readable, size: int | None = None) -> int:
        """Copy a stream to its end, or so many bytes of it; return the number copied."""
        before, end = self.size, None if size is None else self.size + size
        while end is None or self.size < end:
            chunk = file.read(COPIED_BYTES if end is None else min(COPIED_BYTES, end - self.size))
            if not chunk:
                break
            self.append(chunk)
        return self.size - before

    def overwrite(self, start: int, data: bytes) -> None:
        """Overwrite bytes that were appended."""
        try:
            self.file.seek(start)
            self.file.write(data)
            self.file.seek(self.size)
        except OSError as error:
            raise self._explain(error) from error

    def align(self, to: int, after: int = 0) -> None:
        """Append zeros until the size of the file plus ``after`` is a multiple of a size."""
        self.append(bytes(-(self.size + after) % to))

    def flush(self) -> None:
        """Flush, so that everything written is visible at ``location``."""
        try:
            self.file.flush()
        except OSError as error:
            raise self._explain(error) from error

    def map(self) -> MappedFile:
        """Map what was written; the file is closed, and is deleted with the map."""
        try:
            self.flush()
            return MappedFile(self.file)
        except (OSError, ValueError) as error:
            raise self._explain(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # unwritten data do not fit, and are not needed
            self.file.close()

    def _explain(self, error: OSError | ValueError) -> FileError:
        said = getattr(error, "strerror", None) or error
        return FileError(
            f"{self._path}: could not be copied to a temporary file in {self._directory}: {said}",
            f"{self._remedy}, or set TMPDIR to a directory with room.",
        )
