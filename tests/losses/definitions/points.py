"""Points where frameworks overflow, underflow or cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.losses.cases.case import Array


@dataclass(frozen=True)
class Points:
    """One call on many points; ``elementwise`` options have one number for each point."""

    inputs: tuple[Array, ...]
    options: dict[str, Any] = field(default_factory=dict)
    elementwise: bool = False


def cross(*axes: Sequence[float]) -> tuple[Array, ...]:
    """Return every combination of the numbers given, as vectors."""
    return tuple(part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij"))


def amount_points(*choices: dict[str, float], least: float = 1e-300) -> list[Points]:
    """Return amounts of every size, and such as are nearly equal."""
    sizes = (1e-9, 0.3, 1.0, 1 + 2.0**-52, 1 + 1e-9, 1.4, 2.0, 30.0, 1e6, 1e9)
    x, y = cross((least, *sizes), sizes)
    return [Points((x, y), choice) for choice in choices]


SEED = 7


def drawn(*shape: int, scale: float = 1.0) -> Array:
    """Return real numbers around 0, the same in every run."""
    return scale * np.random.default_rng([SEED, *shape]).standard_normal(shape)


def class_logits() -> Array:
    """Return rows of three logits: sure, tied, far, near, overflowing."""
    rows = [
        [40, 0, 0], [36.7, 0, 0], [17, 0, 0], [100, 0, 0], [700, 0, 0], [745, 0, 0], [1e4, 0, -1e4],
        [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [-745, 745, 0], [1e300, 0, 0], [-1e300, 0, 0],
        [0, 0, 0], [1, 1 + 2.0**-52, 1], [1e-300, 0, 0], [5e-324, 0, 0], [3, 2.9999999, 3],
        [1e4 + 1, 1e4, 1e4 - 1], [-30, 30, 29], [0.1, 0.2, 0.3], [50, 49, -50], [2, -1, -40],
    ]  # fmt: skip
    # Gaps that are not float64 numbers themselves: x - max is rounded, and exp multiplies that.
    gaps = [drawn(6, 3) + np.array([gap, 0, 0]) for gap in (8, 20, 40, 100, 700)]
    return np.concatenate([np.array(rows, dtype=float), drawn(20, 3, scale=5.0), *gaps])


def score_points() -> list[Points]:
    """Return every class of rows of scores as the target."""
    rows = class_logits()
    return [Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), len(rows))))]


LOGITS = (
    0.0, -0.0, 1e-300, 5e-324, 1e-17, -1e-17, 1e-9, 0.5, -0.5, 1.0, -1.0, 17.0, 30.0, -36.7, 36.7,
    40.0, -40.0, 50.0, -50.0, 700.0, -700.0, 744.0, 745.0, -745.0, 746.0, 1e4, -1e4, 1e300, -1e300,
)  # fmt: skip
SOFT = (0.0, 1.0, 0.5, 0.25, 1e-17, 1e-300, 1 - 2.0**-53, 0.9999, 1 / 3)


def difference_points(*options: dict[str, Any]) -> list[Points]:
    """Return differences of all sizes, and such as cancel to their last bit."""
    sizes = (0.0, 5e-324, 1e-200, 1e-160, 1e-9, 0.3, 0.9999999, 1.0, 1.0000001, 7.5, 1e4, 1e150)
    x, y = cross((*sizes, 1e200, -1e200, -0.3), (0.0, 1e-200, 1.0, -1e150, 1 + 2.0**-52, 0.3))
    ordinary = (drawn(60, scale=3.0), drawn(61, scale=3.0)[:60])
    return [Points(pair, choice) for choice in options for pair in ((x, y), ordinary)]
