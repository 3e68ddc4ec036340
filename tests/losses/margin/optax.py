"""The margin losses of optax, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mpf

from tests.losses.cancellation import spread
from tests.losses.cases.case import SHAPES, Case, Draw, label
from tests.losses.cases.classes import CLASS_SHAPES_AND_NONE, class_count, label_shape
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import HALF, ONE, Measured, Number, Vector, exactly, total
from tests.losses.definitions.points import LOGITS, Points, cross, drawn, score_points
from tests.losses.steps.scope import Scope
from tests.losses.steps.shared import others

reference("perceptron", "optax.losses.perceptron_loss")


@cases("perceptron", "optax.hinge")
def sign_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores with signs."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 2.0), draw.signs(shape)))
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)).astype(np.float32), draw.signs((5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    scores = np.array([0.0, -0.0, 1.0, -1.0, 1e4, -1e4, 1e300, -1e300])
    yield Case("extremes", (scores, np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0])))


def sign_points() -> list[Points]:
    """Return scores of every size with both signs."""
    return [Points(cross((*LOGITS, 1 - 2.0**-53, -1 + 2.0**-53), (-1.0, 1.0)))]


@definition("perceptron", points=sign_points)
def perceptron(x: Number, y: Number) -> Measured:
    """max(0, -y x)."""
    return exactly(max(mpf(0), -y * x))


kink("perceptron", "NaN", ([np.nan, np.nan], [1.0, -1.0]), [[0.0, 0.0]])
kink("perceptron", "at 0", ([0.0, 0.0], [1.0, -1.0]), [[-0.5, 0.5]])

reference("multiclass_perceptron", "optax.losses.multiclass_perceptron_loss", classes_last=True)


@cases("multiclass_perceptron", "multiclass_hinge", "multiclass_sparsemax")
def class_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores of classes with class indices: ties, leads of 1, classes far apart."""
    for shape in CLASS_SHAPES_AND_NONE:
        for scale in (0.3, 1.0, 5.0):
            pair = (
                draw.normal(shape, scale),
                draw.integers(class_count(shape), label_shape(shape)),
            )
            yield Case(f"{label(shape)}-{scale}", pair)
    rows = np.array([[1.0, 1, 1], [1, 0, 0], [0, 0, 1.5], [1e4, -1e4, 0], [0.5, 0.5, -0.5]])
    for target in range(3):
        yield Case(f"ties-{target}", (rows, np.full(5, target)))
    pair = (draw.normal((4, 3)).astype(np.float32), draw.integers(3, (4,), np.int32))
    yield Case("float32-int32", pair)


@definition("multiclass_perceptron", points=score_points)
def multiclass_perceptron(x: Vector, y: int) -> Measured:
    """The best score less the right one."""
    return exactly(max(x) - x[y])


largest_term("multiclass_perceptron")(spread)
kink("multiclass_perceptron", "best alike", ([[1.0, 1.0, 0.0]], [0]), [[[-0.5, 0.5, 0.0]]])

reference("multiclass_hinge", "optax.losses.multiclass_hinge_loss", classes_last=True)


@definition("multiclass_hinge", points=score_points)
def multiclass_hinge(x: Vector, y: int) -> Measured:
    """The hinge on the lead over the best of the others."""
    others = [score for c, score in enumerate(x) if c != y]
    lag = max(others) - x[y]
    return max(mpf(0), 1 + lag), max(ONE, abs(lag))


largest_term("multiclass_hinge")(spread)
kink("multiclass_hinge", "at the margin", ([[2.0, 1.0, 0.0]], [0]), [[[-0.5, 0.5, 0.0]]])

reference("sparsemax", "optax.losses.sparsemax_loss")


