"""What is estimated: means as ratios of sums, and the difference of two of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.terms import UNBOUNDED, Range, Transform

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A sum over rows divided by another one, and then transformed.

    ``numerator`` and ``denominator`` say which of the columns of the rows they are.
    """

    numerator: int
    denominator: int
    transform: Transform | None = None
    range: Range = UNBOUNDED
    """In which range the ratio is, before the transform."""

    def terms(self, columns: Sequence[Floats] | Floats) -> Floats:
        """Return the columns that this needs, of rows or of sums of rows."""
        return np.stack((columns[self.numerator], columns[self.denominator]))

    def estimate(self, totals: Floats) -> Floats:
        """Return the value, before the transform, from the totals of the terms."""
        return divide(totals[0], totals[1])

    def gradient(self, totals: Floats) -> Floats:
        """Return how the value changes with each total."""
        unit = divide(np.ones_like(totals[1]), totals[1])
        with np.errstate(invalid="ignore", over="ignore"):
            return np.stack((unit, -unit * self.estimate(totals)))


@dataclass(frozen=True, slots=True)
class Contrast:
    """The transformed ratio of a model minus that of the baseline, on the same rows.

    Its terms are the differences of the columns and the baseline's own columns: so nothing
    cancels where two models hardly differ.
    """

    model: Ratio
    baseline: Ratio

    @property
    def range(self) -> Range:
        """In which range the difference is."""
        mine = self.model.range.transformed(self.model.transform)
        other = self.baseline.range.transformed(self.baseline.transform)
        if not (mine.bounded and other.bounded):
            return UNBOUNDED
        return Range(mine.lowest - other.highest, mine.highest - other.lowest)

    def terms(self, columns: Sequence[Floats] | Floats) -> Floats:
        """Return the columns that this needs, of rows or of sums of rows."""
        mine, other = self.model.terms(columns), self.baseline.terms(columns)
        with np.errstate(invalid="ignore"):
            return np.concatenate((mine - other, other))

    def estimate(self, totals: Floats) -> Floats:
        """Return the difference from the totals of the terms."""
        mine, other = _ratios(totals)
        if self.model.transform is None and self.baseline.transform is None:
            with np.errstate(invalid="ignore", over="ignore"):
                return divide(totals[0] - other * totals[1], totals[1] + totals[3])
        with np.errstate(invalid="ignore"):
            return transformed(self.model.transform, mine) - transformed(
                self.baseline.transform, other
            )

    def gradient(self, totals: Floats) -> Floats:
        """Return how the difference changes with each total."""
        mine, other = _ratios(totals)
        here = divide(slope(self.model.transform, mine), totals[1] + totals[3])
        there = divide(slope(self.baseline.transform, other), totals[3])
        with np.errstate(invalid="ignore", over="ignore"):
            own = here * mine
            return np.stack((here, -own, here - there, there * other - own))


def _ratios(totals: Floats) -> tuple[Floats, Floats]:
    """Return the ratios of the model and the baseline from the totals of a contrast."""
    with np.errstate(invalid="ignore", over="ignore"):
        mine = divide(totals[0] + totals[2], totals[1] + totals[3])
    return mine, divide(totals[2], totals[3])


Estimand = Ratio | Contrast


def divide(over: Floats, under: Floats) -> Floats:
    """Return the quotients; NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(under == 0, np.nan, over / under)


def transformed(transform: Transform | None, means: Floats) -> Floats:
    """Return the transform of means; NaN where it has no value."""
    return means if transform is None else _apply(transform.apply, means)


def slope(transform: Transform | None, means: Floats) -> Floats:
    """Return the derivative of the transform at means."""
    return np.ones_like(means) if transform is None else _apply(transform.derivative, means)


def _apply(function: Callable[[float], Any], numbers: Floats) -> Floats:
    def at(number: float) -> float:
        try:
            return float(function(number))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            return math.nan

    with np.errstate(all="ignore"):
        found = np.fromiter(map(at, numbers.ravel().tolist()), np.float64, numbers.size)
    return found.reshape(numbers.shape)
