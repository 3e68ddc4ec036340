"""Columns of the evaluated rows as sources of plans: one reading is shared by all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cells import CELL
from lossctl.data.arrays.class_names import LabelForm, dtype_of, make_labels
from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.evaluation.rows.reader import Chunk, Reader
from lossctl.findings import Location


class SharedRows:
    """The rows of one reading, counted from 0 without those that are left out.

    Plans read them in regions of their own sizes. What has been read stays until :meth:`forget`
    says that no plan needs it any more; the other columns (all but ``inputs``) wait in
    :attr:`unscored` for the losses of their rows.
    """

    def __init__(self, reader: Reader, inputs: Collection[Any]) -> None:
        self.reader = reader
        self.unscored: deque[tuple[int, Chunk]] = deque()
        """The chunks whose losses are not complete, each with the number of its first row."""
        self.end = 0
        """The number of rows that have been read."""
        self._inputs = frozenset(inputs)
        self._chunks = reader.chunks()
        self._held: deque[tuple[int, Chunk]] = deque()
        self._empty: dict[Any, Any] = {}
        self._joined: dict[Any, tuple[int, int, Array]] = {}
        self._numbers: NDArray[np.int64] | None = None

    def column(self, key: Any) -> Source:
        """Return a column as a source; one whose samples are on the second axis has them there."""
        source = self.reader.sources[key]
        if key in self.reader.recipe.time_major:
            return TimeMajorColumn(self, key, source)
        return ColumnSource(self, key, source)

    def fetch(self, stop: int | None = None) -> None:
        """Read on until so many rows have been read, or all (None) of those that there are."""
        while stop is None or self.end < stop:
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            inputs = {key: chunk.columns[key] for key in self._inputs}
            others = {key: one for key, one in chunk.columns.items() if key not in inputs}
            self._empty = {key: column[:0] for key, column in inputs.items()}
            self._held.append((self.end, replace(chunk, columns=inputs)))
            self.unscored.append((self.end, replace(chunk, columns=others)))
            self.end += len(chunk.numbers)

    def read(self, key: Any, start: int, stop: int) -> Array:
        """Return rows of a column, fewer where the rows end."""
        self.fetch(stop)
        known = self._joined.get(key)
        if known is not None and known[:2] == (start, stop):
            return known[2]
        parts = [
            chunk.columns[key][max(start - first, 0) : stop - first]
            for first, chunk in self._held
            if first < stop and start < first + len(chunk.numbers)
        ]
        if not parts:
            return np.asarray(self._empty[key])
        if len(parts) == 1:
            return np.asarray(parts[0])
        joined = np.concatenate(parts)
        self._joined[key] = (start, stop, joined)
        return joined

    def forget(self, start: int) -> None:
        """Let go of the rows before this one."""
        while self._held and self._held[0][0] + len(self._held[0][1].numbers) <= start:
            self._held.popleft()

    def read_whole(self, key: Any) -> Array:
        """Return all rows of a column; where rows are filtered, in a reading of its own."""
        values, self._numbers = self.reader.read_whole(key)
        return values

    def count(self) -> int:
        """Return the number of rows, reading to the end without keeping any."""
        while True:
            before = self.reader.seen
            self.fetch(self.end + 1)
            self.forget(self.end)
            self.unscored.clear()
            if self.reader.seen == before:
                return self.end

    def number(self, row: int) -> int:
        """Return the number in the dataset of a row that is not complete."""
        if not self.reader.recipe.selective:
            return row
        for first, chunk in tuple(self.unscored):
            if first <= row < first + len(chunk.numbers):
                return int(chunk.numbers[row - first])
        assert self._numbers is not None, "places are asked for while their rows are held"
        return int(self._numbers[row])


class ColumnSource(DelegatingSource):
    """A column of the rows that are evaluated."""

    def __init__(self, rows: SharedRows, key: Any, source: Source) -> None:
        super().__init__(source, dtype=np.dtype(np.int64) if source.dtype == CELL else None)
        self._rows = rows
        self._key = key

    @property
    def length(self) -> int | None:  # type: ignore[override]  # as of any wrapped source
        """The number of rows, unless it takes reading to the end."""
        return self._rows.reader.count_selected()

    def read(self, start: int, stop: int) -> Array:
        """Return rows."""
        return self._rows.read(self._key, start, stop)

    def whole(self) -> Array:
        """Return all rows."""
        return self._rows.read_whole(self._key)

    def count(self) -> int:
        """Return the number of rows."""
        return self._rows.count() if self.length is None else self.length

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the dataset."""
        if not position:
            return self.source.place(position)
        return self.source.place((self._rows.number(position[0]), *position[1:]))

    def release(self, stop: int) -> None:
        """Leave it to the reader, which releases what no plan needs."""

    def close(self) -> None:
        """Leave it to the reader."""


class LabelColumn(DelegatingSource):
    """A column of class indices (or shares), as the labels that a loss takes."""

    def __init__(self, column: Source, form: LabelForm) -> None:
        super().__init__(column, dtype=dtype_of(form))
        self._form = form

    def read(self, start: int, stop: int) -> Array:
        """Return the labels of the rows."""
        return make_labels(self.source.read(start, stop), self._form)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return the labels of the rows, cut to the box."""
        return make_labels(self.source.read_box(start, stop, box), self._form)

    def whole(self) -> Array:
        """Return all labels."""
        return make_labels(self.source.whole(), self._form)


class TimeMajorColumn(ArraySource):
    """A column of arrays ``T N …``: it is held in memory as a whole."""

    def __init__(self, rows: SharedRows, key: Any, source: Source) -> None:
        super().__init__(source.name, np.moveaxis(rows.read_whole(key), 0, 1))
        self.text = source.text
        self._rows = rows
        self._source = source

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the dataset."""
        step, row, *rest = position
        return self._source.place((step, self._rows.number(row), *rest))
