"""Where intervals end: the method's, further out for skewed rows, inside of a loss's range."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty import proportions
from lossctl.evaluation.uncertainty.estimands import Estimand, Floats
from lossctl.evaluation.uncertainty.moments import Measured
from lossctl.evaluation.uncertainty.proportions import DIFFERENT, ROWS, WEIGHTS, RowFacts
from lossctl.evaluation.uncertainty.student_t import quantiles, tail

SYMMETRIC = 0.07
"""Up to so much skewness of a mean, Student's t is right as it is."""
SKEWED = 0.5
"""From so much on, no method holds its level: a few rows make the mean."""
CONSTANT = 4 * float(np.finfo(np.float64).eps)
"""Relative standard errors up to this are the rounding of rows that are all the same."""


class Ends(IntEnum):
    """How an interval was made."""

    METHOD = 0
    SKEWED = 1
    BOUNDED = 2
    PROPORTION = 3
    PAIRED = 4


class Doubt(IntEnum):
    """Why an interval cannot be trusted, or is not of the method that was asked for."""

    SAME = 0
    SKEWED = 1
    NO_PROPORTION = 2


class Test(IntEnum):
    """How a p-value was made."""

    T = 0
    MCNEMAR = 1
    SIGN = 2


class Intervals(NamedTuple):
    """Intervals of the slices, with the standard errors beside them and how each was made."""

    low: Floats
    high: Floats
    errors: Floats
    ends: NDArray[np.int64]
    doubtful: NDArray[np.bool_]
    """Where the rows are too skewed, or all the same, for an interval that holds."""


def discount(skewness: Floats) -> Floats:
    """Return the skewness that is corrected: none of what is small, most of what is large."""
    size = np.maximum(np.abs(skewness), SYMMETRIC)
    return np.asarray(skewness * (1 - (SYMMETRIC / size) ** 2))


def find_intervals(
    measured: Measured, estimand: Estimand, facts: RowFacts, level: float, *, clustered: bool,
    exact: bool,
) -> Intervals:  # fmt: skip
    """Return the intervals of means, before their transform.

    Rows of 0 and 1 make proportions; ``exact`` asks for Clopper's and Pearson's intervals.
    """
    values, errors, freedom, skewness, ends = measured
    size = len(values)
    counts, bounds = facts.counts(size), estimand.range
    if facts.outside:
        bounds = type(bounds)()
    reach = quantiles(level, freedom)
    bent = discount(skewness)
    low, high = ends or (values - reach * errors, values + reach * errors)
    further = _bend(values, errors, reach, bent)
    low = np.where(bent == 0, low, np.fmin(low, further[0]))
    high = np.where(bent == 0, high, np.fmax(high, further[1]))
    kinds = np.where(bent == 0, Ends.METHOD, Ends.SKEWED)
    same = (freedom >= 1) & (errors <= CONSTANT * np.abs(values))
    if bounds.bounded:
        first, width = bounds.lowest, bounds.highest - bounds.lowest
        shares = np.clip((values - first) / width, 0, 1)
        sizes = proportions.effective_sizes(
            shares * (1 - shares), np.where(same, 0, errors / width), freedom, counts, clustered,
            capped=False,
        )  # fmt: skip
        inner = [first + width * end for end in proportions.wilson(shares, sizes, level, reach)]
        low, high = np.fmin(low, inner[0]), np.fmax(high, inner[1])
        level_out = _share_unseen(sizes, reach)
        low = np.where(same, values - level_out * (values - first), low)
        high = np.where(same, values + level_out * (first + width - values), high)
        kinds[:] = Ends.BOUNDED
    else:
        low, high = (np.where(same, np.nan, end) for end in (low, high))
    low, high = np.maximum(low, bounds.lowest), np.minimum(high, bounds.highest)
    binary = facts.binary(size) & (counts[ROWS] > 0) & ~np.isnan(values)
    if binary.any():
        shares = np.clip(values[binary], 0, 1)
        spread = shares * (1 - shares)
        chosen = counts[:, binary]
        deviations = np.where(spread > 0, errors[binary], 0)
        sizes = proportions.effective_sizes(spread, deviations, freedom[binary], chosen, clustered)
        if exact:
            low[binary], high[binary] = proportions.clopper_pearson(shares, sizes, level)
        else:
            low[binary], high[binary] = proportions.wilson(shares, sizes, level)
        kinds[binary] = Ends.PROPORTION
        errors = np.where(binary & np.isnan(errors) & (counts[ROWS] == 1), 0.0, errors)
    odd = (np.abs(skewness) > SKEWED) & (kinds == Ends.SKEWED)
    unknown = same & np.isnan(low)
    kinds = np.where(same & (kinds == Ends.SKEWED), Ends.METHOD, kinds)
    return Intervals(low, high, errors, kinds, odd | unknown)


