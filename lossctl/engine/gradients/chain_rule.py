"""The gradient of the reduced loss in one block: the chain rule from the reduction to the inputs.

What the reduced loss changes by when a loss of the block changes (its share in the sum, which the
first reading told) is the *upstream* derivative. It is multiplied by the declared derivative of
that loss by the prediction inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.gradients.check import compare
from lossctl.engine.gradients.finite_differences import Block, differentiate_block
from lossctl.engine.gradients.result import Agreement, Measure, Piece
from lossctl.engine.plan.binding import Bound
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.plan.reduced_axes import Gathering
from lossctl.engine.run.block import find_left_out, spread
from lossctl.engine.sums.partial import Partial
from lossctl.losses.core.declaration import Loss, Terms

Array = NDArray[Any]
Upstream = Array | dict[str, Array]

COMPLEX_STEP = 1e-100
"""So small that its square vanishes beside any number, and the imaginary part is the slope."""


@dataclass(slots=True)
class Slopes:
    """The gradient in a block, how large it is, and how it compares with differences."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    """By each input that is cut as the block is, as it is stored."""
    measures: dict[str, Measure] = field(default_factory=dict)
    stretched: dict[str, Array] = field(default_factory=dict)
    """By each input of which a number belongs to several places of the block, at each place."""
    agreement: Agreement = field(default_factory=Agreement)

    @classmethod
    def of(cls, plan: Plan, region: Region, arrays: Mapping[str, Array]) -> Slopes:
        """Put the gradient by each input in its place."""
        slopes = cls()
        for bound in plan.inputs:
            slope = arrays.get(bound.name)
            if slope is None:
                continue
            if bound.fixed:
                slopes.stretched[bound.name] = slope
                continue
            start = bound.position((0,) * slope.ndim, region)
            values = slope if bound.batched or bound.shared else slope[0]
            piece = Piece(bound.name, start, values.transpose(np.argsort(bound.order)))
            slopes.pieces[bound.name] = piece
            slopes.measures[bound.name] = Measure.of(piece)
        return slopes


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the first reading told, and how blocks are differentiated with it."""

    inputs: tuple[str, ...]
    """The inputs by which the loss is differentiated."""
    factor: float = 1.0
    """The derivative of the reduced loss by a sum of losses."""
    totals: Mapping[str, Array] = field(default_factory=dict)
    """The derivative of the reduced loss by each named sum over all blocks."""
    numerical: bool = False
    """Whether differences stand in for a gradient that is not declared."""
    checked: float = 0.0
    """At how many elements of each block, on average, the gradient is compared with differences."""

    def differentiate(
        self,
        plan: Plan,
        region: Region,
        arrays: Sequence[Array],
        options: dict[str, Any],
        terms: Terms,
        weight: Array | None,
        mask: Array | None,
    ) -> Slopes:
        """Return the gradient of the reduced loss by the inputs of a block."""
        upstream = self._find_upstream(plan, terms, weight, mask)
        block = Block(plan, region, arrays, options, upstream)
        if self.numerical:
            return Slopes.of(plan, region, differentiate_block(block, self.inputs))
        slope = plan.loss.declared_gradient
        assert slope is not None
        bounds = [one for one in plan.inputs if one.name in self.inputs]
        if slope.takes_cotangent:
            products = slope.differentiate(*arrays, **options, cotangent=upstream)
        else:
            assert not isinstance(upstream, dict)
            products = tuple(
                _multiply(found, upstream, bound)
                for found, bound in zip(
                    slope.differentiate(*arrays, **options), bounds, strict=True
                )
            )
        found = {
            bound.name: np.asarray(product, dtype=plan.dtype)
            for bound, product in zip(bounds, products, strict=True)
        }
        slopes = Slopes.of(plan, region, found)
        slopes.agreement = compare(block, found, self.checked)
        return slopes

    def _find_upstream(
        self, plan: Plan, terms: Terms, weight: Array | None, mask: Array | None
    ) -> Upstream:
        """Return the derivative of the reduced loss by what the kernel returned."""
        gathering = plan.gathering
        if gathering is not None and gathering.finished:
            (first, *_) = terms.sums.values()
            if gathering.across:
                together: Array = sum(terms.sums.values(), np.zeros(()))
                left_out = find_left_out(plan, terms, together, mask, Partial())
                return {
                    name: _leave_out(_unfold(slope, gathering, first.shape), left_out)
                    for name, slope in self.totals.items()
                }
            totals = {name: one.sum(axis=gathering.axes) for name, one in terms.sums.items()}
            totals["count"] = np.array(_count(gathering, first.shape))
            gathered = np.asarray(plan.loss.finalize(totals, plan.options))  # type: ignore[misc]
            share = self._share(plan, terms, gathered, weight, mask)
            return {
                name: _unfold(slope * share, gathering, first.shape)
                for name, slope in differentiate_finish(plan.loss, totals, plan.options).items()
            }
        assert terms.losses is not None
        if gathering is not None and not gathering.across:
            shape = terms.losses.shape
            gathered = gathering.finish_block(plan.loss, terms.losses, {}, plan.options)
            share = self._share(plan, terms, gathered, weight, mask)
            return _unfold(share / max(1, _count(gathering, shape)), gathering, shape)
        return self._share(plan, terms, terms.losses, weight, mask)

    def _share(
        self, plan: Plan, terms: Terms, losses: Array, weight: Array | None, mask: Array | None
    ) -> Array:
        """Return the derivative of the reduced loss by each loss."""
        share = np.full(losses.shape, self.factor, plan.dtype)
        if terms.mean_divisors is not None and plan.averages:
            share /= terms.mean_divisors
        if weight is not None:
            share *= spread(weight, losses)
        return _leave_out(share, find_left_out(plan, terms, losses, mask, Partial()))


