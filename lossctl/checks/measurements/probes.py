"""Probes: what is measured in each block.

Each probe measures blocks on any thread, and adds the measures up in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.sums.partial import Partial
from lossctl.kinds import Kind

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class View:
    """A block: its inputs in the kernel's view, and what the engine made of it."""

    plan: Plan
    region: Region
    inputs: Sequence[Array]
    weight: Array | None
    mask: Array | None
    partial: Partial
    before: Sequence[Array] = ()
    """The last rows of the block before, where blocks are short."""


SHARES = (Kind.PROBABILITY, Kind.CLASS_PROBABILITY, Kind.CLIPPED, Kind.MASS, Kind.DENSITY)
LOGITS = (Kind.LOGIT, Kind.SCORE)
LOGS = (Kind.LOG_PROBABILITY,)
"""The forms of scores: probabilities, logits, logarithms of probabilities."""

BITS = (Kind.SOFT_LABEL, Kind.BINARY)
"""Labels of two classes."""


class Probe(Protocol):
    """Something that is gathered over all blocks."""

    def measure(self, view: View) -> Any:
        """Return what a block contributes; called on several threads at once."""

    def add(self, piece: Any) -> None:
        """Take in what a block contributes; called in the order of the blocks."""


def is_elementwise(plan: Plan) -> bool:
    """Whether each number of the predictions has a loss of its own, averaged or not."""
    averaged = plan.loss.reduce_axes == "last" and plan.loss.finalize is None
    return averaged or plan.axes == plan.inputs[0].axes


def find_valid(plan: Plan, labels: Array, classes: int) -> NDArray[np.bool_]:
    """Return which labels are classes, and not ignored."""
    valid = (labels >= 0) & (labels < classes)
    ignored = plan.ignored_label
    return np.asarray(valid if ignored is None else valid & (labels != ignored))


def find_class_axis(bound: BoundInput) -> int | None:
    """Return where the classes are in the kernel's view of an input."""
    if "C" in bound.axes:
        return bound.axes.index("C")
    return None


def file_axis(bound: BoundInput, axis: int) -> int:
    """Return the axis of the file that is an axis of the kernel's view."""
    return bound.order[axis - (not bound.batched and not bound.shared)]


def flatten(values: Array) -> Array:
    """Return rows of numbers, (n, columns), without a copy where that is possible."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def find_rows(mask: Array | None, region: Region, count: int) -> NDArray[np.intp]:
    """Return the numbers of the samples of a block that are not masked as a whole."""
    rows = np.arange(region.start, region.start + count)
    if mask is None or len(mask) != count:
        return rows
    return np.asarray(rows[(flatten(mask) != 0).any(axis=1)])


def find_kept(view: View, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Return which elements of this shape are not masked; None where all count."""
    if view.mask is None:
        return None
    return np.asarray(_spread(view.mask != 0, shape))


def find_weights(view: View, shape: tuple[int, ...]) -> Array | None:
    """Return the weight of each element of this shape, 0 where it is masked (None: all 1)."""
    kept = find_kept(view, shape)
    if view.weight is None:
        return None if kept is None else kept.astype(np.float64)
    weights = _spread(view.weight, shape).astype(np.float64)
    return weights if kept is None else weights * kept


def _spread(values: Array, shape: tuple[int, ...]) -> Array:
    """Give per-sample values the axes that broadcast against a shape."""
    values = values.reshape(values.shape[: len(shape)])
    return np.broadcast_to(values.reshape(values.shape + (1,) * (len(shape) - values.ndim)), shape)
