"""Exact summation: the order of the summands never changes a bit of the sum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

HUGE = 2.0**960


@dataclass(slots=True)
class ExactSum:
    """A running sum, kept as numbers that do not overlap, so that nothing is ever rounded.

    Adding and merging are exact and therefore commute; :attr:`value` is the sum, rounded once.
    Shewchuk 1997, doi:10.1007/PL00009321.
    """

    parts: list[float] = field(default_factory=list)
    special: float = 0.0
    """Sum of the infinities and NaN that were added; 0 if there were none."""
    huge: int = 0
    """Sum of the numbers so large that adding them as doubles might overflow."""

    def add(self, number: float) -> None:
        """Add one number."""
        if not math.isfinite(number):
            self.special += number
            return
        number = float(number)
        if abs(number) >= HUGE:
            self.huge += int(number)
            return
        kept = 0
        for part in self.parts:
            large, small = (part, number) if abs(number) < abs(part) else (number, part)
            high = large + small
            low = small - (high - large)
            if low:
                self.parts[kept] = low
                kept += 1
            number = high
        self.parts[kept:] = [number]

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        for part in other.parts:
            self.add(part)
        self.special += other.special
        self.huge += other.huge

    @property
    def value(self) -> float:
        """The sum, correctly rounded."""
        if self.special:
            return math.nan if math.isnan(self.special) else self.special
        if not self.huge:
            return math.fsum(self.parts)
        exact = self.huge + sum(map(Fraction, self.parts))
        try:
            return float(exact)
        except OverflowError:
            return math.inf if exact > 0 else -math.inf

    @classmethod
    def of(cls, numbers: Iterable[float]) -> ExactSum:
        """Return the sum of numbers."""
        total = cls()
        for number in numbers:
            total.add(number)
        return total


Sums = dict[str, list[ExactSum]]
"""Named sums, each a list of one sum per position."""
