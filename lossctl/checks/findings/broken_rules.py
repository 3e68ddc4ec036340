"""Repairs for the rules that are checked in every block."""

from __future__ import annotations

from collections.abc import Callable

from lossctl.checks.findings.context import CheckContext
from lossctl.checks.findings.numbers import keep_rows
from lossctl.checks.measurements.probes import SHARES, file_axis
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.repairs.conversions import LOG_SOFTMAX, NORMALISATION, SOFTMAX, convert
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.data.rules.rules import MISSING
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind

MakeRepair = Callable[[CheckContext, Profile, RuleFinding], Repair | None]

PERCENT = 100
CLIP = (1e-6, 1 - 1e-6)
"""Well within the bounds at which losses clamp, also when rows are divided by their sums."""


def repair_rule(context: CheckContext, finding: RuleFinding) -> Repair | None:
    """Return the repair for a rule that is broken in an input (None: no repair is known)."""
    profile = next((one for one in context.profiles if one.bound.name == finding.name), None)
    if profile is None:
        profile = context.profiles[0]
        if finding.name != context.plan.loss.key:  # a weight or a mask
            return None
    repair = REPAIRS.get(finding.rule.code)
    return None if repair is None else repair(context, profile, finding)


def _keep(
    remedy: RepairKind, condition: str
) -> Callable[[CheckContext, Profile, RuleFinding], Repair]:
    def repair(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
        text = keep_rows(profile, condition.format(x=profile.bound.name))
        return context.call.keep(remedy, text)

    return repair


def _write(remedy: RepairKind, text: str) -> MakeRepair:
    def repair(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
        name = profile.bound.name
        return context.call.rewrite(remedy, **{name: text.format(x=name)})

    return repair


def _keep_missing(profile: Profile, text: str) -> str:
    """Return an expression that makes a number of everything as one that keeps NaN."""
    name = profile.bound.name
    return f"np.where(np.isnan({name}), np.nan, {text})" if profile.measures.nan else text


def _repair_label(context: CheckContext, profile: Profile, finding: RuleFinding) -> Repair:
    """Leave labels out by the option for it, if they are all the same, else by a mask."""
    name, found, classes = profile.bound.name, profile.measures, context.plan.classes
    option = context.ignoring
    one = found.low if found.low < 0 else found.high
    lone = found.low < 0 or found.high >= classes
    both = found.low < 0 and found.high >= classes
    same = lone and not both and finding.value == one
    if profile.bound.kind == Kind.INDEX and option is not None and same:
        label = f"{one:.0f}"
        values = {"label": label, "option": OptionName(option.name, label)}
        remedy = Remedy(RepairKind.IGNORE_OR_CORRECT, values)
        return context.call.advise(remedy, **{option.name: int(one)})
    low = -1 if profile.bound.kind == Kind.INDEX_LIST else 0
    condition = f"({name} >= {low}) & ({name} < {classes})"
    return context.call.keep(RepairKind.LEAVE_OUT_OR_CORRECT, keep_rows(profile, condition))


def _repair_whole(context: CheckContext, profile: Profile, finding: RuleFinding) -> Repair:
    name, found = profile.bound.name, profile.measures
    if found.infinite:
        return _keep(RepairKind.LEAVE_OUT_UNLABELLED, "np.isfinite({x})")(context, profile, finding)
    rounded = f"np.rint({name})" if found.nan else f"np.rint({name}).astype(int)"
    return context.call.rewrite(RepairKind.ROUND, **{name: rounded})


def _repair_sign(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    if profile.measures.are_bits:
        signs = f"2.0 * {name} - 1"
        return context.call.rewrite(RepairKind.TURN_BITS_INTO_SIGNS, **{name: signs})
    return context.call.rewrite(
        RepairKind.TAKE_THEIR_SIGNS,
        **{name: _keep_missing(profile, f"np.where({name} > 0, 1, -1)")},
    )


def _repair_bit(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name, found = profile.bound.name, profile.measures
    if found.are_signs:
        return context.call.rewrite(RepairKind.TURN_SIGNS_INTO_BITS, **{name: f"({name} + 1) / 2"})
    if profile.bound.kind == Kind.SOFT_LABEL and found.low == 0:
        return context.call.rewrite(RepairKind.SCALE, **{name: f"{name} / {found.high:g}"})
    half = f"({name} > {(found.low + found.high) / 2:g}) * 1.0"
    return context.call.rewrite(RepairKind.THRESHOLD, **{name: _keep_missing(profile, half)})


def _repair_box(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    corners = f"np.concatenate([{name}[:, :2], {name}[:, :2] + {name}[:, 2:]], axis=1)"
    if profile.measures.lows is not None and (profile.measures.lows[2:] >= 0).all():
        return context.call.rewrite(RepairKind.TURN_SIZES_INTO_CORNERS, **{name: corners})
    ordered = (
        f"np.concatenate([np.minimum({name}[:, :2], {name}[:, 2:]),"
        f" np.maximum({name}[:, :2], {name}[:, 2:])], axis=1)"
    )
    return context.call.rewrite(RepairKind.ORDER_CORNERS, **{name: ordered})


def _repair_outside(remedy: RepairKind) -> MakeRepair:
    """Clip numbers that are just outside [0, 1]; others are something else."""

    def repair(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
        name, found = profile.bound.name, profile.measures
        if not found.far_outside:
            return context.call.rewrite(remedy, **{name: f"np.clip({name}, 0, 1)"})
        if found.low >= 0 and found.high <= PERCENT:
            return context.call.rewrite(RepairKind.DIVIDE_PERCENT, **{name: f"{name} / {PERCENT}"})
        return Repair.of(RepairKind.CHECK_COLUMN)

    return repair


def _repair_clamp(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair | None:
    """Clip probabilities; the clamp of anything else stays as it is."""
    if profile.bound.kind not in SHARES or profile.measures.far_outside:
        return None
    name = profile.bound.name
    text = f"np.clip({name}.astype(float), {CLIP[0]}, {1 - CLIP[0]!r})"
    remedy = RepairKind.KEEP_LOGITS_OR_CLIP
    return context.call.rewrite(remedy, **{name: text})


def _repair_sum(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    if profile.measures.low < 0 and profile.measures.far_outside:
        return convert(context, profile, SOFTMAX, RepairKind.SOFTMAX_OF_LOGITS)
    return convert(context, profile, NORMALISATION, RepairKind.NORMALISE)


def _repair_negative(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    if profile.number == 0 or profile.measures.far_outside:
        return convert(context, profile, SOFTMAX, RepairKind.SOFTMAX_OF_LOGITS)
    axis = file_axis(profile.bound, profile.bound.axes.index("C") if "C" in profile.bound.axes
                     else len(profile.bound.axes) - 1)  # fmt: skip
    text = f"(lambda p: p / p.sum({axis}, keepdims=True))(np.maximum({name}, 0))"
    return context.call.rewrite(RepairKind.RAISE_AND_NORMALISE, **{name: text})


def _repair_log(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    return convert(context, profile, LOG_SOFTMAX, RepairKind.LOG_SOFTMAX_OF_LOGITS)


def _repair_lacking(context: CheckContext, profile: Profile, finding: RuleFinding) -> Repair | None:
    """Leave out what is NaN and what is infinite together, as both have to go."""
    found = profile.measures
    if finding.rule.code == "nan" and context.plan.settings.nan == "omit":
        return None  # it is left out already
    if found.nan and found.infinite:
        remedy = RepairKind.LEAVE_OUT_NOT_FINITE
        return _keep(remedy, "np.isfinite({x})")(context, profile, finding)
    if found.infinite:
        return _keep(RepairKind.LEAVE_OUT_INFINITE, "~np.isinf({x})")(context, profile, finding)
    remedy = RepairKind.LEAVE_OUT_NAN
    if finding.rule is MISSING:
        remedy = RepairKind.LEAVE_OUT_UNLABELLED
    return _keep(remedy, "~np.isnan({x})")(context, profile, finding)


REPAIRS: dict[str, MakeRepair] = {
    "not_whole": _repair_whole,
    "label_out_of_range": _repair_label,
    "not_a_sign": _repair_sign,
    "not_a_probability": _repair_outside(RepairKind.CLIP),
    "negative_variance": _write(RepairKind.EXPONENTIATE_LOGS, "np.exp({x})"),
    "not_binary": _repair_bit,
    "not_positive": _keep(RepairKind.LEAVE_OUT, "{x} > 0"),
    "negative": _keep(RepairKind.LEAVE_OUT, "{x} >= 0"),
    "not_above_minus_one": _keep(RepairKind.LEAVE_OUT, "{x} > -1"),
    "turned_box": _repair_box,
    "empty_box": _keep(RepairKind.LEAVE_OUT_EMPTY_BOXES, "{x}[:, 2:] > {x}[:, :2]"),
    "not_a_soft_label": _repair_bit,
    "positive_log_probability": _repair_log,
    "negative_probability": _repair_negative,
    "sum_not_one": _repair_sum,
    "clipped": _repair_outside(RepairKind.CLIP_OPENLY),
    "nan": _repair_lacking,
    "infinite": _repair_lacking,
    "clamped": _repair_clamp,
}
