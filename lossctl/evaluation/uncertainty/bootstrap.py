"""The Poisson bootstrap: each replicate counts each row as often as a Poisson number says.

Rows stand in buckets, and the buckets are what is resampled: of the whole dataset each of the
first 65,536 rows has a bucket to itself, so that this is the ordinary Poisson bootstrap; later
rows are scattered over the buckets by a hash of their number. The sum of a bucket's rows has
the same variance and skewness as its rows taken one by one, so the intervals are the same, up to
a noise of 0.3 % in their widths (of 4 % in a slice, which has 256 buckets), at a cost that does
not grow with the rows. The weights are a pure function of seed, bucket and replicate: a
counter-based generator (Philox, Salmon et al. 2011, doi:10.1145/2063384.2063405) is read at the
place that they name. Chamandy et al. 2012, Estimating uncertainty for massive data streams.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.estimands import Estimand, Floats, Integers
from lossctl.evaluation.uncertainty.keyed_sums import Entries
from lossctl.evaluation.uncertainty.moments import Measured, find_skewness, sum_by
from lossctl.evaluation.uncertainty.student_t import quantiles

BUCKETS = 65_536
SLICE_BUCKETS = 256
BLOCK = 1024
"""Buckets that are multiplied with their weights at once."""
WIDE = 2**22
"""So many sums of replicates are held at once."""
FEW = 32
"""Up to so many rows are multiplied without the threads of the linear algebra library."""
BITS = 38
"""Bits of the numbers that are resampled.

