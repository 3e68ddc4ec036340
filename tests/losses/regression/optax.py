"""The regression losses of optax, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from mpmath import mp

from tests.losses.cancellation import ones
from tests.losses.cases.case import SHAPES, Array, Case, Draw, label
from tests.losses.cases.differences import EXTREME_TARGETS, EXTREMES, difference_cases
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, exactly
from tests.losses.definitions.points import Points, cross, difference_points, drawn
from tests.losses.steps.scope import Scope

reference("log_cosh", "optax.log_cosh")


@cases("log_cosh")
def log_cosh_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of log_cosh; optax subtracts log 2, so that errors stay above 1e-4."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 2.0), draw.normal(shape, 2.0)))
    yield Case("extremes", (EXTREMES, EXTREME_TARGETS))
    values = (draw.normal((5,)).astype(np.float32), draw.integers(4, (5,), np.int32))
    yield Case("float32-int32", values)


def cosh_points() -> list[Points]:
    """Return errors from 1e-160, whose squares are just numbers, to 1e300."""
    sizes = (0.0, 1e-150, 1e-17, 1e-8, 1e-4, 0.1, 0.9, 1.0, 1.5, 3.0, 7.0, 19.9, 20.0, 20.1, 710.0)
    x, y = cross((*sizes, 1e4, 1e300, -1e300, -0.3), (0.0, 1.0, -2.5))
    return [Points((x, y)), Points((drawn(200, scale=3.0), drawn(201, scale=3.0)[:200]))]


@definition("log_cosh", points=cosh_points)
def log_cosh(x: Number, y: Number) -> Measured:
    """Log cosh (x - y)."""
    d = abs(x - y)
    if d > 300:
        return exactly(d - mp.log(2))
    return exactly(mp.log1p(2 * mp.sinh(d / 2) ** 2))


largest_term("log_cosh")(ones)
kink("log_cosh", "no error", ([1.0], [1.0]), [[0.0]])

reference("optax.l2", "optax.l2_loss")


@cases("optax.l2")
def l2_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.l2."""
    yield from difference_cases(draw, [{}])


@definition("optax.l2", points=lambda: difference_points({}))
def l2(x: Number, y: Number) -> Measured:
    """½ (x - y)²."""
    return exactly((x - y) ** 2 / 2)


def log_cosh_by_series(s: Scope) -> Array:
    """Return log cosh d = log(exp(d) + exp(−d)) − log 2, by its series near 0."""
    d = np.abs(np.atleast_1d(s["difference"]).astype(np.float64))
    near = np.minimum(d, 0.01)
    series = near**2 / 2 - near**4 / 12 + near**6 / 45 - 17 * near**8 / 2520
    return np.where(d < 0.01, series, np.logaddexp(d, -d) - math.log(2)).reshape(
        np.shape(s["difference"])
    )


recomputed(
    {
        ("loss", "½ d²"): lambda s: s["difference"] ** 2 / 2,
        ("loss", "log cosh d: log(1 + 2 sinh²(d/2)), or |d| − log 2 beyond 20"): log_cosh_by_series,
    }
)
