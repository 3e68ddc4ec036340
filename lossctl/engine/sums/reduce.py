"""Finishing partial sums: the one place where losses become a number, with its denominator."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules.rules import NOT_A_NUMBER
from lossctl.engine.exact_sum import ExactSum
from lossctl.engine.plan.plan import Plan
from lossctl.engine.sums.axis_sums import finalize_sums
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.engine.sums.summary import Summary
from lossctl.errors import Worded, warn
from lossctl.findings import Location
from lossctl.losses.core.terms import Denominator, DenominatorName

Array = NDArray[Any]


def locate(plan: Plan, finding: RuleFinding) -> None:
    """Set the location of a finding, while the sources are known."""
    bound = next((one for one in plan.streams if one.name == finding.name), None)
    position = finding.position
    if bound is None:  # about losses: it is located in the first input
        bound = plan.inputs[0]
        if bound.batched and bound.order[0] != 0:
            finding.location = Location(sample=position[0], source=bound.source.name)
            return
        if len(position) != len(bound.order):
            position = position[:1] if bound.batched else ()
    finding.location = bound.source.locate(position)


def finish(
    summary: Summary, partial: Partial, samples: int, elements: Array | None = None
) -> Result:
    """Turn sums and counts into a result, with its warnings."""
    total, denominator, divided_by = quotient(summary, partial, samples)
    omits = summary.settings["nan"] == "omit"
    notes: list[Worded | str] = [
        replace(one, left_out=omits and one.rule.code == NOT_A_NUMBER.code)
        for one in partial.findings.values()
    ]
    notes += summary.notes if partial.elements else ()
    notes += _tell_unused(summary, partial)
    averaged = summary.single or summary.reduction not in ("none", "sum")
    if averaged and summary.part is None and (denominator == 0 or _is_empty(summary, partial)):
        notes.append(_nothing_left(partial))
    for note in notes:
        warn(note)
    return Result(
        loss=summary.loss,
        reduction=summary.reduction,
        value=None if summary.reduction == "none" else _value(summary, total, denominator),
        elements=elements,
        total=total,
        denominator=denominator,
        denominator_name=divided_by.name,
        counted=partial.counted,
        ignored=partial.ignored,
        masked=partial.masked,
        omitted=partial.omitted,
        clamped=partial.clamped,
        nan=partial.nan,
        samples=samples,
        dtype=summary.settings["dtype"],
        options=summary.options,
        ignored_label=summary.ignored_label,
        given=summary.given,
        inputs=tuple(
            (name, source, fill(shape, samples)) for name, source, shape in summary.inputs
        ),
        shape=fill(summary.shape, samples),
        transform=summary.transform if summary.reduction != "none" else "",
        part=summary.part,
        warnings=tuple(map(str, notes)),
    )


def fill(shape: tuple[int | None, ...], samples: int) -> tuple[int, ...]:
    """Return a shape with its unknown length filled in."""
    return tuple(samples if size is None else size for size in shape)


def quotient(summary: Summary, partial: Partial, samples: int) -> tuple[float, float, Denominator]:
    """Return the total, what it is divided by, and what that is."""
    reduction = summary.reduction
    if not summary.single:
        return partial.total.value, *_denominator(summary, partial, samples)
    weighted = reduction in ("mean", "mean_with_sample_weight")
    if not partial.sums:  # the one loss is a mean by itself
        if weighted:
            return partial.total.value, partial.denominator.value, partial.divided_by
        return partial.total.value, float(partial.counted), Denominator()
    losses = single_losses(summary, partial)
    total = ExactSum.of(losses.flat).value
    if reduction in ("none", "sum"):
        return total, 1.0, Denominator(DenominatorName.SUM if losses.ndim else DenominatorName.ONE)
    denominator = float(losses.size)
    if weighted and summary.weight:
        denominator = ExactSum.of(summary.weight).value
    return (
        total,
        denominator,
        Denominator(DenominatorName.LOSSES if losses.ndim else DenominatorName.ONE),
    )


def single_losses(summary: Summary, partial: Partial) -> Array:
    """Return the losses that are known only at the end."""
    if not partial.sums:
        return np.array(_divide(partial.total.value, float(partial.counted)))
    shape = fill(summary.shape, 0)
    if _is_empty(summary, partial):
        return np.full(shape, np.nan)
    assert summary.declared is not None
    options = {one.name: one.default for one in summary.declared.parameters} | summary.options
    losses = finalize_sums(summary.declared, partial.sums, options, shape)
    return losses * np.reshape(summary.weight, shape) if summary.weight else losses


def _is_empty(summary: Summary, partial: Partial) -> bool:
    """Whether losses that are known only at the end have no elements."""
    return summary.single and partial.counted == 0


def _value(summary: Summary, total: float, denominator: float) -> float:
    mean = _divide(total, denominator)
    if not summary.transform:
        return mean
    assert summary.declared is not None
    assert summary.declared.transform is not None
    return float(summary.declared.transform.apply(mean))


def _denominator(summary: Summary, partial: Partial, samples: int) -> tuple[float, Denominator]:
    match summary.reduction:
        case "sum":
            return 1.0, Denominator(DenominatorName.SUM)
        case "none":
            return 1.0, Denominator(DenominatorName.NOT_REDUCED)
        case "batchmean":
            return float(samples), Denominator(DenominatorName.SAMPLES)
        case "sum_over_batch_size":
            kept = partial.elements - partial.masked - partial.omitted
            return float(kept if summary.keeps_ignored else partial.counted), Denominator()
    return partial.denominator.value, partial.divided_by


def _divide(total: float, denominator: float) -> float:
    """Return the quotient; nothing to divide by is NaN, as in torch, whatever the total."""
    return math.nan if denominator == 0 else total / denominator


def _tell_unused(summary: Summary, partial: Partial) -> list[str]:
    """Warn of an ignored label that never occurs; a part may have none of it."""
    given = summary.ignored_label
    if given is None or partial.ignored or not partial.counted or summary.part is not None:
        return []
    return [describe_unused(given, partial.counted)]


def describe_unused(value: Any, counted: int) -> str:
    """Return the warning that an ignored label never occurs."""
    return f"the value to ignore, {value}, never occurs among {counted} labels"


def _nothing_left(partial: Partial) -> str:
    if not partial.elements:
        return "there are no elements to average: the result is NaN"
    reasons = [
        f"{count} {word}"
        for count, word in (
            (partial.ignored, "ignored"),
            (partial.masked, "masked"),
            (partial.omitted, "NaN"),
        )
        if count
    ]
    why = ", ".join(reasons) or "all weights are 0"
    return f"nothing is left to average of {partial.elements} elements ({why}): the result is NaN"
