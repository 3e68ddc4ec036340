"""The computation of one block: checks, the kernel, weights and masks, and its partial sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules import kinds
from lossctl.data.rules.kinds import Context
from lossctl.data.rules.rules import Rule
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.missing import fill_missing, find_missing, spread
from lossctl.engine.sums.partial import Contributions, Partial
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Terms
from lossctl.losses.core.terms import Note

Array = NDArray[Any]

FEW_CLASSES = 128
CLAMPED = Rule(
    "clamped",
    "{were} clamped",
    is_error=False,
    unit="logarithm",
    first="is at",
    summary="confident mistakes hidden by a clamp of their logarithms",
)


NAN_LOSS = Rule(
    "nan_loss", "{are} NaN", is_error=False, unit="result", first="is at", invalidates_result=True,
    summary="losses that are NaN where the inputs are not",
)  # fmt: skip
INFINITE_LOSS = Rule(
    "infinite_loss", "{are} infinite", is_error=False, unit="result",
    summary="losses that are infinite where the inputs are not",
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """The sums of a block, and its per-element losses (None if broken, or not asked for)."""

    region: Region
    partial: Partial
    losses: Array | None


@dataclass(slots=True)
class Taken:
    """What a block has: the inputs, and what else decides which losses count, and how much."""

    inputs: list[Array]
    weight: Array | None = None
    mask: Array | None = None
    missing: NDArray[np.bool_] | None = None
    """Which losses lack a number that they are made of, where these are left out."""


def process(plan: Plan, region: Region, blocks: Sequence[Array]) -> Outcome:
    """Check a block's inputs, compute its losses and add them up."""
    with np.errstate(all="ignore"):
        partial = Partial()
        taken = take_inputs(plan, region, blocks, partial)
        if partial.broken:
            return Outcome(region, partial, None)
        arrays, options = arrange(plan, region, taken.inputs)
        terms = call_kernel(plan, arrays, options)
        losses = accumulate(plan, region, terms, taken, partial)
    wanted = plan.settings.reduction == "none" and not plan.single
    return Outcome(region, partial, losses if wanted else None)


def take_inputs(plan: Plan, region: Region, blocks: Sequence[Array], partial: Partial) -> Taken:
    """Check a block; return its inputs, its weight and its mask, and what is missing."""
    inputs = list(blocks[: len(plan.inputs)])
    extras = list(blocks[len(plan.inputs) :])
    weight = extras.pop(0) if plan.sample_weight is not None else None
    mask = extras.pop(0) if plan.mask is not None else None
    for number, bound in enumerate(plan.inputs):
        kept = None if mask is None else find_kept(plan, bound, inputs[number], mask)
        _inspect(plan, bound, region, inputs[number], kept, partial)
        if kept is not None and bound.kind.is_integer and not plan.loss.needs_all_samples:
            inputs[number] = np.where(kept, inputs[number], 0)  # may not be an index at all
    for one, values in ((plan.sample_weight, weight), (plan.mask, mask)):
        if one is not None and values is not None:
            _inspect(plan, one, region, values, None, partial)
    taken = Taken(inputs, weight, mask)
    if plan.settings.nan == "omit":
        taken.missing = find_missing(plan, inputs, weight, mask)
        pairs = zip(plan.inputs, inputs, strict=True)
        taken.inputs = [fill_missing(plan, bound, values) for bound, values in pairs]
    return taken


def accumulate(
    plan: Plan, region: Region, terms: Terms, taken: Taken, partial: Partial
) -> Array | None:
    """Add up the terms of a kernel; return the losses (None if only their sums have one)."""
    axis_reduction = plan.axis_reduction
    if axis_reduction is not None and not axis_reduction.over_samples:
        terms.losses = axis_reduction.finalize_block(
            plan.loss, terms.losses, terms.sums, plan.options
        )
    elif axis_reduction is not None and axis_reduction.has_finalize:
        _add_sums(plan, region, terms, taken, partial)
        return None
    return _add_up(plan, region, terms, taken, partial)


def find_kept(
    plan: Plan, bound: BoundInput, values: Array, mask: Array
) -> NDArray[np.bool_] | None:
    """Return where an input is not masked, broadcastable to its block (None: no effect).

    A value shared by several elements counts unless all of them are masked.
    """
    if bound.shared:
        return None
    axis_reduction = None if plan.single else plan.axis_reduction
    reduced = () if axis_reduction is None else axis_reduction.axes or ()
    rest = iter(mask.shape[1:])
    shape = [
        next(rest, 1) if word == "*" and axis not in reduced else 1
        for axis, word in enumerate(bound.axes[1:], start=1)
    ]
    if any(size != 1 for size in rest):  # masked along axes that this input does not have
        return None
    kept = (mask != 0).reshape(len(mask), *shape)
    once = tuple(axis for axis, size in enumerate(values.shape) if size == 1 < kept.shape[axis])
    if once:
        kept = kept.any(axis=once, keepdims=True)
    return np.broadcast_to(kept, values.shape)


