"""A source that keeps one of its rows, so that the row can be looked at after it has passed."""

from __future__ import annotations

import numpy as np

from lossctl.data.arrays.source import Array, Source
from lossctl.data.arrays.views import WrappedSource


def keep_row(source: Source, row: int) -> Source:
    """Return the source, such that ``read(row, row + 1)`` works after all has been read."""
    return source if source.repeatable else KeptSource(source, row)


class KeptSource(WrappedSource):
    """A source of which one row is copied when it is read."""

    def __init__(self, source: Source, row: int) -> None:
        super().__init__(source)
        self._row = row
        self._kept: Array | None = None

    def read(self, start: int, stop: int) -> Array:
        """Return rows, and keep the one that is wanted later."""
        if self._kept is not None and (start, stop) == (self._row, self._row + 1):
            return self._kept
        rows = self.source.read(start, stop)
        if start <= self._row < start + len(rows):
            self._kept = np.array(rows[self._row - start : self._row - start + 1])
        return rows

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut to a box; the row is kept as a whole."""
        if (start, stop) == (self._row, self._row + 1):
            return self.read(start, stop)[(slice(None), *box)]
        return self.source.read_box(start, stop, box)
