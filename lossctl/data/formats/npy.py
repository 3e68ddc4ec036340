"""NPY: mapped from a file, or read from a stream (a pipe, a compressed file or member)."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from itertools import product
from math import prod
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np

from lossctl.data.arrays.dtypes import is_bfloat16, raise_bfloat16
from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.data.formats.npy_header import Header, read_header
from lossctl.data.streams import spool as spools
from lossctl.data.streams.mmap import find_map
from lossctl.data.streams.spool import Spool
from lossctl.errors import DataError

CHUNK_BYTES = 1 << 20
RELEASE_BYTES = 8 << 20
MAPPED_COLUMNS = 128
"""Of an array in Fortran order, a row touches a page of every column, and 64 KiB around it: those
of 1,000 columns take 60 MB, and of 10,000 ten times as much."""

WINDOW_BYTES = 8 << 20
"""How many bytes of an unmapped Fortran-ordered array are read at once, column by column."""


def map_array(path: Path, file: IO[bytes], where: str, start: int, size: int) -> Source:
    """Return the array whose NPY bytes are the ``size`` bytes from ``start`` of a file."""
    file.seek(start)
    header = read_header(file, where)
    found = size - header.offset
    if found < header.size:
        raise truncated(where, header, found)
    if not header.size:
        return MappedSource(where, np.empty(header.shape, header.dtype), 0)
    return _map_data(path, where, header, start + header.offset)


def _map_data(path: Path, where: str, header: Header, offset: int) -> MappedSource | FileSource:
    """Return the array whose numbers begin at ``offset`` of a file."""
    many_columns = header.fortran and prod(header.shape[1:]) > MAPPED_COLUMNS
    if many_columns and header.row_size <= spools.LARGE_BYTES:
        return FileSource(where, path, header, offset)
    try:
        mapped = np.memmap(path, header.dtype, "r", offset, header.shape, header.order)
    except OSError:  # not enough address space
        return FileSource(where, path, header, offset)
    if is_bfloat16(header.dtype):
        return BFloat16Source(where, mapped.view(np.ndarray), offset)
    return MappedSource(where, mapped.view(np.ndarray), offset)


def truncated(where: str, header: Header, found: int) -> DataError:
    """Return the error for data shorter than the header declares."""
    return DataError(
        f"{where} is cut off: its header declares shape {header.shape} of {header.dtype}, "
        f"{header.size:,} bytes, but {found:,} are there",
        "Copy or save the file again.",
    )


class MappedSource(ArraySource):
    """An array in a mapped file."""

    def __init__(self, name: str, array: Array, offset: int) -> None:
        super().__init__(name, array)
        self._offset = offset
        self._map = find_map(array)
        self._released = 0

    def release(self, stop: int) -> None:
        """Release the memory of the rows before ``stop``; they can be read again.

        Done once in RELEASE_BYTES, and always from the first row on: a page that is touched
        may bring its neighbours back.
        """
        if self._map is None or not hasattr(mmap, "MADV_DONTNEED"):
            return
        rows, width = len(self.array), self.array.dtype.itemsize
        if (stop - self._released) * width * prod(self.trailing) < RELEASE_BYTES:
            return
        self._released = stop
        if self.array.flags.c_contiguous:
            self._drop(0, min(stop, rows) * width * prod(self.trailing))
        else:
            for column in range(prod(self.trailing)):
                first = column * rows
                self._drop(first * width, (first + min(stop, rows)) * width)

    def release_all(self) -> None:
        """Release the memory of the array; it can be read again."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._drop(0, self.array.nbytes)

    def _drop(self, start: int, stop: int) -> None:
        # The map begins at the allocation boundary below the data; whole pages only.
        assert self._map is not None
        shift = self._offset % mmap.ALLOCATIONGRANULARITY
        first = -(-(start + shift) // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (stop + shift) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)


class BFloat16Source(MappedSource):
    """A mapped array of bfloat16, raised to float32 as it is read."""

    def __init__(self, name: str, array: Array, offset: int) -> None:
        super().__init__(name, array, offset)
        self.dtype = np.dtype(np.float32)

    def read(self, start: int, stop: int) -> Array:
        """Return the rows as float32."""
        return raise_bfloat16(self.array[start:stop])

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut to the box as float32."""
        return raise_bfloat16(self.array[(slice(start, stop), *box)])

    def whole(self) -> Array:
        """Return the array as float32."""
        return raise_bfloat16(super().whole())


class FileSource(Source):
    """An array in a file that is not mapped: rows are read on demand."""

    repeatable = True

    def __init__(self, name: str, path: Path, header: Header, offset: int) -> None:
        self.name = name
        self.scalar = not header.shape
        self.length = header.shape[0] if header.shape else 1
        self.trailing = header.shape[1:]
        self._header = header
        self._offset = offset
        self._file = path.open("rb", buffering=0)
        self.dtype = np.dtype(np.float32) if is_bfloat16(header.dtype) else header.dtype
        self._window = np.empty((0, *self.trailing), header.dtype)
        self._first = 0

    def read(self, start: int, stop: int) -> Array:
        """Return the rows."""
        assert self.length is not None
        start, stop = min(start, self.length), min(stop, self.length)
        if self._header.fortran:
            if not self._first <= start <= stop <= self._first + len(self._window):
                more = start + WINDOW_BYTES // max(1, self._header.row_size)
                self._window = self._read_columns(start, max(stop, min(more, self.length)))
                self._first = start
            rows = self._window[start - self._first : stop - self._first]
        else:
            rows = np.empty((stop - start, *self.trailing), self._header.dtype)
            self._read_into(rows, start * prod(self.trailing))
        return raise_bfloat16(rows) if is_bfloat16(rows.dtype) else rows

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return the rows cut to the box, reading only that part where possible."""
        cut = max((axis for axis, one in enumerate(box) if not self._spans(axis, one)), default=-1)
        if cut < 0 or self._header.fortran:
            return self.read(start, stop)[(slice(None), *box)]
        assert self.length is not None
        start, stop = min(start, self.length), min(stop, self.length)
        ranges = [range(*one.indices(size)) for one, size in zip(box, self.trailing, strict=True)]
        values = np.empty((stop - start, *map(len, ranges)), self._header.dtype)
        inner = prod(self.trailing[cut + 1 :])
        outer = [range(start, stop), *ranges[:cut]]
        # The numbers of the last axis that is cut, and of those after it, are contiguous.
        runs = values.reshape(prod(map(len, outer)), -1)
        for run, place in zip(runs, product(*outer), strict=True):
            first = 0
            for index, size in zip(place[1:], self.trailing, strict=False):
                first = first * size + index
            row = place[0] * prod(self.trailing)
            within = (first * self.trailing[cut] + ranges[cut].start) * inner
            self._read_into(run, row + within)
        return raise_bfloat16(values) if is_bfloat16(values.dtype) else values

    def whole(self) -> Array:
        """Return the complete array."""
        assert self.length is not None
        array = self.read(0, self.length)
        return array.reshape(()) if self.scalar else array

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _spans(self, axis: int, cut: slice) -> bool:
        """Return whether a slice covers its axis."""
        return range(*cut.indices(self.trailing[axis])) == range(self.trailing[axis])

    def _read_columns(self, start: int, stop: int) -> Array:
        """Return rows of an array in Fortran order."""
        assert self.length is not None
        columns = np.empty((prod(self.trailing), stop - start), self._header.dtype)
        for number, column in enumerate(columns):
            self._read_into(column, number * self.length + start)
        return columns.T.reshape((stop - start, *self.trailing), order="F")

    def _read_into(self, array: Array, first: int) -> None:
        """Fill a contiguous array with the numbers from ``first`` on in the order of the file."""
        view = array.reshape(-1).view(np.uint8).data
        self._file.seek(self._offset + first * array.itemsize)
        filled = 0
        while filled < len(view):
            count = self._file.readinto(view[filled:])
            if not count:
                found = first * array.itemsize + filled
                raise truncated(self.name, self._header, found)
            filled += count


class StreamSource(Source):
    """An array whose NPY bytes can only be read once, in order.

    Where a row of it is large (or all of it, if its columns come one after another), it is
    copied to a temporary file and mapped.
    """

    def __init__(
        self,
        name: str,
        file: IO[bytes],
        reopen: Callable[[], IO[bytes]] | None = None,
        *,
        packed: bool = False,
    ) -> None:
        self.name = name
        self._file = file
        self._reopen = reopen
        self._packed = packed
        self._header = read_header(file, name)
        shape = self._header.shape
        self.scalar = not shape
        self.length = shape[0] if shape else 1
        self.trailing = shape[1:]
        stored = self._header.dtype
        self.dtype = np.dtype(np.float32) if is_bfloat16(stored) else stored
        self._kept = np.empty((0, *self.trailing), stored)
        self._first = 0
        self._lock = Lock()
        self._spool: Spool | None = None
        self._spooled: MappedSource | FileSource | None = None

    def read(self, start: int, stop: int) -> Array:
        """Return the rows; those before ``start`` are dropped."""
        assert self.length is not None
        start, stop = min(start, self.length), min(stop, self.length)
        if self._is_large():
            return self._copy().read(start, stop)
        with self._lock:
            if self._header.fortran and self.trailing:
                self._load_columns()
            self._advance(start, stop)
            rows = self._kept[start - self._first : stop - self._first]
        return raise_bfloat16(rows) if is_bfloat16(rows.dtype) else rows

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return the rows cut to the box."""
        if self._is_large():
            return self._copy().read_box(start, stop, box)
        return super().read_box(start, stop, box)

    def whole(self) -> Array:
        """Return the complete array."""
        assert self.length is not None
        if self._is_large():
            return self._copy().whole()
        if self._first:
            self._restart()
        array = self.read(0, self.length)
        return array.reshape(()) if self.scalar else array

    def release(self, stop: int) -> None:
        """Release the memory of the rows before ``stop`` in the temporary file."""
        if self._spooled is not None:
            self._spooled.release(stop)

    def release_all(self) -> None:
        """Release the memory of the array in the temporary file."""
        if self._spooled is not None:
            self._spooled.release_all()

    def close(self) -> None:
        """Close the stream, and remove the temporary file."""
        self._file.close()
        if self._spooled is not None:
            self._spooled.close()
        if self._spool is not None:
            self._spool.close()
        self._spool = self._spooled = None

    def _is_large(self) -> bool:
        """Return whether the rows are too large to hold in memory."""
        by_columns = self._header.fortran and bool(self.trailing)
        held = self._header.size if by_columns else self._header.row_size
        return held > spools.LARGE_BYTES

    def _copy(self) -> MappedSource | FileSource:
        """Copy the stream to a temporary file, and return it as an array."""
        with self._lock:
            if self._spooled is None:
                self._spool = Spool(Path(self.name), "an array with large rows")
                copied = 0
                while copied < self._header.size:
                    chunk = self._take(min(CHUNK_BYTES, self._header.size - copied), copied)
                    self._spool.append(chunk)
                    copied += len(chunk)
                self._finish()
                self._spool.flush()
                self._spooled = _map_data(self._spool.location, self.name, self._header, 0)
            return self._spooled

    def _restart(self) -> None:
        if self._reopen is None:
            raise DataError(f"{self.name} can be read only once", "Write it to a file first.")
        self._file.close()
        self._file = self._reopen()
        read_header(self._file, self.name)
        self._kept, self._first = self._kept[:0], 0

    def _advance(self, start: int, stop: int) -> None:
        have = self._first + len(self._kept)
        while have < start:  # rows that are skipped still have to be read
            have += len(self._fill(have, min(start, have + self._rows_per_chunk())))
            self._kept, self._first = self._kept[:0], have
        old = self._kept[start - self._first :]
        if stop > have:
            new = self._fill(have, stop)
            old = np.concatenate([old, new]) if len(old) else new
        self._kept, self._first = old, start

    def _rows_per_chunk(self) -> int:
        return max(1, CHUNK_BYTES // max(1, self._header.row_size))

    def _fill(self, start: int, stop: int) -> Array:
        rows = np.empty((stop - start, *self.trailing), self._header.dtype)
        self._read_into(rows, start * self._header.row_size)
        if stop == self.length:
            self._finish()
        return rows

    def _finish(self) -> None:
        if self._packed:
            self._file.read(1)  # the checksum of compressed data is at the end

    def _load_columns(self) -> None:
        if not len(self._kept) and not self._first:
            reversed_axes = np.empty(self._header.shape[::-1], self._header.dtype)
            self._read_into(reversed_axes, 0)
            self._kept = reversed_axes.T

    def _read_into(self, array: Array, before: int) -> None:
        view = array.reshape(-1).view(np.uint8).data
        filled = 0
        while filled < len(view):
            chunk = self._take(min(CHUNK_BYTES, len(view) - filled), before + filled)
            view[filled : filled + len(chunk)] = chunk
            filled += len(chunk)

    def _take(self, size: int, before: int) -> bytes:
        """Read some bytes; raise an error if there are none after the ``before`` already read."""
        chunk = self._file.read(size)
        if not chunk:
            raise truncated(self.name, self._header, before)
        return chunk
