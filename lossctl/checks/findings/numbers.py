"""Findings about the numbers themselves: dtypes that are too narrow, constant columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossctl.checks.findings.catalogue import Evidence, finding_type
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.measurements.profile import LARGEST_HALF, Profile
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.result import Severity
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind

MANY = 20
"""The least number of rows for which a constant column is reported."""

MOST_LISTED = 20
NEAR_TOP = 128
"""How far below the maximum of its dtype a small negative number is after wrapping."""

PLAIN_IGNORED = 255
"""What maps of classes hold where nothing counts, in bytes."""

LABELS = (*(kind for kind in Kind if kind.is_integer), Kind.SIGN, Kind.BINARY, Kind.SOFT_LABEL)


@finding_type(
    "half_overflow",
    Severity.WARNING,
    "numbers at or beyond the largest half-precision number, 65504",
    hides=("infinite", "no_better_than_guessing"),
)
def find_half_overflow(context: CheckContext) -> Iterator[Evidence]:
    """Find numbers that have overflowed half precision, now or before they were saved."""
    for profile in context.profiles:
        found, name = profile.measures, profile.bound.name
        half = profile.bound.source.dtype == np.float16
        lost = found.infinite if half else 0
        if not lost and not found.halves:
            continue
        ends = f"{lost} are infinite" if lost else f"{found.halves} are at {LARGEST_HALF:g}"
        both = f"{ends} and {found.halves} at {LARGEST_HALF:g}" if lost and found.halves else ends
        yield Evidence(
            name,
            f"{both} of {found.count} numbers of {name} ({profile.bound.source.dtype}): they have"
            f" overflowed half precision, whose largest number is {LARGEST_HALF:g}",
            {"infinite": lost, "at_the_end": found.halves, "numbers": found.count},
            context.call.keep(
                RepairKind.SAVE_FLOAT32,
                keep_rows(profile, f"np.abs({name}) < {LARGEST_HALF:g}"),
            ),
        )


@finding_type(
    "integer_wrap",
    Severity.WARNING,
    "integers near the maximum of an unsigned dtype, to which negative numbers wrap",
    hides=(
        "label_out_of_range",
        "not_a_sign",
        "not_a_soft_label",
        "not_binary",
        "no_better_than_guessing",
    ),
)
def find_integer_wrap(context: CheckContext) -> Iterator[Evidence]:
    """Find integers that have wrapped: large where all others are small."""
    for profile in context.profiles:
        dtype, found, name = profile.bound.source.dtype, profile.measures, profile.bound.name
        if dtype.kind != "u" or not found.count or profile.bound.kind in (Kind.LENGTH, Kind.LABELS):
            continue
        top = int(np.iinfo(dtype).max)
        if found.high <= top - NEAR_TOP or not _is_wrapped(context, profile, top):
            continue
        signed = f"int{8 * dtype.itemsize}"
        value = int(found.high) - top - 1 if top < 2**53 else -1
        said = f"which is {value} wrapped in {dtype}"
        if profile.bound.kind == Kind.INDEX and int(found.high) == PLAIN_IGNORED:
            said = "no class: usually a label to ignore"
        yield Evidence(
            name,
            f"the largest number of {name} is {int(found.high)}, {said}",
            {"maximum": found.high, "dtype": str(dtype), "meant": value},
            _unwrap(context, profile, signed, int(found.high)),
        )


def _is_wrapped(context: CheckContext, profile: Profile, top: int) -> bool:
    """Whether there is a gap between large numbers and the others."""
    if profile.bound.kind == Kind.INDEX:
        return bool(context.plan.classes < profile.measures.high != context.plan.ignored_label)
    found = profile.measures
    if found.total == found.high * (found.finite - found.zeros):  # 0 and 255 alone: a mask
        return False
    if profile.bound.kind in LABELS:
        return found.high > 1
    values = context.head[profile.number] if context.head else np.empty(0)
    quarter = top // 4
    small = values[values <= quarter]
    large = values[values > top - min(NEAR_TOP, quarter)]
    # What wrapped is near the top, what did not is near 0, and nothing lies between.
    return len(small) + len(large) == values.size and 0 < len(large) < len(small) * 4


def _unwrap(context: CheckContext, profile: Profile, signed: str, value: int) -> Repair:
    name = profile.bound.name
    option = context.ignoring
    if profile.bound.kind == Kind.INDEX and option is not None:
        values = {"option": OptionName(option.name, value), "dtype": signed}
        remedy = Remedy(RepairKind.IGNORE_WRAPPED, values)
        return context.call.advise(remedy, **{option.name: value})
    return context.call.rewrite(
        Remedy(RepairKind.READ_AS, {"dtype": signed}), **{name: f"{name}.astype(np.{signed})"}
    )


@finding_type(
    "unsigned_difference",
    Severity.INFO,
    "unsigned integers, whose differences wrap where they are computed in that dtype",
)
def find_unsigned_difference(context: CheckContext) -> Iterator[Evidence]:
    """Find pairs of unsigned integers whose difference is negative."""
    first, *rest = context.plan.inputs
    together = context.together
    if together is None or not together.below or not rest:
        return
    dtypes = [one.source.dtype for one in (first, rest[0])]
    if all(dtype.kind == "u" for dtype in dtypes):
        yield Evidence(
            "",
            f"{first.name} and {rest[0].name} are {dtypes[0]}: in {together.below} of"
            f" {together.compared} elements their difference is negative, and wraps in that dtype"
            " (here it is computed in double precision)",
            {"below": together.below, "compared": together.compared, "dtype": str(dtypes[0])},
            context.call.rewrite(
                RepairKind.SAVE_FLOATS,
                **{one.name: f"{one.name}.astype(float)" for one in (first, rest[0])},
            ),
        )


@finding_type(
    "constant_predictions",
    Severity.WARNING,
    "predictions that are constant",
    hides=("constant_columns", "duplicate_rows"),
)
def find_constant_predictions(context: CheckContext) -> Iterator[Evidence]:
    """Find predictions that never change."""
    profile = context.profiles[0]
    constant = profile.find_constant()
    if profile.rows >= MANY and len(constant) and len(constant) == profile.columns:
        yield Evidence(
            profile.bound.name,
            f"all {profile.rows} rows of {profile.bound.name} are the same",
            {"rows": profile.rows, "columns": profile.columns},
            Repair.of(RepairKind.LOOK_AT_PREDICTIONS),
        )


@finding_type(
    "constant_targets",
    Severity.WARNING,
    "targets that are constant",
    hides=("constant_columns",),
)
def find_constant_targets(context: CheckContext) -> Iterator[Evidence]:
    """Find targets that never change."""
    for profile in context.profiles[1:2]:
        constant = profile.find_constant()
        if profile.bound.kind in (Kind.VARIANCE, Kind.LENGTH) or profile.bound.shared:
            continue
        if profile.rows >= MANY and len(constant) and len(constant) == profile.columns:
            value = profile.measures.lows
            shown = f" ({value[0]:g})" if value is not None and profile.columns == 1 else ""
            yield Evidence(
                profile.bound.name,
                f"all {profile.rows} targets are the same{shown}",
                {"rows": profile.rows},
                Repair.of(RepairKind.CHECK_COLUMN),
            )


@finding_type(
    "constant_columns",
    Severity.INFO,
    "columns that are constant",
)
def find_constant_columns(context: CheckContext) -> Iterator[Evidence]:
    """Find columns that never change beside others that do."""
    for profile in context.profiles:
        if profile.bound.shared or profile.rows < MANY or profile.bound.kind.is_integer:
            continue
        constant = profile.find_constant()
        lows = profile.measures.lows
        if len(constant) and lows is not None:
            shown = ", ".join(map(str, constant[:MOST_LISTED].tolist()))
            more = f" and {len(constant) - MOST_LISTED} more" if len(constant) > MOST_LISTED else ""
            which = "column" if len(constant) == 1 else "columns"
            value = lows[constant[0]]
            same = bool(np.all(lows[constant] == value))
            yield Evidence(
                profile.bound.name,
                f"{which} {shown}{more} of {profile.columns} never change"
                f"{'s' if len(constant) == 1 else ''}{f' (always {value:g})' if same else ''}",
                {"columns": constant[:MOST_LISTED].tolist(), "count": len(constant)},
                Repair.of(RepairKind.CHECK_FILLED),
            )


def keep_rows(profile: Profile, condition: str) -> str:
    """Return an expression for the samples in which a condition is true of all numbers."""
    bound = profile.bound
    rank = len(bound.source.shape)
    if rank <= 1:
        return condition
    samples = bound.order[0] if bound.batched else 0
    axes = tuple(axis for axis in range(rank) if axis != samples)
    return f"({condition}).all(axis={axes if len(axes) > 1 else axes[0]})"
