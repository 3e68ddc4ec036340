"""What the exact definitions of Keras's losses share: rows of numbers, clipped to its epsilon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from tests.losses.cases.case import Array
from tests.losses.definitions.exact import Measured, Number
from tests.losses.definitions.points import drawn

Row = list[Any]
LEAST = mpmath.mpf(1e-7)
MOST = mpmath.mpf(1 - 1e-7)


def average(element: Callable[..., Number]) -> Callable[..., Measured]:
    """Return the definition whose value is the mean of an element's, none of which cancels."""

    def define(y_pred: Row, y_true: Row, **options: Any) -> Measured:
        terms = [element(p, y, **options) for p, y in zip(y_pred, y_true, strict=True)]
        value = mpmath.fsum(terms) / len(terms)
        return value, abs(value)

    return define


def clip(x: Number, low: Number = LEAST, high: Number = MOST) -> Number:
    return min(max(x, low), high)


AMOUNTS = (0.0, 1e-300, 1e-9, 1e-7, 0.1, 1.0, 1 + 2.0**-52, 7.5, 1e4, 1e8, 1e150, 1e300)
ENDS = (0.0, 1.0, 5e-324, 1e-17, 1e-8, 1e-7, 1.0001e-7, 0.1, 0.5, 0.9999998, 1 - 1e-7, 1 - 2.0**-53)


def column(*pair: Array) -> tuple[Array, ...]:
    """Return vectors as rows of one number."""
    return tuple(array[:, np.newaxis] for array in pair)


def row(*pair: Array) -> tuple[Array, ...]:
    """Return vectors as rows of two numbers, each with its neighbour."""
    return tuple(np.stack([array, np.roll(array, 1)], axis=1) for array in pair)


def simplex_rows(*shape: int) -> Array:
    """Return numbers that sum to 1 in each row, some of them tiny."""
    raw = np.exp(drawn(*shape, scale=5.0))
    return raw / raw.sum(axis=-1, keepdims=True)
