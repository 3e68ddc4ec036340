"""Repairs for the rules that are checked in every block."""

from __future__ import annotations

from collections.abc import Callable

from lossctl.checks.findings.context import CheckContext
from lossctl.checks.findings.numbers import keep_rows
from lossctl.checks.measurements.probes import file_axis
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.repairs.conversions import LOG_SOFTMAX, NORMALISATION, SOFTMAX, convert
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind

MakeRepair = Callable[[CheckContext, Profile, RuleFinding], Repair]

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
    name = profile.bound.name
    if profile.measures.nan:
        return _keep(RepairKind.LEAVE_OUT_UNLABELLED, "np.isfinite({x})")(context, profile, finding)
    return context.call.rewrite(
        RepairKind.ROUND,
        **{name: f"np.rint({name}).astype(int)"},
    )


def _repair_sign(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    if profile.measures.are_bits:
        signs = f"2.0 * {name} - 1"
        return context.call.rewrite(RepairKind.TURN_BITS_INTO_SIGNS, **{name: signs})
    return context.call.rewrite(
        RepairKind.TAKE_THEIR_SIGNS, **{name: f"np.where({name} > 0, 1, -1)"}
    )


def _repair_bit(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name, found = profile.bound.name, profile.measures
    if found.are_signs:
        return context.call.rewrite(RepairKind.TURN_SIGNS_INTO_BITS, **{name: f"({name} + 1) / 2"})
    if profile.bound.kind == Kind.SOFT_LABEL and found.low == 0:
        return context.call.rewrite(RepairKind.SCALE, **{name: f"{name} / {found.high:g}"})
    return context.call.rewrite(
        RepairKind.THRESHOLD, **{name: f"({name} > {(found.low + found.high) / 2:g}) * 1.0"}
    )


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


def _repair_clamp(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    text = f"np.clip({name}.astype(float), {CLIP[0]}, {1 - CLIP[0]!r})"
    remedy = RepairKind.KEEP_LOGITS_OR_CLIP
    return context.call.rewrite(remedy, **{name: text})


def _repair_sum(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    return convert(context, profile, NORMALISATION, RepairKind.NORMALISE)


def _repair_negative(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    name = profile.bound.name
    if profile.number == 0:
        return convert(context, profile, SOFTMAX, RepairKind.SOFTMAX_OF_LOGITS)
    axis = file_axis(profile.bound, profile.bound.axes.index("C") if "C" in profile.bound.axes
                     else len(profile.bound.axes) - 1)  # fmt: skip
    text = f"(lambda p: p / p.sum({axis}, keepdims=True))(np.maximum({name}, 0))"
    return context.call.rewrite(RepairKind.RAISE_AND_NORMALISE, **{name: text})


def _repair_log(context: CheckContext, profile: Profile, _: RuleFinding) -> Repair:
    return convert(context, profile, LOG_SOFTMAX, RepairKind.LOG_SOFTMAX_OF_LOGITS)


def _repair_lacking(context: CheckContext, profile: Profile, finding: RuleFinding) -> Repair:
    """Leave out what is NaN and what is infinite together, as both have to go."""
    found = profile.measures
    if found.nan and found.infinite:
        remedy = RepairKind.LEAVE_OUT_NOT_FINITE
        return _keep(remedy, "np.isfinite({x})")(context, profile, finding)
    if found.infinite:
        return _keep(RepairKind.LEAVE_OUT_INFINITE, "~np.isinf({x})")(context, profile, finding)
    remedy = RepairKind.LEAVE_OUT_NAN
    return _keep(remedy, "~np.isnan({x})")(context, profile, finding)


REPAIRS: dict[str, MakeRepair] = {
    "not_whole": _repair_whole,
    "label_out_of_range": _repair_label,
    "not_a_sign": _repair_sign,
    "not_a_probability": _write(RepairKind.CLIP, "np.clip({x}, 0, 1)"),
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
    "clipped": _write(RepairKind.CLIP_OPENLY, "np.clip({x}, 0, 1)"),
    "nan": _repair_lacking,
    "infinite": _repair_lacking,
    "clamped": _repair_clamp,
}
