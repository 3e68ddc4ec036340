"""The margin losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np

from tests.losses.cases.case import Array, Case, Draw, Shape, label
from tests.losses.cases.keras import bit, one_hot, pair_cases, real, simplex
from tests.losses.declare import cases, definition, kink, recomputed, reference
from tests.losses.definitions.exact import ZERO, Measured, Number
from tests.losses.definitions.keras import Row, column, simplex_rows
from tests.losses.definitions.points import Points, cross, drawn

reference("keras.hinge", "keras.losses.Hinge")


def sign(draw: Draw, shape: Shape) -> Array:
    """Draw -1 and 1."""
    return draw.signs(shape)


@cases("keras.hinge", "keras.squared_hinge")
def hinge_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of hinge and squared_hinge: signs, bits, and neither."""
    yield from pair_cases(draw, real, sign)
    for case in pair_cases(draw, real, bit):
        yield Case(f"bits-{case.id}", case.inputs, {}, case.skipped)
    mixed = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, -1.0]])
    yield Case("mixed", (real(draw, (3, 2)), mixed))
    yield Case("fractions", (real(draw, (3, 2)), draw.uniform((3, 2))))


def margin_points() -> list[Points]:
    """Return scores of all sizes with signs."""
    pair = cross((0.0, 1e-17, 0.5, 1 - 2.0**-53, 1.0, 3.0, -3.0, 1e4, -1e4), (-1.0, 1.0))
    return [Points(column(*pair)), Points((drawn(30, 3), np.sign(drawn(31, 3))[:30]))]


def lack(p: Number, y: Number) -> Number:
    return max(1 - y * p, ZERO)


def hinge_size(pairs: list[tuple[Number, Number]]) -> Number:
    return max(1 + abs(p * y) for p, y in pairs)


@definition("keras.hinge", points=margin_points)
def hinge(y_pred: Row, y_true: Row) -> Measured:
    pairs = list(zip(y_pred, y_true, strict=True))
    return mpmath.fsum(lack(*pair) for pair in pairs) / len(pairs), hinge_size(pairs)


kink("keras.hinge", "NaN", ([[np.nan, np.nan]], [[1.0, -1.0]]), [[[-0.5, 0.5]]])
kink("keras.hinge", "at the margin", ([[1.0, -1.0]], [[1.0, -1.0]]), [[[-0.25, 0.25]]])

reference("keras.squared_hinge", "keras.losses.SquaredHinge")


@definition("keras.squared_hinge", points=margin_points)
def squared_hinge(y_pred: Row, y_true: Row) -> Measured:
    pairs = list(zip(y_pred, y_true, strict=True))
    value = mpmath.fsum(lack(*pair) ** 2 for pair in pairs) / len(pairs)
    return value, hinge_size(pairs) ** 2


kink("keras.squared_hinge", "at the margin", ([[1.0]], [[1.0]]), [[[0.0]]])

reference("keras.categorical_hinge", "keras.losses.CategoricalHinge")


@cases("keras.categorical_hinge")
def categorical_hinge_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_hinge."""
    for shape in ((4,), (5, 3), (2, 3, 4), (4, 1), (2, 2, 2, 3)):
        yield Case(f"one-hot-{label(shape)}", (real(draw, shape), one_hot(draw, shape)))
        yield Case(f"shares-{label(shape)}", (real(draw, shape), simplex(draw, shape)))
        yield Case(f"reals-{label(shape)}", (real(draw, shape), real(draw, shape)))


@definition("keras.categorical_hinge", points=lambda: [Points((drawn(40, 4), simplex_rows(40, 4)))])
def categorical_hinge(y_pred: Row, y_true: Row) -> Measured:
    pairs = list(zip(y_pred, y_true, strict=True))
    right = mpmath.fsum(p * y for p, y in pairs)
    wrong = max((1 - y) * p for p, y in pairs)
    size = 1 + max(abs(p) * max(abs(y), abs(1 - y)) for p, y in pairs)
    return max(wrong - right + 1, ZERO), size


kink(
    "keras.categorical_hinge",
    "at the margin",
    ([[2.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]),
    [[[-0.5, 0.5, 0.0]]],
)
kink(
    "keras.categorical_hinge",
    "best alike",
    ([[0.0, 1.0, 1.0]], [[1.0, 0.0, 0.0]]),
    [[[-1.0, 0.5, 0.5]]],
)


recomputed(
    {
        ("sign", "2 y − 1, because all labels are 0 or 1"): lambda s: np.where(s.x[1] == 1, 1, -1),
        ("score of the target", "Σ_c y_c x_c"): lambda s: np.dot(s.x[0], s.x[1]),
        ("best other score", "max_c (1 − y_c) x_c"): lambda s: max(
            (1 - y) * x for x, y in zip(*s.x, strict=True)
        ),
        ("loss", "max(0, lack)²"): lambda s: np.where(s["lack"] < 0, 0, s["lack"] ** 2),
    }
)
