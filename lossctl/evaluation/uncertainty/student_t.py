"""Student's t distribution: quantiles and p-values."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.incomplete_beta import continued_fraction

Floats = NDArray[np.float64]

FEW = 100
"""Up to so many degrees of freedom the tail is a continued fraction, beyond an expansion."""
STEPS = 200


@functools.lru_cache(maxsize=1024)
def quantile(level: float, freedom: int) -> float:
    """Return t such that a share ``level`` of the distribution lies between -t and t.

    >>> round(quantile(0.95, 10), 4)
    2.2281
    """
    return float(quantiles(level, np.array([freedom]))[0])


def quantiles(level: float, freedom: NDArray[np.int64]) -> Floats:
    """Return :func:`quantile` for each number of degrees of freedom (below 1: NaN)."""
    known, places = np.unique(freedom, return_inverse=True)
    found = np.full(known.shape, np.nan)
    sound = known >= 1
    found[sound] = _solve(level, known[sound])
    return np.asarray(found[places], np.float64).reshape(np.shape(freedom))


def _solve(level: float, freedom: NDArray[np.int64]) -> Floats:
    """Find the quantiles by Newton's steps.

    The tail is convex, and the normal quantile too near, so the steps only ever grow t.
    """
    t = np.full(freedom.shape, NormalDist().inv_cdf((1 + level) / 2))
    norms = [math.lgamma((n + 1) / 2) - math.lgamma(n / 2) for n in freedom.tolist()]
    norm = np.exp(np.array(norms)) / np.sqrt(freedom * math.pi)
    for _ in range(STEPS):
        slope = -2 * norm * np.exp(-(freedom + 1) / 2 * np.log1p(t * t / freedom))
        step = (tail(t, freedom) - (1 - level)) / slope
        t = t - step
        if not t.size or np.max(np.abs(step) / t) <= 1e-13:
            break
    return t


def tail(t: Floats, freedom: NDArray[np.int64]) -> Floats:
    """Return the probability of a value farther from 0 than t: the two-sided p-value.

    NaN where t is NaN or there are no degrees of freedom.
    """
    size = np.abs(np.asarray(t, np.float64))
    size, freedom = np.broadcast_arrays(size, np.asarray(freedom, np.int64))
    found = np.full(size.shape, np.nan)
    sound = (freedom >= 1) & ~np.isnan(size)
    few = sound & (freedom <= FEW)
    many = sound & (freedom > FEW)
    for chosen, find in ((few, _tail_of_few), (many, _tail_of_many)):
        if chosen.any():
            found[chosen] = find(size[chosen], freedom[chosen])
    return found


def _tail_of_few(t: Floats, freedom: NDArray[np.int64]) -> Floats:
    """Return the tail as the incomplete beta function I_x(ν/2, 1/2) with x = ν / (ν + t²)."""
    half = freedom / 2
    with np.errstate(over="ignore"):
        square = t * t
    beyond = np.isinf(square)
    square = np.where(beyond, 0, square)
    x = freedom / (freedom + square)
    rest = square / (freedom + square)
    swapped = x > (half + 1) / (half + 2.5)
    a, b = np.where(swapped, 0.5, half), np.where(swapped, half, 0.5)
    at, off = np.where(swapped, rest, x), np.where(swapped, x, rest)
    log_beta = _log_betas()[freedom]
    with np.errstate(divide="ignore"):
        front = np.exp(a * np.log(at) + b * np.log(off) - log_beta) / a
    part = front * continued_fraction(a, b, at)
    found = np.where(swapped, 1 - part, part)
    return np.where(beyond, 0.0, found)


@functools.cache
def _log_betas() -> Floats:
    """Return log B(ν/2, 1/2) for few degrees of freedom ν; of 0 there is none."""
    known = (
        math.lgamma(n / 2) + math.lgamma(0.5) - math.lgamma((n + 1) / 2) for n in range(1, FEW + 1)
    )
    return np.array([math.inf, *known])


def _tail_of_many(t: Floats, freedom: NDArray[np.int64]) -> Floats:
    """Return the tail through the normal number that is as unlikely.

    Hill 1970, Algorithm 395, doi:10.1145/355598.355599.
    """
    a = freedom - 0.5
    b = 48 * a * a
    with np.errstate(over="ignore"):
        y = a * np.log1p(t * (t / freedom))
    y = np.minimum(y, 1e6)  # beyond, the probability is 0
    series = ((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b
    z = (series + 1) * np.sqrt(y)
    return np.fromiter(map(math.erfc, (z / math.sqrt(2)).tolist()), np.float64, z.size)
