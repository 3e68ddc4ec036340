"""What the cases of Keras's losses share: shapes, axes of 1 that it squeezes, dtypes, draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case, Draw, Shape, label, spell

AVERAGES = ("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight")
"""What Keras leaves undone for no losses at all."""
SHAPES: tuple[Shape, ...] = ((1,), (6,), (5, 1), (4, 3), (2, 3, 2), (2, 2, 1, 3), (0, 3))
SQUEEZED: tuple[tuple[Shape, Shape], ...] = (
    ((5,), (5, 1)), ((5, 1), (5,)), ((3, 2, 1), (3, 2)), ((3, 2), (3, 2, 1)),
    ((2, 3, 2, 1), (2, 3, 2)),
)  # fmt: skip
DTYPES: tuple[tuple[Any, Any], ...] = (
    (np.float32, np.float32), (np.float32, np.int64), (np.float64, np.uint8),
    (np.float16, np.int32),
)  # fmt: skip
Pair = Callable[[Draw, Shape], Array]


def fits(choice: dict[str, Any], shape: Shape) -> bool:
    """Whether the axes that the options name are there."""
    axis = choice.get("axis")
    axes = axis if isinstance(axis, tuple) else (-1 if axis is None else axis,)
    there = all(-len(shape) <= one < len(shape) for one in axes)
    return there and len({one % len(shape) for one in axes}) == len(axes)


def pair_cases(
    draw: Draw, predict: Pair, true: Pair, options: Sequence[dict[str, Any]] = ({},)
) -> Iterator[Case]:
    """Yield pairs in all shapes, with a last axis of 1 too many, and in several dtypes."""
    for shape in SHAPES:
        for choice in options:
            if not fits(choice, shape):
                continue
            pair = (predict(draw, shape), true(draw, shape))
            skipped = AVERAGES if 0 in shape else ()
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, skipped)
    for first, second in SQUEEZED:
        yield Case(f"{label(first)}-{label(second)}", (predict(draw, first), true(draw, second)))
    for one, other in DTYPES:
        pair = (predict(draw, (4, 2)).astype(one), true(draw, (4, 2)).astype(other))
        yield Case(f"{np.dtype(one)}-{np.dtype(other)}", pair)


def real(draw: Draw, shape: Shape) -> Array:
    """Draw real numbers."""
    return draw.normal(shape, 2.0)


def amount(draw: Draw, shape: Shape) -> Array:
    """Draw positive numbers, some of them 0."""
    values = draw.uniform(shape, -1.0, 6.0)
    return np.where(values < 0, 0.0, values)


def probability(draw: Draw, shape: Shape) -> Array:
    """Draw probabilities."""
    return draw.uniform(shape)


def bit(draw: Draw, shape: Shape) -> Array:
    """Draw 0 and 1."""
    return draw.integers(2, shape).astype(np.float64)


def simplex(draw: Draw, shape: Shape) -> Array:
    """Draw distributions over the last axis."""
    return draw.probabilities(shape, -1)


def places(shape: Shape, axis: int) -> Array:
    """Return indices along an axis, which broadcast to a shape."""
    sizes = [1] * len(shape)
    sizes[axis] = -1
    return np.arange(shape[axis]).reshape(sizes)


def one_hot(draw: Draw, shape: Shape, axis: int = -1) -> Array:
    """Draw one right class each."""
    index = draw.integers(shape[axis], shape)
    return (index.argmax(axis=axis, keepdims=True) == places(shape, axis)).astype(np.float64)
