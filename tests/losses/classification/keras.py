"""The classification losses of Keras, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import mpmath
import numpy as np

from tests.losses.cases.case import Array, Case, Draw, Shape, grid, label, spell
from tests.losses.cases.keras import AVERAGES, fits, one_hot, real, simplex
from tests.losses.declare import (
    cases,
    corrected,
    definition,
    finite_for_nan,
    largest_term,
    recomputed,
    reference,
)
from tests.losses.definitions.exact import HALF, QUARTER, TWO, ZERO, Measured, Number
from tests.losses.definitions.keras import ENDS, Row, clip, simplex_rows
from tests.losses.definitions.points import Points, class_logits
from tests.losses.steps.scope import HIGH, LOW, clip_step


def smooth_along_the_axis(y_true: Array, options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Smooth the labels: Keras 3.15.1 counts the classes along the last axis (keras#23437)."""
    smoothing = options.pop("label_smoothing", 0.0)
    if smoothing:
        classes = y_true.shape[options.get("axis", -1)]
        y_true = y_true * (1 - smoothing) + smoothing / classes
    return y_true, options


reference(
    "keras.categorical_crossentropy",
    "keras.losses.CategoricalCrossentropy",
    mend=smooth_along_the_axis,
)


CLASS_SHAPES: tuple[Shape, ...] = ((4,), (5, 3), (1, 2), (2, 3, 4), (2, 2, 3, 2), (0, 3))
CLASS_ENDS = np.array([[1.0, 0, 0], [0, 1, 0], [1e-9, 1 - 1e-9, 0], [1e-6, 0.5, 0.5], [2, 3, 5]])
CLASS_END_LABELS = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0.2, 0.3, 0.5]])


@cases("keras.categorical_crossentropy")
def categorical_cases(draw: Draw, more: Sequence[dict[str, Any]] = ({},)) -> Iterator[Case]:
    """Yield the cases of categorical losses: one-hot and spread labels, classes on any axis."""
    for shape in CLASS_SHAPES:
        skipped = AVERAGES if 0 in shape else ()
        for choice in grid(axis=(-1, 1, 0, -2), label_smoothing=(0.0, 0.3)):
            if not fits(choice, shape) or (0 in shape and choice["axis"] != -1):
                continue
            axis = choice["axis"]
            pairs = {
                "logits": (real(draw, shape), one_hot(draw, shape, axis) if shape[0] else
                           np.zeros(shape)),
                "probabilities": (draw.probabilities(shape, axis), draw.probabilities(shape, axis)),
                "masses": (draw.uniform(shape, 0.1, 5), draw.probabilities(shape, axis)),
            }  # fmt: skip
            for kind, pair in pairs.items():
                chosen = {**choice, "from_logits": kind == "logits"}
                yield Case(f"{kind}-{label(shape)}-{spell(choice)}", pair, chosen, skipped)
    for choice in more:
        yield Case(f"more-{spell(choice)}", (simplex(draw, (4, 3)), one_hot(draw, (4, 3))), choice)
        logits = (real(draw, (4, 3)), one_hot(draw, (4, 3)))
        yield Case(f"more-logits-{spell(choice)}", logits, {**choice, "from_logits": True})
    yield Case("ends", (CLASS_ENDS, CLASS_END_LABELS))
    float32 = (simplex(draw, (4, 3)).astype(np.float32), one_hot(draw, (4, 3)).astype(np.int32))
    yield Case("float32-int32", float32)


def one_hot_rows(labels: Array, classes: int) -> Array:
    """Return rows with one 1."""
    return np.eye(classes)[labels]


def class_scores() -> list[tuple[Array, bool]]:
    """Return shares, masses that do not sum to 1, and logits, each with whether it is logits."""
    near = np.array([[1 - 3e-6, 1e-6, 2e-6], [0.9, 0.1, 1e-12], [1, 1e-8, 0], [1e-6, 1e-6, 1e-9]])
    sure = 1.0 - np.outer(np.geomspace(1e-6, 0.3, 12), [1.0, 0.5, 0.5]) * [1, 0, 0]
    sure[:, 1:] = np.geomspace(1e-6, 0.3, 12)[:, np.newaxis] / [2.0, 2.1]
    far = class_logits()
    masses = [simplex_rows(40, 3), 7 * simplex_rows(41, 3), near, sure]
    return [*((one, False) for one in masses), (far[np.abs(far).max(axis=1) < 1e3], True)]


