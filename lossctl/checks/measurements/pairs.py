"""Predictions beside targets of the same shape: are they equal, and how do they correlate?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import View, find_kept
from lossctl.engine.plan.plan import Plan
from lossctl.kinds import Kind
from lossctl.losses.maths.numerics import dot

Array = NDArray[Any]

QUANTITIES = (
    Kind.REAL,
    Kind.POSITIVE,
    Kind.NOT_NEGATIVE,
    Kind.ABOVE_MINUS_ONE,
    Kind.LOG_AMOUNT,
)
"""Kinds of numbers whose difference, or whose ratio, means something."""

LARGEST_EXPONENT = 700.0


@dataclass(slots=True)
class Together:
    """Moments of pairs (x, y) around their means, and counts."""

    compared: int = 0
    equal: int = 0
    below: int = 0
    """Pairs in which the prediction is smaller than the target."""
    count: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    var_x: float = 0.0
    var_y: float = 0.0
    both: float = 0.0
    powers: float = 0.0
    """Sum of exp(x), no exponent above the largest, where x are logarithms."""

    def merge(self, other: Together) -> None:
        """Add other pairs (Chan et al. 1983, doi:10.1080/00031305.1983.10483115)."""
        for name in ("compared", "equal", "below", "powers"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if not other.count:
            return
        total = self.count + other.count
        share = self.count * other.count / total
        apart_x, apart_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        self.var_x += other.var_x + apart_x * apart_x * share
        self.var_y += other.var_y + apart_y * apart_y * share
        self.both += other.both + apart_x * apart_y * share
        self.mean_x += apart_x * other.count / total
        self.mean_y += apart_y * other.count / total
        self.count = total

    @property
    def correlation(self) -> float:
        """Pearson's correlation, 0 where one of both does not vary."""
        if not (self.var_x > 0 and self.var_y > 0):
            return 0.0
        return self.both / math.sqrt(self.var_x) / math.sqrt(self.var_y)

    @property
    def slope(self) -> float:
        """The factor of the line from x to y with the least squares."""
        return self.both / self.var_x

    @property
    def offset(self) -> float:
        """Where that line is at x = 0."""
        return self.mean_y - self.slope * self.mean_x

    @property
    def squares(self) -> float:
        """The mean squared difference of the pairs."""
        apart = self.mean_x - self.mean_y
        return (self.var_x + self.var_y - 2 * self.both) / self.count + apart * apart


class Pairs:
    """The pairs of all blocks."""

    def __init__(self, *, quantities: bool, logs: bool) -> None:
        self.quantities = quantities
        """Whether the difference, or the ratio, of both means something."""
        self.logs = logs
        """Whether the predictions are logarithms."""
        self.together = Together()

    def measure(self, view: View) -> Together:
        """Look at the pairs of a block."""
        x, y = view.inputs[:2]
        if view.mask is not None and ("C" not in view.plan.inputs[0].axes or view.mask.ndim == 1):
            kept = find_kept(view, x.shape)
            x, y = x[kept], y[kept]
        found = Together(compared=x.size, equal=int(np.count_nonzero(x == y)))
        if not self.quantities or not x.size:
            return found
        found.below = int(np.count_nonzero(x < y))
        left, right = (one.reshape(-1).astype(np.float64) for one in (x, y))
        finite = np.isfinite(left) & np.isfinite(right)
        if not finite.all():
            left, right = left[finite], right[finite]
        if not len(left):
            return found
        found.count = len(left)
        if self.logs:
            found.powers = float(np.exp(np.minimum(left, LARGEST_EXPONENT)).sum())
        found.mean_x, found.mean_y = float(left.mean()), float(right.mean())
        left -= found.mean_x
        right -= found.mean_y
        found.var_x, found.var_y = float(dot(left, left)), float(dot(right, right))
        found.both = float(dot(left, right))
        return found

    def add(self, piece: Together) -> None:
        """Add the pairs of a block."""
        self.together.merge(piece)


def plan_pairs(plan: Plan) -> Pairs | None:
    """Return what looks at pairs; None where predictions and targets differ in shape."""
    if len(plan.inputs) < 2:
        return None
    first, second = plan.inputs[:2]
    if first.axes != second.axes or first.shared or second.shared:
        return None
    kinds = {first.kind, second.kind}
    return Pairs(quantities=kinds <= set(QUANTITIES), logs=first.kind == Kind.LOG_AMOUNT)
