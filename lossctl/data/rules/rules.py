"""The rules that the numbers of inputs should satisfy."""

from __future__ import annotations

from dataclasses import dataclass

from lossctl.findings import RemedyKind


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on numbers of a kind, and the words for where it does not hold.

    ``text`` follows a count of units; {are} in it is inflected to agree with the count.
    """

    code: str
    text: str
    remedy: RemedyKind | None = None
    is_error: bool = True
    unit: str = "value"
    first: str = "is {value} at"
    """What is shown of the first place."""
    summary: str = ""
    """A summary for lists of findings."""
    invalidates_result: bool = False
    """Whether the result is meaningless, although it is computed as the reference library does."""


NOT_WHOLE = Rule(
    "not_whole",
    "{are} not integers, but class indices are needed",
    RemedyKind.CHECK_ORDER,
    summary="class indices that are not integers",
)
OUT_OF_RANGE = Rule(
    "label_out_of_range",
    "{are} outside [0, {classes}), the indices of {classes} classes",
    RemedyKind.RELABEL,
    summary="class indices outside the range of the classes",
)
LIST_OUT_OF_RANGE = Rule(
    "label_out_of_range",
    "{are} neither in [0, {classes}), the indices of {classes} classes, nor the end marker -1",
    RemedyKind.END_LISTS,
)
NOT_A_SIGN = Rule(
    "not_a_sign",
    "{are} not +1 or -1",
    RemedyKind.TAKE_SIGNS,
    summary="signs that are not +1 or -1, such as labels 0 and 1",
)
NOT_A_PROBABILITY = Rule(
    "not_a_probability",
    "{are} outside [0, 1], but probabilities are needed",
    RemedyKind.TAKE_LOGITS_LOSS,
    summary="probabilities outside [0, 1]",
)
NEGATIVE_VARIANCE = Rule(
    "negative_variance",
    "{are} negative, but variances are needed",
    RemedyKind.TAKE_VARIANCES,
    summary="negative variances",
)
NOT_BINARY = Rule(
    "not_binary",
    "{are} neither 0 nor 1",
    RemedyKind.TAKE_BITS,
    summary="labels that are neither 0 nor 1, such as signs",
)
NOT_A_LABEL = Rule(
    "not_whole",
    "{are} not integers, but labels of classes are needed",
    RemedyKind.TAKE_CLASS_LABELS,
)
NOT_POSITIVE = Rule(
    "not_positive",
    "{are} not above 0, but positive numbers are needed",
    RemedyKind.MASK_NOT_POSITIVE,
    summary="numbers that must be above 0 but are not",
)
NEGATIVE = Rule(
    "negative",
    "{are} negative, but numbers of at least 0 are needed",
    RemedyKind.MASK_NEGATIVE,
    summary="numbers that must not be negative but are",
)
NOT_ABOVE_MINUS_ONE = Rule(
    "not_above_minus_one",
    "{are} not above -1, so that log(1 + x) is undefined",
    RemedyKind.MASK_NO_AMOUNTS,
    summary="numbers for which log(1 + x) is undefined",
)
TURNED_BOX = Rule(
    "turned_box",
    "{do} not have x1 <= x2 and y1 <= y2",
    RemedyKind.TAKE_CORNERS,
    unit="box",
    first="has a side of {value} at",
    summary="boxes whose right edge is left of their left edge, such as centre and size",
)
EMPTY_BOX = Rule(
    "empty_box",
    "{do} not have a positive area",
    is_error=False,
    unit="box",
    first="has a side of {value} at",
    summary="boxes with zero area",
)
NOT_A_SOFT_LABEL = Rule(
    "not_a_soft_label",
    "{are} outside [0, 1]",
    is_error=False,
    summary="labels outside [0, 1], such as signs",
)
POSITIVE_LOG = Rule(
    "positive_log_probability",
    "{are} positive, so not log-probabilities",
    RemedyKind.TAKE_LOG_PROBABILITIES,
    is_error=False,
    summary="log-probabilities above 0, such as logits",
    invalidates_result=True,
)
NEGATIVE_PROBABILITY = Rule(
    "negative_probability",
    "{are} negative, so not probabilities",
    is_error=False,
    summary="negative probabilities",
)
SUM_NOT_ONE = Rule(
    "sum_not_one",
    "{do} not sum to 1",
    is_error=False,
    unit="distribution",
    first="sums to {value} at",
    summary="distributions that do not sum to 1",
)
LOGITS_SUM_TO_ONE = Rule(
    "probabilities_as_logits",
    "{are} in [0, 1] and sum to 1, so probabilities, not logits",
    RemedyKind.TAKE_LOGITS_OF_CLASSES,
    is_error=False,
    unit="row",
    first="sums to {value} at",
    summary="probabilities where logits are expected, so that a softmax or sigmoid is taken twice",
    invalidates_result=True,
)
LOGITS_WITHIN = Rule(
    LOGITS_SUM_TO_ONE.code,
    "{are} in [0, 1], like probabilities, not logits",
    RemedyKind.TAKE_LOGITS,
    is_error=False,
    summary=LOGITS_SUM_TO_ONE.summary,
    invalidates_result=True,
)
CLIPPED = Rule(
    "clipped",
    "{are} outside [0, 1], where they are clipped to",
    is_error=False,
    summary="probabilities outside [0, 1] that the loss clips",
)
NOT_A_NUMBER = Rule(
    "nan",
    "{are} NaN",
    is_error=False,
    first="is at",
    summary="NaN",
    invalidates_result=True,
)
MISSING = Rule(
    NOT_A_NUMBER.code,
    "{are} NaN, where a label is needed",
    RemedyKind.OMIT_MISSING,
    first="is at",
    summary=NOT_A_NUMBER.summary,
)
INFINITE = Rule(
    "infinite",
    "{are} infinite",
    is_error=False,
    summary="infinite numbers",
)
