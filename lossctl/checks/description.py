"""The result of a check: facts of each input, findings in their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossctl.checks.findings.catalogue import FINDING_TYPES
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.measurements.probes import View
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.repairs.views import ArgmaxSource, OneHotSource
from lossctl.checks.result import Finding, InputFacts, Severity
from lossctl.data.arrays.source import Source
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import plan_blocks
from lossctl.engine.sums.partial import Partial
from lossctl.kinds import Kind

MOST_SHOWN = 16
TWO = (Kind.BINARY, Kind.SOFT_LABEL, Kind.SIGN)


def arrange(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings, the most severe first, without those that others explain.

    What explains another finding is as severe as that one.
    """
    order = list(Severity)
    hidden = [[one for one in findings if _hides(by, one)] for by in findings]
    gone = {id(one) for some in hidden for one in some}
    graded = [
        replace(by, severity=min((by, *some), key=lambda one: order.index(one.severity)).severity)
        for by, some in zip(findings, hidden, strict=True)
        if id(by) not in gone
    ]
    return tuple(sorted(graded, key=lambda one: order.index(one.severity)))


def _hides(by: Finding, other: Finding) -> bool:
    """Whether a finding explains another one, about the same input."""
    same = not by.input or not other.input or by.input == other.input
    return same and other.code in FINDING_TYPES[by.code].hides


def describe(profile: Profile, context: CheckContext) -> InputFacts:
    """Return what an input holds, with how often each class is its label."""
    facts = describe_input(profile, context.samples)
    counts = _count_classes(profile, context) if profile.number == 1 else None
    return replace(facts, classes=counts)


def _count_classes(profile: Profile, context: CheckContext) -> dict[int, int] | None:
    """Return how often each class is the label; None where targets are not classes."""
    found = profile.measures
    labels = context.labels
    if profile.bound.kind in TWO:
        if found.are_signs:
            return {-1: found.finite - found.above, 1: found.above}
        return {0: found.zeros, 1: found.above} if found.are_bits else None
    if labels is None and found.are_bits and found.sums.are_probabilities and context.confusion:
        labels = context.confusion.counts.sum(axis=1)
    if labels is None:
        return None
    return {place: count for place, count in enumerate(labels.tolist()) if count}


def describe_input(profile: Profile, samples: int) -> InputFacts:
    """Return what an input holds."""
    found, source = profile.measures, profile.bound.source
    while isinstance(source, ArgmaxSource | OneHotSource):
        found, source = source.measures, source.source
    constant = profile.find_constant()
    return InputFacts(
        name=profile.bound.name,
        source=source.name,
        shape=tuple(samples if size is None else size for size in source.given_shape),
        dtype=str(source.dtype),
        kind=profile.bound.kind.label,
        count=found.count,
        minimum=found.low if found.finite else None,
        maximum=found.high if found.finite else None,
        mean=found.mean,
        zeros=found.zeros,
        nan=found.nan,
        infinite=found.infinite,
        columns=math.prod(source.trailing),
        constant=tuple(constant[:MOST_SHOWN].tolist()),
        constant_columns=len(constant),
    )


def profile_alone(number: int, name: str, kind: Kind, source: Source) -> Profile:
    """Measure an input that fits no loss."""
    axes = ("N", *("*" for _ in source.trailing))
    bound = BoundInput(
        name, kind, source, axes, tuple(range(len(axes))), batched=True, shared=False
    )
    profile = Profile(number, bound)
    plan: Any = None
    block_plan = plan_blocks(int(np.prod(source.trailing, dtype=np.int64)), ())
    for region in block_plan.regions(source.length):
        values = source.read(region.start, region.stop)
        view = View(
            plan, replace(region, trailing=()), [values] * (number + 1), None, None, Partial()
        )
        with np.errstate(all="ignore"):
            profile.add(profile.measure(view))
        source.release(region.start)
        if len(values) < region.stop - region.start:
            break
    return profile
