"""Means and co-moments of rows in slices: enough for the variance of what depends on means."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.estimands import Estimand, Floats, Integers

RATIO_TERMS = 2
"""So many terms a ratio has; of differences no skewness is found."""


class Measured(NamedTuple):
    """What a method finds of an estimand in each slice."""

    values: Floats
    errors: Floats
    freedom: Integers
    skewness: Floats
    """That of the value, not of the rows: it falls with √n."""
    ends: tuple[Floats, Floats] | None = None
    """The ends of the intervals, where the method has its own."""


class Moments:
    """Counts, means and centred co-moments of the terms of a estimand, in each slice.

    Blocks of rows are merged as Chan, Golub and LeVeque 1979 do, so that nothing cancels. Rows
    whose terms are all 0 take no part.
    """

    def __init__(self, terms: int, third: bool = False) -> None:
        self.pairs = tuple(itertools.combinations_with_replacement(range(terms), 2))
        self.triples = tuple(
            itertools.combinations_with_replacement(range(terms), 3) if third else ()
        )
        self.counts = np.zeros(0, np.int64)
        self.means = np.zeros((terms, 0))
        self.spread = np.zeros((len(self.pairs), 0))
        self.third = np.zeros((len(self.triples), 0))
        """The co-moments of the third order, where they are asked for."""

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
            third = np.zeros((len(self.triples), touched.size))
            for place, (i, j, k) in enumerate(self.triples):
                if varies[i] and varies[j] and varies[k]:
                    third[place] = sum_by(places, rest[i] * rest[j] * rest[k], touched.size)
            self._merge(touched, counts, means, spread, third)

    def merge(self, other: Moments) -> None:
        """Add all that another one has seen."""
        seen = np.flatnonzero(other.counts)
        with np.errstate(invalid="ignore", over="ignore"):
            self._merge(
                seen,
                other.counts[seen],
                other.means[:, seen],
                other.spread[:, seen],
                other.third[:, seen],
            )

    def _merge(
        self, where: Integers, counts: Integers, means: Floats, spread: Floats, third: Floats
    ) -> None:
        self.grow(int(where.max(initial=-1)) + 1)
        before, old = self.counts[where], self.means[:, where]
        after = before + counts
        step = means - old
        cross = before * (counts / after)
        if self.triples:
            kept = self._shift(
                before, self.spread[:, where], self.third[:, where], step, -counts / after
            )
            added = self._shift(counts, spread, third, step, before / after)
            self.third[:, where] = np.where(before == 0, third, kept + added)
        self.counts[where] = after
        self.means[:, where] = old + step * (counts / after)
        shift = np.stack([step[i] * step[j] * cross for i, j in self.pairs])
        # A first block has nothing to be shifted against, even if its means are infinite.
        self.spread[:, where] += spread + np.where(before == 0, 0, shift)

    def _shift(
        self, counts: Integers, spread: Floats, third: Floats, step: Floats, share: Floats
    ) -> Floats:
        """Return co-moments of the third order about a mean that is a share of a step away."""
        away = step * share
        found = third.copy()
        of = {pair: spread[place] for place, pair in enumerate(self.pairs)}
        for place, (i, j, k) in enumerate(self.triples):
            found[place] += away[i] * of[j, k] + away[j] * of[i, k] + away[k] * of[i, j]
            found[place] += counts * away[i] * away[j] * away[k]
        return found

    def grow(self, slices: int) -> None:
        """Make room for so many slices."""
        more = slices - self.counts.size
        if more <= 0:
            return
        more = max(more, self.counts.size // 2)
        self.counts = np.pad(self.counts, (0, more))
        self.means = np.pad(self.means, ((0, 0), (0, more)))
        self.spread = np.pad(self.spread, ((0, 0), (0, more)))
        self.third = np.pad(self.third, ((0, 0), (0, more)))

    def measure(self, estimand: Estimand, slices: int = 1) -> Measured:
        """Return value, standard error, degrees of freedom and skewness in each slice.

        The linearised variance: the rows' influences, squared, summed, times n / (n - 1). The
        skewness, of the mean, is that of the influences over √n.
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
            cubes = np.zeros(slices)
            for triple, third in zip(self.triples, self.third[:, :slices], strict=True):
                times = len(set(itertools.permutations(triple)))
                weight = times * np.prod([gradient[i] for i in triple], axis=0)
                cubes += np.where(third == 0, 0, weight * third)
            skewness = divide_or_0(cubes, np.maximum(variance, 0) ** 1.5)
        return Measured(
            estimand.estimate(means), np.where(counts > 1, error, np.nan), counts - 1, skewness
        )


def find_skewness(estimand: Estimand, terms: Floats, of: Integers, slices: int) -> Floats:
    """Return the skewness of an estimand in each slice from the terms of units that it sums."""
    if len(terms) > RATIO_TERMS:
        return np.zeros(slices)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        gradient = estimand.gradient(np.stack([sum_by(of, one, slices) for one in terms]))
        influence = sum(part[of] * one for part, one in zip(gradient, terms, strict=True))
        squares, cubes = (sum_by(of, influence**power, slices) for power in (2, 3))
        return divide_or_0(cubes, squares**1.5)


def divide_or_0(over: Floats, under: Floats) -> Floats:
    """Return the quotients, and 0 where there is none that is finite."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = over / under
    return np.where(np.isfinite(found), found, 0)


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
