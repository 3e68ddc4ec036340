"""Findings about samples: duplicates, shifted rows, leaked targets, no better than a guess."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossctl.checks.findings.catalogue import Evidence, finding_type
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.measurements.baselines import PERFECT
from lossctl.checks.repairs.conversions import repair_form
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.result import Severity
from lossctl.findings import Location, Remedy
from lossctl.kinds import Kind

FEW = 10
MANY_REPEATS = 0.01
STRONG = 0.8
"""Correlation above which predictions certainly follow the targets."""

RATIO = 0.5
"""The error of a linear fit must be below this share of the error of the predictions."""

TOO_LARGE = 1e3
NEAR = 5.0


@finding_type(
    "duplicate_rows",
    Severity.WARNING,
    "samples that occur more than once, with the same predictions and targets",
)
def find_duplicate_rows(context: CheckContext) -> Iterator[Evidence]:
    """Find repeated rows: rows of several floats are not equal by chance."""
    repeats = context.repeats
    if repeats is None or not repeats.count:
        return
    about = "about " if repeats.estimated else ""
    share = repeats.count / max(context.samples, 1)
    names = [one.name for one in context.plan.inputs if one.batched and not one.shared]
    flat = ", ".join(f"{name}.reshape(len({name}), -1)" for name in names)
    firsts = f"np.unique(np.column_stack([{flat}]), axis=0, return_index=True)[1]"
    kept = f"np.isin(np.arange(len({names[0]})), {firsts})"
    yield Evidence(
        "",
        f"{about}{repeats.count} of {context.samples} samples ({100 * share:.2g} %) repeat an"
        f" earlier one: row {repeats.again} is the same as row {repeats.first}",
        {
            "count": repeats.count,
            "share": share,
            "first": repeats.first,
            "again": repeats.again,
            "estimated": repeats.estimated,
        },
        context.call.keep(RepairKind.KEEP_FIRST_SAMPLES, kept),
        None if share >= MANY_REPEATS else Severity.INFO,
        Location(sample=int(repeats.again)),
    )


@finding_type(
    "duplicate_ids",
    Severity.ERROR,
    "ids that occur more than once",
)
def find_duplicate_ids(context: CheckContext) -> Iterator[Evidence]:
    """Find repeated ids."""
    repeats = context.ids
    if repeats is None or not repeats.count:
        return
    of = f" of {context.id_source}" if context.id_source else ""
    repair = Repair.of(RepairKind.KEEP_FIRST_IDS)
    if context.id_source and context.call.textual:
        repair = context.call.keep_first(RepairKind.KEEP_FIRST_IDS, context.id_source)
    yield Evidence(
        "",
        f"{repeats.count} of {context.samples} ids{of} repeat an earlier one:"
        f" row {repeats.again} has the id of row {repeats.first}",
        {"count": repeats.count, "first": repeats.first, "again": repeats.again},
        repair,
        place=Location(sample=int(repeats.again), source=context.id_source),
    )


@finding_type(
    "shifted_rows",
    Severity.ERROR,
    "predictions that are shifted by some rows against the targets: the loss falls when they are"
    " shifted back",
    hides=("no_better_than_guessing",),
)
def find_shifted_rows(context: CheckContext) -> Iterator[Evidence]:
    """Find predictions that belong to the targets of other rows."""
    shift = context.shift
    if shift is None:
        return
    moved = [one.name for one in context.plan.inputs if one.batched and not one.shared]
    first, others = moved[0], moved[1:]
    step = abs(shift.offset)
    rows = "row" if step == 1 else f"{step} rows"
    where = f" from about row {shift.start} on" if shift.start else ""
    later = shift.offset > 0
    ahead = f"the {rows} {'after' if later else 'before'}"
    # Of a series, the best forecast may well be near the last value, and nothing tells them apart.
    forecast = shift.series and not later
    either = "; forecasts that repeat the last value of a series look the same" if forecast else ""
    yield Evidence(
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
        _realign(context, first, others, step, shift.start, later=later),
        Severity.WARNING if forecast else None,
    )


def _realign(
    context: CheckContext, first: str, others: list[str], step: int, start: int, *, later: bool
) -> Repair:
    ends = (f"[:-{step}]", f"[{step}:]")
    if not start:
        own, other = ends if later else ends[::-1]
        expressions = {first: f"{first}{own}", **{name: f"{name}{other}" for name in others}}
        return context.call.rewrite(RepairKind.DROP_UNPAIRED_ROWS, **expressions)
    # Some rows are missing, or too many, near the start: they go from the longer side.
    place = f"np.r_[{start}:{start + step}]"
    wrong, right = (others, [first]) if later else ([first], others)
    expressions = {name: f"np.delete({name}, {place}, axis=0)" for name in wrong}
    expressions |= {name: f"{name}{ends[0]}" for name in right}
    remedy = Remedy(RepairKind.FIND_ROWS_NEAR, {"row": start})
    return context.call.rewrite(remedy, **expressions)


@finding_type(
    "identical_inputs",
    Severity.WARNING,
    "predictions that are equal to the targets",
)
def find_identical_inputs(context: CheckContext) -> Iterator[Evidence]:
    """Find predictions that are equal to the targets in every place."""
    together = context.together
    if together is None or together.compared < FEW or together.equal < together.compared:
        return
    first, second = context.plan.inputs[:2]
    varied = not all(len(one.find_constant()) == one.columns for one in context.profiles[:2])
    if varied:
        yield Evidence(
            "",
            f"all {together.compared} numbers of {first.name} equal those of {second.name}",
            {"compared": together.compared},
            Repair.of(RepairKind.CHECK_INPUTS),
        )


@finding_type(
    "other_scale",
    Severity.WARNING,
    "predictions that are on another scale than the targets",
    hides=("no_better_than_guessing",),
)
def find_other_scale(context: CheckContext) -> Iterator[Evidence]:
    """Find predictions that a linear function would make much better."""
    pairs = context.together
    others = {one.kind for one in context.plan.inputs}
    if pairs is None or pairs.count < FEW or Kind.LOG_AMOUNT in others or not context.elementwise:
        return
    correlation = pairs.correlation
    spread = pairs.var_y / pairs.count
    rest = (1 - correlation * correlation) * spread
    if abs(correlation) < STRONG or pairs.squares <= spread or rest >= RATIO * pairs.squares:
        return
    first, second = context.plan.inputs[:2]
    yield Evidence(
        "",
        f"{first.name} is on another scale than {second.name} (correlation {correlation:.3f}):"
        f" {second.name} is about {pairs.slope:.4g} × {first.name}"
        f" {'+' if pairs.offset >= 0 else '−'} {abs(pairs.offset):.4g}",
        {"correlation": correlation, "slope": pairs.slope, "offset": pairs.offset},
        context.call.rewrite(
            RepairKind.RESCALE,
            **{first.name: f"{pairs.slope:.6g} * {first.name} + {pairs.offset:.6g}"},
        ),
    )


@finding_type(
    "rates_as_logs",
    Severity.ERROR,
    "amounts where their logarithms are expected",
    hides=("no_better_than_guessing", "infinite_loss", "nan_loss"),
)
def find_rates_as_logs(context: CheckContext) -> Iterator[Evidence]:
    """Find amounts in place of logarithms: they are close to the targets themselves."""
    pairs = context.together
    first = context.plan.inputs[0]
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
    yield Evidence(
        name,
        f"the mean of {name}, {pairs.mean_x:.4g}, is close to that of the targets, {target:.4g},"
        f" and that of exp({name}) is {pairs.powers / pairs.count:.3g}: {name} contains amounts,"
        " where their logarithms are expected",
        {"mean": pairs.mean_x, "mean_target": target},
        repair_form(context, context.profiles[0], "amounts"),
    )


@finding_type(
    "no_better_than_guessing",
    Severity.WARNING,
    "a loss that is no better than that of a constant prediction",
)
def find_guessing(context: CheckContext) -> Iterator[Evidence]:
    """Find losses that are no better than those of the best guess."""
    result = context.result
    least = min((one.value for one in context.baselines if one.name == PERFECT), default=-np.inf)
    # Where no preference costs nothing, it is no measure.
    guesses = [one for one in context.baselines if one.name != PERFECT and one.value > least]
    if result is None or result.value is None or result.counted < FEW or not guesses:
        return
    best = min(guesses, key=lambda one: one.value)
    if not result.value >= best.value or np.isnan(result.value):
        return
    yield Evidence(
        "",
        f"the loss, {result.value:.6g}, is no better than that of the {best.name},"
        f" {best.value:.6g}",
        {"loss": result.value, "guess": best.name, "guess_loss": best.value},
        Repair.of(RepairKind.CHECK_PAIRING),
    )


@finding_type(
    "no_samples",
    Severity.ERROR,
    "no samples",
)
def find_no_samples(context: CheckContext) -> Iterator[Evidence]:
    """Find inputs without rows."""
    seen = context.partial.elements or any(profile.measures.count for profile in context.profiles)
    if not seen:
        yield Evidence(
            "", "there are no samples: the loss is NaN", {}, Repair.of(RepairKind.CHECK_FILES)
        )
