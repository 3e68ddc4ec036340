"""Inputs as they would be after a repair, so that the scan can continue as if it were made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lossctl.checks.measurements.profile import Measures, measure
from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.data.arrays.views import DelegatingSource, RewindableSource, SqueezedSource
from lossctl.findings import Location

PEEKED = 1024
"""Rows that are looked at before the scan."""

LARGEST = 2**27
"""The most numbers of an array that is transposed as a whole."""


def peekable(source: Source) -> Source:
    """Return a source whose first rows can be looked at and read again."""
    return source if source.repeatable else RewindableSource(source)


def peek(source: Source, rows: int = PEEKED) -> Array:
    """Return the first rows of a source, which stay to be read."""
    if isinstance(source, RewindableSource):
        return source.look(rows)
    if isinstance(source, SqueezedSource):
        values = peek(source.source, rows)
        return values.reshape(len(values), *source.trailing)
    return source.read(0, rows)


class ChangedSource(DelegatingSource):
    """A source that changes what another one gives."""

    def __init__(self, source: Source, trailing: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(source, trailing, dtype)
        self.measures = Measures()
        """What the source holds, as far as it was read."""

    def read(self, start: int, stop: int) -> Array:
        """Return rows, changed."""
        values = self.source.read(start, stop)
        self.measures.merge(measure(values))
        return self.change(values)

    def whole(self) -> Array:
        """Return everything, changed."""
        values = self.source.whole()
        self.measures = measure(values)
        return self.change(values)

    def change(self, values: Array) -> Array:
        """Return rows as they would be."""
        return values

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where something is in the source as it was given."""
        return self.source.place(position[: len(self.source.shape)])


class ArgmaxSource(ChangedSource):
    """One-hot rows as the indices of their ones; ``axis`` is that of the classes."""

    def __init__(self, source: Source, axis: int) -> None:
        trailing = tuple(n for place, n in enumerate(source.trailing, 1) if place != axis)
        super().__init__(source, trailing, np.dtype(np.int64))
        self.axis = axis

    def change(self, values: Array) -> Array:
        """Return the indices of ones."""
        return np.asarray(values.argmax(axis=self.axis))


class OneHotSource(ChangedSource):
    """Class indices as one-hot rows, with the classes along ``axis``."""

    def __init__(self, source: Source, classes: int, axis: int) -> None:
        trailing = list(source.trailing)
        trailing.insert(axis - 1, classes)
        super().__init__(source, tuple(trailing), np.dtype(np.float64))
        self.classes, self.axis = classes, axis

    def change(self, values: Array) -> Array:
        """Return rows of 0 with a 1; a label out of range has no 1."""
        places = np.arange(self.classes).reshape(-1, *(1,) * (values.ndim + 1 - self.axis - 1))
        labels = np.expand_dims(values, self.axis)
        rows = np.asarray(labels == places, np.float64)
        return np.where(labels != labels, np.nan, rows)  # noqa: PLR0124 - NaN stays NaN


class LimitedSource(ChangedSource):
    """The first rows of a source."""

    def __init__(self, source: Source, rows: int) -> None:
        super().__init__(source, source.trailing, source.dtype)
        self.rows = rows

    @property
    def length(self) -> int | None:  # type: ignore[override]  # it is less than the source's
        """The number of rows."""
        return self.rows

    def read(self, start: int, stop: int) -> Array:
        """Return rows, none behind the last."""
        return self.source.read(min(start, self.rows), min(stop, self.rows))

    def whole(self) -> Array:
        """Return the first rows."""
        return self.source.whole()[: self.rows]

    def count(self) -> int:
        """Return the number of rows."""
        return self.rows


def swap_axes(source: Source) -> Source | None:
    """Return an array with its first two axes swapped, if it can be read twice."""
    rows = source.length
    if not source.repeatable or not source.trailing or rows is None:
        return None
    if rows * math.prod(source.trailing) > LARGEST:
        return None
    return ArraySource(source.name, np.ascontiguousarray(source.whole().swapaxes(0, 1)))


def is_one_hot(values: Array, axis: int) -> bool:
    """Whether values are 0, with one 1 in each row."""
    if not values.size or not np.isin(values, (0, 1)).all():
        return False
    return bool((values.sum(axis=axis) == 1).all())