@cases("sparsemax")
def binary_sparsemax_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores with labels, at and around the ends of the curve."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape), draw.integers(2, shape)))
    for dtype in (np.float64, np.uint8, np.bool_):
        values = (draw.normal((5,)).astype(np.float32), draw.integers(2, (5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    scores = np.array([0.0, -0.0, 1.0, -1.0, 0.999999, -0.999999, 1e4, -1e4])
    for right in (0, 1):
        yield Case(f"ends-{right}", (scores, np.full(8, right)))


def label_points() -> list[Points]:
    """Return scores of every size with both labels."""
    x, y = cross((*LOGITS, 1 - 2.0**-53, -1 + 2.0**-53), (0.0, 1.0))
    return [Points((x, y.astype(int)))]


@definition("sparsemax", points=label_points)
def sparsemax(x: Number, y: int) -> Measured:
    """Nothing to -1, a parabola to 1, a line beyond."""
    lag = -x if y == 1 else x
    return exactly(lag if lag >= 1 else max(mpf(0), lag + 1) ** 2 / 4)


kink("sparsemax", "at its ends", ([1.0, -1.0], [0.0, 0.0]), [[1.0, 0.0]])


@reference("multiclass_sparsemax", "optax.losses.multiclass_sparsemax_loss", classes_last=True)
def sparsemax_of_rows(theirs: Any, scores: Any, labels: Any) -> Any:
    """Optax takes a matrix, and not an empty one."""
    if not scores.size:
        return scores.sum(axis=-1)
    rows = scores.reshape(-1, scores.shape[-1])
    return theirs(rows, labels.reshape(-1)).reshape(labels.shape)


def sparse_points() -> list[Points]:
    """Return scores with leads below, at and above 1, and ties."""
    rows = np.array([
        [1.0, 0, 0], [0.999999, 0, 0], [0, 0, 0], [0.5, 0.5, -0.5], [3, 2.5, 2.25], [1e4, 0, 1e4],
        [1, 1 - 1e-9, 0], [0.1, 0.2, 0.3], [-1e4, 0.25, 0],
    ])  # fmt: skip
    rows = np.concatenate([rows, drawn(20, 3, scale=0.5)])
    many = (drawn(12, 40), np.arange(12))
    return [Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), len(rows)))), Points(many)]


@definition("multiclass_sparsemax", points=sparse_points)
def multiclass_sparsemax(x: Vector, y: int) -> Measured:
    """Max over q of [q·x - ½ |q|²] + ½ - x_y, measured by the shares of wrong classes, too."""
    ordered = sorted(x, reverse=True)
    size = max(k for k in range(1, len(x) + 1) if 1 + k * ordered[k - 1] > total(ordered[:k]))
    threshold = (total(ordered[:size]) - 1) / size
    shares = [max(mpf(0), score - threshold) for score in x]
    best = total(q * s - q * q / 2 for q, s in zip(shares, x, strict=True))
    value = best + HALF - x[y]
    return value, max(value, 1 - shares[y])


largest_term("multiclass_sparsemax")(spread)
kink("multiclass_sparsemax", "at the margin", ([[1.0, 0.0]], [0]), [[[0.0, 0.0]]])

reference("optax.hinge", "optax.losses.hinge_loss")


@definition("optax.hinge", points=sign_points)
def hinge(x: Number, y: Number) -> Measured:
    """max(0, 1 - y x)."""
    return max(mpf(0), 1 - y * x), max(ONE, abs(x))


kink("optax.hinge", "NaN", ([np.nan, np.nan], [1.0, -1.0]), [[0.0, 0.0]])
kink("optax.hinge", "at the margin", ([1.0, -1.0], [1.0, -1.0]), [[-0.5, 0.5]])


def below(s: Scope, level: float) -> float:
    """Return Σ max(x − level, 0), which is 1 at the threshold."""
    return float(np.maximum(s.x[0] - level, 0).sum())


def find_threshold(s: Scope) -> float:
    """Return the threshold by halving where it may be."""
    low, high = float(s.x[0].min()) - 1, float(s.x[0].max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if below(s, middle) > 1 else (low, middle)
    return low


recomputed(
    {
        ("lack", "1 − y x"): lambda s: 1 - s["agreement"],
        ("lack", "−y x"): lambda s: -s["agreement"],
        ("lack", "1 + best other score − score of the target"): lambda s: (
            1 + s["best other score"] - s["score of the target"]
        ),
        ("lag", "l = −x for 1, x for 0"): lambda s: s.x[0] * (1 - 2 * s.x[1]),
        ("maximum", "max_c x_c"): lambda s: max(s.x[0]),
        ("best other score", "max_{c≠y} x_c"): lambda s: max(others(s.x[0], s.y), default=-np.inf),
        ("threshold", "τ with Σ_c max(x_c − τ, 0) = 1"): find_threshold,
        ("probabilities", "p_c = max(x_c − τ, 0)"): lambda s: np.maximum(
            s.x[0] - s["threshold"], 0
        ),
        ("squared distance", "‖p − e_y‖²"): lambda s: (
            np.linalg.norm(s["probabilities"] - np.eye(len(s.x[0]))[s.y]) ** 2
        ),
        ("below the threshold", "max(0, τ − x_y)"): lambda s: max(0, s["threshold"] - s.x[0][s.y]),
        ("loss", "max_c x_c − x_y"): lambda s: s["maximum"] - s["score of the target"],
        ("loss", "0 for l ≤ −1; ¼ (l + 1)² for −1 < l < 1; l for l ≥ 1"): lambda s: (
            0 if s["lag"] <= -1 else s["lag"] if s["lag"] >= 1 else ((s["lag"] + 1) / 2) ** 2
        ),
        ("loss", "½ squared distance + below the threshold"): lambda s: (
            s["squared distance"] / 2 + s["below the threshold"]
        ),
    }
)
