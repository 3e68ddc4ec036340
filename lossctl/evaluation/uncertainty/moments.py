"""Means and co-moments of rows in slices: enough for the variance of what depends on means."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.estimands import Estimand, Floats, Integers


class Moments:
    """Counts, means and centred co-moments of the terms of a estimand, in each slice.

    Blocks of rows are merged as Chan, Golub and LeVeque 1979 do, so that nothing cancels. Rows
    whose terms are all 0 take no part.
    """

    def __init__(self, terms: int) -> None:
        self.pairs = tuple(itertools.combinations_with_replacement(range(terms), 2))
        self.counts = np.zeros(0, np.int64)
        self.means = np.zeros((terms, 0))
        self.spread = np.zeros((len(self.pairs), 0))

    def add(self, terms: Floats, slices: Integers | None = None) -> None:
        """Add rows: their terms, and the slice of each (None: all are of slice 0)."""
        active = (terms != 0).any(axis=0)
        if not active.all():
            terms = terms[:, active]
            slices = None if slices is None else slices[active]
        if not terms.shape[1]:
            return
        places, touched = (None, np.zeros(1, np.int64)) if slices is None else locate(slices)
        with np.errstate(invalid="ignore", over="ignore"):
            counts = count(places, terms.shape[1], touched.size)
            means = np.stack([sum_by(places, one, touched.size) for one in terms]) / counts
            rest = terms - (means if places is None else means[:, places])
            varies = [bool(one.any()) for one in rest]
            spread = np.stack(
                [
                    sum_by(places, rest[i] * rest[j], touched.size)
                    if varies[i] and varies[j]
                    else np.zeros(touched.size)
                    for i, j in self.pairs
                ]
            )
            self._merge(touched, counts, means, spread)

    def merge(self, other: Moments) -> None:
        """Add all that another one has seen."""
        seen = np.flatnonzero(other.counts)
        with np.errstate(invalid="ignore", over="ignore"):
            self._merge(seen, other.counts[seen], other.means[:, seen], other.spread[:, seen])

    def _merge(self, where: Integers, counts: Integers, means: Floats, spread: Floats) -> None:
        self.grow(int(where.max(initial=-1)) + 1)
        before, old = self.counts[where], self.means[:, where]
        after = before + counts
        step = means - old
        cross = before * (counts / after)
        self.counts[where] = after
        self.means[:, where] = old + step * (counts / after)
        shift = np.stack([step[i] * step[j] * cross for i, j in self.pairs])
        # A first block has nothing to be shifted against, even if its means are infinite.
        self.spread[:, where] += spread + np.where(before == 0, 0, shift)

    def grow(self, slices: int) -> None:
        """Make room for so many slices."""
        more = slices - self.counts.size
        if more <= 0:
            return
        more = max(more, self.counts.size // 2)
        self.counts = np.pad(self.counts, (0, more))
        self.means = np.pad(self.means, ((0, 0), (0, more)))
        self.spread = np.pad(self.spread, ((0, 0), (0, more)))

    def measure(self, estimand: Estimand, slices: int = 1) -> tuple[Floats, Floats, Integers]:
        """Return value, standard error and degrees of freedom of an estimand in each slice.

        The linearised variance: the rows' influences, squared, summed, times n / (n - 1).
        """
        self.grow(slices)
        counts, means = self.counts[:slices], self.means[:, :slices]
        gradient = estimand.gradient(means)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            variance = np.zeros(slices)
            for (i, j), spread in zip(self.pairs, self.spread[:, :slices], strict=True):
                times = 1 if i == j else 2
                variance += np.where(spread == 0, 0, times * gradient[i] * gradient[j] * spread)
            error = np.sqrt(np.maximum(variance, 0) / counts / (counts - 1))
        return estimand.estimate(means), np.where(counts > 1, error, np.nan), counts - 1


def locate(keys: Integers) -> tuple[Integers, Integers]:
    """Return for each key its place among the different keys, and these."""
    top = int(keys.max(initial=0)) + 1
    if top <= 4 * keys.size:
        touched = np.flatnonzero(np.bincount(keys, minlength=top))
        index = np.empty(top, np.int64)
        index[touched] = np.arange(touched.size)
        return index[keys], touched
    touched, places = np.unique(keys, return_inverse=True)
    return places, touched


def sum_by(places: Integers | None, numbers: Floats, size: int) -> Floats:
    """Return the sum of the numbers of each place (None: of all)."""
    if places is None:
        return np.asarray(numbers.sum(keepdims=True), np.float64)
    return np.asarray(np.bincount(places, numbers, size), np.float64)


def count(places: Integers | None, rows: int, size: int) -> NDArray[np.int64]:
    """Return how many rows each place has."""
    return np.full(1, rows, np.int64) if places is None else np.bincount(places, minlength=size)
