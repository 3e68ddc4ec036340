"""What the losses of Keras are defined as, in mpmath: (value, size) of one sample.

``size`` is the number at which a unit in the last place is taken: the value itself, or the largest
term where the definition takes one number from another. Numbers come as lists, row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath

Number = Any
Row = list[Any]
Answer = tuple[Any, Any]

LEAST = mpmath.mpf(1e-7)
MOST = mpmath.mpf(1 - 1e-7)
ZERO, QUARTER, HALF, ONE, TWO = map(mpmath.mpf, (0.0, 0.25, 0.5, 1.0, 2.0))


def average(element: Callable[..., Number]) -> Callable[..., Answer]:
    """Return the definition whose value is the mean of an element's, none of which cancels."""

    def define(y_pred: Row, y_true: Row, **options: Any) -> Answer:
        terms = [element(p, y, **options) for p, y in zip(y_pred, y_true, strict=True)]
        value = mpmath.fsum(terms) / len(terms)
        return value, abs(value)

    return define


def clip(x: Number, low: Number = LEAST, high: Number = MOST) -> Number:
    return min(max(x, low), high)


def square(p: Number, y: Number) -> Number:
    return (p - y) ** 2


def distance(p: Number, y: Number) -> Number:
    return abs(p - y)


def percentage(p: Number, y: Number) -> Number:
    return 100 * abs(p - y) / max(abs(y), LEAST)


def logarithmic(p: Number, y: Number) -> Number:
    return (mpmath.log1p(max(p, LEAST)) - mpmath.log1p(max(y, LEAST))) ** 2


def huber(p: Number, y: Number, delta: Number = ONE) -> Number:
    error = abs(p - y)
    return error**2 / 2 if error <= delta else delta * (error - delta / 2)


def log_cosh(p: Number, y: Number) -> Number:
    return mpmath.log1p(2 * mpmath.sinh((p - y) / 2) ** 2)


def cosine(y_pred: Row, y_true: Row) -> Answer:
    true_lengths = [mpmath.sqrt(mpmath.fsum(x * x for x in row)) for row in (y_pred, y_true)]
    lengths = [max(length, LEAST) for length in true_lengths]
    terms = [p * y / lengths[0] / lengths[1] for p, y in zip(y_pred, y_true, strict=True)]
    size = true_lengths[0] / lengths[0] * true_lengths[1] / lengths[1]
    return -mpmath.fsum(terms), size


def lack(p: Number, y: Number) -> Number:
    return max(1 - y * p, ZERO)


def hinge(y_pred: Row, y_true: Row) -> Answer:
    pairs = list(zip(y_pred, y_true, strict=True))
    return mpmath.fsum(lack(*pair) for pair in pairs) / len(pairs), hinge_size(pairs)


def hinge_size(pairs: list[tuple[Number, Number]]) -> Number:
    return max(1 + abs(p * y) for p, y in pairs)


def squared_hinge(y_pred: Row, y_true: Row) -> Answer:
    pairs = list(zip(y_pred, y_true, strict=True))
    value = mpmath.fsum(lack(*pair) ** 2 for pair in pairs) / len(pairs)
    return value, hinge_size(pairs) ** 2


def categorical_hinge(y_pred: Row, y_true: Row) -> Answer:
    pairs = list(zip(y_pred, y_true, strict=True))
    right = mpmath.fsum(p * y for p, y in pairs)
    wrong = max((1 - y) * p for p, y in pairs)
    size = 1 + max(abs(p) * max(abs(y), abs(1 - y)) for p, y in pairs)
    return max(wrong - right + 1, ZERO), size


def divergence(y_pred: Row, y_true: Row) -> Answer:
    terms, size = [], ZERO
    for p, y in zip(y_pred, y_true, strict=True):
        p, y = clip(p, high=ONE), clip(y, high=ONE)  # noqa: PLW2901
        terms.append(y * mpmath.log(y / p))
        size = max(size, y * max(1, abs(mpmath.log(y / p))))
    return mpmath.fsum(terms), size