def differentiate_finish(
    loss: Loss, totals: Mapping[str, Array], options: Mapping[str, Any]
) -> dict[str, Array]:
    """Return the derivatives of what is made of named sums by each of them.

    A step in the imaginary direction gives them to the last digits, for it subtracts nothing.
    """
    assert loss.finalize is not None
    found = {}
    for name in totals:
        if name != "count":
            moved = {**totals, name: totals[name] + 1j * COMPLEX_STEP}
            with np.errstate(all="ignore"):
                found[name] = np.imag(np.asarray(loss.finalize(moved, options))) / COMPLEX_STEP
    return found


def expand(upstream: Array, bound: Bound, ndim: int) -> Array:
    """Give the derivative by losses the axes of an input, which it broadcasts against."""
    if upstream.ndim == ndim:
        return upstream
    rest = iter(upstream.shape[1:])
    words = [next(rest, 1) if word == "*" else 1 for word in bound.axes[1:]]
    return upstream.reshape(upstream.shape[0], *words)


def _multiply(slope: Array, upstream: Array, bound: Bound) -> Array:
    spread_out = expand(upstream, bound, slope.ndim)
    product = slope * spread_out
    if not upstream.all():  # what does not count has no gradient, even where it is NaN
        product = np.where(spread_out == 0, 0, product)
    return product


def _leave_out(values: Array, left_out: NDArray[np.bool_] | None) -> Array:
    return values if left_out is None else np.where(left_out, 0, values)


def _count(gathering: Gathering, shape: tuple[int, ...]) -> int:
    axes = range(len(shape)) if gathering.axes is None else gathering.axes
    return math.prod(shape[axis] for axis in axes)


def _unfold(values: Array, gathering: Gathering, shape: tuple[int, ...]) -> Array:
    """Give values that belong to sums over some axes those axes again."""
    if gathering.axes is None:
        return np.broadcast_to(values, shape)
    axes = tuple(sorted(axis % len(shape) for axis in gathering.axes))
    return np.broadcast_to(np.expand_dims(values, axes), shape)
