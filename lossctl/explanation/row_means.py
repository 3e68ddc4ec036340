"""The mean loss of each row, as a stream; and where those of two losses are farthest apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import process
from lossctl.engine.run.run import work_through

Array = NDArray[Any]


def iterate_means(plan: Plan) -> Iterator[Array]:
    """Yield the mean losses of the rows of each block, NaN for a row in which nothing counts.

    Ends at a block whose data are broken: computing the loss reports them.
    """
    start, totals, shares = 0, np.empty(0), np.empty(0)
    settings = replace(plan.settings, rows=True)
    with np.errstate(all="ignore"):
        for outcome in work_through(replace(plan, settings=settings), process):
            rows = outcome.partial.rows
            if rows is None:
                return
            if outcome.region.start == start and len(totals) == len(rows.totals):
                totals, shares = totals + rows.totals, shares + rows.denominators
                continue
            yield totals / shares
            start, totals, shares = outcome.region.start, rows.totals, rows.denominators
        yield totals / shares


def find_farthest(left: Plan, right: Plan, tolerance: float) -> int | None:
    """Return the first row of those whose mean losses differ most; None if none differ.

    Numbers nearer to each other than the tolerance, relative to them, do not differ.
    """
    best, found, start = -math.inf, None, 0
    for first, second in _pair(iterate_means(left), iterate_means(right)):
        gaps = measure_gaps(first, second, tolerance)
        if len(gaps) and gaps.max() > max(best, 0):
            found, best = start + int(gaps.argmax()), float(gaps.max())
        start += len(gaps)
    return found


def measure_gaps(first: Array, second: Array, tolerance: float) -> Array:
    """Return how far numbers are apart: 0 where they are the same, infinity beside a NaN."""
    with np.errstate(all="ignore"):
        gaps = np.abs(first - second)
        near = gaps <= tolerance * np.maximum(np.abs(first), np.abs(second))
    same = near | (first == second) | (np.isnan(first) & np.isnan(second))
    return np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))


def _pair(left: Iterator[Array], right: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield pieces of the same rows of two streams that are cut differently."""
    first, second = np.empty(0), np.empty(0)
    while True:
        while not len(first):
            if (more := next(left, None)) is None:
                return
            first = more
        while not len(second):
            if (more := next(right, None)) is None:
                return
            second = more
        count = min(len(first), len(second))
        yield first[:count], second[:count]
        first, second = first[count:], second[count:]
