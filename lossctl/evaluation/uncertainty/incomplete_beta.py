"""The incomplete beta function and its inverse, on which binomial and t probabilities rest."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 20_000
TINY = 1e-300
LARGE = 3e3
"""From here on the quantile's expansion is as exact as the function itself."""


def continued_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """Return the continued fraction of the incomplete beta function, by Lentz's method.

    Press et al., Numerical Recipes, section 6.4. It takes about √max(a, b) steps.
    """
    c = np.ones_like(x)
    d = _invert(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = _invert(1 + term * d)
            c = 1 + term / c
            c = np.where(np.abs(c) < TINY, TINY, c)
            change = d * c
            value = value * change
        if np.max(np.abs(change - 1), initial=0) < 1e-15:
            break
    return value


def _invert(number: Floats) -> Floats:
    return 1 / np.where(np.abs(number) < TINY, TINY, number)


def incomplete_beta(a: Floats, b: Floats, x: Floats) -> Floats:
    """Return I_x(a, b), the probability that a beta-distributed number is below x."""
    a, b, x = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (a, b, x)))
    swapped = x > (a + 1) / (a + b + 2)
    first, second = np.where(swapped, b, a), np.where(swapped, a, b)
    at = np.where(swapped, 1 - x, x)
    with np.errstate(divide="ignore"):
        front = np.exp(_log_density(first, second, at) + np.log(at) + np.log1p(-at)) / first
    part = np.where(at <= 0, 0, front * continued_fraction(first, second, at))
    return np.asarray(np.where(swapped, 1 - part, part))


def _log_density(a: Floats, b: Floats, x: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - _log_beta(a, b))


def _log_beta(a: Floats, b: Floats) -> Floats:
    pairs = zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True)
    found = [math.lgamma(one) + math.lgamma(two) - math.lgamma(one + two) for one, two in pairs]
    return np.array(found).reshape(np.shape(a))


def beta_quantiles(probability: float, a: Floats, b: Floats) -> Floats:
    """Return the numbers below which beta-distributed numbers are with a probability.

    >>> round(float(beta_quantiles(0.975, np.array([1.0]), np.array([200.0]))[0]), 6)
    0.018275
    """
    pairs, places = np.unique(np.stack((np.ravel(a), np.ravel(b))), axis=1, return_inverse=True)
    found = _solve(probability, *pairs) if pairs.size else pairs[0]
    return np.asarray(found[np.ravel(places)].reshape(np.shape(a)))


def _solve(probability: float, a: Floats, b: Floats) -> Floats:
    """Find quantiles by Newton's steps, halving the bracket where one leads out of it."""
    x = np.clip(_expand(probability, a, b), 1e-300, 1 - 1e-16)
    low, high = np.zeros_like(x), np.ones_like(x)
    exact = np.minimum(a, b) > LARGE
    for _ in range(100):
        beyond = incomplete_beta(a, b, x) - probability
        low, high = np.where(beyond < 0, x, low), np.where(beyond < 0, high, x)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            step = x - beyond / np.exp(_log_density(a, b, x))
        inside = (step > low) & (step < high)
        following = np.where(exact | (beyond == 0), x, np.where(inside, step, (low + high) / 2))
        done = np.abs(following - x) <= 1e-11 * x
        x = following
        if done.all():
            break
    return x


def _expand(probability: float, a: Floats, b: Floats) -> Floats:
    """Return quantiles by the expansion of Abramowitz and Stegun, 26.5.22, or a rough guess."""
    y = -NormalDist().inv_cdf(probability)
    with np.errstate(all="ignore"):
        one, two = 1 / (2 * a - 1), 1 / (2 * b - 1)
        h = 2 / (one + two)
        scale = (y * y - 3) / 6
        w = y * np.sqrt(h + scale) / h - (two - one) * (scale + 5 / 6 - 2 / (3 * h))
        found = a / (a + b * np.exp(2 * w))
    return np.where((a > 1) & (b > 1) & np.isfinite(found), found, a / (a + b))
