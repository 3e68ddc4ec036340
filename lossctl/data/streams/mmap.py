"""Mapped files, whose pages are released after they are read."""

from __future__ import annotations

import mmap
from typing import IO, Any

import numpy as np

from lossctl.data.arrays.source import Array


class MappedFile:
    """A mapped file; a page takes memory from its first access to its release."""

    def __init__(self, file: IO[bytes]) -> None:
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._address = np.frombuffer(self._map, np.uint8).ctypes.data
        self.size = len(self._map)

    def covers(self, address: int) -> bool:
        """Return whether a memory address is in this file."""
        return 0 <= address - self._address < self.size

    def offset(self, address: int) -> int:
        """Return the offset in the file of a memory address."""
        return address - self._address

    @property
    def content(self) -> memoryview:
        """The bytes, without a copy."""
        return memoryview(self._map)

    def release(self, start: int, stop: int) -> None:
        """Release the memory of these bytes; they can still be read again."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = min(stop, self.size) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)

    def release_array(self, array: Array, before: int) -> None:
        """Release an array's memory if it is in this file, and ``before`` bytes before it."""
        address = array.ctypes.data
        if self.covers(address):
            start = self.offset(address)
            self.release(max(0, start - before), start + array.nbytes)


def map_file(file: IO[bytes]) -> MappedFile | None:
    """Map a file, or return None if the system cannot (not enough address space)."""
    try:
        return MappedFile(file)
    except (OSError, ValueError):
        return None


def find_map(array: Any) -> mmap.mmap | None:
    """Return the map that an array views."""
    base = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base