def _bend(values: Floats, errors: Floats, reach: Floats, skewness: Floats) -> tuple[Floats, Floats]:
    """Return the interval that is bent to the side of the skewness.

    It extends that of the method, since coverage is lost on this side alone. Hall 1992, On the
    removal of skewness by transformation, doi:10.1111/j.2517-6161.1992.tb01875.x.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = []
        for t in (reach, -reach):
            straight = 1 + skewness * (t - skewness / 6)
            bent = 3 / skewness * (np.cbrt(straight) - 1)
            ends.append(values - errors * np.where(skewness == 0, t, bent))
    return ends[0], ends[1]


def _share_unseen(sizes: Floats, reach: Floats) -> Any:
    """Return how large a share of rows may differ from those seen, which are all the same."""
    with np.errstate(invalid="ignore"):
        square = reach**2
        return square / (sizes + square)


def find_difference(
    measured: Measured, estimand: Estimand, facts: RowFacts, level: float, *, clustered: bool
) -> tuple[Intervals, Floats, NDArray[np.int64]]:
    """Return the intervals of differences, their p-values, and how these were made."""
    values, errors, freedom, _, ends = measured
    size = len(values)
    counts, bounds = facts.counts(size), estimand.range
    if facts.outside:
        bounds = type(bounds)()
    reach = quantiles(level, freedom)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low, high = ends or (values - reach * errors, values + reach * errors)
        strayed = np.where(values == 0, 0, values / errors)
        p_values = np.where(np.isnan(errors), np.nan, tail(strayed, freedom))
    kinds, tests = np.full((2, size), 0)
    # Losses that are the same to the last bit on every row are those of the same predictions.
    same = (freedom >= 1) & (errors <= CONSTANT * np.abs(values)) & (values != 0)
    p_values = np.where(same, 2.0 ** -np.minimum(freedom, 1000), p_values)
    tests[same] = Test.SIGN
    if bounds.bounded:
        unseen = _share_unseen(np.asarray(freedom + 1, np.float64), reach)
        low = np.where(same, values - unseen * (values - bounds.lowest), low)
        high = np.where(same, values + unseen * (bounds.highest - values), high)
        kinds[:] = Ends.BOUNDED
    else:
        low, high = (np.where(same, np.nan, end) for end in (low, high))
    low, high = np.maximum(low, bounds.lowest), np.minimum(high, bounds.highest)
    binary = facts.binary(size) & ~np.isnan(values)
    if binary.any():
        value, chosen = values[binary], counts[:, binary]
        differ = chosen[DIFFERENT] / chosen[WEIGHTS]
        sizes = proportions.effective_sizes(
            differ - value**2, np.where(differ > 0, errors[binary], 0), freedom[binary], chosen,
            clustered,
        )  # fmt: skip
        worse, better = (np.clip((differ + sign * value) / 2, 0, 1) for sign in (1, -1))
        found = proportions.paired_difference(worse, better, sizes, level)
        low[binary], high[binary] = found[:2]
        kinds[binary] = Ends.PAIRED
        errors = errors.copy()
        errors[binary] = np.where(errors[binary] > 0, errors[binary], found[2])
        few = differ * sizes <= proportions.FEW_DIFFER
        places = np.flatnonzero(binary)[few]
        p_values[places] = proportions.mcnemar((worse * sizes)[few], (better * sizes)[few])
        tests[places] = Test.MCNEMAR
    unknown = same & np.isnan(low)
    return Intervals(low, high, errors, kinds, unknown), p_values, tests
