"""Text files, read in runs of complete records."""

from __future__ import annotations

import io
import itertools
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from os import fstat
from typing import IO, BinaryIO, Protocol, cast

import numpy as np

from lossctl.data.streams.origins import Origin
from lossctl.data.streams.prefetch import Prefetcher

Text = bytes | memoryview

LINE_END = ord("\n")
QUOTE = ord('"')
BLANK = re.compile(rb"[\r\n]*")
MORE_BYTES = 1 << 20
AHEAD_BYTES = 2 << 20


@dataclass(slots=True)
class Segment:
    """Some complete records of the file: where they are, and their rows and lines."""

    offset: int
    size: int
    first_row: int
    rows: int = 0
    first_line: int | None = None
    lines: int | None = None


class Window(Protocol):
    """The bytes of a file from some offset on; those before it are dropped."""

    def load(self, stop: int) -> int:
        """Load the bytes before ``stop``; return where they end, if earlier."""

    def find_end(self, start: int) -> int:
        """Return the end of the line of ``start``, or of the file."""

    def has_quote(self, start: int, stop: int) -> bool:
        """Return whether there is a quotation mark in these bytes."""

    def slice(self, start: int, stop: int) -> Text:
        """Return bytes."""

    def forget(self, before: int) -> None:
        """Release the bytes before an offset."""

    def close(self) -> bool:
        """Release everything; return False if the file is still being read."""


class TextFile:
    """The text of an origin, from which lines and runs of records are taken in order."""

    def __init__(self, origin: Origin, file: BinaryIO) -> None:
        self.origin = origin
        self.offset = 0
        """The offset of the text that was not taken yet."""
        self.ended = False
        self.quotes = 0
        """The number of quotation marks in the text taken last."""
        self._file = file
        self._window = _open_window(origin, file)
        self._lines = 0
        self._counted = 0

    def take_record(self) -> bytes:
        """Take a line, and those that follow while a quoted field continues."""
        start = stop = self.offset
        open_quote = True
        while open_quote:
            end = self._window.find_end(stop)
            if end == stop:
                break
            stop = end
            open_quote = self._count_quotes(start, stop) % 2 == 1
        return bytes(self._take(stop))

    def take(self, size: int, *, quotes: bool) -> Text:
        """Take whole lines of about ``size`` bytes, without cutting a quoted field."""
        start = self.offset
        stop = self._window.load(start + size)
        self.ended = stop < start + size
        if not self.ended:
            stop = self._window.find_end(stop)
        if quotes:
            self.quotes = self._count_quotes(start, stop)
            if self.quotes % 2:
                stop = self._close_quotes(stop)
        return self._take(stop)

    def give_back(self, size: int) -> None:
        """Give back the last bytes that were taken."""
        self.offset -= size

    def forget(self) -> None:
        """Release the memory of the text that was taken."""
        if self.origin.streaming:
            self._lines += count_line_ends(self._window.slice(self._counted, self.offset))
            self._counted = self.offset
        self._window.forget(self.offset)

    def count_lines(self, offset: int) -> int:
        """Return how many lines end before an offset."""
        if self.origin.streaming:
            return self._lines + count_line_ends(self._window.slice(self._counted, offset))
        with self.origin.open() as file:
            lines, left = 0, offset
            while left and (data := file.read(min(MORE_BYTES, left))):
                lines += count_line_ends(data)
                left -= len(data)
        return lines

    def read_again(self, segment: Segment) -> bytes | None:
        """Return the text of a segment that was taken before, if it can be read again."""
        if self.origin.streaming:
            return None
        with self.origin.open() as file:
            if self.origin.mapped:
                file.seek(segment.offset)
            else:
                _skip(file, segment.offset)
            return file.read(segment.size)

    def close(self) -> None:
        """Close the file, unless a thread is reading it: closing would wait for the thread."""
        if self._window.close():
            self._file.close()
        self.origin.close()

    def _take(self, stop: int) -> Text:
        data = self._window.slice(self.offset, stop)
        self.offset = stop
        return data

    def _close_quotes(self, stop: int) -> int:
        while (end := self._window.find_end(stop)) > stop:
            more = self._count_quotes(stop, end)
            self.quotes += more
            stop = end
            if more % 2:
                break
        return stop

    def _count_quotes(self, start: int, stop: int) -> int:
        if not self._window.has_quote(start, stop):
            return 0
        data = np.frombuffer(self._window.slice(start, stop), np.uint8)
        return int(np.count_nonzero(data == QUOTE))


