"""What the numbers of an input may be: the checks made in every block.

Each check returns the rules that a block breaks, with a mask of where. Errors stop the run
after everything has been counted; warnings are told once, with the count and the first place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]

POSITIVE_LOG_TOLERANCE = 1e-6
SUM_TOLERANCE = 1e-3
MANY_DIGITS = 1e15


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that numbers of a kind should satisfy, and what to say where they do not.

    ``text`` follows a count of units; {are} in it is bent to the count.
    """

    code: str
    text: str
    remedy: str = ""
    is_error: bool = True
    unit: str = "value"
    first: str = "is {value} at"
    """How the first place is told."""

    def describe(self, count: int, name: str, value: float, place: str, classes: int) -> str:
        """Return the message: how many, of what, the first one and where it is."""
        verbs = ("is", "was", "does") if count == 1 else ("are", "were", "do")
        text = self.text.format(classes=classes, are=verbs[0], were=verbs[1], do=verbs[2])
        ending = "es" if self.unit.endswith("x") else "s"
        units = self.unit if count == 1 else f"{self.unit}{ending}"
        whole = isinstance(value, int) or (abs(value) < MANY_DIGITS and value.is_integer())
        first = self.first.format(value=int(value) if whole else repr(float(value)))
        message = f"{name}: {count} {units} {text}; the first {first} {place}"
        return message if self.is_error or not self.remedy else f"{message} ({self.remedy})"


NOT_WHOLE = Rule(
    "not_whole",
    "{are} not whole numbers, but class indices are needed",
    "Class indices are the integers 0 to C-1. If these are scores, check the order of the files.",
)
OUT_OF_RANGE = Rule(
    "label_out_of_range",
    "{are} outside [0, {classes}), the indices of {classes} classes",
    "Labels start at 0. If yours start at 1, subtract 1; if the value means 'no label',"
    " leave it out with --ignore-index.",
)
LIST_OUT_OF_RANGE = Rule(
    "label_out_of_range",
    "{are} neither in [0, {classes}), the indices of {classes} classes, nor the end mark -1",
    "Each row lists the indices of its classes, then -1.",
)
NOT_A_SIGN = Rule(
    "not_a_sign",
    "{are} not +1 or -1",
    "Targets of 0 and 1 are for binary cross entropy (bce, bce_with_logits);"
    " 2*y - 1 turns them into signs.",
)
NOT_A_PROBABILITY = Rule(
    "not_a_probability",
    "{are} outside [0, 1], but probabilities are needed",
    "If these are logits, use the loss that takes logits (bce_with_logits).",
)
NEGATIVE_VARIANCE = Rule(
    "negative_variance",
    "{are} negative, but variances are needed",
    "If these are log-variances, exponentiate them; if standard deviations, square them.",
)
NOT_BINARY = Rule(
    "not_binary",
    "{are} neither 0 nor 1",
    "The label of the positive class is 1, of the negative class 0; (y + 1) / 2 turns signs"
    " into labels.",
)
NOT_A_LABEL = Rule(
    "not_whole",
    "{are} not whole numbers, but labels of classes are needed",
    "Scores or probabilities of the classes have an axis more than the labels.",
)
NOT_POSITIVE = Rule(
    "not_positive",
    "{are} not above 0, but positive numbers are needed",
    "The loss is defined for positive numbers alone; leave the others out with --mask.",
)
NEGATIVE = Rule(
    "negative",
    "{are} negative, but numbers of at least 0 are needed",
    "The loss is defined for counts and amounts; leave the others out with --mask.",
)
NOT_ABOVE_MINUS_ONE = Rule(
    "not_above_minus_one",
    "{are} not above -1, so that log(1 + x) has no value",
    "Logarithmic errors are for amounts; leave the others out with --mask.",
)
TURNED_BOX = Rule(
    "turned_box",
    "{do} not have x1 <= x2 and y1 <= y2",
    "A box is its left, top, right and bottom side. Boxes as centre and size, or as corner and"
    " size, must be turned into corners.",
    unit="box",
    first="has a side of {value} at",
)
EMPTY_BOX = Rule(
    "empty_box",
    "{do} not have any area",
    is_error=False,
    unit="box",
    first="has a side of {value} at",
)
NOT_A_SOFT_LABEL = Rule("not_a_soft_label", "{are} outside [0, 1]", is_error=False)
POSITIVE_LOG = Rule(
    "positive_log_probability",
    "{are} positive, so not log-probabilities",
    "take log_softmax of logits, or the log of probabilities",
    is_error=False,
)
NEGATIVE_PROBABILITY = Rule(
    "negative_probability", "{are} negative, so not probabilities", is_error=False
)
SUM_NOT_ONE = Rule(
    "sum_not_one",
    "{do} not sum to 1",
    is_error=False,
    unit="distribution",
    first="sums to {value} at",
)
CLIPPED = Rule("clipped", "{are} outside [0, 1], where they are clipped to", is_error=False)
NOT_A_NUMBER = Rule("nan", "{are} NaN", is_error=False, first="is at")
INFINITE = Rule("infinite", "{are} infinite", is_error=False)