def categorical_points() -> list[Points]:
    """Return scores with one-hot labels, and with spread ones."""
    points = []
    for scores, logits in class_scores():
        for place in range(3):
            labels = one_hot_rows(np.full(len(scores), place), 3)
            points.append(Points((scores, labels), {"from_logits": logits}))
        spread = (scores, simplex_rows(len(scores), 3))
        points += [
            Points(spread, {"from_logits": logits, "label_smoothing": s}) for s in (0.0, 0.3)
        ]
    return points


def shares(row: Row, from_logits: bool) -> Row:
    if from_logits:
        row = [mpmath.exp(x - max(row)) for x in row]
    total = mpmath.fsum(row)
    return [x / total for x in row]


def smooth(row: Row, smoothing: Number) -> Row:
    return [y * (1 - smoothing) + smoothing / len(row) for y in row]


@definition("keras.categorical_crossentropy", points=categorical_points)
def categorical(
    y_pred: Row, y_true: Row, from_logits: bool = False, label_smoothing: Number = ZERO
) -> Measured:
    parts = shares(y_pred, from_logits)
    if not from_logits:
        parts = [clip(part) for part in parts]
    labels = smooth(y_true, label_smoothing)
    value = mpmath.fsum(-y * mpmath.log(p) for p, y in zip(parts, labels, strict=True) if y)
    return value, abs(value)


reference(
    "keras.categorical_focal_crossentropy",
    "keras.losses.CategoricalFocalCrossentropy",
    mend=smooth_along_the_axis,
)


@cases("keras.categorical_focal_crossentropy")
def categorical_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_focal_crossentropy."""
    yield from categorical_cases(draw, list(grid(alpha=(0.25, 1.5), gamma=(0.0, 1.0, 3.5))))


def categorical_focal_points() -> list[Points]:
    """Return the same with several exponents."""
    return [
        Points(one.inputs, {"from_logits": one.options["from_logits"], "gamma": gamma})
        for one in categorical_points()
        if "label_smoothing" not in one.options
        for gamma in (0.0, 1.0, 2.0)
    ]


@definition("keras.categorical_focal_crossentropy", points=categorical_focal_points)
def categorical_focal(
    y_pred: Row,
    y_true: Row,
    from_logits: bool = False,
    alpha: Number = QUARTER,
    gamma: Number = TWO,
) -> Measured:
    parts = [clip(part) for part in shares(y_pred, from_logits)]
    terms = [
        -alpha * (1 - p) ** gamma * y * mpmath.log(p) for p, y in zip(parts, y_true, strict=True)
    ]
    # The power multiplies the error of 1 - p by gamma, and the logarithm has it once more.
    return mpmath.fsum(terms), abs(mpmath.fsum(terms)) * (1 + gamma / 2)


reference(
    "keras.sparse_categorical_crossentropy",
    "keras.losses.SparseCategoricalCrossentropy",
    masks_itself=True,
    refuses="grad_input must be contiguous",
)


@cases("keras.sparse_categorical_crossentropy")
def sparse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of sparse_categorical_crossentropy: indices with and without an axis."""
    for shape in CLASS_SHAPES[1:-1]:
        for choice in grid(axis=(-1, 1), from_logits=(False, True), ignore_class=(None, 1, -1)):
            axis = choice["axis"] % len(shape)
            further = shape[:axis] + shape[axis + 1 :]
            labels = draw.integers(shape[axis], further)
            if choice["ignore_class"] == -1:
                labels = np.where(draw.uniform(further) < 0.3, -1, labels)
            scores = real(draw, shape) if choice["from_logits"] else draw.uniform(shape, 0.1, 2)
            # Nothing left is NaN here, and 0 in Keras.
            skipped = AVERAGES if (labels == choice["ignore_class"]).all() else ()
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, labels), choice, skipped)
            kept = np.expand_dims(labels, axis)
            yield Case(f"{label(shape)}-kept-{spell(choice)}", (scores, kept), choice, skipped)
    yield Case("ends", (CLASS_ENDS, np.array([0, 0, 1, 0, 2])))
    yield Case("float-labels", (simplex(draw, (3, 2)).astype(np.float32), np.array([0.0, 1, 1])))


