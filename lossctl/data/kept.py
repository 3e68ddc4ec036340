"""A source that keeps one of its rows, so that the row can be looked at after it has passed."""

from __future__ import annotations

import numpy as np

from lossctl.data.source import Array, ArraySource, Source


def keep_row(source: Source, row: int) -> Source:
    """Return the source, such that ``read(row, row + 1)`` works after all has been read.

    An array in memory, or in a mapped file, is at hand at any time.
    """
    return source if isinstance(source, ArraySource) else KeptSource(source, row)


class KeptSource(Source):
    """A source of which one row is copied when it is read."""

    def __init__(self, source: Source, row: int) -> None:
        self.source = source
        self.name = source.name
        self.text = source.text
        self.dtype = source.dtype
        self.scalar = source.scalar
        self.trailing = source.trailing
        self._row = row
        self._kept: Array | None = None

    @property
    def length(self) -> int | None:  # type: ignore[override]  # it may become known on the way
        """The number of rows."""
        return self.source.length

    @property
    def given_shape(self) -> tuple[int | None, ...]:
        """The shape as the user gave it."""
        return self.source.given_shape

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

    def whole(self) -> Array:
        """Return the complete array."""
        return self.source.whole()

    def count(self) -> int:
        """Count the rows of the source."""
        return self.source.count()

    def measure(self) -> None:
        """Pass it on."""
        self.source.measure()

    def skip(self, row: int) -> None:
        """Pass it on."""
        self.source.skip(row)

    def place(self, position: tuple[int, ...]) -> str:
        """Say where an element is in the source."""
        return self.source.place(position)

    def release(self, stop: int) -> None:
        """Pass on what has been read."""
        self.source.release(stop)

    def release_all(self) -> None:
        """Pass it on."""
        self.source.release_all()

    def close(self) -> None:
        """Close the source."""
        self.source.close()
