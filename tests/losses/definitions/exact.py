"""What exact definitions are made of: arithmetic of several hundred digits, in mpmath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpmath import mp, mpf

DOUBLE_EPS = mpf(2) ** -52
QUARTER = mpf(0.25)
HALF = mpf(0.5)
ZERO = mpf(0)
Number = Any
Vector = Sequence[Any]
Measured = tuple[Number, Number]
ONE = mpf(1)
TWO = mpf(2)
FAR = mpf(-1e5)
"""exp(-1e5) is as good as 0 to float64, and quicker to have than exp(-1e300)."""


def exactly(value: Number) -> Measured:
    """Measure an error by the loss itself."""
    return value, abs(value)


def total(values: Any) -> Number:
    """Add up exactly enough."""
    return mp.fsum(values)


def log(x: Number) -> Number:
    """Return log x, minus infinity for 0."""
    return mp.log(x) if x > 0 else -mp.inf


def softplus(x: Number) -> Number:
    """Return log(1 + exp(x))."""
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def class_costs(x: Vector) -> list[Number]:
    """Return -log softmax of each class: its distance from the top, plus log1p of the others."""
    top = max(x)
    best = x.index(top)
    others = total(mp.exp(max(one - top, FAR)) for j, one in enumerate(x) if j != best)
    return [top - one + mp.log1p(others) for one in x]
