"""4th-order finite differences, for losses that declare no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import call_kernel
from lossctl.errors import UsageError
from lossctl.kinds import Kind

Array = NDArray[Any]

# Offsets (in steps) and coefficients: central, and one-sided.
CENTRAL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
FORWARD = ((0, -25 / 12), (1, 4.0), (2, -3.0), (3, 4 / 3), (4, -1 / 4))
BACKWARD = tuple((-place, -factor) for place, factor in FORWARD)

STEP = float(np.finfo(np.float64).eps) ** 0.2
"""The step that balances truncation and rounding error."""

MOST_PAIRED = 4096
"""The most numbers of an input that are moved one by one, if all belong to one loss."""

BOUNDED = {
    Kind.PROBABILITY,
    Kind.SOFT_LABEL,
    Kind.DENSITY,
    Kind.DISTRIBUTION,
    Kind.VARIANCE,
    Kind.POSITIVE,
    Kind.NOT_NEGATIVE,
    Kind.CLASS_PROBABILITY,
    Kind.CLIPPED,
    Kind.MASS,
}
"""Kinds of inputs with a bound at 0, near which steps must be small."""


@dataclass(frozen=True, slots=True)
class KernelBlock:
    """A block's inputs as the kernel takes them, and the cotangent of its losses."""

    plan: Plan
    region: Region
    arrays: Sequence[Array]
    options: dict[str, Any]
    cotangent: Array | dict[str, Array]

    def contribute(self, number: int, values: Array, *, alone: bool = True) -> Array:
        """Return the contributions of the losses with other values of an input.

        ``alone`` leaves out what a library adds to the gradient of the loss.
        """
        arrays = [values if n == number else one for n, one in enumerate(self.arrays)]
        with np.errstate(all="ignore"):
            terms = call_kernel(self.plan, arrays, self.options)
            if isinstance(self.cotangent, dict):
                parts = [terms.sums[name] * share for name, share in self.cotangent.items()]
                return np.asarray(sum(parts[1:], parts[0]))
            losses = terms.losses
            assert losses is not None
            declared = self.plan.loss.declared_gradient
            if declared is not None and declared.beside is not None and not alone:
                options = declared.pick(declared.beside, {**self.options, "at": self.arrays})
                losses = losses + declared.beside(*arrays, **options)
            products: Array = np.where(self.cotangent == 0, 0, losses * self.cotangent)
            return products

    def take(self, rows: Array) -> KernelBlock:
        """Return a block of some of the samples."""
        bounds = self.plan.inputs
        arrays = [
            one if bound.shared or 0 in bound.fixed else one[rows]
            for bound, one in zip(bounds, self.arrays, strict=True)
        ]
        options = dict(self.options)
        for name, tensor in self.plan.tensors.items():
            if tensor.axes[:1] == ("N",) and len(options[name]) > 1:
                options[name] = options[name][rows]
        cotangent: Any = self.cotangent
        if isinstance(cotangent, dict):
            cotangent = {name: share[rows] for name, share in cotangent.items()}
        else:
            cotangent = cotangent[rows]
        return replace(self, arrays=arrays, options=options, cotangent=cotangent)


def differentiate_numerically(block: KernelBlock, inputs: Sequence[str]) -> dict[str, Array]:
    """Return the gradient of a block by finite differences.

    Numbers that belong to different losses are moved together.
    """
    found = {}
    for number, bound in enumerate(block.plan.inputs):
        if bound.name in inputs:
            values = np.asarray(block.arrays[number], dtype=np.float64)
            found[bound.name] = _differentiate_input(block, number, bound, values)
    return found


def _differentiate_input(
    block: KernelBlock, number: int, bound: BoundInput, values: Array
) -> Array:
    shape = _shape_of(block.cotangent)
    steps = STEP * find_scale(values, bound.kind)
    if block.plan.loss.needs_all_samples:
        return _differentiate_singly(block, number, values, steps)
    along = [True, *(_is_apart(axis, bound, values, shape) for axis in range(1, values.ndim))]
    moving = [1 if apart else size for apart, size in zip(along, values.shape, strict=True)]
    gradient = np.zeros(values.shape)
    for index in np.ndindex(*moving):
        box = tuple(
            slice(None) if apart else slice(at, at + 1)
            for apart, at in zip(along, index, strict=True)
        )
        direction = np.zeros(values.shape)
        direction[box] = steps[box]

        def contribute(places: float, direction: Array = direction) -> Array:
            return block.contribute(number, values + places * direction)

        change = find_difference(contribute)
        while change.ndim > values.ndim:
            change = change.sum(axis=-1)
        part = gradient[box]
        gradient[box] = _align(change, along, part.shape) / steps[box]
    return gradient


def _align(change: Array, along: Sequence[bool], shape: tuple[int, ...]) -> Array:
    """Give changes of losses the axes of the input."""
    if change.ndim == len(along):
        return np.broadcast_to(change, shape)
    rest = iter(change.shape)
    sizes = [next(rest) if apart else 1 for apart in along]
    return change.reshape(sizes)


def _is_apart(axis: int, bound: BoundInput, values: Array, shape: tuple[int, ...]) -> bool:
    """Whether the numbers along an axis of an input belong to different losses."""
    if len(shape) == values.ndim:
        return bool(shape[axis] == values.shape[axis])
    starred = [at for at, word in enumerate(bound.axes) if word == "*"]
    return axis in starred[: len(shape) - 1]


def _differentiate_singly(block: KernelBlock, number: int, values: Array, steps: Array) -> Array:
    if values.size > MOST_PAIRED:
        raise UsageError(
            f"{block.plan.loss.key} compares all samples with each other and declares no gradient:"
            f" finite differences of {values.size} numbers would take {4 * values.size}"
            " evaluations",
            "Declare its gradient (@my_loss.gradient), or take fewer samples.",
        )
    gradient = np.zeros(values.shape)
    for place in np.ndindex(*values.shape):
        gradient[place] = differentiate_at(block, number, values, place, float(steps[place]))
    return gradient


def differentiate_at(
    block: KernelBlock, number: int, values: Array, place: tuple[int, ...], step: float
) -> float:
    """Return the derivative of the block's contribution with respect to one number."""

    def contribute(places: float) -> Array:
        moved = values.copy()
        moved[place] += places * step
        return block.contribute(number, moved, alone=False)

    return float(find_difference(contribute).sum()) / step


def find_difference(contribute: Callable[[float], Array]) -> Array:
    """Return the derivative times the step: a central difference, or a one-sided one at a bound."""
    change = _combine(contribute, CENTRAL)
    for formula in (FORWARD, BACKWARD):
        missing = ~np.isfinite(change)
        if not missing.any():
            break
        change = np.where(missing, _combine(contribute, formula), change)
    return change


def _combine(contribute: Callable[[float], Array], formula: Sequence[tuple[float, float]]) -> Array:
    with np.errstate(all="ignore"):
        parts = [factor * contribute(place) for place, factor in formula]
        return np.asarray(sum(parts[1:], parts[0]))


def find_scale(values: Array, kind: Kind, least: float = 1.0) -> Array:
    """Return the sizes that steps are relative to, ``least`` or more unless there is a bound."""
    size = np.abs(values)
    scale: Array = np.maximum(size, least)
    if kind in BOUNDED:
        scale = np.where((size > 0) & (size < 1), size / 4, scale)
    return scale


def _shape_of(cotangent: Array | dict[str, Array]) -> tuple[int, ...]:
    first = next(iter(cotangent.values())) if isinstance(cotangent, dict) else cotangent
    return tuple(first.shape)
