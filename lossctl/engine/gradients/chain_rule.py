"""The gradient of the reduced loss in one block: the chain rule from the reduction to the inputs.

The derivative of the reduced loss with respect to a loss of the block (its share in the sum, which
the first pass found) is the *cotangent* of that loss. It is multiplied by the declared derivative
of that loss with respect to the prediction inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.gradients.check import compare
from lossctl.engine.gradients.finite_differences import KernelBlock, differentiate_numerically
from lossctl.engine.gradients.result import Agreement, GradientBlock, Measure
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.plan.reduced_axes import AxisReduction
from lossctl.engine.run.block import Taken, arrange, call_kernel, find_left_out, take_inputs
from lossctl.engine.run.missing import spread
from lossctl.engine.sums.partial import Partial
from lossctl.errors import DataError
from lossctl.losses.core.declaration import Loss, Terms

Array = NDArray[Any]
Cotangent = Array | dict[str, Array]

COMPLEX_STEP = 1e-100
"""So small that its square is negligible: the imaginary part is the derivative."""


@dataclass(slots=True)
class RegionGradient:
    """The gradient in a region, how large it is, and how it compares with finite differences."""

    region: Region
    blocks: dict[str, GradientBlock] = field(default_factory=dict)
    """With respect to each input that is cut into regions, as it is stored."""
    measures: dict[str, Measure] = field(default_factory=dict)
    broadcast: dict[str, Array] = field(default_factory=dict)
    """With respect to each input that is broadcast over the region, at each of its places."""
    agreement: Agreement = field(default_factory=Agreement)

    @classmethod
    def of(cls, plan: Plan, region: Region, arrays: Mapping[str, Array]) -> RegionGradient:
        """Sort the gradients by input into cut and broadcast ones."""
        found = cls(region)
        for bound in plan.inputs:
            gradient = arrays.get(bound.name)
            if gradient is None:
                continue
            if bound.fixed:
                found.broadcast[bound.name] = gradient
                continue
            start = bound.position((0,) * gradient.ndim, region)
            values = gradient if bound.batched or bound.shared else gradient[0]
            block = GradientBlock(bound.name, start, values.transpose(np.argsort(bound.order)))
            found.blocks[bound.name] = block
            found.measures[bound.name] = Measure.of(block)
        return found


@dataclass(frozen=True, slots=True)
class ChainRule:
    """The result of the first pass, and how blocks are differentiated with it."""

    inputs: tuple[str, ...]
    """The inputs with respect to which the loss is differentiated."""
    factor: float = 1.0
    """The derivative of the reduced loss with respect to a sum of losses."""
    totals: Mapping[str, Array] = field(default_factory=dict)
    """The derivative of the reduced loss with respect to each named sum over all blocks."""
    numerical: bool = False
    """Whether finite differences stand in for a gradient that is not declared."""
    checked: float = 0.0
    """The number of elements per block, on average, compared with finite differences."""

    def differentiate(self, plan: Plan, region: Region, blocks: Sequence[Array]) -> RegionGradient:
        """Return the gradient of the reduced loss with respect to the inputs of a block.

        The work function of the second pass. Raises DataError if a block breaks a rule, which
        it was not in the first one.
        """
        with np.errstate(all="ignore"):
            partial = Partial()
            taken = take_inputs(plan, region, blocks, partial)
            if partial.broken:
                raise DataError(
                    "the inputs changed between the two passes, and are no longer valid",
                    "Compute the gradient of files that no other process writes to.",
                )
            arrays, options = arrange(plan, region, taken.inputs)
            terms = call_kernel(plan, arrays, options)
            cotangent = self._find_cotangent(plan, terms, taken)
            block = KernelBlock(plan, region, arrays, options, cotangent)
            if self.numerical:
                numerical = differentiate_numerically(block, self.inputs)
                return RegionGradient.of(plan, region, numerical)
            declared = self._apply_declared(block)
            found = RegionGradient.of(plan, region, declared)
            found.agreement = compare(block, declared, self.checked)
            return found

    def _apply_declared(self, block: KernelBlock) -> dict[str, Array]:
        """Return the gradient: the declared derivative times the cotangent."""
        declared, cotangent = block.plan.loss.declared_gradient, block.cotangent
        assert declared is not None
        bounds = [one for one in block.plan.inputs if one.name in self.inputs]
        if declared.takes_cotangent:
            products = declared.differentiate(*block.arrays, **block.options, cotangent=cotangent)
        else:
            assert not isinstance(cotangent, dict)
            products = tuple(
                _multiply(found, cotangent, bound)
                for found, bound in zip(
                    declared.differentiate(*block.arrays, **block.options), bounds, strict=True
                )
            )
        return {
            bound.name: np.asarray(product, dtype=block.plan.dtype)
            for bound, product in zip(bounds, products, strict=True)
        }

    def _find_cotangent(self, plan: Plan, terms: Terms, taken: Taken) -> Cotangent:
        """Return the derivative of the reduced loss with respect to what the kernel returned."""
        axis_reduction = plan.axis_reduction
        if axis_reduction is not None and axis_reduction.has_finalize:
            (first, *_) = terms.sums.values()
            if axis_reduction.over_samples:
                together: Array = sum(terms.sums.values(), np.zeros(()))
                left_out = find_left_out(plan, terms, together, taken, Partial())
                return {
                    name: _leave_out(
                        _broadcast_sums(derivative, axis_reduction, first.shape), left_out
                    )
                    for name, derivative in self.totals.items()
                }
            totals = {name: one.sum(axis=axis_reduction.axes) for name, one in terms.sums.items()}
            totals["count"] = np.array(_count(axis_reduction, first.shape))
            reduced = np.asarray(plan.loss.finalize(totals, plan.options))  # type: ignore[misc]
            share = self._share(plan, terms, reduced, taken)
            derivatives = differentiate_finalize(plan.loss, totals, plan.options)
            return {
                name: _broadcast_sums(derivative * share, axis_reduction, first.shape)
                for name, derivative in derivatives.items()
            }
        assert terms.losses is not None
        if axis_reduction is not None and not axis_reduction.over_samples:
            shape = terms.losses.shape
            reduced = axis_reduction.finalize_block(plan.loss, terms.losses, {}, plan.options)
            share = self._share(plan, terms, reduced, taken)
            return _broadcast_sums(
                share / max(1, _count(axis_reduction, shape)), axis_reduction, shape
            )
        return self._share(plan, terms, terms.losses, taken)

    def _share(self, plan: Plan, terms: Terms, losses: Array, taken: Taken) -> Array:
        """Return the derivative of the reduced loss with respect to each loss."""
        share = np.full(losses.shape, self.factor, plan.dtype)
        if terms.mean_divisors is not None and plan.averages:
            share /= terms.mean_divisors
        if taken.weight is not None:
            share *= spread(taken.weight, losses.ndim)
        return _leave_out(share, find_left_out(plan, terms, losses, taken, Partial()))


def differentiate_finalize(
    loss: Loss, totals: Mapping[str, Array], options: Mapping[str, Any]
) -> dict[str, Array]:
    """Return the derivatives of ``finalize`` with respect to each named sum.

    A complex step gives them to the last digits, because it subtracts nothing.
    """
    assert loss.finalize is not None
    found = {}
    for name in totals:
        if name != "count":
            moved = {**totals, name: totals[name] + 1j * COMPLEX_STEP}
            with np.errstate(all="ignore"):
                found[name] = np.imag(np.asarray(loss.finalize(moved, options))) / COMPLEX_STEP
    return found


def _expand(cotangent: Array, bound: BoundInput, ndim: int) -> Array:
    """Give the cotangent of losses the axes of an input, to broadcast against it."""
    if cotangent.ndim == ndim:
        return cotangent
    rest = iter(cotangent.shape[1:])
    words = [next(rest, 1) if word == "*" else 1 for word in bound.axes[1:]]
    return cotangent.reshape(cotangent.shape[0], *words)


def _multiply(gradient: Array, cotangent: Array, bound: BoundInput) -> Array:
    spread_out = _expand(cotangent, bound, gradient.ndim)
    product = gradient * spread_out
    if not cotangent.all():  # what does not count has no gradient, even where it is NaN
        product = np.where(spread_out == 0, 0, product)
    return product


def _leave_out(values: Array, left_out: NDArray[np.bool_] | None) -> Array:
    return values if left_out is None else np.where(left_out, 0, values)


def _count(axis_reduction: AxisReduction, shape: tuple[int, ...]) -> int:
    axes = range(len(shape)) if axis_reduction.axes is None else axis_reduction.axes
    return math.prod(shape[axis] for axis in axes)


def _broadcast_sums(values: Array, axis_reduction: AxisReduction, shape: tuple[int, ...]) -> Array:
    """Restore the axes over which values were summed."""
    if axis_reduction.axes is None:
        return np.broadcast_to(values, shape)
    axes = tuple(sorted(axis % len(shape) for axis in axis_reduction.axes))
    return np.broadcast_to(np.expand_dims(values, axes), shape)
