"""Pairs of real numbers: of all shapes and dtypes, extreme, and at the bends of a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, label, spell

FILLED = tuple(shape for shape in SHAPES if 0 not in shape)


def amounts(draw: Draw, shape: Shape) -> tuple[Array, Array]:
    """Draw predicted and true amounts above 0."""
    return draw.uniform(shape, 0.1, 9.0), draw.uniform(shape, 0.1, 9.0)


EXTREMES = np.array([0.0, -0.0, 1e4, -1e4, 1e-8, -1e-8, 1e-100, 1e150, 3.5, 3.5])
EXTREME_TARGETS = np.array([0.0, 0.0, -1e4, 1e4, 0.0, 1e-8, 0.0, -1e150, 3.5, 2.5])


def dtype_cases(draw: Draw, options: dict[str, Any]) -> Iterator[Case]:
    """Yield one pair in every dtype that predictions and targets are stored in."""
    pairs: Iterable[tuple[Any, Any]] = (
        (np.float32, np.float32),
        (np.float32, np.float64),
        (np.float64, np.float32),
        (np.float16, np.float16),
        (np.float64, np.int64),
        (np.float32, np.int32),
        (np.float64, np.uint8),
    )
    for first, second in pairs:
        name = f"{np.dtype(first)}-{np.dtype(second)}"
        target = draw.uniform((3, 2), 0, 9).astype(second)
        yield Case(name, (draw.normal((3, 2), 2.0).astype(first), target), options)


def difference_cases(draw: Draw, options: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """Yield cases for losses of ``input - target``: l1, mse, smooth_l1, huber."""
    for shape in SHAPES:
        for choice in options if len(shape) < 3 else options[:1]:
            pair = (draw.normal(shape, 2.0), draw.normal(shape, 2.0))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
    for choice in options:
        yield Case(f"extremes-{spell(choice)}", (EXTREMES, EXTREME_TARGETS), choice)
        # Differences that fall exactly on beta or delta, where the formula changes.
        ties = np.array([0.5, 1.0, 2.0, 2.5, -0.5, -1.0, -2.0, -2.5])
        yield Case(f"ties-{spell(choice)}", (ties, np.zeros(8)), choice)
    yield from dtype_cases(draw, options[0])
