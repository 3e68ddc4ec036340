"""What an input of a loss may hold: the kinds of numbers, and what each is called.

A member is the identity that tables and checks are keyed by. Its ``label`` is what a user reads,
and can be reworded freely. What is checked of each kind stands in ``lossctl.data.rules.kinds``.
"""

from __future__ import annotations

from enum import Enum
from typing import Self


class Kind(Enum):
    """What the numbers of an input mean, and therefore what is checked in every block."""

    label: str
    """The words shown to users."""

    REAL = "real", "real"
    INDEX = "index", "class index"
    INDEX_LIST = "index_list", "class indices, terminated by -1"
    LABELS = "labels", "label sequence"
    SIGN = "sign", "sign (+1 or -1)"
    PROBABILITY = "probability", "probability"
    SOFT_LABEL = "soft_label", "label between 0 and 1"
    DISTRIBUTION = "distribution", "probabilities that sum to 1 over the classes"
    DENSITY = "density", "non-negative probabilities"
    LOG_PROBABILITY = "log_probability", "log-probability"
    VARIANCE = "variance", "variance"
    BINARY = "binary", "label 0 or 1"
    LABEL = "label", "class label"
    CLASS_PROBABILITY = "class_probability", "probabilities of the classes"
    POSITIVE = "positive", "positive number"
    NOT_NEGATIVE = "not_negative", "non-negative number"
    ABOVE_MINUS_ONE = "above_minus_one", "number above -1"
    BOX = "box", "box (x1, y1, x2, y2)"
    CLIPPED = "clipped", "probability, clipped"
    MASS = "mass", "probabilities, divided by their sum"
    LOGIT = "logit", "any real number, not a probability"
    SCORE = "score", "any real number, higher is more likely"
    LOG_AMOUNT = "log_amount", "any real number, a logarithm"
    LENGTH = "length", "length"

    def __new__(cls, identity: str, label: str) -> Self:
        """Make a member whose value is its identity; the label plays no part in it."""
        kind = object.__new__(cls)
        kind._value_ = identity
        kind.label = label
        return kind

    @property
    def is_integer(self) -> bool:
        """Whether its numbers are integers: indices, labels and lengths."""
        return self in _INTEGERS

    @property
    def may_be_named(self) -> bool:
        """Whether it may be given as class names instead of numbers."""
        return self in _NAMED

    @property
    def has_two_classes(self) -> bool:
        """Whether its labels are those of two classes."""
        return self in _TWO_CLASSES


_TWO_CLASSES = frozenset({Kind.BINARY, Kind.SOFT_LABEL, Kind.SIGN})
_NAMED = frozenset({Kind.INDEX, Kind.LABEL}) | _TWO_CLASSES
_INTEGERS = frozenset({Kind.INDEX, Kind.LABEL, Kind.INDEX_LIST, Kind.LABELS, Kind.LENGTH})
