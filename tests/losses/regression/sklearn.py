"""The regression losses of scikit-learn, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from mpmath import mp

from tests.losses.cases.case import Case, Draw, grid, label
from tests.losses.cases.differences import FILLED, amounts, difference_cases
from tests.losses.declare import cases, definition, kink, known_findings, recomputed, reference
from tests.losses.definitions.exact import DOUBLE_EPS, HALF, Measured, Number, exactly
from tests.losses.definitions.points import amount_points, difference_points
from tests.losses.regression.torch import mse

reference(
    "rmse",
    "sklearn.metrics.root_mean_squared_error",
    of_elements="sklearn.metrics.mean_squared_error",
)


def means_only(cases: Iterator[Case]) -> Iterator[Case]:
    """Leave out what scikit-learn has no answer to."""
    for case in cases:
        if all(array.size for array in case.inputs):
            yield replace(case, skipped=("sum",))


@cases("rmse")
def rmse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of rmse; its elements are squares."""
    yield from means_only(difference_cases(draw, [{}]))


definition("rmse", points=lambda: difference_points({}))(mse)

reference("msle", "sklearn.metrics.mean_squared_log_error")


@cases("msle")
def msle_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of msle, with amounts down to -1."""
    for shape in FILLED:
        yield Case(label(shape), amounts(draw, shape), skipped=("sum",))
        lower = tuple(draw.rounded(array - 1) for array in amounts(draw, shape))
        yield Case(f"{label(shape)}-below-0", lower, skipped=("sum",))
    edges = np.array([0.0, 1e-9, 1e9, -0.999999, 1e300, 5.0])
    yield Case("edges", (edges, edges[::-1].copy()), skipped=("sum",))
    whole = (draw.uniform((5,), 0, 9), draw.integers(9, (5,)))
    yield Case("target-int64", whole, skipped=("sum",))


@definition("msle", points=lambda: amount_points({}, least=-0.999))
def msle(x: Number, y: Number) -> Measured:
    """(log(1 + x) - log(1 + y))²."""
    first, second = mp.log1p(x), mp.log1p(y)
    return (first - second) ** 2, max(abs(first), abs(second)) * abs(first - second) * 2


reference("mape", "sklearn.metrics.mean_absolute_percentage_error")


@cases("mape")
def percentage_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mape, with true values of 0."""
    yield from means_only(difference_cases(draw, [{}]))


@definition("mape", points=lambda: difference_points({}))
def mape(x: Number, y: Number) -> Measured:
    """|x - y| / max(|y|, eps)."""
    return exactly(abs(x - y) / max(abs(y), DOUBLE_EPS))


kink("mape", "no error", ([1.0], [1.0]), [[0.0]])

reference("pinball", "sklearn.metrics.mean_pinball_loss")
known_findings("pinball", "no_better_than_guessing")  # means, where a quantile is asked for


@cases("pinball")
def pinball_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of pinball: quantiles from 0 to 1."""
    yield from means_only(difference_cases(draw, [{}, *grid(alpha=(0.0, 0.1, 0.5, 0.95, 1.0))]))


@definition("pinball", points=lambda: difference_points(*grid(alpha=(0.0, 0.1, 0.5, 0.9, 1.0))))
def pinball(x: Number, y: Number, alpha: Number = HALF) -> Measured:
    """Alpha for each unit that is missing, 1 - alpha for each that is too much."""
    return exactly(max(alpha * (y - x), (alpha - 1) * (y - x)))


kink("pinball", "no error", ([1.0, 2.0], [1.0, 1.0]), [[-0.9, 0.1]], alpha=0.9)


recomputed(
    {
        ("clipped size", "s = max(|y|, 2.2e-16)"): lambda s: np.maximum(np.abs(s.x[1]), 2.0**-52),
        ("below the target", "max(y − x, 0)"): lambda s: np.clip(s.x[1] - s.x[0], 0, None),
        ("above the target", "max(x − y, 0)"): lambda s: np.clip(s.x[0] - s.x[1], 0, None),
        ("loss", "|d| / s"): lambda s: s["distance"] / s["clipped size"],
        ("loss", "α × below + (1 − α) × above"): lambda s: (
            s.o["alpha"] * s["below the target"] + (1 - s.o["alpha"]) * s["above the target"]
        ),
    }
)
