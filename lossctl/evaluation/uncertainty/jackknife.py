"""The delete-a-group jackknife: a value computed without one group of rows at a time.

Rows are put into groups by a hash of their number, so that the order of the rows (sorted, or
periodic) has no effect. Kott 2001, The delete-a-group jackknife, J. Official Statistics 17.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.estimands import Estimand, Integers
from lossctl.evaluation.uncertainty.keyed_sums import Entries
from lossctl.evaluation.uncertainty.moments import Measured, find_skewness, sum_by


def scatter(units: Integers, count: int, seed: int = 0) -> Integers:
    """Put numbered units into ``count`` places: the first ones one by one, others by hash.

    The hash is that of Steele, Lea and Flood 2014 (splitmix64), doi:10.1145/2660193.2660195.
    """
    salt = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
    mixed: NDArray[np.uint64] = units.astype(np.uint64) + np.uint64(salt)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.where(units < count, units, (mixed % np.uint64(count)).astype(np.int64))


def measure(entries: Entries, estimand: Estimand, slices: int = 1) -> Measured:
    """Return what the groups of each slice say; the degrees of freedom are these less 1."""
    terms = estimand.terms(entries.columns)
    active = (terms != 0).any(axis=0)
    terms, of = terms[:, active], entries.slices[active]
    groups = np.bincount(of, minlength=slices)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        totals = np.stack([sum_by(of, one, slices) for one in terms])
        without = estimand.estimate(totals[:, of] - terms)
        value = estimand.estimate(totals)
        # Distances from the value, not from 0, so that nothing cancels.
        strayed = without - value[of]
        centre = sum_by(of, strayed, slices) / groups
        squares = sum_by(of, (strayed - centre[of]) ** 2, slices)
        error = np.sqrt(squares * (groups - 1) / groups)
    skewness = find_skewness(estimand, terms, of, slices)
    return Measured(value, np.where(groups > 1, error, np.nan), groups - 1, skewness)
