"""A source that can be read only once, of which some rows were looked at beforehand."""

from __future__ import annotations

import numpy as np

from lossctl.data.source import Array, Source

END = 2**62
"""Behind the last row of anything."""


class ReplayedSource(Source):
    """A source with rows that were taken off its beginning, which are given out first."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.name
        self.text = source.text
        self.dtype = source.dtype
        self.scalar = source.scalar
        self.trailing = source.trailing
        self._taken: list[Array] = []
        self._first = self._end = 0

    @property
    def length(self) -> int | None:  # type: ignore[override]  # it may become known on the way
        """The number of rows."""
        return self.source.length

    def take(self, count: int) -> Array:
        """Read more rows from the source, and keep them to be given out again."""
        rows = np.array(self.source.read(self._end, self._end + count))
        self._taken.append(rows)
        self._end += len(rows)
        return rows

    def read(self, start: int, stop: int) -> Array:
        """Return rows that were taken, and those that follow them."""
        if start >= self._end:
            self._taken.clear()
            return self.source.read(start, stop)
        while self._first + len(self._taken[0]) <= start:
            self._first += len(self._taken.pop(0))
        parts = list(self._taken)
        if stop > self._end:
            parts.append(self.source.read(self._end, stop))
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return joined[start - self._first : stop - self._first]

    def whole(self) -> Array:
        """Return all rows."""
        return self.read(0, END if self.length is None else self.length)

    def expect(self) -> int | None:
        """Ask the source."""
        return self.source.expect()

    def count(self) -> int:
        """Return the number of rows."""
        return self.source.count()

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
