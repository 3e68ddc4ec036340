"""What a case is, and how its arrays are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

SHAPES: tuple[Shape, ...] = ((), (1,), (5,), (3, 4), (2, 3, 2), (2, 2, 1, 3), (0,), (0, 3), (3, 0))
"""Shapes of elementwise losses: no axis, one element, one to four axes, nothing at all."""


@dataclass(frozen=True)
class Case:
    """One call of a loss: positional inputs, options, and what makes it worth asking.

    ``skipped`` names the reductions on which the reference library itself is at fault.
    """

    id: str
    inputs: tuple[Array, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the id, for test output."""
        return self.id


class Draw:
    """Random arrays of the kinds that losses take, rounded to ``digits`` decimals if given."""

    def __init__(self, rng: np.random.Generator, digits: int | None = None) -> None:
        self.rng = rng
        self.digits = digits

    def rounded(self, array: Array) -> Array:
        """Return the array with no more decimals than the cases are written with."""
        return np.asarray(array if self.digits is None else np.round(array, self.digits))

    def normal(self, shape: Shape, scale: float = 1.0) -> Array:
        """Draw real numbers around 0."""
        return self.rounded(scale * self.rng.standard_normal(shape))

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0) -> Array:
        """Draw real numbers between two bounds."""
        return self.rounded(self.rng.uniform(low, high, shape))

    def signs(self, shape: Shape, dtype: DTypeLike = np.float64) -> Array:
        """Draw -1 and 1."""
        return np.asarray(2 * self.rng.integers(0, 2, shape) - 1).astype(dtype)

    def integers(self, high: int, shape: Shape, dtype: DTypeLike = np.int64) -> Array:
        """Draw integers from 0 to ``high`` - 1."""
        return np.asarray(self.rng.integers(0, high, shape)).astype(dtype)

    def probabilities(self, shape: Shape, axis: int) -> Array:
        """Draw positive numbers that add up to 1 along an axis (but for the rounding)."""
        raw = self.rng.gamma(1.0, 1.0, shape) + 0.05
        return self.rounded(raw / raw.sum(axis, keepdims=True))

    def log_probabilities(self, shape: Shape, axis: int) -> Array:
        """Draw logarithms of numbers that add up to 1 along an axis (but for the rounding)."""
        raw = self.rng.gamma(1.0, 1.0, shape) + 0.05
        return self.rounded(np.log(raw / raw.sum(axis, keepdims=True)))


def grid(**options: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the option values given."""
    for values in product(*options.values()):
        yield dict(zip(options, values, strict=True))


def label(shape: Shape) -> str:
    """Return a shape as it stands in a case's id."""
    return "x".join(map(str, shape)) or "scalar"


def spell(options: Mapping[str, Any]) -> str:
    """Return options as they stand in a case's id: arrays by their shape."""
    parts = [
        f"{name}={label(value.shape) if isinstance(value, np.ndarray) else value}"
        for name, value in options.items()
    ]
    return ",".join(parts) or "default"
