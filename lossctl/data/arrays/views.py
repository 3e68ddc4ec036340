"""A source that stands for another one, and passes on what it does not change."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.data.arrays.source import Array, Source


class WrappedSource(Source):
    """A source around another one: those that derive from it say what they do otherwise."""

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
        """Ask the source."""
        return self.source.expect()

    def measure(self) -> None:
        """Let the source learn its length."""
        self.source.measure()

    def skip(self, row: int) -> None:
        """Let the source pass over rows."""
        self.source.skip(row)

    def place(self, position: tuple[int, ...]) -> str:
        """Say where an element is in the source."""
        return self.source.place(position)

    def release(self, stop: int) -> None:
        """Let the source let go of rows."""
        self.source.release(stop)

    def release_all(self) -> None:
        """Let the source let go of all rows."""
        self.source.release_all()

    def close(self) -> None:
        """Close the source."""
        self.source.close()