def sparse_points() -> list[Points]:
    """Return scores with each class the right one."""
    return [
        Points((scores, np.full(len(scores), place)), {"from_logits": logits})
        for scores, logits in class_scores()
        for place in range(3)
    ]


@definition("keras.sparse_categorical_crossentropy", points=sparse_points)
def sparse(y_pred: Row, y_true: int, from_logits: bool = False) -> Measured:
    one_hot = [mpmath.mpf(place == y_true) for place in range(len(y_pred))]
    return categorical(y_pred, one_hot, from_logits)


def drop_axis(y_true: Array, options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Drop an axis of 1: Keras makes losses (N, N) of labels (N, 1)."""
    if y_true.shape[-1:] == (1,) and y_true.ndim > 1:
        y_true = y_true[..., 0]
    return y_true, options


reference(
    "keras.categorical_generalized_cross_entropy",
    "keras.losses.CategoricalGeneralizedCrossEntropy",
    mend=drop_axis,
)


@cases("keras.categorical_generalized_cross_entropy")
def generalized_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_generalized_cross_entropy."""
    for choice in ({}, *grid(q=(0.1, 0.7, 0.999))):
        for shape in ((5, 3), (2, 3, 4), (1, 2)):
            pair = (simplex(draw, shape), draw.integers(shape[-1], shape[:-1]))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
            kept = (pair[0], pair[1][..., np.newaxis])
            yield Case(f"{label(shape)}-kept-{spell(choice)}", kept, choice)
    yield Case("ends", (CLASS_ENDS[:4], np.array([0, 0, 1, 0])))


def generalized_points() -> list[Points]:
    """Return probabilities up to both ends with several exponents."""
    scores = np.array([ENDS, ENDS[::-1]]).T
    return [
        Points((scores, np.zeros(len(scores), int)), choice) for choice in grid(q=(0.01, 0.5, 0.9))
    ]


@definition("keras.categorical_generalized_cross_entropy", points=generalized_points)
def generalized(y_pred: Row, y_true: int, q: Number = HALF) -> Measured:
    value = (1 - y_pred[y_true] ** q) / q
    return value, abs(value)


largest_term("keras.categorical_generalized_cross_entropy")(lambda *_, q=0.5: np.full((), 1 / q))


@corrected("keras.categorical_generalized_cross_entropy")
def finite_at_the_ends(case: Case, expected: Array, actual: Array) -> Array:
    """Autograd multiplies an infinite inner derivative by 0."""
    return finite_for_nan(expected, actual) if case.id == "ends" else expected


def shares_of(x: Array) -> Array:
    """Return what part each has in the sum."""
    return np.array([one / np.sum(x) for one in x])


recomputed(
    {
        ("log-probabilities", "log p_c"): lambda s: np.log(s["clipped probabilities"]),
        ("smoothed target", "y (1 − s) + s/C"): lambda s: (
            s.x[1] + s.o["label_smoothing"] * (1 / len(s.x[1]) - s.x[1])
        ),
        ("class terms", "−α (1 − p_c)^γ y_c log p_c"): lambda s: (
            -s.o["alpha"] * s["focusing factors"] * s.goal() * s["log-probabilities"]
        ),
        ("sum", "Σ_c p_c"): lambda s: sum(s.get("exponentials", s.x[0])),
        ("shares", "p_c / Σ p"): lambda s: shares_of(s.get("exponentials", s.x[0])),
        ("probability", "p_y / Σ p"): lambda s: shares_of(s.x[0])[s.y],
        ("exponentials", "p_c = exp(x_c − m)"): lambda s: np.exp(s.x[0] - max(s.x[0])),
        ("clipped probability", "p_y between 1e-7 and 1 − 1e-7"): clip_step(
            LOW, HIGH, "probability"
        ),
        ("clipped probabilities", "shares between 1e-7 and 1 − 1e-7"): clip_step(
            LOW, HIGH, "shares"
        ),
        ("focusing factors", "(1 − p_c)^γ"): lambda s: (
            (1 - s["clipped probabilities"]) ** s.o["gamma"]
        ),
        ("power", "p_y^q"): lambda s: np.exp(s.o["q"] * np.log(s["probability"])),
        ("loss", "(1 − p_y^q) / q"): lambda s: (
            -math.expm1(s.o["q"] * math.log(s["probability"])) / s.o["q"]
            if s["probability"] > 0
            else (1 - s["power"]) / s.o["q"]
        ),
    }
)
