"""The gradient of a reduced loss as a stream: two readings, and flat memory.

The first reading is an ordinary computation, which tells what the sum is divided by. The second
one differentiates every block on its own, and yields the pieces of the gradient with their places
in the array of the input's shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.binding import Bound
from lossctl.engine.blocks import Region
from lossctl.engine.derivation import Derivation, Slopes, differentiate_finish
from lossctl.engine.differences import Agreement
from lossctl.engine.execution import execute
from lossctl.engine.gathering import COUNT
from lossctl.engine.partial import Partial
from lossctl.engine.plan import Plan
from lossctl.engine.reduction import Progress, fill
from lossctl.engine.result import Result
from lossctl.errors import UsageError
from lossctl.losses.declaration import Loss

Array = NDArray[Any]

CHECKED = 256
"""Elements of each input, about, at which a gradient is compared with differences."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of the gradient by an input, and where it begins."""

    name: str
    start: tuple[int, ...]
    values: Array


@dataclass(slots=True)
class Measure:
    """What there is to say of the gradient by one input."""

    name: str
    shape: tuple[int, ...]
    elements: int = 0
    norm: float = 0.0
    largest: float = 0.0
    """The largest absolute value."""
    place: tuple[int, ...] = ()
    zeros: int = 0
    nan: int = 0
    infinite: int = 0

    @property
    def typical(self) -> float:
        """The root mean square."""
        return self.norm / math.sqrt(self.elements) if self.elements else 0.0

    def add(self, piece: Piece) -> None:
        """Take in a piece of the gradient; NaN is counted, and left out of the sizes."""
        values = piece.values
        self.elements += values.size
        if not values.size:
            return
        self.zeros += values.size - int(np.count_nonzero(values))
        size = np.abs(values)
        top = float(size.max())
        if not math.isfinite(top):
            missing = np.isnan(size)
            self.nan += int(np.count_nonzero(missing))
            self.infinite += int(np.count_nonzero(np.isinf(size)))
            size = np.where(missing, 0, size)
            top = float(size.max())
        if top > self.largest or not self.place:
            local = np.unravel_index(int(np.argmax(size)), size.shape)
            self.largest = top
            self.place = tuple(
                int(at) + first for at, first in zip(local, piece.start, strict=True)
            )
        self.norm = math.hypot(self.norm, _measure_norm(size, top))


@dataclass(slots=True)
class Gradient:
    """The gradient of a reduced loss by the prediction inputs.

    ``arrays`` holds it by the names of the inputs, in their shapes; it is empty where the gradient
    was written to ``files``. ``result`` is the loss itself. ``measures`` say how large it is.
    """

    result: Result
    measures: tuple[Measure, ...]
    arrays: dict[str, Array] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    numerical: bool = False
    """Whether it was found by differences, because the loss declares none."""
    note: str = ""
    """What a person should know of the gradient of this loss."""
    agreement: Agreement | None = None
    """How it compares with differences, where that was asked for."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the only gradient, or the first."""
        return np.array(next(iter(self.arrays.values())), dtype=dtype, copy=copy)

    def __getitem__(self, name: str) -> Array:
        """Return the gradient by an input."""
        return self.arrays[name]


def name_inputs(loss: Loss) -> tuple[str, ...]:
    """Return the inputs by which a loss is differentiated; UsageError if it declares none."""
    if loss.slope is not None:
        return loss.slope.by or (loss.inputs[0].name,)
    if loss.home is None:
        raise UsageError(
            f"{loss.key} declares no gradient", "'lossctl show LOSS' says which losses have one."
        )
    return (loss.inputs[0].name,)