def _inspect(
    plan: Plan,
    bound: BoundInput,
    region: Region,
    values: Array,
    kept: NDArray[np.bool_] | None,
    partial: Partial,
) -> None:
    """Check the numbers of an input, and note broken rules where it is not masked."""
    if bound.kind in (Kind.LENGTH, Kind.LABELS):
        return  # checked before the first block
    if bound.reads_few and bound.kind == Kind.LOG_PROBABILITY and values.dtype.kind == "f":
        return  # checked by the kernel when it reads them (nll)
    context = Context(
        classes=plan.classes,
        ignored_label=plan.ignored_label,
        omits_missing=plan.settings.nan == "omit",
        whole_classes=not region.partial or "C" in bound.axes,
    )
    for rule, broken, shown in kinds.check(bound.kind, values, context):
        per_sample = broken.shape != values.shape  # one finding over all classes of a sample
        found = broken
        if kept is not None:
            found = broken & (kept[:, :1] if per_sample else kept)
        if not found.any():
            continue
        first = _first(found)
        place = bound.position(first, region)
        count = int(np.count_nonzero(found))
        value = shown[first].item()
        partial.note(
            RuleFinding(
                rule, bound.name, count, place[:1] if per_sample else place, value, plan.classes
            )
        )


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def arrange(
    plan: Plan, region: Region, blocks: Sequence[Array]
) -> tuple[list[Array], dict[str, Any]]:
    """Cast the inputs to the computing dtype, and cut the options to the block."""
    arrays = [
        _cast(plan, bound, values) for bound, values in zip(plan.inputs, blocks, strict=False)
    ]
    options = {**plan.options, **plan.predicates}
    for name, tensor in plan.tensors.items():
        options[name] = tensor.block(region).astype(plan.dtype, copy=False)
    return arrays, options


def call_kernel(plan: Plan, arrays: Sequence[Array], options: dict[str, Any]) -> Terms:
    """Return the terms of a block from the kernel."""
    returned = plan.loss.kernel(*arrays, **options)
    return returned if isinstance(returned, Terms) else Terms(returned)


def _cast(plan: Plan, bound: BoundInput, values: Array) -> Array:
    if bound.kind.is_integer:
        return values.astype(np.intp, copy=False)
    if bound.shared or (bound.reads_few and values.dtype.kind == "f"):
        return values  # the kernel casts what it reads
    # With few classes, sums over the class axis run along the samples (measured: 2 times faster).
    few = values.ndim == 2 and "C" in bound.axes and values.shape[1] <= FEW_CLASSES
    return np.asarray(values, dtype=plan.dtype, order="F" if few else "C")


def _add_up(plan: Plan, region: Region, terms: Terms, taken: Taken, partial: Partial) -> Array:
    """Apply weight, mask and the NaN policy; add the losses and denominators up."""
    weight, mask = taken.weight, taken.mask
    losses = np.ascontiguousarray(terms.losses, dtype=plan.dtype)
    if taken.missing is not None:
        losses = np.where(spread(taken.missing, losses.ndim), np.nan, losses)
    summed = losses
    if terms.mean_divisors is not None and plan.averages:
        summed = losses / terms.mean_divisors
    _note_marks(plan, region, terms, taken.missing, partial)
    left_out = find_left_out(plan, terms, losses, taken, partial)
    shares = terms.weights
    if weight is not None:
        factors = spread(weight.astype(np.float64, copy=False), losses.ndim)
        losses, summed = losses * factors, summed * factors
        shares = np.broadcast_to(factors, losses.shape) if shares is None else shares * factors
    if left_out is not None:
        summed = np.where(left_out, 0, summed)
        shares = None if shares is None else np.where(left_out, 0, shares)
    partial.elements = losses.size
    partial.counted = losses.size - partial.ignored - partial.masked - partial.omitted
    total = float(np.sum(np.ascontiguousarray(summed), dtype=np.float64))
    partial.total.add(total)
    if not math.isfinite(total):
        _note_odd(
            plan, region, losses if left_out is None else np.where(left_out, 0, losses), partial
        )
    partial.denominator.add(
        partial.counted if shares is None else float(np.sum(shares, dtype=np.float64))
    )
    partial.divided_by = replace(terms.divided_by, sample_weighted=weight is not None)
    if plan.settings.rows:
        partial.rows = Contributions.of(summed, shares if plan.averages else None, left_out)
        partial.rows.missing = _find_missing(partial)
    if mask is not None:
        losses = np.where(spread(mask, losses.ndim) == 0, 0, losses)
    return losses.astype(plan.dtype, copy=False)


