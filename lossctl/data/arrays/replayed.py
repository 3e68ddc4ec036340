"""A source that can be read only once, of which some rows were looked at beforehand."""

from __future__ import annotations

import numpy as np

from lossctl.data.arrays.source import Array, Source
from lossctl.data.arrays.views import WrappedSource

END = 2**62
"""Behind the last row of anything."""


class ReplayedSource(WrappedSource):
    """A source with rows that were taken off its beginning, which are given out first."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._taken: list[Array] = []
        self._first = self._end = 0

    def take(self, count: int) -> Array:
        """Read more rows from the source, and keep them to be given out again."""
        rows = np.array(self.source.read(self._end, self._end + count))
        self._taken.append(rows)
        self._end += len(rows)
        return rows

    def look(self, count: int) -> Array:
        """Return the first rows, which stay to be read."""
        while self._end < count and len(self.take(count - self._end)):
            continue
        return self.read(0, count)

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

    def skip(self, row: int) -> None:
        """Pass over rows, of the source only behind those that were taken."""
        if row >= self._end:
            self.source.skip(row)
