"""Temporary files for what is too large to be held: written once, mapped, gone when unused."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from lossctl.data.arrays.cells import CELL, Cells, unpack_cells
from lossctl.data.arrays.source import Array
from lossctl.data.streams.mmap import MappedFile
from lossctl.errors import FileError

SPOOL_BYTES = 8 << 30
"""How much of an input is copied to one temporary file."""

LARGE_BYTES = 8 << 20
"""What has to be held at once (a row, a batch) and is larger than this is spooled."""

COPIED_BYTES = 1 << 18
RELEASE_BYTES = 2 << 20
"""The memory of mapped pages is given back once in so much."""


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer; none at the end."""


class Spool:
    """A temporary file without a name, to which bytes are appended, and which is then mapped.

    ``path`` and ``what`` say in messages what is copied, ``remedy`` how to do without.
    """

    def __init__(self, path: Path, what: str, remedy: str = "Write it to a file first") -> None:
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
                f"{self._limit / 2**30:.1f} GiB.",
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
            f"{self._path}: could not be copied to a temporary file in {self._directory}: {said}.",
            f"{self._remedy}, or set TMPDIR to a directory with room.",
        )


class ColumnSpool:
    """Columns that are written one after another, some rows at a time, and read side by side."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._parts: dict[int, deque[_Part]] = {}

    def add(self, column: int, rows: Array | Cells) -> None:
        """Append rows of a column."""
        self._spool.align(64)
        if isinstance(rows, Cells):
            content = rows.pack()
            part = _Part(self._spool.append(content), len(content), CELL, rows.shape)
        else:
            numbers = np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
            part = _Part(self._spool.append(numbers.data), rows.nbytes, rows.dtype, rows.shape)
        self._parts.setdefault(column, deque()).append(part)

    def pieces(self, size: int) -> Iterator[dict[int, Any]]:
        """Yield all columns, about ``size`` bytes at a time, as views of the mapped file."""
        mapped = self._spool.map()
        columns = {column: self._views(mapped, column) for column in self._parts}
        rows = {column: next(views) for column, views in columns.items()}
        passed = 0
        while True:
            width = sum(one.nbytes // len(one) for one in rows.values())
            count = min(max(1, size // max(1, width)), *map(len, rows.values()))
            yield {column: one[:count] for column, one in rows.items()}
            passed += count * width
            if passed >= RELEASE_BYTES:
                mapped.release(0, mapped.size)
                passed = 0
            for column, one in rows.items():
                rest = one[count:] if count < len(one) else next(columns[column], None)
                if rest is None:
                    return
                rows[column] = rest

    def _views(self, mapped: MappedFile, column: int) -> Iterator[Any]:
        for part in self._parts[column]:
            count = int(np.prod(part.shape))
            if not count:
                continue
            if part.dtype == CELL:
                yield unpack_cells(memoryview(mapped.content)[part.start : part.start + part.size])
            else:
                yield np.frombuffer(mapped.content, part.dtype, count, part.start).reshape(
                    part.shape
                )


@dataclass(frozen=True, slots=True)
class _Part:
    """Where some rows of a column stand in a spool, and what they are."""

    start: int
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
