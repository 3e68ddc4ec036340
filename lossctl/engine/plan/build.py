"""Making a plan: inputs bound to sources, options to shapes, samples to blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import ReshapedSource, squeeze
from lossctl.data.rules import shapes
from lossctl.engine.plan.binding import BoundInput, axis_order, kind_under, view_axes
from lossctl.engine.plan.blocks import BlockPlan, plan_blocks
from lossctl.engine.plan.match import (
    broadcast_inputs,
    load_whole,
    match_inputs,
    prepare,
    reject_integers,
    reject_missing,
    reject_no_classes,
)
from lossctl.engine.plan.options import TensorOption, bind_tensor
from lossctl.engine.plan.plan import NAN_POLICIES, REDUCTIONS, Plan, Settings
from lossctl.engine.plan.reduced_axes import plan_axis_reduction
from lossctl.errors import DataError, UsageError
from lossctl.findings import OptionName, Sentence
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Input, Loss


def make_plan(
    loss: Loss,
    sources: Sequence[Source],
    options: dict[str, Any],
    settings: Settings,
    sample_weight: Source | None = None,
    mask: Source | None = None,
    predicates: dict[str, bool] | None = None,
) -> Plan:
    """Bind sources to a loss's inputs; raises DataError where shapes do not fit together.

    ``predicates`` has the values of the predicates of complete inputs.
    """
    _check_settings(loss, settings)
    if loss.class_axis_option:
        settings = replace(settings, class_axis=options[loss.class_axis_option])
    match, ordered, notes = match_inputs(loss, sources, settings)
    sizes = dict(match.sizes)
    batched = any("N" in one.form(match.form).axes for one in loss.inputs)
    if not batched:
        sizes["N"] = 1
    inputs = tuple(
        _bind(loss, declared, source, match, batched, options, settings)
        for declared, source in zip(loss.inputs, ordered, strict=True)
    )
    reject_integers(inputs)
    broadcast_inputs(inputs, loss)
    prepare(loss, inputs, sizes, options)
    reject_no_classes(inputs, sizes)
    if loss.needs_all_samples:
        load_whole(loss, inputs, sizes)
        if settings.nan == "omit":
            reject_missing(loss, inputs)
    first = inputs[0]
    axis_reduction = plan_axis_reduction(
        loss,
        options,
        tuple(first.source.shape[axis] for axis in first.order),
        vector=first.axes == ("N",),
    )
    axes = tuple(word for axis in loss.result_axes(0) for word in _words(axis, len(match.trailing)))
    tensors = _tensors(loss, options, sizes, match.trailing)
    if sizes["N"] is None:  # an option with one number per sample determines their number
        lengths = [one.array.shape[0] for one in tensors.values() if one.axes[:1] == ("N",)]
        sizes["N"] = next((length for length in lengths if length != 1), None)
    cost = _cost(loss, inputs, sizes, match.trailing)
    divisible = not any(bound.shared and "*" in bound.axes for bound in inputs)
    if axis_reduction is not None:
        divisible = divisible and axis_reduction.divisible
    elif match.trailing:  # what a loss sums within a sample must not be cut
        divisible = divisible and "*" in axes
    block_plan = plan_blocks(
        cost, match.trailing, itemsize=np.dtype(settings.dtype).itemsize, divisible=divisible
    )
    if loss.needs_all_samples:
        block_plan = BlockPlan(sizes["N"] or 1, (tuple(slice(0, size) for size in match.trailing),))
    plan = Plan(
        loss=loss,
        inputs=inputs,
        options=options,
        tensors=tensors,
        settings=settings,
        sizes=sizes,
        block_plan=block_plan,
        axes=axes,
        shape=_result_shape(loss, match, sizes) if axis_reduction is None else axis_reduction.shape,
        axis_reduction=axis_reduction,
        predicates=predicates or {},
        notes=notes + [note for name, one in tensors.items() for note in _odd_numbers(name, one)],
    )
    plan.sample_weight = _per_sample("sample weight", sample_weight, plan)
    plan.mask = _per_sample("mask", mask, plan)
    return plan


def has_class_axis(loss: Loss) -> bool:
    """Return whether the inputs of a loss have a class axis that can be anywhere."""
    return any(form.axes[:2] == ("N", "C") for one in loss.inputs for form in one.forms)


def _check_settings(loss: Loss, settings: Settings) -> None:
    if settings.reduction not in REDUCTIONS:
        raise UsageError(
            f"unknown reduction {settings.reduction!r}",
            f"Valid values: {', '.join(REDUCTIONS)}.",
        )
    if loss.transform is not None and settings.reduction == "sum":
        raise UsageError(
            f"{loss.key} is the {loss.transform.name} of a mean, and has no sum",
            "Choose another reduction, such as mean.",
        )
    if settings.nan not in NAN_POLICIES:
        raise UsageError(f"nan must be one of {', '.join(NAN_POLICIES)}, not {settings.nan!r}")
    if settings.dtype not in ("float64", "float32"):
        raise UsageError(f"dtype must be float64 or float32, not {settings.dtype!r}")
    if settings.part is not None and not 1 <= settings.part[0] <= settings.part[1]:
        part, parts = settings.part
        raise UsageError(
            f"there is no part {part} of {parts}", "Parts are counted from 1, such as 3/40."
        )
    if settings.threads is not None and not isinstance(settings.threads, int):
        raise UsageError(f"threads must be an integer, but is {settings.threads!r}")
    if settings.threads is not None and settings.threads < 1:
        raise UsageError(f"threads must be at least 1, but is {settings.threads}")
    if settings.class_axis != 1 and loss.class_axis_option:
        option = OptionName(loss.class_axis_option)
        said = "the class axis of {loss} is set with {option}"
        raise UsageError(Sentence(said, {"loss": loss.key, "option": option}))
    if settings.class_axis != 1 and not has_class_axis(loss):
        raise UsageError(f"{loss.key} has no class axis that could be moved")


def _bind(
    loss: Loss,
    declared: Input,
    source: Source,
    match: shapes.Match,
    batched: bool,
    options: dict[str, Any],
    settings: Settings,
) -> BoundInput:
    form = declared.form(match.form)
    shared = "N" not in declared.forms[0].axes or (batched and "N" not in form.axes)
    has_samples = "N" in form.axes or form.axes == ("1",)
    axes = view_axes(form, len(match.trailing))
    bound = BoundInput(
        name=declared.name,
        kind=kind_under(declared, form, options),
        source=source,
        axes=axes if has_samples or shared else ("N", *axes),
        order=axis_order(
            form, len(source.shape), settings.class_axis, last=bool(loss.class_axis_option)
        ),
        batched=has_samples,
        shared=shared,
        reads_few=declared.reads_few,
    )
    whole = bound.kind in (Kind.LENGTH, Kind.LABELS)
    if shared or not has_samples or whole or bound.order[:1] != (0,):
        bound.load()
    return bound


def _words(axis: str, trailing: int) -> list[str]:
    return ["*"] * trailing if axis == "*D" else [axis]


def _result_shape(
    loss: Loss, match: shapes.Match, sizes: dict[str, int | None]
) -> tuple[int | None, ...]:
    shape: list[int | None] = []
    for word in loss.result_axes(match.form):
        shape += match.trailing if word == "*D" else [1 if word == "1" else sizes[word]]
    return tuple(shape)


def _cost(
    loss: Loss,
    inputs: tuple[BoundInput, ...],
    sizes: dict[str, int | None],
    trailing: tuple[int, ...],
) -> int:
    """Return how many numbers one sample has: in its largest input, unless the loss declares it."""
    if loss.sample_cost is not None:
        known = {word: size or 0 for word, size in sizes.items()}
        return loss.sample_cost({**known, "*D": math.prod(trailing)})
    costs = [1]
    for bound in inputs:
        if not bound.shared:
            words = [word for word in bound.axes if word not in ("N", "*")]
            starred = math.prod(trailing) if "*" in bound.axes else 1
            lengths = [int(word) if word.isdecimal() else sizes.get(word) or 1 for word in words]
            costs.append(math.prod(lengths) * starred)
    return max(costs)


def _tensors(
    loss: Loss,
    options: dict[str, Any],
    sizes: dict[str, int | None],
    trailing: tuple[int, ...],
) -> dict[str, TensorOption]:
    known = dict(sizes)
    return {
        parameter.name: bind_tensor(loss, parameter, options[parameter.name], known, trailing)
        for parameter in loss.parameters
        if parameter.tensor and options[parameter.name] is not None
    }


def _per_sample(name: str, source: Source | None, plan: Plan) -> BoundInput | None:
    """Bind a weight or mask, which broadcasts from the sample axis onwards."""
    if source is None:
        return None
    if plan.settings.squeeze:
        source = squeeze(source)
    shape, wanted, axes = source.shape, plan.shape, plan.axes
    if plan.single and name == "mask":  # it leaves out parts of the single loss
        first = plan.inputs[0]
        axes, wanted = first.axes, tuple(first.source.shape[axis] for axis in first.order)
    if plan.loss.squeeze_trailing and len(shape) == len(wanted) + 1 and shape[-1] == 1 and wanted:
        source = ReshapedSource(source, len(wanted))
        shape = source.shape
    fits = len(shape) <= len(wanted) and all(
        have == 1 or have is None or size is None or have == size
        for have, size in zip(shape, wanted, strict=False)
    )
    number = not shape and name != "mask"
    if not number and (not fits or shape[:1] == (1,) != wanted[:1] or (not shape and wanted)):
        raise DataError(
            f"the {name} has shape {shapes.show(shape)}, but the losses are {shapes.show(wanted)}",
            f"A {name} has one number per sample, or the shape of the losses.",
        )
    bound = BoundInput(
        name=name,
        kind=Kind.REAL,
        source=source,
        axes=axes[: len(shape)] if shape else axes[:1],
        order=tuple(range(len(shape))),
        batched=bool(shape),
        shared=False,
        fixed=frozenset(
            axis for axis, size in enumerate(shape) if axis and size == 1 != wanted[axis]
        ),
    )
    if not shape or (plan.single and name != "mask"):
        bound.load()
        bound.fixed = frozenset({0})
    return bound


def _odd_numbers(name: str, tensor: TensorOption) -> list[str]:
    """Return a note on NaN and infinity in an option."""
    odd = ~np.isfinite(tensor.array)
    if not odd.any():
        return []
    first = tuple(int(place) for place in np.argwhere(odd)[0])
    return [
        f"{name}: {int(odd.sum())} of the numbers are NaN or infinite;"
        f" the first is {tensor.array[first]} at position {', '.join(map(str, first))}"
    ]