def poisson(y_pred: Row, y_true: Row) -> Answer:
    terms, size = [], ZERO
    for p, y in zip(y_pred, y_true, strict=True):
        log = mpmath.log(p + LEAST)
        terms.append(p - y * log)
        size = max(size, p, abs(y) * max(1, abs(log)))
    return mpmath.fsum(terms) / len(terms), size / len(terms)


def binary(
    p: Number, y: Number, from_logits: bool = False, label_smoothing: Number = ZERO
) -> Number:
    y = y * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        return y * mpmath.log1p(mpmath.exp(-p)) + (1 - y) * mpmath.log1p(mpmath.exp(p))
    return -y * mpmath.log(clip(p)) - (1 - y) * mpmath.log1p(-clip(p))


def binary_focal(
    p: Number,
    y: Number,
    from_logits: bool = False,
    gamma: Number = TWO,
    apply_class_balancing: bool = False,
    alpha: Number = QUARTER,
) -> Number:
    if from_logits:
        p = 1 / (1 + mpmath.exp(-p))
    weight = y * alpha + (1 - y) * (1 - alpha) if apply_class_balancing else 1
    wrong = y * (1 - p) + (1 - y) * p
    return weight * wrong**gamma * binary(p, y)


def shares(row: Row, from_logits: bool) -> Row:
    if from_logits:
        row = [mpmath.exp(x - max(row)) for x in row]
    total = mpmath.fsum(row)
    return [x / total for x in row]


def smooth(row: Row, smoothing: Number) -> Row:
    return [y * (1 - smoothing) + smoothing / len(row) for y in row]


def categorical(
    y_pred: Row, y_true: Row, from_logits: bool = False, label_smoothing: Number = ZERO
) -> Answer:
    parts = shares(y_pred, from_logits)
    if not from_logits:
        parts = [clip(part) for part in parts]
    labels = smooth(y_true, label_smoothing)
    value = mpmath.fsum(-y * mpmath.log(p) for p, y in zip(parts, labels, strict=True) if y)
    return value, abs(value)


def categorical_focal(
    y_pred: Row,
    y_true: Row,
    from_logits: bool = False,
    alpha: Number = QUARTER,
    gamma: Number = TWO,
) -> Answer:
    parts = [clip(part) for part in shares(y_pred, from_logits)]
    terms = [
        -alpha * (1 - p) ** gamma * y * mpmath.log(p) for p, y in zip(parts, y_true, strict=True)
    ]
    # The power multiplies the error of 1 - p by gamma, and the logarithm has it once more.
    return mpmath.fsum(terms), abs(mpmath.fsum(terms)) * (1 + gamma / 2)


def sparse(y_pred: Row, y_true: int, from_logits: bool = False) -> Answer:
    one_hot = [mpmath.mpf(place == y_true) for place in range(len(y_pred))]
    return categorical(y_pred, one_hot, from_logits)


def generalized(y_pred: Row, y_true: int, q: Number = HALF) -> Answer:
    value = (1 - y_pred[y_true] ** q) / q
    return value, abs(value)


DEFINITIONS: dict[str, Callable[..., Answer]] = {
    "keras.mean_squared_error": average(square),
    "keras.mean_absolute_error": average(distance),
    "keras.mean_absolute_percentage_error": average(percentage),
    "keras.mean_squared_logarithmic_error": average(logarithmic),
    "keras.cosine_similarity": cosine,
    "keras.huber": average(huber),
    "keras.log_cosh": average(log_cosh),
    "keras.hinge": hinge,
    "keras.squared_hinge": squared_hinge,
    "keras.categorical_hinge": categorical_hinge,
    "keras.kl_divergence": divergence,
    "keras.poisson": poisson,
    "keras.binary_crossentropy": average(binary),
    "keras.binary_focal_crossentropy": average(binary_focal),
    "keras.categorical_crossentropy": categorical,
    "keras.categorical_focal_crossentropy": categorical_focal,
    "keras.sparse_categorical_crossentropy": sparse,
    "keras.categorical_generalized_cross_entropy": generalized,
}
