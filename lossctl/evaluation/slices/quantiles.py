"""Exact quantiles of more numbers than are held: a second pass keeps those near the quantiles only.

The first pass counts numbers by the leading bits of their binary form, which sort as the numbers
do. So it is known in which narrow ranges the quantiles lie, and the second pass keeps what is in
them, equal numbers once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pass = Callable[[], Iterator[Floats]]
"""Yields all numbers, some at a time, as often as it is called."""

HELD = 1 << 22
"""So many numbers are held as they are."""

BITS = 20
COMPACTED = 1 << 20


def find_quantiles(numbers: Pass, shares: Floats) -> Floats:
    """Return quantiles of the finite numbers, as NumPy interpolates them; none if there are none.

    >>> pieces = [np.array([3.0, 1.0]), np.array([2.0, np.nan])]
    >>> find_quantiles(lambda: iter(pieces), np.array([0, 0.75])).tolist()
    [1.0, 2.5]
    """
    held: list[Floats] = []
    count = 0
    for some in numbers():
        known = some[np.isfinite(some)]
        count += len(known)
        held.append(known)
        if count > HELD:
            held.clear()
            return _select(numbers, shares)
    everything = np.concatenate([*held, np.empty(0)])
    return np.quantile(everything, shares) if count else everything


def _select(numbers: Pass, shares: Floats) -> Floats:
    counts = np.zeros(1 << BITS, np.int64)
    for some in numbers():
        counts += np.bincount(_lead(some[np.isfinite(some)]), minlength=len(counts))
    ends = np.cumsum(counts)
    place = shares * (int(ends[-1]) - 1)
    below = np.floor(place).astype(np.int64)
    ranks = np.unique(np.concatenate([below, np.minimum(below + 1, ends[-1] - 1)]))
    needed = np.zeros(len(counts), np.bool_)
    needed[np.searchsorted(ends, ranks, side="right")] = True
    values, times = _gather(numbers, needed)
    before = (ends - counts)[_lead(values)]  # numbers in earlier ranges, and in this one
    runs = np.cumsum(times)
    starts = np.searchsorted(_lead(values), _lead(values), side="left")
    within = runs - np.where(starts > 0, runs[starts - 1], 0)
    found = values[np.searchsorted(before + within, ranks, side="right")]
    low = found[np.searchsorted(ranks, below)]
    high = found[np.searchsorted(ranks, np.minimum(below + 1, ends[-1] - 1))]
    share = place - below
    with np.errstate(invalid="ignore"):
        mixed = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    return np.where(low == high, low, mixed)


def _gather(numbers: Pass, needed: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the numbers in some ranges, ascending, and how often each is there."""
    values, times = np.empty(0), np.empty(0, np.int64)
    waiting: list[Floats] = []
    size = 0
    for some in numbers():
        known = some[np.isfinite(some)]
        waiting.append(known[needed[_lead(known)]])
        size += len(waiting[-1])
        if size > COMPACTED:
            values, times = _merge(values, times, waiting)
            waiting, size = [], 0
    return _merge(values, times, waiting)


def _merge(
    values: Floats, times: NDArray[np.int64], more: list[Floats]
) -> tuple[Floats, NDArray[np.int64]]:
    fresh = np.concatenate([*more, np.empty(0)])
    both = np.concatenate([values, fresh])
    weights = np.concatenate([times, np.ones(len(fresh), np.int64)])
    found, places = np.unique(both, return_inverse=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, places, weights)
    return found, sums


def _lead(numbers: Floats) -> NDArray[np.int64]:
    """Return the leading bits of numbers, which sort as the numbers do; -0 is 0."""
    bits = (numbers + 0.0).view(np.int64)
    ordered = np.where(bits < 0, ~bits, bits | np.int64(-(2**63))).view(np.uint64)
    return (ordered >> np.uint64(64 - BITS)).astype(np.int64)