With those, a sum over a block of buckets, with weights of at most 8, is a whole number of fewer
than 53 bits: exact, and therefore the same whatever order a matrix product adds in.
"""


def measure(
    entries: Entries,
    estimands: Sequence[Estimand],
    slices: int,
    level: float,
    replicates: int,
    seed: int,
) -> list[Measured]:
    """Return what the replicates say of each slice.

    The ends are percentiles of the replicates, set as far apart as Student's t asks for
    (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    """
    stacked = [estimand.terms(entries.columns) for estimand in estimands]
    freedom = [_count_active(terms, entries.slices, slices) - 1 for terms in stacked]
    skewness = [
        find_skewness(one, terms, entries.slices, slices)
        for one, terms in zip(estimands, stacked, strict=True)
    ]
    bounds = np.cumsum([0, *map(len, stacked)])
    terms = np.concatenate(stacked)
    del stacked
    found = [
        (np.full(slices, np.nan), np.full(slices, np.nan), free, *np.full((2, slices), np.nan))
        for free in freedom
    ]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        totals = np.stack([sum_by(entries.slices, one, slices) for one in terms])
        for first, sums in _resample(terms, entries, slices, replicates, seed):
            here = slice(first, first + sums.shape[1])
            for number, estimand in enumerate(estimands):
                own = slice(bounds[number], bounds[number + 1])
                value, error, free, low, high = found[number]
                value[here] = estimand.estimate(totals[own, here])
                drawn = estimand.estimate(sums[own])
                summary = _summarise(drawn, value[here], free[here], level)
                error[here], low[here], high[here] = summary
    return [
        Measured(value, error, free, skewed, (low, high))
        for (value, error, free, low, high), skewed in zip(found, skewness, strict=True)
    ]


def _count_active(terms: Floats, of: Integers, slices: int) -> Integers:
    return np.bincount(of[(terms != 0).any(axis=0)], minlength=slices)


def _resample(
    terms: Floats, entries: Entries, slices: int, replicates: int, seed: int
) -> Iterator[tuple[int, Floats]]:
    """Yield, for some slices at a time, the first of them and the sums of its replicates."""
    size = int(entries.units.max(initial=0)) + 1
    step = max(1, WIDE // (len(terms) * max(replicates, min(size, BLOCK))))
    for first in range(0, slices, step):
        last = min(first + step, slices)
        start, stop = np.searchsorted(entries.slices, (first, last))
        of, units = entries.slices[start:stop] - first, entries.units[start:stop]
        block = units // BLOCK
        sums = np.zeros((len(terms), last - first, replicates))
        for number in np.unique(block).tolist():
            chosen = block == number
            width = min(BLOCK, size - number * BLOCK)
            dense = np.zeros((len(terms), last - first, width))
            dense[:, of[chosen], units[chosen] - number * BLOCK] = terms[:, start:stop][:, chosen]
            weights = draw_weights(seed, number, replicates)[:width]
            sums += _multiply(_round(dense).reshape(-1, width), weights).reshape(sums.shape)
        yield first, sums


def _multiply(numbers: Floats, weights: Floats) -> Floats:
    """Return the matrix product: of a few rows in this thread, since waking others costs more."""
    if len(numbers) <= FEW:
        return np.asarray(np.einsum("ij,jk->ik", numbers, weights))
    return np.asarray(numbers @ weights)


def _round(numbers: Floats) -> Floats:
    """Round numbers to whole multiples of a fraction of the largest along the last axis.

    Those along with a number that is not finite become NaN.
    """
    largest = np.max(np.abs(numbers), axis=-1, keepdims=True, initial=0)
    sound = np.isfinite(largest)
    exponent = np.frexp(np.where(sound, largest, 1))[1]
    scale = np.maximum(exponent, -900) - BITS
    rounded = np.ldexp(np.rint(np.ldexp(numbers, -scale)), scale)
    return np.where(sound, rounded, np.nan)


@functools.lru_cache(maxsize=1)
def draw_weights(seed: int, block: int, replicates: int) -> Floats:
    """Return the weights of a block of buckets (rows) in the replicates (columns)."""
    steps = BLOCK * 16 // 256  # the generator counts in steps of 256 bits
    generator = np.random.Philox(key=seed, counter=(block << 128))
    raw = generator.random_raw(replicates * steps * 4).astype("<u8").view("<u2")
    weights = _table().take(raw).reshape(replicates, BLOCK)
    return weights.astype(np.float64).T


@functools.cache
def _table() -> NDArray[np.uint8]:
    """Return the Poisson number (mean 1) that each 16-bit number stands for."""
    bounds = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    return np.searchsorted(bounds[:8], (np.arange(65_536) + 0.5) / 65_536).astype(np.uint8)


def _summarise(
    drawn: Floats, value: Floats, freedom: Integers, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return standard error and the interval's ends from the replicates of each slice."""
    # Replicates that count no row at all have no value; they are left out.
    valid = (~np.isnan(drawn)).sum(axis=1)
    strayed = drawn - value[:, None]
    mean = np.nansum(strayed, axis=1) / valid
    # Resampling n units spreads by n - 1 where estimating from them spreads by n.
    wider = np.sqrt((freedom + 1) / np.maximum(freedom, 1))
    error = wider * np.sqrt(np.nansum((strayed - mean[:, None]) ** 2, axis=1) / (valid - 1))
    drawn.sort(axis=1)
    spread = wider * quantiles(level, freedom)
    share = np.array([NormalDist().cdf(-one) for one in spread.tolist()])
    sound = (freedom >= 1) & (valid > 1) & np.isfinite(value)
    low = _percentile(drawn, np.where(sound, share, 0), valid)
    high = _percentile(drawn, np.where(sound, 1 - share, 1), valid)
    return tuple(np.where(sound, one, np.nan) for one in (error, low, high))  # type: ignore[return-value]


def _percentile(ordered: Floats, share: Floats, valid: Integers) -> Floats:
    """Return a quantile of each row's first ``valid`` numbers, between its neighbours."""
    place = share * np.maximum(valid - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(valid - 1, 0))
    rows = np.arange(len(ordered))
    left, right = ordered[rows, below], ordered[rows, above]
    return left + (place - below) * (right - left)