def _add_sums(plan: Plan, region: Region, terms: Terms, taken: Taken, partial: Partial) -> None:
    """Apply the mask and the NaN policy to named contributions, and add them up."""
    assert plan.axis_reduction is not None
    together: Array = sum(terms.sums.values(), np.zeros(()))
    _note_marks(plan, region, terms, taken.missing, partial)
    left_out = find_left_out(plan, terms, together, taken, partial)
    partial.elements = together.size
    partial.counted = together.size - partial.ignored - partial.masked - partial.omitted
    partial.divided_by = terms.divided_by
    partial.sums = plan.axis_reduction.add(terms.sums, left_out)
    if plan.settings.rows:
        sums = plan.axis_reduction.add_rows(terms.sums, left_out)
        nothing = np.zeros(region.stop - region.start)
        partial.rows = Contributions(nothing, nothing, nothing.astype(np.int64), sums)
        partial.rows.missing = _find_missing(partial)
    if not all(math.isfinite(one.value) for parts in partial.sums.values() for one in parts):
        kept = together if left_out is None else np.where(left_out, 0, together)
        _note_odd(plan, region, kept, partial)


def _note_odd(plan: Plan, region: Region, losses: Array, partial: Partial) -> None:
    """Count the losses that are NaN, and note NaN or infinite ones that nothing else explains."""
    missing = np.isnan(losses)
    partial.nan = int(np.count_nonzero(missing))
    explained = bool(partial.findings or plan.notes)
    for rule, mask in ((NAN_LOSS, missing), (INFINITE_LOSS, np.isinf(losses))):
        if mask.any() and (not explained or plan.settings.nan == "error"):
            _note(plan, region, rule, mask, losses, partial)


def _note_marks(
    plan: Plan,
    region: Region,
    terms: Terms,
    missing: NDArray[np.bool_] | None,
    partial: Partial,
) -> None:
    marks: list[tuple[Rule, NDArray[np.bool_]]] = [
        (Rule(*_name(note), is_error=False, unit="element", first="is at"), mask)
        for note, mask in terms.notes.items()
    ]
    if terms.clamped is not None:
        marks.append((_describe_clamp(terms), terms.clamped))
    if missing is not None:  # the kernel got another number there
        marks = [(rule, mask & ~spread(missing, mask.ndim)) for rule, mask in marks]
    if terms.clamped is not None:
        partial.clamped = int(np.count_nonzero(marks[-1][1]))
    for rule, mask in marks:
        if mask.any():
            _note(plan, region, rule, mask, terms.losses, partial)


def _describe_clamp(terms: Terms) -> Rule:
    text = f"{{were}} clamped, because {terms.clamp}"
    return replace(CLAMPED, text=text, unit=terms.clamped_unit)


def _name(note: str | Note) -> Note:
    """Return a note of a kernel with its code; a note without a code is its own code."""
    return note if isinstance(note, Note) else Note(note, note)


def _note(
    plan: Plan,
    region: Region,
    rule: Rule,
    mask: NDArray[np.bool_],
    losses: Array,
    partial: Partial,
) -> None:
    """Note a broken rule about losses, or about the terms they are computed from."""
    first = _first(mask)
    bound = plan.inputs[0]
    whole = mask.ndim == len(bound.axes) and (plan.single or mask.ndim > len(plan.axes))
    place = bound.position(first, region) if whole else _result_position(plan, first, region)
    count = int(np.count_nonzero(mask))
    value = float(losses[first]) if losses.shape == mask.shape else math.nan
    partial.note(RuleFinding(rule, plan.loss.key, count, place, value))


def _result_position(plan: Plan, local: tuple[int, ...], region: Region) -> tuple[int, ...]:
    found = [local[0] + region.start, *local[1:]]
    for axis, cut in enumerate(region.trailing, start=1):
        if axis < len(found):
            found[axis] += cut.start or 0
    return tuple(found[len(found) - len(plan.shape) :])


def find_left_out(
    plan: Plan, terms: Terms, losses: Array, taken: Taken, partial: Partial
) -> NDArray[np.bool_] | None:
    """Count what is ignored, masked and omitted, and return what must not be summed."""
    left_out: NDArray[np.bool_] | None = None
    if terms.ignored is not None:
        left_out = terms.ignored
        partial.ignored = int(np.count_nonzero(left_out))
    if taken.mask is not None:
        masked = np.broadcast_to(spread(taken.mask, losses.ndim) == 0, losses.shape)
        fresh = masked if left_out is None else masked & ~left_out
        partial.masked = int(np.count_nonzero(fresh))
        left_out = masked if left_out is None else masked | left_out
    if plan.settings.nan == "omit":
        missing = np.isnan(losses)
        if taken.missing is not None:
            missing |= spread(taken.missing, losses.ndim)
        fresh = missing if left_out is None else missing & ~left_out
        partial.omitted = int(np.count_nonzero(fresh))
        partial.omissions = fresh if partial.omitted else None
        left_out = missing if left_out is None else missing | left_out
    return left_out


def _find_missing(partial: Partial) -> NDArray[np.bool_] | None:
    """Return which samples lack omitted losses."""
    omissions = partial.omissions
    if omissions is None:
        return None
    return np.asarray(omissions.reshape(len(omissions), -1).any(axis=1), np.bool_)
