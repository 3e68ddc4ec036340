"""Columns of a table file as arrays, read in one pass over the file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import numpy as np

from lossctl.data.arrays.arrow import ColumnPlace, ragged
from lossctl.data.arrays.cells import CELL, join_cells
from lossctl.data.arrays.source import Array, Source
from lossctl.data.streams.prefetch import Prefetcher
from lossctl.errors import UsageError
from lossctl.findings import Location

Layout = tuple[np.dtype[Any], tuple[int, ...]]
END = 2**62
JOINED_BYTES = 2 << 20


class Table(ABC):
    """A table file: named columns of equal length, read in chunks.

    ``length`` is the number of rows, or None if it is not known before the end.
    """

    path: Path
    called: str
    """How a reference names the file."""
    names: list[str]
    length: int | None = None
    text: bool = False
    streaming: bool = False
    """True for a pipe: rows are read when they are needed, not ahead."""
    as_cells: frozenset[int] = frozenset()
    """Columns that are read as cells, because they need not contain numbers."""

    @abstractmethod
    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Yield the columns at these positions in chunks of rows, in order.

        There is at least one chunk, which may be empty. The pass can be made once.
        """

    @abstractmethod
    def layout(self, column: int) -> Layout | None:
        """Return dtype and trailing axes of a column if they are known before it is read."""

    @abstractmethod
    def non_numeric_columns(self) -> Mapping[int, str]:
        """Return the columns that cannot be part of a matrix of numbers, and why."""

    @abstractmethod
    def reopen(self) -> Table:
        """Reopen the table at its beginning."""

    def start_over(self) -> Table:
        """Reopen the table with the same columns read as cells."""
        again = self.reopen()
        again.as_cells = self.as_cells
        return again

    def expect(self) -> int | None:
        """Return the number of rows or an estimate, where there is one."""
        return self.length

    def hidden(self, column: int) -> bool:
        """Return whether a column is left out unless it is named."""
        return False

    def check_header(self, fragment: str | None) -> None:  # noqa: B027 - text formats do
        """Raise a DataError if the names of the columns show that the file was misread."""

    def signature(self) -> object:
        """Return a key that is equal for tables with the same columns, if known in advance."""
        return None

    def line(self, row: int) -> int | None:
        """Return the line of the file (from 1) on which a row begins, where there are lines."""
        return None

    def locate_row(self, row: int) -> Location:
        """Return the location of a row as users count it."""
        return Location(row, self.line(row))

    def close(self) -> None:  # noqa: B027 - not every table holds a file open
        """Release open files and memory."""


@dataclass(slots=True)
class Piece:
    """Some rows of the columns that are read."""

    start: int
    stop: int
    columns: Mapping[int, Array]


