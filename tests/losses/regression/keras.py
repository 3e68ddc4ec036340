"""The regression losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np

from tests.losses.cancellation import ones
from tests.losses.cases.case import Case, Draw, grid, spell
from tests.losses.cases.keras import amount, pair_cases, real
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import ONE, Number
from tests.losses.definitions.keras import AMOUNTS, LEAST, average, column, row
from tests.losses.definitions.points import Points, cross, drawn

reference("keras.mean_squared_error", "keras.losses.MeanSquaredError")


@cases("keras.mean_squared_error", "keras.mean_absolute_error", "keras.log_cosh")
def difference_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of losses of a difference."""
    yield from pair_cases(draw, real, real)
    ends = np.array([[0.0, -0.0, 1e4, -1e4], [1e-8, -1e-8, 1e-100, 3.5]])
    yield Case("extremes", (ends, np.array([[0.0, 0.0, -1e4, 1e4], [0.0, 1e-8, 0.0, 3.5]])))


SIZES = (0.0, 1e-300, 1e-160, 1e-9, 1e-7, 0.3, 1.0, 1.0000001, 7.5, 1e4, 1e150, -0.3, -1e150)
TRUE_SIZES = (0.0, 1e-200, 1.0, 1 + 2.0**-52, 0.3, -1e150)


def difference_points() -> list[Points]:
    """Return differences of all sizes, alone and in rows."""
    pair = cross(SIZES, TRUE_SIZES)
    return [Points(column(*pair)), Points((drawn(30, 3), drawn(31, 3)[:30]))]


@definition("keras.mean_squared_error", points=difference_points)
@average
def square(p: Number, y: Number) -> Number:
    return (p - y) ** 2


reference("keras.mean_absolute_error", "keras.losses.MeanAbsoluteError")


@definition("keras.mean_absolute_error", points=difference_points)
@average
def distance(p: Number, y: Number) -> Number:
    return abs(p - y)


kink("keras.mean_absolute_error", "no error", ([[1.0, 2.0]], [[1.0, 1.0]]), [[[0.0, 0.5]]])
kink("keras.mean_absolute_error", "NaN", ([[np.nan, 2.0]], [[1.0, 1.0]]), [[[0.0, 0.5]]])

reference("keras.mean_absolute_percentage_error", "keras.losses.MeanAbsolutePercentageError")


@cases("keras.mean_absolute_percentage_error")
def percentage_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mean_absolute_percentage_error, with true values of 0."""
    yield from difference_cases(draw)
    yield Case("nothing", (real(draw, (3, 2)), np.array([[0.0, 1e-8], [-1e-9, 1e-7], [5, -0.0]])))


@definition("keras.mean_absolute_percentage_error", points=difference_points)
@average
def percentage(p: Number, y: Number) -> Number:
    return 100 * abs(p - y) / max(abs(y), LEAST)


kink(
    "keras.mean_absolute_percentage_error",
    "no error",
    ([[1.0, 2.0]], [[1.0, 1.0]]),
    [[[0.0, 50.0]]],
)
kink(
    "keras.mean_absolute_percentage_error", "NaN", ([[np.nan, 2.0]], [[1.0, 1.0]]), [[[0.0, 50.0]]]
)

reference("keras.mean_squared_logarithmic_error", "keras.losses.MeanSquaredLogarithmicError")


@cases("keras.mean_squared_logarithmic_error")
def logarithmic_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mean_squared_logarithmic_error, with amounts of 0 and less."""
    yield from pair_cases(draw, amount, amount)
    yield Case("negative", (real(draw, (4, 3)), real(draw, (4, 3))))
    yield Case("far", (np.array([[0.0, 1e8, 3.0]]), np.array([[1e8, 0.0, 3.0]])))


def amount_points() -> list[Points]:
    """Return amounts of all sizes, near each other and far apart."""
    pair = cross(AMOUNTS, AMOUNTS)
    close = np.abs(drawn(60)) * 10.0 ** np.arange(-6, 24, 0.5)
    near = close * (1 + np.abs(drawn(61)[:60]) * 10.0 ** -np.arange(0, 15, 0.25))
    return [Points(column(*pair)), Points(column(close, near)), Points(row(close, near))]


@definition("keras.mean_squared_logarithmic_error", points=amount_points)
@average
def logarithmic(p: Number, y: Number) -> Number:
    return (mpmath.log1p(max(p, LEAST)) - mpmath.log1p(max(y, LEAST))) ** 2


kink(
    "keras.mean_squared_logarithmic_error",
    "raised amount",
    ([[0.0, 1e-7]], [[1.0, 1.0]]),
    [[[0.0, 0.5 * float(np.log1p(1e-7) - np.log(2)) / (1 + 1e-7)]]],
)

reference("keras.huber", "keras.losses.Huber")


@cases("keras.huber")
def huber_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of huber, also with differences that fall on delta."""
    yield from pair_cases(draw, real, real, [{}, *grid(delta=(0.5, 2.0))])
    ties = np.array([[0.5, 1.0, 2.0], [-0.5, -1.0, -2.0]])
    for choice in grid(delta=(0.5, 1.0, 2.0)):
        yield Case(f"ties-{spell(choice)}", (ties, np.zeros((2, 3))), choice)


def huber_points() -> list[Points]:
    """Return differences, with the line beginning in several places."""
    return [Points(one.inputs, {"delta": d}) for one in difference_points() for d in (1.0, 0.3)]


@definition("keras.huber", points=huber_points)
@average
def huber(p: Number, y: Number, delta: Number = ONE) -> Number:
    error = abs(p - y)
    return error**2 / 2 if error <= delta else delta * (error - delta / 2)


kink("keras.huber", "at delta", ([[2.0, -2.0]], [[0.0, 0.0]]), [[[1.0, -1.0]]], delta=2.0)

reference("keras.log_cosh", "keras.losses.LogCosh")


@definition("keras.log_cosh", points=difference_points)
@average
def log_cosh(p: Number, y: Number) -> Number:
    return mpmath.log1p(2 * mpmath.sinh((p - y) / 2) ** 2)


largest_term("keras.log_cosh")(ones)


recomputed(
    {
        ("clipped prediction", "max(x, 1e-7)"): lambda s: np.maximum(s["prediction"], 1e-7),
        ("clipped target", "max(y, 1e-7)"): lambda s: np.maximum(s["target"], 1e-7),
        ("clipped size", "s = max(|y|, 1e-7)"): lambda s: np.maximum(np.abs(s.x[1]), 1e-7),
        ("size", "|y|"): lambda s: np.abs(s.x[1]),
        ("log of the target", "log(1 + y)"): lambda s: np.log1p(s.get("clipped target", s.x[1])),
        ("log of the prediction", "log(1 + x)"): lambda s: np.log1p(
            s.get("clipped prediction", s.x[0])
        ),
        ("difference of logarithms", "e = log(1 + x) − log(1 + y)"): lambda s: (
            s["log of the prediction"] - s["log of the target"]
        ),
        ("loss", "e²"): lambda s: s["difference of logarithms"] ** 2,
        ("loss", "100 |d| / s"): lambda s: 100 * s["distance"] / s["clipped size"],
    }
)
