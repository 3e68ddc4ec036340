"""What the numbers of an input may be: the checks of every block.

Each check returns the rules that a block breaks, with a mask of where. Errors stop the run
after everything has been counted; warnings are reported once, with the count and the first place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules.rules import (
    CLIPPED,
    EMPTY_BOX,
    INFINITE,
    LIST_OUT_OF_RANGE,
    LOGITS_SUM_TO_ONE,
    LOGITS_WITHIN,
    MISSING,
    NEGATIVE,
    NEGATIVE_PROBABILITY,
    NEGATIVE_VARIANCE,
    NOT_A_LABEL,
    NOT_A_NUMBER,
    NOT_A_PROBABILITY,
    NOT_A_SIGN,
    NOT_A_SOFT_LABEL,
    NOT_ABOVE_MINUS_ONE,
    NOT_BINARY,
    NOT_POSITIVE,
    NOT_WHOLE,
    OUT_OF_RANGE,
    POSITIVE_LOG,
    SUM_NOT_ONE,
    TURNED_BOX,
    Rule,
)
from lossctl.kinds import Kind

Array = NDArray[Any]
Mask = NDArray[np.bool_]

POSITIVE_LOG_TOLERANCE = 1e-6
SUM_TOLERANCE = 1e-3
MANY_VALUES = 100
"""So many logits are not in [0, 1], on both sides of 1/2, by chance."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a check needs to know besides the numbers."""

    classes: int = 0
    ignored_label: int | None = None
    omits_missing: bool = False
    """Whether NaN is left out, in place of breaking a rule of indices, labels and signs."""
    whole_classes: bool = True
    """Whether axis 1 of a block contains all classes, so that sums over it are meaningful."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A block with its smallest and largest value (NaN if it contains one)."""

    values: Array
    low: float
    high: float

    @classmethod
    def of(cls, values: Array) -> Numbers:
        """Measure a block that is not empty."""
        return cls(values, float(values.min()), float(values.max()))

    def within(self, low: float, high: float) -> bool:
        """Whether all values are numbers from ``low`` to ``high``."""
        return self.low >= low and self.high <= high


Findings = Iterator[tuple[Rule, Mask, Array]]
"""A broken rule, a mask of where, and the values to show from there."""

Check = Callable[[Numbers, Context], Findings]


def check(kind: Kind, values: Array, context: Context) -> Findings:
    """Yield every rule that the values break, with where they do."""
    if not values.size:
        return
    numbers = Numbers.of(values)
    for one in CHECKS[kind]:
        yield from one(numbers, context)


def _finite(numbers: Numbers, _: Context) -> Findings:
    """Find NaN and infinity."""
    if numbers.values.dtype.kind != "f":
        return
    if math.isfinite(numbers.low) and math.isfinite(numbers.high):
        return
    yield from _broken(NOT_A_NUMBER, np.isnan(numbers.values), numbers.values)
    yield from _broken(INFINITE, np.isinf(numbers.values), numbers.values)


def _broken(rule: Rule, mask: Mask, values: Array) -> Findings:
    if mask.any():
        yield rule, mask, values


def not_whole(values: Array) -> Mask:
    """Return where numbers are not integers."""
    mask: Mask = ~(np.isfinite(values) & (values == np.floor(values)))
    return mask


def _missing(numbers: Numbers, context: Context) -> Findings:
    """Find NaN where a loss cannot be computed with it."""
    if numbers.values.dtype.kind == "f":
        rule = NOT_A_NUMBER if context.omits_missing else MISSING
        yield from _broken(rule, np.isnan(numbers.values), numbers.values)


def _present(values: Array) -> Any:
    """Return where numbers are not NaN."""
    return ~np.isnan(values) if values.dtype.kind == "f" else True


def _index(numbers: Numbers, context: Context) -> Findings:
    values = numbers.values
    kept: Any = True if context.ignored_label is None else values != context.ignored_label
    if values.dtype == np.uint64:  # a value that is not an index is never ignored
        kept |= values > np.iinfo(np.int64).max
    if values.dtype.kind == "f":
        broken = not_whole(values) & kept & _present(values)
        if broken.any():
            yield NOT_WHOLE, broken, values
            return
    if not numbers.within(0, context.classes - 1):
        yield from _broken(
            OUT_OF_RANGE, ((values < 0) | (values >= context.classes)) & kept, values
        )


def _index_list(numbers: Numbers, context: Context) -> Findings:
    values = numbers.values
    broken = not_whole(values) & _present(values)
    if broken.any():
        yield NOT_WHOLE, broken, values
    elif not numbers.within(-1, context.classes - 1):
        yield LIST_OUT_OF_RANGE, (values < -1) | (values >= context.classes), values


def _sign(numbers: Numbers, _: Context) -> Findings:
    values = numbers.values
    yield from _broken(NOT_A_SIGN, (np.abs(values) != 1) & _present(values), values)


def _probability(numbers: Numbers, _: Context) -> Findings:
    if not numbers.within(0, 1):
        yield from _broken(
            NOT_A_PROBABILITY, (numbers.values < 0) | (numbers.values > 1), numbers.values
        )


def _soft_label(numbers: Numbers, _: Context) -> Findings:
    if not numbers.within(0, 1):
        yield from _broken(
            NOT_A_SOFT_LABEL, (numbers.values < 0) | (numbers.values > 1), numbers.values
        )