class Watcher(Protocol):
    """Looks at a table while it is read."""

    def read(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Yield columns of the table in pieces."""

    def end(self) -> None:
        """Take note that all of it was read."""


class SharedScan:
    """One pass over a table, for all sources that are columns of it.

    A chunk is kept until every source has moved past it, and the next one is prefetched.
    """

    def __init__(self, table: Table, columns: Sequence[int], watch: Watcher | None = None) -> None:
        self.table = table
        self._columns = columns
        self._watch = watch
        self._coming = Prefetcher(table.pieces(columns) if watch is None else watch.read(columns))
        self._kept: deque[Piece] = deque()
        self._read = 0
        self._ended = False
        self._needed: dict[TableSource, int] = {}
        self._lock = RLock()

    def join(self, source: TableSource) -> None:
        """Keep rows for this source from now on."""
        self._needed[source] = 0

    def leave(self, source: TableSource) -> None:
        """Stop keeping rows for this source; the last one to leave closes the file."""
        with self._lock:
            self._needed.pop(source, None)
            self._drop()
            if not self._needed:
                self._kept.clear()
                self._coming.close()
                self.table.close()

    def measure(self) -> None:
        """Count the rows in a separate pass, if their number is not known."""
        if self.table.streaming:
            raise UsageError(
                f"{self.table.path} has to be read to its end to count its rows, and can be read"
                " only once",
                "Write it to a file first.",
            )
        if self.table.length is not None:
            return
        again = self.table.start_over()
        try:
            pieces = again.pieces(self._columns[:1])
            self.table.length = sum(len(next(iter(piece.values()))) for piece in pieces)
        finally:
            again.close()
        for source in self._needed:
            source.length = self.table.length

    def skip(self, row: int) -> None:
        """Drop the rows before this one for all sources."""
        with self._lock:
            self._needed = dict.fromkeys(self._needed, row)
            while self._read < row and not self._ended:
                self._advance()
                self._drop()

    def begin(self) -> Piece:
        """Return the first chunk with rows, reading it if nothing has been read yet."""
        with self._lock:
            while not self._read and not self._ended:
                self._advance()
            return self._kept[0]

    @property
    def end(self) -> int:
        """How many rows have been read."""
        return self._read

    def has(self, row: int) -> bool:
        """Return whether a row that was read has not been dropped."""
        return row >= (self._kept[0].start if self._kept else self._read)

    def rows(self, source: TableSource, start: int, stop: int) -> list[Piece]:
        """Return the kept chunks that overlap these rows; rows before ``start`` may be dropped."""
        with self._lock:
            self._needed[source] = start
            while self._read < stop and not self._ended:
                self._advance()
                self._drop()
            if not self._ended and not self.table.streaming:
                self._coming.prepare()
            return [piece for piece in self._kept if piece.start < stop and piece.stop > start]

    def _advance(self) -> None:
        columns = self._coming.take()
        if columns is None:
            self._end()
            return
        count = len(next(iter(columns.values())))
        if count and not self._read:
            self._kept.clear()
        if count or not self._kept:
            self._check_shapes(columns)
            self._kept.append(Piece(self._read, self._read + count, columns))
            self._read += count
        if self.table.length == self._read:
            self._end()

    def _check_shapes(self, columns: Mapping[int, Array]) -> None:
        if not self._kept:
            return
        before = self._kept[0]
        for column, array in columns.items():
            shape = before.columns[column].shape[1:]
            if array.shape[1:] != shape:
                where = ColumnPlace(str(self.table.path), self.table.names[column])
                raise ragged(where, before.start, shape, self._read, array.shape[1:])

    def _end(self) -> None:
        self._ended = True
        for source in self._needed:
            source.length = self._read
        if self._watch is not None:
            self._watch.end()

    def _drop(self) -> None:
        needed = min(self._needed.values(), default=END)
        # The last chunk stays: the list lengths of later chunks are compared with it.
        while len(self._kept) > 1 and self._kept[0].stop <= needed:
            self._kept.popleft()


class TableSource(Source):
    """One column of a table as a vector, or several as a matrix; a list column has more axes."""

    def __init__(self, name: str, scan: SharedScan, columns: Sequence[int], vector: bool) -> None:
        self.name = name
        self.text = scan.table.text
        self.length = scan.table.length
        self._scan = scan
        self._columns = list(columns)
        self._vector = vector
        self._whole: Array | None = None
        self._joined = np.empty((0, len(columns)))
        self._first = 0
        scan.join(self)
        layouts = [self._find_layout(column) for column in columns]
        self.dtype = np.result_type(*{dtype for dtype, _ in layouts})
        self.trailing = layouts[0][1] if vector else (len(columns),)

    def read(self, start: int, stop: int) -> Array:
        """Return the rows in the widest dtype seen so far."""
        if self._whole is not None:
            return self._whole[start:stop]
        pieces = self._scan.rows(self, start, stop)
        seen = [piece.columns[column].dtype for piece in pieces for column in self._columns]
        self.dtype = np.result_type(self.dtype, *set(seen))
        if self._vector:
            return self._join_rows(pieces, start, stop)
        stop = min(stop, pieces[-1].stop) if pieces else start
        if not self._first <= start <= stop <= self._first + len(self._joined):
            # Join many rows at once, since blocks are short if there are many columns.
            window = JOINED_BYTES // (self.dtype.itemsize * len(self._columns))
            self._joined = self._join_columns(pieces, start, max(stop, start + window))
            self._first = start
        rows = self._joined[start - self._first : stop - self._first]
        return rows.astype(self.dtype, copy=False)

    def whole(self) -> Array:
        """Return the complete array, which is kept from then on."""
        if self._whole is None:
            scan = self._scan
            if not scan.has(0):
                self._scan = SharedScan(scan.table.start_over(), self._columns)
                scan.leave(self)
            self._whole = self.read(0, END)
            self.length = len(self._whole)
            self._scan.leave(self)
        return self._whole

    def count(self) -> int:
        """Return the number of rows, reading to the end if necessary."""
        while self.length is None:
            at = self._scan.end
            self.read(at, at + 1)
        return self.length

    def expect(self) -> int | None:
        """Return the number of rows, or the estimate of the table."""
        return self._scan.table.expect() if self.length is None else self.length

    def measure(self) -> None:
        """Count the rows of the table."""
        self._scan.measure()

    def skip(self, row: int) -> None:
        """Skip rows of the table."""
        self._scan.skip(row)

    def place(self, position: tuple[int, ...]) -> Location:
        """Return the location: row, line of a text file, and column."""
        row, *rest = position
        where = self._scan.table.locate_row(row)
        names = self._scan.table.names
        if self._vector:
            return where.replace(column=names[self._columns[0]], position=tuple(rest))
        return where.replace(column=names[self._columns[rest[0]]]) if rest else where

    def close(self) -> None:
        """Leave the scan."""
        self._scan.leave(self)

    def _find_layout(self, column: int) -> Layout:
        known = self._scan.table.layout(column)
        # A 0 means a list whose length is known only from the rows.
        if known is not None and 0 not in known[1]:
            return known
        array = self._scan.begin().columns[column]
        return array.dtype, array.shape[1:]

    def _join_rows(self, pieces: Sequence[Piece], start: int, stop: int) -> Array:
        column = self._columns[0]
        parts = [
            piece.columns[column][max(start - piece.start, 0) : stop - piece.start]
            for piece in pieces
        ]
        if not parts:
            return np.empty((0, *self.trailing), self.dtype)
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return joined.astype(self.dtype, copy=False)

    def _join_columns(self, pieces: Sequence[Piece], start: int, stop: int) -> Array:
        count = max(0, min(stop, pieces[-1].stop) - start) if pieces else 0
        # Columns stay contiguous: copying them is then a plain copy, and reductions over few
        # classes run along samples.
        joined = np.empty((count, len(self._columns)), self.dtype, order="F")
        for piece in pieces:
            first, last = max(start, piece.start), min(stop, piece.stop)
            for place, column in enumerate(self._columns):
                rows = piece.columns[column][first - piece.start : last - piece.start]
                joined[first - start : last - start, place] = rows
        return joined


class CellSource(TableSource):
    """One column of a table as cells, of any type."""

    def __init__(self, name: str, scan: SharedScan, column: int) -> None:
        super().__init__(name, scan, [column], vector=True)
        self.dtype = CELL

    def _find_layout(self, column: int) -> Layout:
        return CELL, ()

    def read(self, start: int, stop: int) -> Any:
        """Return the cells of the rows."""
        if self._whole is not None:
            return self._whole[start:stop]
        column = self._columns[0]
        return join_cells(
            [
                piece.columns[column][max(start - piece.start, 0) : stop - piece.start]
                for piece in self._scan.rows(self, start, stop)
            ]
        )
