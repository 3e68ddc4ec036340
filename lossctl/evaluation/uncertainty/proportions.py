"""Intervals and tests for rows that are 0 or 1: proportions, and differences of two of them.

Weights, clusters and resampling come in as the effective size: so many independent rows would
have the standard error that was found (Korn and Graubard 1998, Survey Methodology 24).
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np

from lossctl.evaluation.uncertainty.estimands import Contrast, Estimand, Floats, Integers
from lossctl.evaluation.uncertainty.incomplete_beta import beta_quantiles, incomplete_beta
from lossctl.evaluation.uncertainty.moments import locate, sum_by
from lossctl.evaluation.uncertainty.student_t import quantiles

RARE = 8
"""Up to so many rows that are 1 (or 0), Wilson's interval is bent: see :func:`wilson`."""
FEW_DIFFER = 1000
"""Up to so many rows that differ, McNemar's test is exact."""

ROWS, WEIGHTS, SQUARES, OTHERS, ZEROS, ONES, DIFFERENT = range(7)


class RowFacts:
    """What is counted of the rows of an estimand in each slice, beside their sums.

    The number of rows, their denominators and the squares of them, how many are neither 0 nor 1,
    how many are 0 and how many 1 (of a difference: of both models), and the sum of absolute
    differences.
    """

    def __init__(self, estimand: Estimand) -> None:
        self.estimand = estimand
        self.outside = False
        """Whether a row is outside of the range that its loss declares."""
        self._counts = np.zeros((7, 1))

    def add(self, columns: Floats, slices: Integers | None) -> None:
        """Add rows: their columns, and the slice of each (None: all are of slice 0)."""
        one = self.estimand
        ratios = (one.model, one.baseline) if isinstance(one, Contrast) else (one,)
        values = [columns[ratio.numerator] for ratio in ratios]
        weights = [columns[ratio.denominator] for ratio in ratios]
        counted = np.logical_or.reduce([weight != 0 for weight in weights])
        with np.errstate(invalid="ignore"):
            for value, weight, ratio in zip(values, weights, ratios, strict=True):
                room = 1e-9 * np.abs(weight)
                if (
                    (value < ratio.range.lowest * weight - room)
                    | (value > ratio.range.highest * weight + room)
                )[weight != 0].any():
                    self.outside = True
            zeros = [value == 0 for value in values]
            ones = [value == weight for value, weight in zip(values, weights, strict=True)]
            binary = np.logical_and.reduce(
                [zero | one for zero, one in zip(zeros, ones, strict=True)]
            )
            binary &= np.logical_and.reduce([weight == weights[0] for weight in weights])
            binary &= weights[0] >= 0
            facts = [counted, weights[0], weights[0] ** 2, counted & ~binary]
            facts += [counted & np.logical_and.reduce(zeros), counted & np.logical_or.reduce(ones)]
            facts += [np.abs(values[0] - values[-1])]
        places, touched = (None, np.zeros(1, np.int64)) if slices is None else locate(slices)
        if not touched.size:
            return
        self.grow(int(touched[-1]) + 1)
        for own, fact in zip(self._counts, facts, strict=True):
            own[touched] += sum_by(places, np.asarray(fact, np.float64), touched.size)

    def merge(self, other: RowFacts) -> None:
        """Add the rows of another one."""
        self.grow(other._counts.shape[1])
        self._counts[:, : other._counts.shape[1]] += other._counts
        self.outside |= other.outside

    def grow(self, slices: int) -> None:
        """Make room for so many slices."""
        more = slices - self._counts.shape[1]
        if more > 0:
            more = max(more, self._counts.shape[1] // 2)
            self._counts = np.pad(self._counts, ((0, 0), (0, more)))

    def counts(self, slices: int) -> Floats:
        """Return what is counted in so many slices: a row for each fact."""
        self.grow(slices)
        return self._counts[:, :slices]

    def binary(self, slices: int) -> np.ndarray:
        """Return in which slices all rows are 0 or 1, by declaration or as far as can be seen.

        Of a loss that may be more than 1, both 0 and 1 must occur.
        """
        counts = self.counts(slices)
        one = self.estimand
        ratios = (one.model, one.baseline) if isinstance(one, Contrast) else (one,)
        found = (counts[OTHERS] == 0) & (counts[ROWS] > 0)
        if not all(ratio.range.ends_only for ratio in ratios):
            found &= (counts[ZEROS] > 0) & (counts[ONES] > 0)
        if any(ratio.transform is not None for ratio in ratios) and len(ratios) > 1:
            found &= False
        return np.asarray(found)


def effective_sizes(
    spread: Floats,
    errors: Floats,
    freedom: Integers,
    counts: Floats,
    clustered: bool,
    *,
    capped: bool = True,
) -> Floats:
    """Return how many independent rows would have these standard errors.

    ``spread`` is the variance of one row. If capped, there are never more than weights of this
    inequality leave; and where the error is 0, of clusters no more than there are. Few degrees of
    freedom make them fewer, as Korn and Graubard do.
    """
    rows = counts[ROWS]
    with np.errstate(invalid="ignore", divide="ignore"):
        most = counts[WEIGHTS] ** 2 / counts[SQUARES]
        units = np.minimum(most, freedom + 1) if clustered else most
        variance = errors**2 * freedom / (freedom + 1)
        found = np.where(errors > 0, spread / variance, units)
        found = np.minimum(found, most) if capped else found
        fewer = (freedom < rows - 1) & (freedom > 0)
        if fewer.any():
            better, worse = (
                quantiles(0.95, one[fewer].astype(np.int64)) for one in (rows - 1, freedom)
            )
            found[fewer] *= (better / worse) ** 2
    near = np.rint(found)
    return np.asarray(np.where(np.abs(found - near) <= 1e-9 * found, near, found), np.float64)


def wilson(
    shares: Floats, sizes: Floats, level: float, reach: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return Wilson's interval, bent where its coverage would fall to 0.84: next to 0 and 1.

    With up to 8 rows that are 1, the lower end is at most the exact one-sided bound, as in Brown,
    Cai and DasGupta 2001, doi:10.1214/ss/1009213286, section 4.1.1; likewise next to 1.
    """
    z = np.full(np.shape(shares), NormalDist().inv_cdf((1 + level) / 2))
    square = (z if reach is None else reach) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (shares + square / (2 * sizes)) / (1 + square / sizes)
        half = np.sqrt(square * (shares * (1 - shares) / sizes + square / (4 * sizes**2)))
        half /= 1 + square / sizes
    low, high = middle - half, middle + half
    ones, zeros = shares * sizes, (1 - shares) * sizes
    rare, common = (ones > 0) & (ones <= RARE), (zeros > 0) & (zeros <= RARE)
    low[rare] = np.minimum(low, _bound(1 - level, ones, zeros, rare))[rare]
    high[common] = np.maximum(high, 1 - _bound(1 - level, zeros, ones, common))[common]
    return np.where(shares <= 0, 0, low), np.where(shares >= 1, 1, high)


def _bound(tail: float, some: Floats, others: Floats, chosen: np.ndarray) -> Floats:
    """Return the exact lower bound of a proportion where it is asked for."""
    found = np.ones(np.shape(some))
    found[chosen] = beta_quantiles(tail, some[chosen], others[chosen] + 1)
    return found


def clopper_pearson(shares: Floats, sizes: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the exact interval: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404."""
    ones, zeros = shares * sizes, (1 - shares) * sizes
    tail = (1 - level) / 2
    low = np.where(np.isnan(sizes), np.nan, 0.0)
    high = np.where(np.isnan(sizes), np.nan, 1.0)
    some, rest = ones > 0, zeros > 0
    low[some] = _bound(tail, ones, zeros, some)[some]
    high[rest] = 1 - _bound(tail, zeros, ones, rest)[rest]
    return low, high


def paired_difference(
    worse: Floats, better: Floats, sizes: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return the interval of a difference of paired proportions, and its standard error.

    ``worse`` and ``better`` are the shares of rows that only the model, or only the baseline, gets
    wrong. Bonett and Price 2012, doi:10.3102/1076998611411915.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two = ((share * sizes + 1) / (sizes + 2) for share in (worse, better))
        error = np.sqrt((one + two - (one - two) ** 2) / (sizes + 2))
    low, high = one - two - z * error, one - two + z * error
    return np.maximum(low, -1), np.minimum(high, 1), error


def mcnemar(worse: Floats, better: Floats) -> Floats:
    """Return the exact two-sided p-values of McNemar's test from numbers of rows that differ.

    They need not be whole: the binomial tail is an incomplete beta function.

    >>> mcnemar(np.array([4.0]), np.array([0.0])).tolist()
    [0.125]
    """
    less, more = np.minimum(worse, better), np.maximum(worse, better)
    found = np.ones(np.shape(worse))
    whole = (less == np.rint(less)) & (more == np.rint(more))
    pairs = zip(less[whole].astype(int).tolist(), more[whole].astype(int).tolist(), strict=True)
    found[whole] = [_binomial_test(*pair) for pair in pairs]
    known = ~whole & (more > 0)
    half = np.full(int(np.count_nonzero(known)), 0.5)
    found[known] = 2 * incomplete_beta(more[known], less[known] + 1, half)
    return np.minimum(found, 1.0)


@functools.lru_cache(maxsize=4096)
def _binomial_test(less: int, more: int) -> float:
    """Return how likely fair coins are to fall as unevenly, in integers."""
    total = less + more
    ways = sum(math.comb(total, one) for one in range(less + 1))
    return float(min(1.0, 2 * ways / 2**total))
