"""The deviance losses of scikit-learn, as the tests know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.differences import FILLED, amounts
from tests.losses.declare import (
    cancelling_steps,
    cases,
    definition,
    largest_term,
    recomputed,
    reference,
)
from tests.losses.definitions.exact import ONE, Measured, Number, total
from tests.losses.definitions.points import Points, amount_points, difference_points
from tests.losses.regression.torch import mse

reference("poisson_deviance", "sklearn.metrics.mean_poisson_deviance")


def deviance_cases(
    draw: Draw, choices: Sequence[dict[str, Any]], zero: bool = False, negative: bool = False
) -> Iterator[Case]:
    """Yield cases of a deviance, with targets of 0 and below where they are defined."""
    for shape in FILLED:
        for choice in choices if len(shape) < 3 else choices[:1]:
            means, values = amounts(draw, shape)
            pair = (means, draw.rounded(values - 4 * negative))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    for choice in choices:
        means = np.array([1e-6, 0.5, 1.0, 7.0, 1e6, 3.0, 3.0])
        values = np.array([1e6, 0.5, 2.0, 7.0 + 1e-6, 1e-6, 30.0, 0.0 if zero else 3.0])
        yield Case(f"edges-{spell(choice)}", (means, values), choice, ("sum",))
        counts = 1 + draw.integers(9, (5,), np.int32)
        yield Case(f"int32-{spell(choice)}", (means[:5], counts), choice, ("sum",))


@cases("poisson_deviance")
def poisson_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poisson_deviance, with counts of 0."""
    yield from deviance_cases(draw, [{}], zero=True)
    yield Case("zeros", (draw.uniform((4,), 0.1, 5.0), np.zeros(4)), skipped=("sum",))
    for size in (3, 7, 9):
        counts = np.asarray(draw.rng.poisson(3.0, (size,)))
        yield Case(f"counts-{size}", (draw.uniform((size,), 0.1, 5.0), counts), skipped=("sum",))


def count_points() -> list[Points]:
    """Return rates with counts of 0 and of every size."""
    return [*amount_points({}), Points((np.array([1e-300, 2.0, 1e9]), np.zeros(3)))]


@definition("poisson_deviance", points=count_points)
def poisson_deviance(x: Number, y: Number) -> Measured:
    """2 (y log(y/x) - y + x), measured by y log(y/x) and x - y."""
    terms = [y * mp.log(y / x) if y else mpf(0), x - y]
    return 2 * total(terms), 2 * max(map(abs, terms))


def deviance(power: float) -> Callable[..., Array]:
    """Return the size of the terms of a deviance, of a power or of the power of a call."""

    def measure(x: Array, y: Array, power: float = power) -> Array:
        size = np.maximum(np.abs(x), np.abs(y))
        if power in (1, 2):
            powers = size if power == 1 else 1.0
            return np.asarray(2 * powers * (1 + np.abs(np.log(np.where(y == 0, 1, y / x)))))
        first = np.abs(y) ** (2 - power) if power else 0.0
        terms = first + np.abs(y) * x ** (1 - power) + x ** (2 - power) if power else first
        return np.asarray(terms * (4 / abs((1 - power) * (2 - power))))

    return measure


largest_term("poisson_deviance")(deviance(1))

reference("gamma_deviance", "sklearn.metrics.mean_gamma_deviance")


@cases("gamma_deviance")
def gamma_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of gamma_deviance."""
    yield from deviance_cases(draw, [{}])
    for size in (3, 7, 9):
        yield Case(f"amounts-{size}", amounts(draw, (size,)), skipped=("sum",))


@definition("gamma_deviance", points=lambda: amount_points({}))
def gamma_deviance(x: Number, y: Number) -> Measured:
    """2 (log(x/y) + y/x - 1), measured by log(x/y) and y/x - 1."""
    terms = [mp.log(x / y), (y - x) / x]
    return 2 * total(terms), 2 * max(map(abs, terms))


largest_term("gamma_deviance")(deviance(2))

reference("tweedie_deviance", "sklearn.metrics.mean_tweedie_deviance")
cancelling_steps("tweedie_deviance")  # the last digits depend on how powers are taken


@cases("tweedie_deviance")
def tweedie_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of tweedie_deviance: every kind of power, with the targets it takes."""
    yield from deviance_cases(draw, [{}, {"power": 0.0}], zero=True, negative=True)
    yield from deviance_cases(draw, list(grid(power=(-1.0, -0.3, -2.5))), True, negative=True)
    yield from deviance_cases(draw, list(grid(power=(1.0, 1.1, 1.5, 1.9))), zero=True)
    yield from deviance_cases(draw, list(grid(power=(2.0, 2.5, 3.0, 4.3))))


def deviance_points() -> list[Points]:
    """Return the powers of all kinds, and rates of 0 events."""
    powers = grid(power=(-1.0, -0.3, 1.1, 1.5, 2.5, 3.0, 1.0, 2.0))
    return [*amount_points(*powers, least=1e-6), *difference_points({}, {"power": 0.0})]


@definition("tweedie_deviance", points=deviance_points)
def tweedie_deviance(x: Number, y: Number, power: Number = ONE * 0) -> Measured:
    """The deviance of the power given."""
    if power == 0:
        return mse(x, y)
    if power == 1:
        return poisson_deviance(x, y)
    if power == 2:
        return gamma_deviance(x, y)
    terms = [
        max(y, mpf(0)) ** (2 - power) / ((1 - power) * (2 - power)),
        -y * x ** (1 - power) / (1 - power),
        x ** (2 - power) / (2 - power),
    ]
    return 2 * total(terms), 2 * max(map(abs, terms))


largest_term("tweedie_deviance")(deviance(0))


recomputed(
    {
        ("difference", "x − y"): lambda s: s.x[0] - s.x[1],
        ("log-ratio", "log(y / x)"): lambda s: np.log(s.x[1] / s.x[0]),
        ("scaled log-ratio", "y log(y / x), and 0 where y is 0"): lambda s: (
            s.x[1] * s["log-ratio"] if s.x[1] else 0.0
        ),
        ("relative difference", "y / x − 1"): lambda s: s.x[1] / s.x[0] - 1,
        ("term of the target", "max(y, 0)^(2 − p) / ((1 − p) (2 − p))"): lambda s: (
            max(float(s.x[1]), 0.0) ** (2 - s.o["power"]) / (1 - s.o["power"]) / (2 - s.o["power"])
        ),
        ("term of both", "y x^(1 − p) / (1 − p)"): lambda s: (
            s.x[1] * s.x[0] ** (1 - s.o["power"]) / (1 - s.o["power"])
        ),
        ("term of the prediction", "x^(2 − p) / (2 − p)"): lambda s: (
            s.x[0] ** (2 - s.o["power"]) / (2 - s.o["power"])
        ),
        ("loss", "2 (y log(y / x) + x − y)"): lambda s: (
            2 * s["scaled log-ratio"] + 2 * s["difference"]
        ),
        ("loss", "2 (y / x − 1 − log(y / x))"): lambda s: (
            2 * s["relative difference"] - 2 * s["log-ratio"]
        ),
        ("loss", "(x − y)², because p is 0"): lambda s: s["difference"] ** 2,
        ("loss", "2 (term of the target − term of both + term of the prediction)"): lambda s: (
            2 * s["term of the target"] - 2 * s["term of both"] + 2 * s["term of the prediction"]
        ),
    }
)
