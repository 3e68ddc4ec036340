"""The regression losses of the literature, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mpmath import mp, mpf

from tests.losses.cases.case import Array, Case, Draw, grid
from tests.losses.cases.differences import difference_cases
from tests.losses.declare import cases, definition, kink, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, exactly
from tests.losses.definitions.points import difference_points


@reference("smape")
def relative_difference(x: Array, y: Array) -> Array:
    """Return 2 |x - y| / (|x| + |y|), 0 for 0."""
    both = (x == 0) & (y == 0)
    return 2 * np.abs(x - y) / np.where(both, 1, np.abs(x) + np.abs(y))


@cases("smape")
def smape_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of smape, with 0 for 0."""
    yield from difference_cases(draw, [{}])


@definition("smape", points=lambda: difference_points({}))
def smape(x: Number, y: Number) -> Measured:
    """2 |x - y| / (|x| + |y|)."""
    size = abs(x) + abs(y)
    return exactly(2 * abs(x - y) / size if size else mpf(0))


kink("smape", "no error, and nothing", ([1.0, 0.0], [1.0, 0.0]), [[0.0, 0.0]])


@reference("charbonnier")
def smooth_distance(x: Array, y: Array, epsilon: float = 1e-3) -> Array:
    """Return ε (cosh t − 1) = 2 ε sinh²(t/2), where d = ε sinh t."""
    return 2 * epsilon * np.sinh(np.arcsinh((x - y) / epsilon) / 2) ** 2


@cases("charbonnier")
def charbonnier_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of charbonnier."""
    yield from difference_cases(draw, [{}, *grid(epsilon=(0.5, 2.0, 1e-9, 100.0))])


EPSILON = mpf(1e-3)
EPSILONS = (0.3, 1.0, 1e-9, 1e-200, 1e150, 1e300)


@definition("charbonnier", points=lambda: difference_points({}, *grid(epsilon=EPSILONS)))
def charbonnier(x: Number, y: Number, epsilon: Number = EPSILON) -> Measured:
    """√((x − y)² + ε²) − ε, with digits enough for d² / ε²."""
    d, e = x - y, epsilon
    return exactly(d * d / (mp.sqrt(d * d + e * e) + e))


kink(
    "charbonnier",
    "no error, infinite",
    ([1.0, np.inf, -np.inf], [1.0, 0.0, 0.0]),
    [[0.0, 1.0, -1.0]],
)
kink("charbonnier", "NaN", ([np.nan], [0.0]), [[np.nan]])


recomputed(
    {
        ("size", "s = √(d² + ε²)"): lambda s: np.abs(s["difference"] + 1j * s.o["epsilon"]),
        ("loss", "d² / (s + ε) where s < 2 ε; s − ε elsewhere"): lambda s: smooth_distance(
            *s.x, s.o["epsilon"]
        ),
        ("size", "|x| + |y|"): lambda s: np.abs(s.x[0]) + np.abs(s.x[1]),
        ("loss", "2 |d| / (|x| + |y|), and 0 where both are 0"): lambda s: (
            2 * s["distance"] / s["size"] if s["size"] else 0.0
        ),
    }
)
