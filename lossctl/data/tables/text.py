"""The common part of tables in text files, which are parsed segment by segment.

The file is cut at record ends into segments, and each is parsed by pyarrow's reader on all
cores: about twice as fast as its streaming readers, with memory as flat.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from lossctl.data.arrays.source import Array
from lossctl.data.streams.origins import Origin
from lossctl.data.tables.scan import Layout, Table
from lossctl.data.tables.text_file import Segment, Text, TextFile, count_line_ends

BLOCK_BYTES = 1 << 20
"""Bytes that a core parses at once; more if there are many columns, each a separate task."""

SHOWN_CHARACTERS = 60


class TextTable(Table):
    """A table in a text file, whose types are inferred from the data."""

    text = True
    quotes = False
    """Whether a record may span several lines, inside quotation marks."""

    def __init__(self, origin: Origin, file: BinaryIO) -> None:
        self.origin = origin
        self.path = origin.path
        self.called = origin.called
        self.streaming = origin.streaming
        self._text = TextFile(origin, file)
        self._first: Text | None = None
        self._segments: list[Segment] = []

    def layout(self, column: int) -> Layout | None:
        """Return None: the types are inferred from the data."""
        return None

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Parse segment by segment."""
        row = 0
        wanted = sorted(set(columns))
        while not self._text.ended or not self._segments:
            data = self._peek()
            self._first = None
            segment = Segment(self._text.offset - len(data), len(data), row)
            arrays = self._read(data, wanted, segment)
            segment.rows = len(next(iter(arrays.values())))
            self._segments.append(segment)
            row += segment.rows
            if self.streaming:
                self._count_lines(segment, data)
            del data
            self._text.forget()
            if self._text.ended:
                self.length = row
                self._text.close()
            yield arrays

    def expect(self) -> int | None:
        """Estimate the number of rows from the fraction of the file that was read."""
        if self.length is not None or not self.origin.mapped or not self._segments:
            return self.length
        last = self._segments[-1]
        size = self.origin.location.stat().st_size
        return round((last.first_row + last.rows) * size / max(1, last.offset + last.size))

    def line(self, row: int) -> int | None:
        """Return the line on which a row begins, counted from 1."""
        for segment in self._segments:
            if segment.first_row <= row < segment.first_row + segment.rows:
                return self._find_line(segment, row - segment.first_row)
        return None

    def close(self) -> None:
        """Close the file."""
        self._first = None
        self._text.close()

    @abstractmethod
    def _segment_bytes(self) -> int:
        """Return about how many bytes of text are parsed at once."""

    @abstractmethod
    def _read(self, data: Text, columns: Sequence[int], segment: Segment) -> Mapping[int, Array]:
        """Return the columns of a segment."""

    @abstractmethod
    def _line_within(self, data: bytes, row: int) -> int | None:
        """Return the line (from 0) on which a row of these records begins."""

    def _peek(self) -> Text:
        """Return the next segment without consuming it."""
        if self._first is None:
            # Of a stream, what was read and what is prefetched are in memory too.
            size = self._segment_bytes() // (1 if self.origin.mapped else 2)
            self._first = self._text.take(size, quotes=self.quotes)
        return self._first

    def _first_line(self, segment: Segment) -> int:
        """Return the line (from 1) on which a segment begins."""
        if segment.first_line is None:
            segment.first_line = self._text.count_lines(segment.offset) + 1
        return segment.first_line

    def _count_lines(self, segment: Segment, data: Text) -> int:
        """Return how many lines a segment has; the last one may lack its line end."""
        self._first_line(segment)
        if segment.lines is None:
            segment.lines = count_line_ends(data) + (bytes(data[-1:]) not in (b"", b"\n"))
        return segment.lines

    def _find_line(self, segment: Segment, row: int) -> int | None:
        data = None
        if segment.lines is None:
            data = self._text.read_again(segment) or b""
        if self._count_lines(segment, data or b"") == segment.rows:
            return self._first_line(segment) + row
        data = data or self._text.read_again(segment)
        found = None if data is None else self._line_within(data, row)
        return None if found is None else self._first_line(segment) + found


def count_things(number: int, noun: str) -> str:
    """Return a number with a noun, in the plural where it is not 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_text(text: str) -> str:
    """Return text quoted for a message, shortened."""
    if len(text) > SHOWN_CHARACTERS:
        text = text[: SHOWN_CHARACTERS - 1] + "…"
    return repr(text)
