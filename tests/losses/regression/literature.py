"""The regression losses of the literature, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mpmath import mpf

from tests.losses.cases.case import Array, Case, Draw
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


recomputed(
    {
        ("size", "|x| + |y|"): lambda s: np.abs(s.x[0]) + np.abs(s.x[1]),
        ("loss", "2 |d| / (|x| + |y|), and 0 where both are 0"): lambda s: (
            2 * s["distance"] / s["size"] if s["size"] else 0.0
        ),
    }
)
