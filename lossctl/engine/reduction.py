"""How partial sums finish: the one place where losses become a number, with its denominator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.execution import execute
from lossctl.engine.partial import Finding, Partial
from lossctl.engine.plan import Plan
from lossctl.engine.result import Result
from lossctl.errors import DataError, LossctlWarning
from lossctl.losses.declaration import Kind

Array = NDArray[Any]


class Elements:
    """The per-element losses of a plan, block by block, and the summary at the end.

    Iterating yields arrays which, flattened one after another, are the losses in C order of
    ``shape`` (whose first axis is None where the length is not known before the end).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.partial = Partial()
        self.rows = 0

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape of all the losses together."""
        return self.plan.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the losses."""
        return self.plan.dtype

    def __iter__(self) -> Iterator[Array]:
        for outcome in execute(self.plan):
            self.partial.merge(outcome.partial)
            self.rows = outcome.region.stop
            if outcome.losses is not None and not self.partial.broken:
                yield outcome.losses
        _report_errors(self.plan, self.partial)

    def result(self) -> Result:
        """Return the counts and the denominator of what has been iterated over."""
        return finish(self.plan, self.partial, self.rows, None)


def compute(plan: Plan) -> Result:
    """Compute a plan's result: reduced, or with all per-element losses in memory."""
    stream = Elements(plan)
    if plan.settings.reduction != "none":
        for _ in stream:
            pass
        return stream.result()
    blocks = [block.reshape(-1) for block in stream]
    losses = np.concatenate(blocks) if len(blocks) != 1 else blocks[0]
    shape = tuple(stream.rows if size is None else size for size in plan.shape)
    return finish(plan, stream.partial, stream.rows, losses.reshape(shape))


def _report_errors(plan: Plan, partial: Partial) -> None:
    """Raise the first error that the checks found, with its count and first place."""
    fatal = [one for one in partial.findings.values() if one.rule.is_error]
    if plan.settings.nan == "error":
        fatal += [one for one in partial.findings.values() if one.rule.code == "nan"]
    if fatal:
        finding = fatal[0]
        remedy = finding.rule.remedy or "--nan omit leaves them out, --nan propagate computes them."
        raise DataError(_describe(plan, finding), remedy)


def _describe(plan: Plan, finding: Finding) -> str:
    bound = next((one for one in plan.inputs if one.name == finding.name), plan.inputs[0])
    place = bound.source.place(finding.position)
    if finding.name == bound.name:
        place += f" of {bound.source.name}"
    return finding.rule.describe(finding.count, finding.name, finding.value, place, plan.classes)


def finish(plan: Plan, partial: Partial, samples: int, elements: Array | None) -> Result:
    """Turn sums and counts into a result, and tell what a person should know of it."""
    reduction = plan.settings.reduction
    denominator, name = _denominator(plan, partial, samples)
    total = partial.total.value
    value = None if reduction == "none" else _divide(total, denominator)
    notes = _notes(plan, partial, denominator)
    for note in notes:
        warnings.warn(LossctlWarning(note), stacklevel=2)
    shape = tuple(samples if size is None else size for size in plan.shape)
    return Result(
        loss=plan.loss.key,
        reduction=reduction,
        value=value,
        elements=elements,
        total=total,
        denominator=denominator,
        denominator_name=name,
        counted=partial.counted,
        ignored=partial.ignored,
        masked=partial.masked,
        omitted=partial.omitted,
        clamped=partial.clamped,
        samples=samples,
        dtype=plan.settings.dtype,
        options=_changed_options(plan),
        given=plan.given,
        inputs=tuple(
            (one.name, one.source.name, _known(one.source.shape, samples)) for one in plan.inputs
        ),
        shape=shape,
        warnings=tuple(notes),
    )


def _known(shape: tuple[int | None, ...], samples: int) -> tuple[int, ...]:
    return tuple(samples if size is None else size for size in shape)


def _denominator(plan: Plan, partial: Partial, samples: int) -> tuple[float, str]:
    match plan.settings.reduction:
        case "sum":
            return 1.0, "a sum"
        case "none":
            return 1.0, "not reduced"
        case "batchmean":
            return float(samples), "samples"
        case "sum_over_batch_size":
            return float(partial.elements), "elements"
    return partial.denominator.value, partial.denominator_name


def _divide(total: float, denominator: float) -> float:
    """Return the quotient; nothing to divide by is NaN, as in torch, whatever the total."""
    return math.nan if denominator == 0 else total / denominator


def _changed_options(plan: Plan) -> dict[str, Any]:
    return {
        parameter.name: plan.options[parameter.name]
        for parameter in plan.loss.parameters
        if not _is_default(plan.options[parameter.name], parameter.default)
    }


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (not isinstance(value, np.ndarray) and bool(value == default))


def _notes(plan: Plan, partial: Partial, denominator: float) -> list[str]:
    """Return the warnings of a finished computation."""
    notes = [_describe(plan, finding) for finding in partial.findings.values()]
    notes += [
        f"{bound.name}: whole {bound.source.dtype} numbers are taken as indices"
        for bound in plan.inputs
        if bound.kind == Kind.INDEX and bound.source.dtype.kind == "f" and partial.elements
    ]
    reduction = plan.settings.reduction
    if reduction == "mean" and plan.loss.mean_note:
        notes.append(plan.loss.mean_note)
    if reduction not in ("none", "sum") and (denominator == 0 or math.isnan(denominator)):
        notes.append(_nothing_left(partial))
    return notes


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
    return f"nothing is left to average of {partial.elements} elements ({why})"