def _clipped(numbers: Numbers, _: Context) -> Findings:
    if not numbers.within(0, 1):
        yield from _broken(CLIPPED, (numbers.values < 0) | (numbers.values > 1), numbers.values)


def _mass(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low >= 0:
        yield from _broken(NEGATIVE_PROBABILITY, numbers.values < 0, numbers.values)


def _density(numbers: Numbers, context: Context) -> Findings:
    # With more axes than two it is not known which one holds the classes.
    two_axes = numbers.values.ndim == 2 and context.whole_classes
    yield from _distribution(numbers, replace(context, whole_classes=two_axes))


def _distribution(numbers: Numbers, context: Context) -> Findings:
    values = numbers.values
    if not numbers.low >= 0:
        yield from _broken(NEGATIVE_PROBABILITY, values < 0, values)
    if values.ndim >= 2 and context.whole_classes:
        sums = values.sum(axis=1, dtype=np.float64, keepdims=True)
        yield from _broken(SUM_NOT_ONE, np.abs(sums - 1) > SUM_TOLERANCE, sums)


def _log_probability(numbers: Numbers, _: Context) -> Findings:
    if not numbers.high <= POSITIVE_LOG_TOLERANCE:
        yield from _broken(POSITIVE_LOG, numbers.values > POSITIVE_LOG_TOLERANCE, numbers.values)


def _logit(numbers: Numbers, context: Context) -> Findings:
    """Find blocks that contain nothing but probabilities."""
    if not numbers.within(0, 1):
        return
    values = numbers.values
    if context.classes > 1:
        if values.ndim > 1 and context.whole_classes:
            sums = values.sum(axis=1, dtype=np.float64, keepdims=True)
            if np.all(np.abs(sums - 1) <= SUM_TOLERANCE):
                yield LOGITS_SUM_TO_ONE, np.ones(sums.shape, np.bool_), sums
    elif values.size >= MANY_VALUES and numbers.low < 0.5 < numbers.high:
        yield LOGITS_WITHIN, np.ones(values.shape, np.bool_), values


def _variance(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low >= 0:
        yield from _broken(NEGATIVE_VARIANCE, numbers.values < 0, numbers.values)


def _binary(numbers: Numbers, _: Context) -> Findings:
    values = numbers.values
    yield from _broken(NOT_BINARY, (values != 0) & (values != 1) & _present(values), values)


def _label(numbers: Numbers, _: Context) -> Findings:
    if numbers.values.dtype.kind == "f":
        values = numbers.values
        yield from _broken(NOT_A_LABEL, not_whole(values) & _present(values), values)


def _class_probability(numbers: Numbers, context: Context) -> Findings:
    if numbers.within(0, 1):
        yield from _distribution(numbers, context)
    else:
        yield from _probability(numbers, context)


def _positive(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low > 0:
        yield from _broken(NOT_POSITIVE, numbers.values <= 0, numbers.values)


def _not_negative(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low >= 0:
        yield from _broken(NEGATIVE, numbers.values < 0, numbers.values)


def _above_minus_one(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low > -1:
        yield from _broken(NOT_ABOVE_MINUS_ONE, numbers.values <= -1, numbers.values)


def _box(numbers: Numbers, _: Context) -> Findings:
    boxes = numbers.values.astype(np.float64, copy=False)
    side = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, keepdims=True)
    yield from _broken(TURNED_BOX, side < 0, side)
    yield from _broken(EMPTY_BOX, side == 0, side)


CHECKS: dict[Kind, tuple[Check, ...]] = {
    Kind.REAL: (_finite,),
    Kind.INDEX: (_index, _missing),
    Kind.INDEX_LIST: (_index_list, _missing),
    Kind.LABELS: (_finite,),
    Kind.SIGN: (_sign, _missing),
    Kind.PROBABILITY: (_probability, _finite),
    Kind.SOFT_LABEL: (_soft_label, _finite),
    Kind.DISTRIBUTION: (_distribution, _finite),
    Kind.DENSITY: (_density, _finite),
    Kind.LOG_PROBABILITY: (_log_probability, _finite),
    Kind.VARIANCE: (_variance, _finite),
    Kind.BINARY: (_binary, _missing),
    Kind.LABEL: (_label, _missing),
    Kind.CLASS_PROBABILITY: (_class_probability, _finite),
    Kind.POSITIVE: (_positive, _finite),
    Kind.NOT_NEGATIVE: (_not_negative, _finite),
    Kind.ABOVE_MINUS_ONE: (_above_minus_one, _finite),
    Kind.BOX: (_box, _finite),
    Kind.CLIPPED: (_clipped, _finite),
    Kind.MASS: (_mass, _finite),
    Kind.LOGIT: (_logit, _finite),
    Kind.SCORE: (_finite,),
    Kind.LOG_AMOUNT: (_finite,),
    Kind.LENGTH: (),
}
"""The checks of each kind, in order; () for a kind with nothing to check in a block."""


def require_checks(declared: Iterable[Kind], checked: Collection[Kind]) -> None:
    """Raise a TypeError if a kind has no entry in CHECKS."""
    missing = [kind.name for kind in declared if kind not in checked]
    if missing:
        raise TypeError(
            f"no entry in CHECKS for the kind {', '.join(missing)}: name its checks in"
            " lossctl/data/rules/kinds.py, or () where there is nothing to check"
        )


require_checks(Kind, CHECKS)
