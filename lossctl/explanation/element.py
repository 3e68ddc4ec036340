"""One element of a loss by itself: what its kernel is given there, and what it adds to the sums.

An element is a sample, or a position of a sample that has trailing axes. Where a loss is made of
sums over samples, a row is what it adds to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules.shapes import show
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.engine.run.block import accumulate, arrange, call_kernel, take_inputs
from lossctl.engine.sums.partial import Contributions, Partial
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Terms
from lossctl.losses.core.terms import Denominator

Array = NDArray[Any]
Position = tuple[int, ...]

IGNORED, MASKED, OMITTED = "ignored", "masked", "omitted"
"""Why an element adds nothing."""


@dataclass(slots=True)
class Element:
    """What one element of a loss is made of, and what it adds."""

    row: int
    position: Position
    """Where it is among the trailing axes of its sample."""
    positions: Position
    """How many elements the sample has along each of them."""
    given: list[Array]
    """The inputs as they were read, without the axes of samples and positions."""
    arrays: list[Array]
    """The same as the kernel has them; all samples where the loss needs them all."""
    options: dict[str, Any]
    loss: float | None = None
    """None where sums over all samples have a loss alone."""
    left_out: str = ""
    weight: float | None = None
    """The sample weight."""
    divisor: float | None = None
    """What the loss is divided by in the mean alone."""
    total: float = 0.0
    """What it adds to the sum of the losses."""
    share: float = 0.0
    """What it adds to what that sum is divided by."""
    divided_by: Denominator = field(default_factory=Denominator)
    """What that is."""
    sums: dict[str, Array] = field(default_factory=dict)
    """What it adds to named sums, of which the loss is made."""


def count_rows(plan: Plan, samples: int | None) -> int | None:
    """Return how many rows there are to choose from; inputs without a sample axis are one row."""
    return samples if any(one.batched for one in plan.inputs) else 1


def check_row(row: int, samples: int | None, source: str) -> None:
    """Refuse a row that is not there; ``samples`` is None while their number is not known."""
    if row >= 0 and (samples is None or row < samples):
        return
    counted = "Rows are counted from 0"
    if samples is None:
        raise UsageError(f"there is no row {row}", f"{counted}.")
    rows = "1 row" if samples == 1 else f"{samples} rows"
    last = f"; the last one is {samples - 1}." if samples else "."
    raise UsageError(f"there is no row {row}: {source} has {rows}", f"{counted}{last}")


def find_positions(plan: Plan) -> Position:
    """Return how many elements a sample has along each of its trailing axes."""
    trailing = [cut.stop - cut.start for cut in _whole_box(plan)]
    return tuple(trailing[axis] for axis in _find_axes(plan))


def _whole_box(plan: Plan) -> tuple[slice, ...]:
    return tuple(slice(0, cut.stop) for cut in plan.block_plan.boxes[-1])


def _find_axes(plan: Plan) -> list[int]:
    """Return which of the trailing axes have a loss at each place."""
    if plan.single or "*" not in plan.axes:
        return []
    reduced = () if plan.axis_reduction is None else plan.axis_reduction.axes or ()
    return [axis for axis in range(len(_whole_box(plan))) if axis + 1 not in reduced]


def take_losses(plan: Plan, row: int) -> Array:
    """Return the losses of all elements of a row, in the shape of their positions."""
    axes, boxes = _find_axes(plan), plan.block_plan.boxes
    losses = np.empty(find_positions(plan))
    for box in boxes:
        region = Region(row, row + 1, box, partial=len(boxes) > 1)
        blocks = [bound.block(region) for bound in plan.streams]
        with np.errstate(all="ignore"):
            taken = take_inputs(plan, region, blocks, Partial())
            terms = call_kernel(plan, *arrange(plan, region, taken.inputs))
            found = accumulate(plan, region, terms, taken, Partial())
        assert found is not None
        losses[tuple(box[axis] for axis in axes)] = found[0]
        for bound in plan.streams:
            bound.source.release_all()
    return losses


def find_largest(plan: Plan, row: int) -> Position:
    """Return where the loss of a row is largest, or the first place where it is NaN."""
    if not find_positions(plan):
        return ()
    losses = take_losses(plan, row)
    if not losses.size:
        raise UsageError(f"row {row} has no losses: their shape is {show(losses.shape)}")
    return locate_largest(losses)


def locate_largest(numbers: Array) -> Position:
    """Return the place of the largest number, or of the first NaN."""
    ranked = np.where(np.isnan(numbers), np.inf, numbers)
    return tuple(int(step) for step in np.unravel_index(int(ranked.argmax()), ranked.shape))


def check_position(plan: Plan, row: int, position: Position) -> None:
    """Reject a position that a sample does not have."""
    sizes = find_positions(plan)
    inside = len(position) == len(sizes) and all(
        0 <= place < size for place, size in zip(position, sizes, strict=True)
    )
    if inside:
        return
    asked = ",".join(map(str, position))
    if not sizes:
        raise UsageError(
            f"row {row} has one loss, and no position {asked}", f"Give the row only: {row}."
        )
    first = ",".join("0" * len(sizes))
    raise UsageError(
        f"row {row} has losses of shape {show(sizes)}, and none at {asked}",
        f"Give an element, such as {row},{first}, or the row only for its highest loss.",
    )


def take_element(plan: Plan, row: int, position: Position, samples: int) -> Element:
    """Return one element of a plan; its inputs are read again, or have been kept."""
    region = _find_region(plan, row, position, samples)
    single = replace(plan, settings=replace(plan.settings, rows=True))
    blocks = [_cut_shared(plan, number, region) for number in range(len(plan.inputs))]
    blocks += [bound.block(_drop_reduced(plan, region)) for bound in plan.streams[len(blocks) :]]
    partial = Partial()
    with np.errstate(all="ignore"):
        taken = take_inputs(single, region, blocks, partial)
        weight, mask = taken.weight, taken.mask
        arrays, options = arrange(single, region, taken.inputs)
        options |= _cut_options(plan, options, region)
        terms = call_kernel(single, arrays, options)
        own = replace(terms)
        losses = accumulate(single, region, terms, taken, partial)
    assert partial.rows is not None
    at = row - region.start
    element = Element(
        row=row,
        position=position,
        positions=find_positions(plan),
        given=blocks[: len(plan.inputs)],
        arrays=arrays,
        options=options,
        sums=_add_named(plan, own, partial.rows, at),
    )
    if not plan.loss.needs_all_samples:
        element.given = _drop_from_inputs(plan, element.given)
        element.arrays = _drop_from_inputs(plan, arrays)
        element.options = options | _drop_from_options(plan, options)
    if losses is None:
        nothing = not element.sums[COUNT].any()
    else:
        nothing = not partial.rows.counted[at]
        element.loss = float(terms.losses[at].reshape(-1)[0])
        element.total = float(partial.rows.totals[at])
        element.share = float(partial.rows.denominators[at])
        if plan.averages:
            element.divided_by = partial.divided_by
    element.left_out = _describe_exclusion(terms, mask, at) if nothing else ""
    if weight is not None and losses is not None:
        element.weight = float(weight.reshape(-1)[at if weight.size > 1 else 0])
    if terms.mean_divisors is not None and plan.averages:
        element.divisor = float(terms.mean_divisors[at])
    return element


def show_index(plan: Plan, bound: BoundInput, element: Element) -> str:
    """Return what an element takes of an input, in the notation of NumPy; nothing if all of it."""
    kept, trailing, places = _find_axes(plan), count(), iter(element.position)
    words = [
        str(next(places)) if word == "*" and next(trailing) in kept else ":" for word in bound.axes
    ]
    if bound.axes[:1] == ("N",):
        words[0] = str(element.row)
    rank = len(bound.source.shape)
    words = [
        "0" if axis in bound.fixed else word
        for axis, word in enumerate(words)
        if axis not in bound.fixed or rank == len(words)
    ]
    if not bound.batched and not bound.shared:
        del words[:1]
    if len(words) != rank or set(words) <= {":"}:
        return ""
    index = dict(zip(bound.order, words, strict=False))
    return f"[{', '.join(index[axis] for axis in sorted(index))}]"


def _add_named(plan: Plan, terms: Terms, rows: Contributions, at: int) -> dict[str, Array]:
    """Return what an element adds to named sums, in the shape of the losses made of them."""
    axis_reduction = plan.axis_reduction
    if axis_reduction is None:
        return {}
    if plan.single:
        return {
            name: total[at].reshape([size or 0 for size in axis_reduction.shape])
            for name, total in rows.sums.items()
        }
    totals = {name: values.sum(axis=axis_reduction.axes)[at] for name, values in terms.sums.items()}
    return {name: total.reshape(()) for name, total in totals.items()}


def _describe_exclusion(terms: Terms, mask: Array | None, at: int) -> str:
    if terms.ignored is not None and terms.ignored[at].all():
        return IGNORED
    masked = mask is not None and not mask[at if len(mask) > 1 else 0].any()
    return MASKED if masked else OMITTED


def _find_region(plan: Plan, row: int, position: Position, samples: int) -> Region:
    box = list(_whole_box(plan))
    if plan.loss.needs_all_samples:
        return Region(0, samples, tuple(box))
    for axis, place in zip(_find_axes(plan), position, strict=True):
        box[axis] = slice(place, place + 1)
    return Region(row, row + 1, tuple(box), partial=tuple(box) != _whole_box(plan))


def _drop_reduced(plan: Plan, region: Region) -> Region:
    """Return the region of a weight or a mask, which have the axes of the losses."""
    if plan.single:
        return region
    return replace(region, trailing=tuple(region.trailing[axis] for axis in _find_axes(plan)))


def _cut_shared(plan: Plan, number: int, region: Region) -> Array:
    """Return a region of an input; what belongs to all samples is cut along positions alone."""
    bound = plan.inputs[number]
    block = bound.block(region)
    if not (bound.shared and "*" in bound.axes):
        return block
    cuts = iter(region.trailing)
    return block[tuple(next(cuts) if word == "*" else slice(None) for word in bound.axes)]


def _cut_options(plan: Plan, options: dict[str, Any], region: Region) -> dict[str, Any]:
    """Return the arrays that have trailing axes of their own, cut to the region."""
    found = {}
    for parameter in plan.loss.parameters:
        words = (parameter.option.shape or "").split()
        if "*D" in words and options[parameter.name] is not None:
            before = (slice(None),) * words.index("*D")
            found[parameter.name] = options[parameter.name][(*before, *region.trailing)]
    return found


def _drop_from_inputs(plan: Plan, arrays: Sequence[Array]) -> list[Array]:
    pairs = zip(plan.inputs, arrays, strict=True)
    return [_drop_axes(plan, array, bound.axes) for bound, array in pairs]


def _drop_axes(plan: Plan, array: Array, axes: Sequence[str]) -> Array:
    """Return an array of one element without the axes of samples and positions."""
    kept, trailing = _find_axes(plan), count()
    index = [
        0 if word == "N" or (word == "*" and next(trailing) in kept) else slice(None)
        for word in axes
    ]
    return array[tuple(index)]


def _drop_from_options(plan: Plan, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that have axes of samples or positions, without them."""
    found = {}
    for parameter in plan.loss.parameters:
        value = options[parameter.name]
        words = (parameter.option.shape or parameter.option.broadcast_to or "").split()
        if isinstance(value, np.ndarray) and {"N", "*D"} & {*words}:
            trailing = ["*"] * len(_whole_box(plan))
            axes = [one for word in words for one in (trailing if word == "*D" else [word])]
            found[parameter.name] = _drop_axes(plan, value, axes)
    return found
