"""Temporary files for what is too large to be held: written once, mapped, gone when unused."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from lossctl.data.streams.mmap import MappedFile
from lossctl.errors import FileError, Worded

SPOOL_BYTES = 8 << 30
"""How much of an input is copied to one temporary file."""

LARGE_BYTES = 8 << 20
"""What has to be held at once (a row, a batch) and is larger than this is spooled."""

COPIED_BYTES = 1 << 18


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer; none at the end."""


class Spool:
    """A temporary file without a name, to which bytes are appended, and which is then mapped.

    ``path`` and ``what`` say in messages what is copied, ``remedy`` how to do without.
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
        """A path by which the file can be opened as long as it is open here."""
        return Path(f"/dev/fd/{self.file.fileno()}")

    def append(self, data: bytes | memoryview) -> int:
        """Write bytes, and return where they begin."""
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
        """Copy a stream to its end, or so many bytes of it; return how many there were."""
        before, end = self.size, None if size is None else self.size + size
        while end is None or self.size < end:
            chunk = file.read(COPIED_BYTES if end is None else min(COPIED_BYTES, end - self.size))
            if not chunk:
                break
            self.append(chunk)
        return self.size - before

    def overwrite(self, start: int, data: bytes) -> None:
        """Write other bytes in the place of some that were appended."""
        try:
            self.file.seek(start)
            self.file.write(data)
            self.file.seek(self.size)
        except OSError as error:
            raise self._explain(error) from error

    def align(self, to: int, after: int = 0) -> None:
        """Write zeros until the file, with ``after`` bytes more, has a multiple of a size."""
        self.append(bytes(-(self.size + after) % to))

    def flush(self) -> None:
        """Let all that was written be seen through ``location``."""
        try:
            self.file.flush()
        except OSError as error:
            raise self._explain(error) from error

    def map(self) -> MappedFile:
        """Map what was written; the file is closed, and vanishes with the map."""
        try:
            self.flush()
            return MappedFile(self.file)
        except (OSError, ValueError) as error:
            raise self._explain(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # what is left to write has no room, and is not wanted
            self.file.close()

    def _explain(self, error: OSError | ValueError) -> FileError:
        said = getattr(error, "strerror", None) or error
        return FileError(
            f"{self._path}: could not be copied to a temporary file in {self._directory}: {said}",
            f"{self._remedy}, or set TMPDIR to a directory with room.",
        )
