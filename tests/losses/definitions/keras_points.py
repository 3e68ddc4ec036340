"""Points where frameworks cancel, over- or underflow, for the losses of Keras: rows of numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.losses.cases.case import Array, grid
from tests.losses.definitions.torch_points import LOGITS, Points, class_logits, cross, drawn

SIZES = (0.0, 1e-300, 1e-160, 1e-9, 1e-7, 0.3, 1.0, 1.0000001, 7.5, 1e4, 1e150, -0.3, -1e150)
TRUE_SIZES = (0.0, 1e-200, 1.0, 1 + 2.0**-52, 0.3, -1e150)
AMOUNTS = (0.0, 1e-300, 1e-9, 1e-7, 0.1, 1.0, 1 + 2.0**-52, 7.5, 1e4, 1e8, 1e150, 1e300)
ENDS = (0.0, 1.0, 5e-324, 1e-17, 1e-8, 1e-7, 1.0001e-7, 0.1, 0.5, 0.9999998, 1 - 1e-7, 1 - 2.0**-53)
LABELS = (0.0, 1.0, 0.5, 0.25, 1e-17)


def column(*pair: Array) -> tuple[Array, ...]:
    """Return vectors as rows of one number."""
    return tuple(array[:, np.newaxis] for array in pair)


def row(*pair: Array) -> tuple[Array, ...]:
    """Return vectors as rows of two numbers, each with its neighbour."""
    return tuple(np.stack([array, np.roll(array, 1)], axis=1) for array in pair)


def difference_points() -> list[Points]:
    """Return differences of all sizes, alone and in rows."""
    pair = cross(SIZES, TRUE_SIZES)
    return [Points(column(*pair)), Points((drawn(30, 3), drawn(31, 3)[:30]))]


def amount_points() -> list[Points]:
    """Return amounts of all sizes, near each other and far apart."""
    pair = cross(AMOUNTS, AMOUNTS)
    close = np.abs(drawn(60)) * 10.0 ** np.arange(-6, 24, 0.5)
    near = close * (1 + np.abs(drawn(61)[:60]) * 10.0 ** -np.arange(0, 15, 0.25))
    return [Points(column(*pair)), Points(column(close, near)), Points(row(close, near))]


def vector_points() -> list[Points]:
    """Return vectors near and far, long and short, and at right angles."""
    pairs = drawn(40, 5), drawn(41, 5)[:40]
    tiny = np.array([[1e-9, 0.0], [0.0, 0.0], [3e-160, 4e-160], [3e160, 4e160], [1.0, 1.0]])
    return [Points(pairs), Points((tiny, drawn(5, 2))), Points((pairs[0], pairs[0] * 3))]


def huber_points() -> list[Points]:
    """Return differences, with the line beginning in several places."""
    return [Points(one.inputs, {"delta": d}) for one in difference_points() for d in (1.0, 0.3)]


def margin_points() -> list[Points]:
    """Return scores of all sizes with signs."""
    pair = cross((0.0, 1e-17, 0.5, 1 - 2.0**-53, 1.0, 3.0, -3.0, 1e4, -1e4), (-1.0, 1.0))
    return [Points(column(*pair)), Points((drawn(30, 3), np.sign(drawn(31, 3))[:30]))]


def simplex(*shape: int) -> Array:
    """Return numbers that sum to 1 in each row, some of them tiny."""
    raw = np.exp(drawn(*shape, scale=5.0))
    return raw / raw.sum(axis=-1, keepdims=True)


def one_hot(labels: Array, classes: int) -> Array:
    """Return rows with one 1."""
    return np.eye(classes)[labels]


def class_scores() -> list[tuple[Array, bool]]:
    """Return shares, masses that do not sum to 1, and logits, each with whether it is logits."""
    near = np.array([[1 - 3e-6, 1e-6, 2e-6], [0.9, 0.1, 1e-12], [1, 1e-8, 0], [1e-6, 1e-6, 1e-9]])
    sure = 1.0 - np.outer(np.geomspace(1e-6, 0.3, 12), [1.0, 0.5, 0.5]) * [1, 0, 0]
    sure[:, 1:] = np.geomspace(1e-6, 0.3, 12)[:, np.newaxis] / [2.0, 2.1]
    far = class_logits()
    masses = [simplex(40, 3), 7 * simplex(41, 3), near, sure]
    return [*((one, False) for one in masses), (far[np.abs(far).max(axis=1) < 1e3], True)]


def categorical_points() -> list[Points]:
    """Return scores with one-hot labels, and with spread ones."""
    points = []
    for scores, logits in class_scores():
        for place in range(3):
            labels = one_hot(np.full(len(scores), place), 3)
            points.append(Points((scores, labels), {"from_logits": logits}))
        spread = (scores, simplex(len(scores), 3))
        points += [
            Points(spread, {"from_logits": logits, "label_smoothing": s}) for s in (0.0, 0.3)
        ]
    return points


def categorical_focal_points() -> list[Points]:
    """Return the same with several exponents."""
    return [
        Points(one.inputs, {"from_logits": one.options["from_logits"], "gamma": gamma})
        for one in categorical_points()
        if "label_smoothing" not in one.options
        for gamma in (0.0, 1.0, 2.0)
    ]


def sparse_points() -> list[Points]:
    """Return scores with each class the right one."""
    return [
        Points((scores, np.full(len(scores), place)), {"from_logits": logits})
        for scores, logits in class_scores()
        for place in range(3)
    ]


def generalized_points() -> list[Points]:
    """Return probabilities up to both ends with several exponents."""
    scores = np.array([ENDS, ENDS[::-1]]).T
    return [
        Points((scores, np.zeros(len(scores), int)), choice) for choice in grid(q=(0.01, 0.5, 0.9))
    ]


def binary_points() -> list[Points]:
    """Return probabilities and logits against hard and soft labels."""
    probabilities, logits = cross(ENDS, LABELS), cross(LOGITS, LABELS)
    rows = [Points(column(*probabilities), {"label_smoothing": s}) for s in (0.0, 0.2)]
    rows += [Points(column(*logits), {"from_logits": True})]
    return [*rows, Points(row(*probabilities)), Points(row(*logits), {"from_logits": True})]


def binary_focal_points() -> list[Points]:
    """Return the same with several exponents, and balanced."""
    ordinary = tuple(x for x in LOGITS if abs(x) < 300)
    pairs = {False: cross(ENDS, LABELS), True: cross(ordinary, LABELS)}
    return [
        Points(column(*pairs[choice["from_logits"]]), choice)
        for choice in grid(
            from_logits=(False, True), gamma=(0.0, 1.0, 2.0), apply_class_balancing=(False, True)
        )
    ]


POINTS: dict[str, Callable[[], list[Points]]] = {
    "keras.mean_squared_error": difference_points,
    "keras.mean_absolute_error": difference_points,
    "keras.mean_absolute_percentage_error": difference_points,
    "keras.mean_squared_logarithmic_error": amount_points,
    "keras.cosine_similarity": vector_points,
    "keras.huber": huber_points,
    "keras.log_cosh": difference_points,
    "keras.hinge": margin_points,
    "keras.squared_hinge": margin_points,
    "keras.categorical_hinge": lambda: [Points((drawn(40, 4), simplex(40, 4)))],
    "keras.kl_divergence": lambda: [Points((simplex(40, 3), simplex(41, 3)[:40]))],
    "keras.poisson": lambda: [Points(column(*cross(AMOUNTS[:-2], (0.0, 0.5, 1.0, 300.0))))],
    "keras.binary_crossentropy": binary_points,
    "keras.binary_focal_crossentropy": binary_focal_points,
    "keras.categorical_crossentropy": categorical_points,
    "keras.categorical_focal_crossentropy": categorical_focal_points,
    "keras.sparse_categorical_crossentropy": sparse_points,
    "keras.categorical_generalized_cross_entropy": generalized_points,
}
ELSEWHERE = ("keras.ctc", "keras.dice", "keras.tversky", "keras.circle")
"""Losses of which no sample has one by itself, and one whose recursion is tested beside it."""
