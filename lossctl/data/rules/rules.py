"""The rules that the numbers of inputs should satisfy, and what is said where they do not."""

from __future__ import annotations

from dataclasses import dataclass

MANY_DIGITS = 1e15


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that numbers of a kind should satisfy, and what to say where they do not.

    ``text`` follows a count of units; {are} in it is inflected to agree with the count.
    """

    code: str
    text: str
    remedy: str = ""
    is_error: bool = True
    unit: str = "value"
    first: str = "is {value} at"
    """How the first place is told."""
    summary: str = ""
    """What it is, in a few words."""
    invalidates_result: bool = False
    """Whether the result means nothing, although it is computed as the reference library does."""

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
    summary="class indices that are not whole numbers",
)
OUT_OF_RANGE = Rule(
    "label_out_of_range",
    "{are} outside [0, {classes}), the indices of {classes} classes",
    "Labels start at 0. If yours start at 1, subtract 1; if the value means 'no label',"
    " leave it out with --ignore-index.",
    summary="class indices outside of the classes there are",
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
    summary="signs that are not +1 or -1, such as labels 0 and 1",
)
NOT_A_PROBABILITY = Rule(
    "not_a_probability",
    "{are} outside [0, 1], but probabilities are needed",
    "If these are logits, use the loss that takes logits (bce_with_logits).",
    summary="probabilities outside [0, 1]",
)
NEGATIVE_VARIANCE = Rule(
    "negative_variance",
    "{are} negative, but variances are needed",
    "If these are log-variances, exponentiate them; if standard deviations, square them.",
    summary="negative variances",
)
NOT_BINARY = Rule(
    "not_binary",
    "{are} neither 0 nor 1",
    "The label of the positive class is 1, of the negative class 0; (y + 1) / 2 turns signs"
    " into labels.",
    summary="labels that are neither 0 nor 1, such as signs",
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
    summary="numbers that must be above 0 and are not",
)
NEGATIVE = Rule(
    "negative",
    "{are} negative, but numbers of at least 0 are needed",
    "The loss is defined for counts and amounts; leave the others out with --mask.",
    summary="numbers that must not be negative and are",
)
NOT_ABOVE_MINUS_ONE = Rule(
    "not_above_minus_one",
    "{are} not above -1, so that log(1 + x) has no value",
    "Logarithmic errors are for amounts; leave the others out with --mask.",
    summary="numbers of which log(1 + x) has no value",
)
TURNED_BOX = Rule(
    "turned_box",
    "{do} not have x1 <= x2 and y1 <= y2",
    "A box is its left, top, right and bottom side. Boxes as centre and size, or as corner and"
    " size, must be turned into corners.",
    unit="box",
    first="has a side of {value} at",
    summary="boxes whose right side is left of their left one, such as centre and size",
)
EMPTY_BOX = Rule(
    "empty_box",
    "{do} not have any area",
    is_error=False,
    unit="box",
    first="has a side of {value} at",
    summary="boxes without any area",
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
    "take log_softmax of logits, or the log of probabilities",
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
    "a softmax over probabilities gives a wrong number quietly; the logarithms of probabilities"
    " are logits",
    is_error=False,
    unit="row",
    first="sums to {value} at",
    summary="probabilities where logits are expected, so that a softmax or sigmoid is taken twice",
    invalidates_result=True,
)
LOGITS_WITHIN = Rule(
    LOGITS_SUM_TO_ONE.code,
    "{are} in [0, 1], like probabilities, not logits",
    "a sigmoid over probabilities gives a wrong number quietly; log(p / (1 - p)) is the logit",
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
INFINITE = Rule(
    "infinite",
    "{are} infinite",
    is_error=False,
    summary="infinite numbers",
)
