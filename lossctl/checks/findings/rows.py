"""Findings about samples: twice there, out of step, told in advance, no better than a guess."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossctl.checks.findings.case import Case
from lossctl.checks.findings.catalogue import Sign, symptom
from lossctl.checks.measurements.baselines import PERFECT
from lossctl.checks.repairs.conversions import mend_form
from lossctl.checks.repairs.repairs import Repair
from lossctl.checks.result import Severity
from lossctl.kinds import Kind

FEW = 10
MANY_REPEATS = 0.01
STRONG = 0.8
"""Correlation from which on predictions surely follow the targets."""

RATIO = 0.5
"""The error of the line through the pairs is to be below this share of that of the pairs."""

TOO_LARGE = 1e3
NEAR = 5.0


@symptom(
    "duplicate_rows",
    Severity.WARNING,
    "samples that occur more than once, with the same predictions and targets",
)
def find_duplicate_rows(case: Case) -> Iterator[Sign]:
    """Find rows that were there before: rows of several floats are not equal by chance."""
    repeats = case.repeats
    if repeats is None or not repeats.count:
        return
    about = "about " if repeats.estimated else ""
    share = repeats.count / max(case.samples, 1)
    names = [one.name for one in case.plan.inputs if one.batched and not one.shared]
    flat = ", ".join(f"{name}.reshape(len({name}), -1)" for name in names)
    firsts = f"np.unique(np.column_stack([{flat}]), axis=0, return_index=True)[1]"
    kept = f"np.isin(np.arange(len({names[0]})), {firsts})"
    yield Sign(
        "",
        f"{about}{repeats.count} of {case.samples} samples ({100 * share:.2g} %) were there"
        f" before: row {repeats.again} is the same as row {repeats.first}",
        {
            "count": repeats.count,
            "share": share,
            "first": repeats.first,
            "again": repeats.again,
            "estimated": repeats.estimated,
        },
        case.call.keep("leave all but the first of them out", kept),
        None if share >= MANY_REPEATS else Severity.INFO,
    )


@symptom(
    "duplicate_ids",
    Severity.ERROR,
    "ids that occur more than once",
)
def find_duplicate_ids(case: Case) -> Iterator[Sign]:
    """Find ids that were there before."""
    repeats = case.ids
    if repeats is None or not repeats.count:
        return
    of = f" of {case.id_source}" if case.id_source else ""
    repair = Repair("leave all but the first of each out")
    if case.id_source and case.call.textual:
        repair = case.call.keep_first(repair.words, case.id_source)
    yield Sign(
        "",
        f"{repeats.count} of {case.samples} ids{of} were there before: that"
        f" of row {repeats.again} is that of row {repeats.first}",
        {"count": repeats.count, "first": repeats.first, "again": repeats.again},
        repair,
    )


@symptom(
    "shifted_rows",
    Severity.ERROR,
    "predictions that are some rows out of step with the targets: the loss falls when they are"
    " shifted",
    hides=("no_better_than_guessing",),
)
def find_shifted_rows(case: Case) -> Iterator[Sign]:
    """Find predictions that belong to the targets of other rows."""
    shift = case.shift
    if shift is None:
        return
    moved = [one.name for one in case.plan.inputs if one.batched and not one.shared]
    first, others = moved[0], moved[1:]
    step = abs(shift.offset)
    rows = "row" if step == 1 else f"{step} rows"
    where = f" from about row {shift.start} on" if shift.start else ""
    later = shift.offset > 0
    ahead = f"the {rows} {'behind' if later else 'before'}"
    # Of a series, the best forecast may well be near the last value, and nothing tells them apart.
    forecast = shift.series and not later
    either = "; forecasts that follow the last value of a series look so, too" if forecast else ""
    yield Sign(
        "",
        f"the loss falls from {shift.before:.4g} to {shift.after:.4g}{where} when predictions are"
        f" compared with the targets of {ahead}{either}",
        {
            "offset": shift.offset,
            "start": shift.start,
            "loss": shift.before,
            "loss_shifted": shift.after,
            "rows": shift.rows,
        },
        _realign(case, first, others, step, shift.start, later=later),
        Severity.WARNING if forecast else None,
    )


def _realign(
    case: Case, first: str, others: list[str], step: int, start: int, *, later: bool
) -> Repair:
    ends = (f"[:-{step}]", f"[{step}:]")
    if not start:
        own, other = ends if later else ends[::-1]
        expressions = {first: f"{first}{own}", **{name: f"{name}{other}" for name in others}}
        return case.call.rewrite("drop the rows that have no partner", **expressions)
    # Some rows are missing, or too many, near the start: they go from the longer side.
    place = f"np.r_[{start}:{start + step}]"
    wrong, right = (others, [first]) if later else ([first], others)
    expressions = {name: f"np.delete({name}, {place}, axis=0)" for name in wrong}
    expressions |= {name: f"{name}{ends[0]}" for name in right}
    words = f"find the rows that are missing or too many near row {start}; roughly"
    return case.call.rewrite(words, **expressions)


@symptom(
    "identical_inputs",
    Severity.WARNING,
    "predictions that are the targets",
)
def find_identical_inputs(case: Case) -> Iterator[Sign]:
    """Find predictions that are equal to the targets in every place."""
    together = case.together
    if together is None or together.compared < FEW or together.equal < together.compared:
        return
    first, second = case.plan.inputs[:2]
    varied = not all(len(one.find_constant()) == one.columns for one in case.profiles[:2])
    if varied:
        yield Sign(
            "",
            f"all {together.compared} numbers of {first.name} equal those of {second.name}",
            {"compared": together.compared},
            Repair("check that each input names its own file or column"),
        )


@symptom(
    "other_scale",
    Severity.WARNING,
    "predictions that follow the targets on another scale",
    hides=("no_better_than_guessing",),
)
def find_other_scale(case: Case) -> Iterator[Sign]:
    """Find predictions that a line turns into much better ones."""
    pairs = case.together
    others = {one.kind for one in case.plan.inputs}
    if pairs is None or pairs.count < FEW or Kind.LOG_AMOUNT in others or not case.elementwise:
        return
    correlation = pairs.correlation
    spread = pairs.var_y / pairs.count
    rest = (1 - correlation * correlation) * spread
    if abs(correlation) < STRONG or pairs.squares <= spread or rest >= RATIO * pairs.squares:
        return
    first, second = case.plan.inputs[:2]
    yield Sign(
        "",
        f"{first.name} follows {second.name} on another scale (correlation {correlation:.3f}):"
        f" {second.name} is about {pairs.slope:.4g} × {first.name}"
        f" {'+' if pairs.offset >= 0 else '−'} {abs(pairs.offset):.4g}",
        {"correlation": correlation, "slope": pairs.slope, "offset": pairs.offset},
        case.call.rewrite(
            "bring both to one scale; fitted, that is",
            **{first.name: f"{pairs.slope:.6g} * {first.name} + {pairs.offset:.6g}"},
        ),
    )


@symptom(
    "rates_as_logs",
    Severity.ERROR,
    "amounts where their logarithms are expected",
    hides=("no_better_than_guessing", "infinite_loss", "nan_loss"),
)
def find_rates_as_logs(case: Case) -> Iterator[Sign]:
    """Find logarithms that are amounts: of the size of the targets, when their powers are not."""
    pairs = case.together
    first = case.plan.inputs[0]
    if pairs is None or pairs.count < FEW or first.kind != Kind.LOG_AMOUNT:
        return
    target = pairs.mean_y
    if not target > 0 or not target / NEAR < pairs.mean_x < target * NEAR:
        return
    if (
        pairs.powers / pairs.count < TOO_LARGE * target
        or pairs.squares * pairs.count > 2 * pairs.var_y
    ):
        return
    name = first.name
    yield Sign(
        name,
        f"the mean of {name}, {pairs.mean_x:.4g}, is of the size of the targets, {target:.4g}, and"
        f" that of its exponentials is {pairs.powers / pairs.count:.3g}: amounts, where their"
        " logarithms are expected",
        {"mean": pairs.mean_x, "mean_target": target},
        mend_form(case, case.profiles[0], "amounts"),
    )


@symptom(
    "no_better_than_guessing",
    Severity.WARNING,
    "a loss that a constant prediction reaches too",
)
def find_guessing(case: Case) -> Iterator[Sign]:
    """Find losses that are no better than those of the best guess."""
    result = case.result
    least = min((one.value for one in case.baselines if one.name == PERFECT), default=-np.inf)
    # Where no preference costs nothing, it is no measure.
    guesses = [one for one in case.baselines if one.name != PERFECT and one.value > least]
    if result is None or result.value is None or result.counted < FEW or not guesses:
        return
    best = min(guesses, key=lambda one: one.value)
    if not result.value >= best.value or np.isnan(result.value):
        return
    yield Sign(
        "",
        f"the loss, {result.value:.6g}, is no better than that of the {best.name},"
        f" {best.value:.6g}",
        {"loss": result.value, "guess": best.name, "guess_loss": best.value},
        Repair("check that predictions and targets belong together, and are what the loss takes"),
    )


@symptom(
    "no_samples",
    Severity.ERROR,
    "no samples at all",
)
def find_no_samples(case: Case) -> Iterator[Sign]:
    """Find inputs without rows."""
    seen = case.partial.elements or any(profile.measures.count for profile in case.profiles)
    if not seen:
        yield Sign("", "there are no samples: the loss is NaN", {}, Repair("check the files"))
