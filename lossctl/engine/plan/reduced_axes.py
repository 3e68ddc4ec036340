"""Losses that are not one per element: averages over an axis, and ratios of sums.

A kernel's contributions are added up over some axes of its view. Where the sample axis is not
among them, a block holds all that belongs to a loss. Where it is, exact sums are carried through
all blocks, one per position that remains, and finalized at the end: the result never depends on
the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules.shapes import show
from lossctl.engine.exact_sum import ExactSum, Sums
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Loss

Array = NDArray[Any]

COUNT = "count"
"""The name under which a loss gets the number of elements in its sums."""


@dataclass(frozen=True, slots=True)
class AxisReduction:
    """Which axes of the kernel's view are summed, and what remains."""

    axes: tuple[int, ...] | None
    """None for all, whatever axes the contributions have."""
    over_samples: bool
    """Whether the sample axis is among them."""
    has_finalize: bool
    """Whether the loss is computed from the sums at the end; otherwise it is their mean."""
    shape: tuple[int | None, ...] = ()
    """Sizes of the axes that remain."""
    divisible: bool = True
    """Whether samples may be cut along their trailing axes."""

    def finalize_block(
        self, loss: Loss, losses: Array, sums: Mapping[str, Array], options: dict[str, Any]
    ) -> Array:
        """Return the losses of a block that contains all of their elements."""
        if not self.has_finalize:
            return _mean(losses, self.axes)
        totals = {name: values.sum(axis=self.axes) for name, values in sums.items()}
        (first, *_) = sums.values()
        axes = range(first.ndim) if self.axes is None else self.axes
        totals[COUNT] = np.array(math.prod(first.shape[axis] for axis in axes))
        assert loss.finalize is not None
        return np.asarray(loss.finalize(totals, options))

    def add(self, sums: Mapping[str, Array], left_out: NDArray[np.bool_] | None) -> Sums:
        """Return the sums of a block, one per position that remains."""
        (first, *_) = sums.values()
        counted = np.ones(first.shape) if left_out is None else ~left_out
        totals = {COUNT: counted.sum(axis=self.axes, dtype=np.float64)}
        for name, values in sums.items():
            kept = values if left_out is None else np.where(left_out, 0, values)
            totals[name] = np.ascontiguousarray(kept).sum(axis=self.axes, dtype=np.float64)
        return {
            name: [ExactSum.of([number]) for number in np.ravel(total).tolist()]
            for name, total in totals.items()
        }

    def add_rows(
        self, sums: Mapping[str, Array], left_out: NDArray[np.bool_] | None
    ) -> dict[str, NDArray[np.float64]]:
        """Return the sums of each sample of a block, one per position that remains."""
        (first, *_) = sums.values()
        axes = range(1, first.ndim) if self.axes is None else self.axes
        within = tuple(axis for axis in axes if axis % first.ndim)
        counted = np.ones(first.shape) if left_out is None else ~left_out
        totals = {COUNT: counted.sum(axis=within, dtype=np.float64)}
        for name, values in sums.items():
            kept = values if left_out is None else np.where(left_out, 0, values)
            totals[name] = kept.sum(axis=within, dtype=np.float64)
        return {name: total.reshape(len(first), -1) for name, total in totals.items()}


def plan_axis_reduction(
    loss: Loss, options: Mapping[str, Any], shape: tuple[int | None, ...], *, vector: bool
) -> AxisReduction | None:
    """Return the axes over which contributions of this shape are reduced; None if each is a loss.

    ``vector`` says that the inputs are one vector, which has one loss.
    """
    if loss.finalize is None and not loss.reduce_axes:
        return None
    has_finalize = loss.finalize is not None
    if loss.reduce_axes in ("", "all"):
        return AxisReduction(None, over_samples=True, has_finalize=has_finalize)
    if loss.reduce_axes == "last":
        if vector:
            return AxisReduction(None, over_samples=True, has_finalize=has_finalize)
        return AxisReduction((-1,), over_samples=False, has_finalize=has_finalize, shape=shape[:-1])
    chosen = options[loss.reduce_axes]
    if chosen is None:
        return AxisReduction(None, over_samples=True, has_finalize=has_finalize)
    axes = _check_axes(loss, chosen, shape)
    rest = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    return AxisReduction(axes, 0 in axes, has_finalize, rest, divisible=not rest)


def _mean(losses: Array, axes: tuple[int, ...] | None) -> Array:
    count = losses.size if axes is None else math.prod(losses.shape[axis] for axis in axes)
    total: Array = losses.sum(axis=axes)
    return total / count if count else np.full(total.shape, np.nan, total.dtype)


def _check_axes(
    loss: Loss, chosen: tuple[int, ...], shape: tuple[int | None, ...]
) -> tuple[int, ...]:
    rank = len(shape)
    for axis in chosen:
        if not -rank <= axis < rank:
            raise UsageError(
                f"{loss.reduce_axes} of {loss.key} names axis {axis}, but the inputs have the shape"
                f" {show(shape)}"
            )
    axes = tuple(sorted({axis % rank for axis in chosen}))
    if len(axes) < len(chosen):
        raise UsageError(f"{loss.reduce_axes} of {loss.key} names an axis twice: {chosen}")
    return axes
