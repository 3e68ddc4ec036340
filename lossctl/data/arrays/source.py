"""The interface of every input to the engine: an array whose rows can be read in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import Worded
from lossctl.findings import Location

Array = NDArray[Any]
PairingRemedy = Callable[[str], Worded]
"""Returns what to do where rows of tables, paired by position, have another order by a column."""

Pairing = tuple[frozenset[int], PairingRemedy]
"""The places of the references that are inputs (others name or group their rows), and the remedy
where a column of two tables that is none of the inputs has another order."""


class Source(ABC):
    """One array: in memory, in a mapped file, or in columns of a table.

    ``name`` is the reference as the user wrote it, for messages. ``length`` is the size of
    axis 0, or None where the format does not say before its end is reached. ``trailing`` holds
    the other axes. A source without axes (one number) has ``scalar`` set, length 1, no trailing.
    """

    name: str
    length: int | None
    trailing: tuple[int, ...]
    dtype: np.dtype[Any]
    scalar: bool = False
    text: bool = False
    """True if the format has no types of its own (CSV): 3.0 may mean the integer 3."""
    repeatable: bool = False
    """True if any rows can be read at any time, and repeatedly."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, with None for a length that is not known yet."""
        return () if self.scalar else (self.length, *self.trailing)

    @property
    def given_shape(self) -> tuple[int | None, ...]:
        """The shape as it was given, before axes of length 1 were dropped or added."""
        return self.shape

    @abstractmethod
    def read(self, start: int, stop: int) -> Array:
        """Return rows ``start`` to ``stop`` (fewer where the data end), as a view if possible.

        Calls come in ascending order; rows before ``start`` are not read again.
        """

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut along the other axes, with a slice for each: a row may be too large."""
        return self.read(start, stop)[(slice(None), *box)]

    @abstractmethod
    def whole(self) -> Array:
        """Return the complete array in its own shape."""

    def count(self) -> int:
        """Return the number of rows, reading to the end if necessary."""
        assert self.length is not None
        return self.length

    def expect(self) -> int | None:
        """Return about how many rows there are: an estimate where the end is not known yet."""
        return self.length

    def measure(self) -> None:  # noqa: B027 - most sources know their length
        """Find the length, by reading to the end if necessary, and stay at the beginning.

        Raises UsageError for a pipe, because it can be read only once.
        """

    def skip(self, row: int) -> None:  # noqa: B027 - most sources go to any row at once
        """Skip the rows before this one, which no source of the same file needs."""

    def place(self, position: tuple[int, ...]) -> Location:
        """Return the location of an element as users count it: row, line, column."""
        if not position:
            return Location()
        row, *rest = position
        if len(rest) == 1:
            return Location(row, column=rest[0])
        return Location(row, position=tuple(rest))

    def locate(self, position: tuple[int, ...]) -> Location:
        """Return the location of an element, with its input."""
        place = self.place(position)
        file, _, _ = self.name.rpartition("#")
        in_table = isinstance(place.column, str)  # the reference names the column already
        return place.replace(source=(in_table and file) or self.name)

    def release(self, stop: int) -> None:  # noqa: B027 - most sources hold no mapped pages
        """Release the memory of the rows before ``stop``; they can still be read again."""

    def release_all(self) -> None:  # noqa: B027 - the same
        """Release the memory of all rows: a single row may be larger than memory."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Release open files and memory."""


class ArraySource(Source):
    """An array in memory, or a mapped file."""

    repeatable = True

    def __init__(
        self, name: str, array: Array, given_shape: tuple[int | None, ...] | None = None
    ) -> None:
        self.name = name
        self.given = given_shape
        self.scalar = array.ndim == 0
        self.array = array.reshape(1) if self.scalar else array
        self.length = self.array.shape[0]
        self.trailing = self.array.shape[1:]
        self.dtype = array.dtype

    @property
    def given_shape(self) -> tuple[int | None, ...]:
        """The shape as it was given."""
        return self.shape if self.given is None else self.given

    def read(self, start: int, stop: int) -> Array:
        """Return a view of the rows."""
        return self.array[start:stop]

    def whole(self) -> Array:
        """Return the array itself, without a copy."""
        return self.array.reshape(()) if self.scalar else self.array
