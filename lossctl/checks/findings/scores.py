"""Findings about what predictions mean: logits, probabilities, log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lossctl.checks.findings.catalogue import Evidence, detects, detects_rule, finding_type
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.findings.structure import CLASS_AXIS
from lossctl.checks.measurements.probes import LOGITS, LOGS, SHARES, file_axis, find_class_axis
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.repairs.conversions import (
    LOG_SOFTMAX,
    convert,
    repair_form,
)
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.result import Severity
from lossctl.data.rules import rules
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind

FEW_ROWS = 2
MANY = 20
"""Fewer single numbers may look like probabilities by chance."""

SHARP_SHARE = 0.5
OUTSIDE = ("not_a_probability", "clipped", "negative_probability", "not_positive")
"""Rules that are broken by logits where probabilities are expected."""

MEANINGLESS = (
    "shifted_rows",
    "no_better_than_guessing",
    "other_scale",
    "clamped",
    "nan_loss",
    "infinite_loss",
)
"""Findings about a loss that was computed from the wrong numbers."""


def _show_form(
    context: CheckContext,
    profile: Profile,
    have: str,
    message: str,
    values: dict[str, Any],
    *codes: str,
) -> Evidence:
    """Return the evidence that an input is of another form than its kind asks for.

    Where the checks of the blocks found one of the codes, it is there first.
    """
    seen = (context.found(code, profile.bound.name) for code in codes)
    place = next((one.location for one in seen if one is not None), None)
    if place is not None:
        values = {**values, "place": str(place)}
    repair = repair_form(context, profile, have)
    return Evidence(profile.bound.name, message, values, repair, place=place)


def _rows(profile: Profile) -> dict[str, int | float]:
    found = profile.measures
    return {"rows": found.sums.rows, "minimum": found.low, "maximum": found.high}


@detects_rule(rules.LOGITS_SUM_TO_ONE, hides=(*MEANINGLESS, "one_class_predicted"))
def find_probabilities_as_logits(context: CheckContext) -> Iterator[Evidence]:
    """Find probabilities where logits are expected."""
    for profile in context.inputs(Kind.LOGIT):
        found, name = profile.measures, profile.bound.name
        sums = found.sums
        if sums.are_probabilities and sums.rows >= FEW_ROWS and context.plan.classes > 1:
            yield _show_form(
                context,
                profile,
                "shares",
                f"all {sums.rows} rows lie in [0, 1] and sum to 1: {name} contains"
                " probabilities, but the loss expects logits and takes their softmax",
                {**_rows(profile), "rows_that_sum_to_1": sums.simplex},
                rules.LOGITS_SUM_TO_ONE.code,
            )
        elif (
            not sums.rows
            and found.count >= MANY
            and found.within(0, 1)
            and found.low < 0.5 < found.high
            and not found.whole
        ):
            yield _show_form(
                context,
                profile,
                "shares",
                f"all {found.count} numbers lie in [0, 1], on both sides of 1/2: {name} contains"
                " probabilities, but the loss expects logits and takes their sigmoid",
                {"numbers": found.count, "minimum": found.low, "maximum": found.high},
            )


@finding_type(
    "logits_as_probabilities",
    Severity.ERROR,
    "logits where probabilities are expected",
    hides=(
        *MEANINGLESS,
        *OUTSIDE,
        "sum_not_one",
    ),
)
def find_logits_as_probabilities(context: CheckContext) -> Iterator[Evidence]:
    """Find logits, or logarithms, where probabilities are expected."""
    for profile in context.inputs(*SHARES):
        found, name = profile.measures, profile.bound.name
        if profile.number or not found.far_outside:
            continue
        logs = found.sums.are_logs
        if found.low >= 0 and found.high <= 100:  # per cent, or counts
            continue
        what = "logarithms of probabilities" if logs else "logits"
        yield _show_form(
            context,
            profile,
            "logs" if logs else "logits",
            f"{name} goes from {found.low:.4g} to {found.high:.4g}, with {found.outside} of"
            f" {found.count} numbers outside [0, 1]: {what}, where probabilities are expected",
            {
                "minimum": found.low,
                "maximum": found.high,
                "numbers": found.count,
                "outside": found.outside,
            },
            *OUTSIDE,
        )


@detects_rule(rules.POSITIVE_LOG, hides=MEANINGLESS)
def find_positive_logs(context: CheckContext) -> Iterator[Evidence]:
    """Find log-probabilities above 0."""
    for profile in context.inputs(*LOGS):
        found, name = profile.measures, profile.bound.name
        if found.high <= 1e-6 or found.within(0, 1):
            continue
        yield _show_form(
            context,
            profile,
            "logits",
            f"{found.above} of {found.count} numbers are above 0 (the largest is"
            f" {found.high:.4g}), which no log-probability can be: {name} contains logits",
            {"numbers": found.count, "above_0": found.above, "maximum": found.high},
            rules.POSITIVE_LOG.code,
        )


@finding_type(
    "probabilities_as_logs",
    Severity.ERROR,
    "probabilities where log-probabilities are expected",
    hides=(*MEANINGLESS, "positive_log_probability", "log_not_normalised"),
)
def find_probabilities_as_logs(context: CheckContext) -> Iterator[Evidence]:
    """Find probabilities where log-probabilities are expected."""
    for profile in context.inputs(*LOGS):
        found, name = profile.measures, profile.bound.name
        if found.within(0, 1) and found.high > 0:
            yield _show_form(
                context,
                profile,
                "shares",
                f"{name} lies in [0, 1], from {found.low:.4g} to {found.high:.4g}: probabilities,"
                " where their logarithms are expected",
                {"numbers": found.count, "minimum": found.low, "maximum": found.high},
            )


@finding_type(
    "log_not_normalised",
    Severity.WARNING,
    "log-probabilities whose exponentials do not sum to 1",
)
def find_unnormalised_logs(context: CheckContext) -> Iterator[Evidence]:
    """Find log-probabilities that do not normalise."""
    for profile in context.inputs(*LOGS):
        found, name, sums = profile.measures, profile.bound.name, profile.measures.sums
        if found.high > 1e-6 or not sums.rows or sums.are_logs or _lies_elsewhere(profile):
            continue
        yield Evidence(
            name,
            f"the exponentials of {sums.rows - sums.log_simplex} of {sums.rows} rows do not sum"
            f" to 1: {name} is not normalised",
            {"rows": sums.rows, "normalised": sums.log_simplex},
            convert(context, profile, LOG_SOFTMAX, RepairKind.NORMALISE_LOGS),
        )


@finding_type(
    "logs_as_logits",
    Severity.INFO,
    "log-probabilities where logits are expected, which are valid logits",
)
def find_logs_as_logits(context: CheckContext) -> Iterator[Evidence]:
    """Find logits that are already normalised."""
    for profile in context.inputs(Kind.LOGIT):
        sums, name = profile.measures.sums, profile.bound.name
        if sums.are_logs and sums.rows >= FEW_ROWS and context.plan.classes > 1:
            yield Evidence(
                name,
                f"{name} contains log-probabilities (the exponentials of all {sums.rows} rows sum"
                " to 1), which the softmax does not change",
                {"rows": sums.rows},
            )


@finding_type(
    "softmax_twice",
    Severity.WARNING,
    "probabilities that are the softmax of probabilities: a softmax was applied twice",
)
def find_softmax_twice(context: CheckContext) -> Iterator[Evidence]:
    """Find rows that are the softmax of rows which were probabilities already.

    With p = softmax(q) and q in [0, 1] with the sum 1, q is log p less its mean, plus 1 / C.
    """
    for profile in context.inputs(*SHARES, *LOGITS, *LOGS):
        sums, name, bound = profile.measures.sums, profile.bound.name, profile.bound
        soft = sums.rows >= FEW_ROWS and sums.soft == sums.rows
        if not soft or sums.sharp < SHARP_SHARE * sums.rows:
            continue
        axis = file_axis(bound, find_class_axis(bound) or len(bound.axes) - 1)
        logs = name if sums.are_logs else f"np.log({name})"
        text = f"(lambda z: z - z.mean({axis}, keepdims=True) + 1 / z.shape[{axis}])({logs})"
        inner = f"np.clip({text}, 1e-12, 1)"
        written = f"np.log({inner})" if bound.kind in (*LOGITS, *LOGS) else inner
        yield Evidence(
            name,
            f"each of the {sums.rows} rows is the softmax of numbers in [0, 1] that sum to 1, and"
            f" no number is above {profile.measures.high:.4g}: a softmax was applied twice",
            {"rows": sums.rows, "sharp": sums.sharp, "maximum": profile.measures.high},
            context.call.rewrite(RepairKind.UNDO_SOFTMAX, **{name: written}),
        )


@detects(CLASS_AXIS)
def find_class_axis_elsewhere(context: CheckContext) -> Iterator[Evidence]:
    """Find probabilities that sum to 1 over the last axis, not over that of the classes."""
    for profile in context.inputs(*SHARES, *LOGS, *LOGITS):
        if profile.number or not _lies_elsewhere(profile):
            continue
        sums, name = profile.measures.sums, profile.bound.name
        repair = Repair.of(RepairKind.MOVE_CLASS_AXIS)
        option = context.plan.loss.class_axis_option
        if not option and profile.bound.source.shape[-1] == context.plan.classes:
            values = {"option": OptionName("class_axis", -1)}
            remedy = Remedy(RepairKind.SAY_CLASS_AXIS, values)
            repair = context.call.advise(remedy, class_axis=-1)
        yield Evidence(
            name,
            f"{name} sums to 1 over its last axis in all {sums.elsewhere_rows} places, and over"
            f" the class axis in {sums.simplex + sums.log_simplex} of {sums.rows}",
            {"rows": sums.rows, "over_class_axis": sums.simplex + sums.log_simplex},
            repair,
        )


def _lies_elsewhere(profile: Profile) -> bool:
    """Whether the numbers are normalised over the last axis, and not over the classes."""
    sums = profile.measures.sums
    return (
        sums.elsewhere_rows > FEW_ROWS
        and sums.elsewhere == sums.elsewhere_rows
        and sums.simplex + sums.log_simplex < sums.rows / 2
    )
