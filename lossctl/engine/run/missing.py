"""What is missing (NaN) in a block, where missing values are left out: which losses it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.plan import Plan
from lossctl.kinds import Kind

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Label = tuple[str, int]


def find_missing(
    plan: Plan, inputs: Sequence[Array], weight: Array | None, mask: Array | None
) -> Mask | None:
    """Return which losses of a block lack a number that they are made of; None if none does.

    The array has the axes of the losses, or the first of them, and broadcasts against them. What
    a kernel does not read is not missing.
    """
    wanted = _label_losses(plan)
    found: Mask | None = None
    for bound, values in zip(plan.inputs, inputs, strict=True):
        gone = None if _is_read_in_part(bound) else _find_nan(values)
        if gone is not None:
            found = _join(found, _align(gone, _label(bound.axes), wanted))
    for extra in (None if plan.single else weight, mask):
        gone = None if extra is None else _find_nan(extra)
        if gone is not None:
            found = _join(found, gone)
    return found


def fill_missing(plan: Plan, bound: BoundInput, values: Array) -> Array:
    """Return an input in which every missing index or label is a valid one, for the kernel."""
    if not bound.kind.is_integer or bound.shared:
        return values
    gone = _find_nan(values)
    if gone is None:
        return values
    number = int(plan.ignored_label == 0 and plan.classes > 1)
    return np.where(gone, number, values)


def _is_read_in_part(bound: BoundInput) -> bool:
    """Whether NaN concerns no loss: in weights of a layer, or where the kernel may not read it."""
    unread = bound.reads_few and bound.kind == Kind.LOG_PROBABILITY
    return bound.shared or unread or bound.kind in (Kind.LENGTH, Kind.LABELS)


def _find_nan(values: Array) -> Mask | None:
    if values.dtype.kind != "f":
        return None
    gone = np.isnan(values)
    return gone if gone.any() else None


def _label(axes: Sequence[str]) -> list[Label]:
    """Return the words of axes; trailing axes are numbered, as all inputs share them."""
    seen = 0
    found = []
    for word in axes:
        found.append((word, seen if word == "*" else 0))
        seen += word == "*"
    return found


def _label_losses(plan: Plan) -> list[Label]:
    """Return the axes of what is added up: losses, or the contributions to a single loss."""
    if plan.axis_reduction is None:
        return _label(plan.axes)
    words = _label(plan.inputs[0].axes)
    if plan.single:
        return words
    reduced = {axis % len(words) for axis in plan.axis_reduction.axes or ()}
    return [word for axis, word in enumerate(words) if axis not in reduced]


def _align(gone: Mask, words: list[Label], wanted: list[Label]) -> Mask:
    """Return a mask of an input as one of losses, where anything that they are made of is gone."""
    others = tuple(axis for axis, word in enumerate(words) if word not in wanted)
    left = [word for word in words if word in wanted]
    kept: Mask = np.asarray(gone.any(axis=others)) if others else gone
    order = [left.index(word) for word in wanted if word in left]
    sizes = iter(kept.transpose(order).shape)
    return kept.transpose(order).reshape([next(sizes) if word in left else 1 for word in wanted])


def _join(one: Mask | None, other: Mask) -> Mask:
    if one is None:
        return other
    rank = max(one.ndim, other.ndim)
    return spread(one, rank) | spread(other, rank)


def spread(values: Array, rank: int) -> Array:
    """Give an array trailing axes of length 1, up to a number of axes."""
    return values.reshape(values.shape + (1,) * (rank - values.ndim))
