"""Sources that wrap another one: with one row kept, with rows read in advance, reshaped."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.findings import Location

END = 2**62
"""Greater than any number of rows."""


class DelegatingSource(Source):
    """A source that delegates to another one; subclasses override what differs."""

    def __init__(
        self,
        source: Source,
        trailing: tuple[int, ...] | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        self.source = source
        self.name = source.name
        self.text = source.text
        self.scalar = source.scalar
        self.trailing = source.trailing if trailing is None else trailing
        self.dtype = source.dtype if dtype is None else dtype

    @property
    def length(self) -> int | None:  # type: ignore[override]  # it may become known on the way
        """The number of rows."""
        return self.source.length

    @property
    def given_shape(self) -> tuple[int | None, ...]:
        """The shape of the source as it was given."""
        return self.source.given_shape

    def read(self, start: int, stop: int) -> Array:
        """Return rows of the source."""
        return self.source.read(start, stop)

    def whole(self) -> Array:
        """Return the source's complete array."""
        return self.source.whole()

    def count(self) -> int:
        """Count the rows of the source."""
        return self.source.count()

    def expect(self) -> int | None:
        """Return the estimate of the source."""
        return self.source.expect()

    def measure(self) -> None:
        """Let the source find its length."""
        self.source.measure()

    def skip(self, row: int) -> None:
        """Let the source skip rows."""
        self.source.skip(row)

    def place(self, position: tuple[int, ...]) -> Location:
        """Return the location of an element in the source."""
        return self.source.place(position)

    def release(self, stop: int) -> None:
        """Let the source release rows."""
        self.source.release(stop)

    def release_all(self) -> None:
        """Let the source release all rows."""
        self.source.release_all()

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def cache_row(source: Source, row: int) -> Source:
    """Return a source on which ``read(row, row + 1)`` still works after all rows were read."""
    return source if source.repeatable else RowCacheSource(source, row)


class RowCacheSource(DelegatingSource):
    """A source that keeps a copy of one row when it is read."""

    def __init__(self, source: Source, row: int) -> None:
        super().__init__(source)
        self._row = row
        self._kept: Array | None = None

    def read(self, start: int, stop: int) -> Array:
        """Return rows, and keep a copy of the chosen one."""
        if self._kept is not None and (start, stop) == (self._row, self._row + 1):
            return self._kept
        rows = self.source.read(start, stop)
        if start <= self._row < start + len(rows):
            self._kept = np.array(rows[self._row - start : self._row - start + 1])
        return rows

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut to a box; the chosen row is kept complete."""
        if (start, stop) == (self._row, self._row + 1):
            return self.read(start, stop)[(slice(None), *box)]
        return self.source.read_box(start, stop, box)


class RewindableSource(DelegatingSource):
    """A source whose first rows were read in advance and are returned again."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._taken: list[Array] = []
        self._first = self._end = 0

    def take(self, count: int) -> Array:
        """Read more rows from the source, and keep them to be returned again."""
        rows = np.array(self.source.read(self._end, self._end + count))
        self._taken.append(rows)
        self._end += len(rows)
        return rows

    def look(self, count: int) -> Array:
        """Return the first rows without consuming them."""
        while self._end < count and len(self.take(count - self._end)):
            continue
        return self.read(0, count)

    def read(self, start: int, stop: int) -> Array:
        """Return buffered rows, and those that follow them."""
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
        """Skip rows: buffered ones first, then those of the source."""
        if row >= self._end:
            self.source.skip(row)


class SqueezedSource(DelegatingSource):
    """A source whose axes of length 1 are dropped, apart from the sample axis."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, tuple(size for size in source.trailing if size != 1))

    def read(self, start: int, stop: int) -> Array:
        """Return rows without their axes of length 1."""
        rows = self.source.read(start, stop)
        return rows.reshape(len(rows), *self.trailing)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut along the axes that are left."""
        cuts = iter(box)
        full = tuple(slice(None) if size == 1 else next(cuts) for size in self.source.trailing)
        rows = self.source.read_box(start, stop, full)
        kept = [
            size
            for size, whole in zip(rows.shape[1:], self.source.trailing, strict=True)
            if whole != 1
        ]
        return rows.reshape(len(rows), *kept)

    def whole(self) -> Array:
        """Return the whole array without its axes of length 1."""
        values = self.source.whole()
        return values.reshape(values.shape[:1] + self.trailing)

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the source as it was given."""
        rest = iter(position[1:])
        full = [0 if size == 1 else next(rest, 0) for size in self.source.trailing]
        return self.source.place((*position[:1], *full) if len(position) > 1 else position)


class ReshapedSource(SqueezedSource):
    """A source with one axis of length 1 removed, or one appended."""

    def __init__(self, source: Source, axis: int | None) -> None:
        super().__init__(source)
        self.axis = axis
        kept = list(source.trailing)
        if axis is None:
            kept.append(1)
        else:
            del kept[axis - 1]
        self.trailing = tuple(kept)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut along the axes of the reshaped source."""
        if self.axis is None:
            rows = self.source.read_box(start, stop, box[:-1])
            return rows[..., np.newaxis][..., box[-1]]
        cut = self.axis - 1
        rows = self.source.read_box(start, stop, (*box[:cut], slice(None), *box[cut:]))
        return rows.squeeze(self.axis)

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the source as it was given."""
        if self.axis is None:
            return self.source.place(position[: len(self.source.shape)])
        if len(position) < self.axis:
            return self.source.place(position)
        return self.source.place((*position[: self.axis], 0, *position[self.axis :]))


def align_trailing(source: Source, other: Source, class_axis: int | None = None) -> Source:
    """Return a source with as many axes as another one, if they differ by one axis of length 1.

    Of two sources the longer one loses its last axis, unless the other one is a vector, which
    gains one. For labels beside scores, ``class_axis`` says which axis of the scores they lack.
    """
    rank, wanted = len(source.shape), len(other.shape)
    if class_axis is not None:
        has_axis = rank == wanted > 1 and -rank <= class_axis < rank
        axis = class_axis % rank if has_axis else 0
        return ReshapedSource(source, axis) if axis and source.shape[axis] == 1 else source
    if rank == wanted + 1 and source.shape[-1] == 1 and wanted > 1:
        return ReshapedSource(source, rank - 1)
    if rank == 1 and wanted == 2 and other.shape[-1] == 1:
        return ReshapedSource(source, None)
    return source


def squeeze(source: Source, *, samples: bool = False) -> Source:
    """Return the source without its axes of length 1; the first only where ``samples`` says so."""
    if samples and 1 in source.shape:
        squeezed = ArraySource(source.name, np.squeeze(source.whole()), source.given_shape)
        squeezed.text = source.text
        return squeezed
    return SqueezedSource(source) if 1 in source.trailing else source