def count_line_ends(data: Text) -> int:
    """Return how many line ends there are."""
    # Faster than bytes.count.
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == LINE_END)) if len(data) else 0


def is_blank(data: Text) -> bool:
    """Return whether there are only line ends."""
    return BLANK.fullmatch(data) is not None


def _open_window(origin: Origin, file: BinaryIO) -> Window:
    return _Mapped(file) if origin.mapped else _Stream(file, ahead=origin.packed)


class _Mapped:
    """A window on an ordinary file: the part in use is mapped, and nothing is copied."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = fstat(file.fileno()).st_size
        self._kept = 0
        self._base = 0
        self._map = self._map_to(1)

    def load(self, stop: int) -> int:
        self._reach(stop)
        return min(stop, self._size)

    def find_end(self, start: int) -> int:
        while start < self._size:
            self._reach(start + 1)
            end = self._map.find(b"\n", start - self._base)
            if end >= 0:
                return self._base + end + 1
            start = self._base + len(self._map)
        return self._size

    def has_quote(self, start: int, stop: int) -> bool:
        self._reach(stop)
        return self._map.find(b'"', start - self._base, stop - self._base) >= 0

    def slice(self, start: int, stop: int) -> Text:
        self._reach(stop)
        return memoryview(self._map)[start - self._base : stop - self._base]

    def forget(self, before: int) -> None:
        self._kept = before

    def close(self) -> bool:
        self._map = b""
        return True

    def _reach(self, stop: int) -> None:
        if min(stop, self._size) > self._base + len(self._map):
            self._map = self._map_to(stop)

    def _map_to(self, stop: int) -> mmap.mmap | bytes:
        """Map what is not released, up to an offset and somewhat further."""
        self._base = self._kept // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        length = min(stop + MORE_BYTES, self._size) - self._base
        try:
            descriptor = self._file.fileno()
            return mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=self._base)
        except (OSError, ValueError):  # not enough address space, or a file without bytes
            self._file.seek(self._base)
            return self._file.read(length)


class _Stream:
    """A window on a stream; compressed data are decompressed ahead, on a thread.

    The text is kept in anonymous maps, which are reused: the allocator would keep 60 MB
    for large strings allocated among the arrays.
    """

    def __init__(self, file: IO[bytes], *, ahead: bool) -> None:
        self._chunks = Prefetcher(_read_chunks(file, AHEAD_BYTES if ahead else MORE_BYTES))
        self._ahead = ahead
        self._map = mmap.mmap(-1, MORE_BYTES)
        self._start = 0
        self._end = 0

    def load(self, stop: int) -> int:
        while self._end < stop and self._take(stop):
            pass
        return min(stop, self._end)

    def find_end(self, start: int) -> int:
        while (end := self._map.find(b"\n", start - self._start, self._end - self._start)) < 0:
            start = self._end
            if not self._take(start):
                return start
        return self._start + end + 1

    def has_quote(self, start: int, stop: int) -> bool:
        return self._map.find(b'"', start - self._start, stop - self._start) >= 0

    def slice(self, start: int, stop: int) -> Text:
        return memoryview(self._map)[start - self._start : stop - self._start]

    def forget(self, before: int) -> None:
        self._map.move(0, before - self._start, self._end - before)
        self._start = before

    def close(self) -> bool:
        self._map = mmap.mmap(-1, 1)
        self._start = self._end
        return self._chunks.close()

    def _take(self, stop: int) -> bool:
        """Append a chunk, in a map that has room up to an offset; return whether there was one."""
        chunk = self._chunks.take()
        if chunk is None:
            return False
        if self._ahead:
            self._chunks.prepare()
        held, more = self._end - self._start, len(chunk)
        if held + more > len(self._map):
            larger = mmap.mmap(-1, max(stop - self._start, held, len(self._map)) + 2 * more)
            larger[:held] = memoryview(self._map)[:held]
            self._map = larger
        self._map[held : held + more] = chunk
        self._end += more
        return True


def _read_chunks(file: IO[bytes], size: int) -> Iterator[memoryview]:
    """Yield a stream in chunks; each is overwritten by the one after the next."""
    chunks = [memoryview(mmap.mmap(-1, size)) for _ in range(2)]
    for chunk in itertools.cycle(chunks):
        read = cast("io.BufferedReader", file).readinto(chunk)
        if not read:
            return
        yield chunk[:read]


def _skip(file: IO[bytes], count: int) -> None:
    while count and (data := file.read(min(MORE_BYTES, count))):
        count -= len(data)
