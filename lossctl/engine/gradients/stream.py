"""The gradient of a reduced loss as a stream: two passes, and flat memory.

The first pass is an ordinary computation, which finds what the sum is divided by. The second
one differentiates every block on its own, and yields the gradient block by block, with the place of
each in the array of the input's shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.gradients.chain_rule import ChainRule, differentiate_finalize
from lossctl.engine.gradients.result import Agreement, GradientBlock, Measure
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.engine.run.elements import Progress
from lossctl.engine.run.run import work_through
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.reduce import fill
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.summary import Summary
from lossctl.errors import UsageError
from lossctl.findings import Remedy, RemedyKind
from lossctl.losses.core.declaration import Loss, Transform

Array = NDArray[Any]

CHECKED, FEWEST_CHECKED = 256, 4
"""About how many elements of each input are compared with finite differences."""

CHECKED_NUMBERS = 2**22
"""How many numbers may be read in total by the losses that are evaluated again for these elements
together: fewer elements are compared where each takes long."""


def name_inputs(loss: Loss) -> tuple[str, ...]:
    """Return the inputs that gradients are taken with respect to; UsageError if there is none."""
    if loss.undifferentiable:
        raise UsageError(
            f"{loss.key} has no gradient: {loss.undifferentiable}",
            Remedy(RemedyKind.LIST_GRADIENTS),
        )
    if loss.declared_gradient is not None:
        return loss.prediction_inputs
    first = loss.inputs[0]
    if any(form.kind.is_integer for form in first.forms):
        raise UsageError(
            f"{loss.key} declares no gradient, and {first.name} contains integers, which cannot"
            " be perturbed",
            "Declare its gradient (@my_loss.gradient), or put the predictions first.",
        )
    return (first.name,)


class Gradients:
    """A gradient, yielded block by block, and its measures at the end."""

    def __init__(
        self, plan: Plan, rule: ChainRule, samples: int, progress: Progress | None = None
    ) -> None:
        self.plan = plan
        self.rule = rule
        self.progress = progress
        self.samples = samples
        self.bounds = [one for one in plan.inputs if one.name in rule.inputs]
        self.shapes = {one.name: fill(one.source.shape, samples) for one in self.bounds}
        self.measures = {name: Measure(name, shape) for name, shape in self.shapes.items()}
        self.agreement = Agreement(dtype=plan.dtype.name)

    def __iter__(self) -> Iterator[GradientBlock]:
        broadcast = {
            one.name: np.zeros(one.array.shape)
            for one in self.bounds
            if one.fixed and one.array is not None
        }
        first = None
        for found in work_through(self.plan, self.rule.differentiate):
            region = found.region
            self.agreement.merge(found.agreement)
            for bound in self.bounds:
                if bound.name in broadcast:
                    gradient = found.broadcast[bound.name]
                    _sum_broadcast_axes(broadcast[bound.name], gradient, bound, region)
                    continue
                self.measures[bound.name].merge(found.measures[bound.name])
                yield found.blocks[bound.name]
            first = region.start if first is None else first
            if self.progress is not None:
                self.progress(region.stop - first, self.samples)
        for name, total in broadcast.items():
            values = total.astype(self.plan.dtype).reshape(self.shapes[name])
            block = GradientBlock(name, (0,) * values.ndim, values)
            self.measures[name].merge(Measure.of(block))
            yield block
        self.agreement.judge({name: one.typical for name, one in self.measures.items()})


def make_chain_rule(
    plan: Plan, inputs: Sequence[str], result: Result, partial: Partial, *, check: bool
) -> ChainRule:
    """Return how blocks are differentiated, from the result of the first pass."""
    loss = plan.loss
    factor = 1 / result.denominator if result.denominator else math.nan
    if loss.transform is not None:
        factor *= _differentiate_transform(loss.transform, result.total * factor)
    totals: Mapping[str, Array] = {}
    if partial.sums:
        assert plan.axis_reduction is not None
        shape = fill(plan.axis_reduction.shape, 0)
        sums = {
            name: np.array([one.value for one in parts]).reshape(shape)
            for name, parts in partial.sums.items()
        }
        weight = _weigh_single(plan, shape)
        derivatives = differentiate_finalize(loss, sums, plan.options)
        totals = {
            name: derivative * (weight * factor)
            for name, derivative in derivatives.items()
            if name != COUNT
        }
    return ChainRule(
        inputs=tuple(inputs),
        factor=factor,
        totals=totals,
        numerical=loss.declared_gradient is None,
        checked=_count_checked(plan, result.samples) if check else 0.0,
    )


def _count_checked(plan: Plan, samples: int) -> float:
    """Return how many elements of each input are compared with finite differences in a block."""
    if plan.loss.needs_all_samples:  # pairs of samples
        cost = samples * samples
    else:
        shapes = [fill(one.source.shape, samples) for one in plan.inputs]
        cost = sum(
            math.prod(shape) // (1 if bound.shared else max(1, samples))
            for bound, shape in zip(plan.inputs, shapes, strict=True)
        )
    wanted = min(CHECKED, max(FEWEST_CHECKED, CHECKED_NUMBERS // max(1, cost)))
    return wanted / max(1, plan.block_plan.count(samples))


def _differentiate_transform(transform: Transform, mean: float) -> float:
    """Return the derivative of a transform, infinity where it is steep (a root at 0)."""
    try:
        return transform.derivative(mean)
    except ZeroDivisionError:
        return math.inf


def _weigh_single(plan: Plan, shape: tuple[int, ...]) -> Array:
    """Return the weights of losses that are known only at the end."""
    weight = Summary.of(plan).weight
    return np.reshape(weight, shape) if weight else np.ones(shape)


def _sum_broadcast_axes(total: Array, gradient: Array, bound: BoundInput, region: Region) -> None:
    """Add a block to the gradient of an input that is broadcast over several places."""
    if not gradient.size:
        return
    axes = tuple(sorted(bound.fixed))
    summed = gradient.sum(axis=axes, keepdims=True, dtype=np.float64)
    cuts = iter(region.trailing)
    box = []
    for axis, word in enumerate(bound.axes):
        cut = next(cuts) if word == "*" else slice(None)
        if word == "N":
            cut = slice(region.start, region.stop)
        box.append(slice(None) if axis in bound.fixed else cut)
    total[tuple(box)] += summed