class Gradients:
    """The pieces of a gradient, block by block, and its measures at the end."""

    def __init__(
        self, plan: Plan, inputs: Sequence[str], samples: int, progress: Progress | None = None
    ) -> None:
        self.plan = plan
        self.progress = progress
        self.samples = samples
        self.bounds = [one for one in plan.inputs if one.name in inputs]
        self.shapes = {one.name: fill(one.source.shape, samples) for one in self.bounds}
        self.measures = {name: Measure(name, shape) for name, shape in self.shapes.items()}
        self.agreement = Agreement()

    def __iter__(self) -> Iterator[Piece]:
        kept = {
            one.name: np.zeros(one.array.shape)
            for one in self.bounds
            if one.fixed and one.array is not None
        }
        first = None
        for outcome in execute(self.plan):
            region = outcome.region
            slopes: Slopes = outcome.slopes
            self.agreement.merge(slopes.agreement)
            for bound in self.bounds:
                slope = slopes.arrays[bound.name]
                if bound.name in kept:
                    _fold(kept[bound.name], slope, bound, region)
                else:
                    yield self._measured(_make_piece(bound, region, slope))
            first = region.start if first is None else first
            if self.progress is not None:
                self.progress(region.stop - first, self.samples)
        for name, total in kept.items():
            values = total.astype(self.plan.dtype).reshape(self.shapes[name])
            yield self._measured(Piece(name, (0,) * values.ndim, values))
        self.agreement.judge({name: one.typical for name, one in self.measures.items()})

    def _measured(self, piece: Piece) -> Piece:
        self.measures[piece.name].add(piece)
        return piece


def derive(
    plan: Plan, inputs: Sequence[str], result: Result, partial: Partial, *, check: bool
) -> Derivation:
    """Return how blocks are differentiated, from what the first reading told."""
    loss = plan.loss
    factor = 1 / result.denominator if result.denominator else math.nan
    if loss.transform is not None:
        factor *= loss.transform.slope(result.total * factor)
    totals: Mapping[str, Array] = {}
    if partial.sums:
        assert plan.gathering is not None
        shape = fill(plan.gathering.shape, 0)
        sums = {
            name: np.array([one.value for one in parts]).reshape(shape)
            for name, parts in partial.sums.items()
        }
        weight = _weigh_single(plan)
        slopes = differentiate_finish(loss, sums, plan.options)
        totals = {
            name: slope * (weight * factor) for name, slope in slopes.items() if name != COUNT
        }
    blocks = plan.cutting.count(result.samples)
    return Derivation(
        inputs=tuple(inputs),
        factor=factor,
        totals=totals,
        numerical=loss.slope is None,
        checked=-(-CHECKED // max(1, blocks)) if check else 0,
    )


def _weigh_single(plan: Plan) -> float:
    """Return the weight of losses that are known at the end alone."""
    from lossctl.engine.summary import Summary

    return Summary.of(plan).weight


def with_derivation(plan: Plan, derivation: Derivation) -> Plan:
    """Return the plan of the second reading."""
    return replace(plan, derivation=derivation)


def _make_piece(bound: Bound, region: Region, slope: Array) -> Piece:
    """Return a block of the gradient with the axes of its source."""
    start = bound.position((0,) * slope.ndim, region)
    values = slope if bound.batched or bound.shared else slope[0]
    return Piece(bound.name, start, values.transpose(np.argsort(bound.order)))


def _fold(total: Array, slope: Array, bound: Bound, region: Region) -> None:
    """Add a block to the gradient by an input that is stretched over several places."""
    stretched = tuple(sorted(bound.fixed))
    folded = slope.sum(axis=stretched, keepdims=True, dtype=np.float64)
    cuts = iter(region.further)
    box = []
    for axis, word in enumerate(bound.axes):
        cut = next(cuts) if word == "*" else slice(None)
        if word == "N":
            cut = slice(region.start, region.stop)
        box.append(slice(None) if axis in bound.fixed else cut)
    total[tuple(box)] += folded


def _measure_norm(size: Array, top: float) -> float:
    """Return the Euclidean norm; numbers whose squares leave the range are scaled first."""
    if not 0 < top < math.inf:
        return top
    if 1e-140 < top < 1e140:
        return math.sqrt(float(np.square(size, dtype=np.float64).sum()))
    return top * math.sqrt(float(np.square(size / top, dtype=np.float64).sum()))