@dataclass(frozen=True, slots=True)
class Context:
    """What a check must know beside the numbers."""

    classes: int = 0
    ignore_index: int | None = None
    whole_classes: bool = True
    """Whether axis 1 of a block holds all classes, so that sums over it mean something."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A block, with its smallest and largest value (NaN if it holds one): most checks are that."""

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
"""A broken rule, where it is broken, and the values to show from there."""

Check = Callable[[Numbers, Context], Findings]


def check(kind: str, values: Array, context: Context) -> Findings:
    """Yield every rule that the values break, with where they do."""
    if not values.size:
        return
    numbers = Numbers.of(values)
    specific = CHECKS.get(kind)
    if specific is not None:
        yield from specific(numbers, context)
    if values.dtype.kind == "f" and kind not in EXACT_KINDS:
        yield from check_finite(numbers)


def check_finite(numbers: Numbers) -> Findings:
    """Find NaN and infinity."""
    if math.isfinite(numbers.low) and math.isfinite(numbers.high):
        return
    yield from _broken(NOT_A_NUMBER, np.isnan(numbers.values), numbers.values)
    yield from _broken(INFINITE, np.isinf(numbers.values), numbers.values)


def _broken(rule: Rule, mask: Mask, values: Array) -> Findings:
    if mask.any():
        yield rule, mask, values


def not_whole(values: Array) -> Mask:
    """Return where numbers are not whole."""
    mask: Mask = ~(np.isfinite(values) & (values == np.floor(values)))
    return mask


def _index(numbers: Numbers, context: Context) -> Findings:
    values = numbers.values
    kept: Any = True if context.ignore_index is None else values != context.ignore_index
    if values.dtype == np.uint64:  # what an index cannot hold is never the index to ignore
        kept |= values > np.iinfo(np.int64).max
    if values.dtype.kind == "f":
        broken = not_whole(values) & kept
        if broken.any():
            yield NOT_WHOLE, broken, values
            return
    if not numbers.within(0, context.classes - 1):
        yield from _broken(
            OUT_OF_RANGE, ((values < 0) | (values >= context.classes)) & kept, values
        )


def _index_list(numbers: Numbers, context: Context) -> Findings:
    values = numbers.values
    broken = not_whole(values)
    if broken.any():
        yield NOT_WHOLE, broken, values
    elif not numbers.within(-1, context.classes - 1):
        yield LIST_OUT_OF_RANGE, (values < -1) | (values >= context.classes), values


def _sign(numbers: Numbers, _: Context) -> Findings:
    yield from _broken(NOT_A_SIGN, np.abs(numbers.values) != 1, numbers.values)


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


def _variance(numbers: Numbers, _: Context) -> Findings:
    if not numbers.low >= 0:
        yield from _broken(NEGATIVE_VARIANCE, numbers.values < 0, numbers.values)


def _binary(numbers: Numbers, _: Context) -> Findings:
    values = numbers.values
    yield from _broken(NOT_BINARY, (values != 0) & (values != 1), values)


def _label(numbers: Numbers, _: Context) -> Findings:
    if numbers.values.dtype.kind == "f":
        yield from _broken(NOT_A_LABEL, not_whole(numbers.values), numbers.values)


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


CHECKS: dict[str, Check] = {
    "class index": _index,
    "class indices, ended by -1": _index_list,
    "sign (+1 or -1)": _sign,
    "probability": _probability,
    "label between 0 and 1": _soft_label,
    "probabilities that sum to 1 over the classes": _distribution,
    "probabilities, not negative": _density,
    "log-probability": _log_probability,
    "variance": _variance,
    "probability, clipped": _clipped,
    "probabilities, divided by their sum": _mass,
    "label 0 or 1": _binary,
    "class label": _label,
    "probabilities of the classes": _class_probability,
    "positive number": _positive,
    "number, not negative": _not_negative,
    "number above -1": _above_minus_one,
    "box (x1, y1, x2, y2)": _box,
}
EXACT_KINDS = {
    "class index", "class indices, ended by -1", "sign (+1 or -1)", "length", "label 0 or 1",
    "class label",
}  # fmt: skip
