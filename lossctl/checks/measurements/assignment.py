"""The assignment of columns to rows with the largest sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Gains = NDArray[np.int64]


def assign(gains: Gains) -> NDArray[np.intp]:
    """Return for each row of a square matrix its column, so that the sum is as large as can be.

    By shortest augmenting paths, in O(n³) with the inner loop in NumPy (Jonker and Volgenant
    1987, doi:10.1007/BF02278710).
    """
    costs = gains.max(initial=0) - gains
    size = len(costs)
    price = np.zeros(size + 1, np.int64)
    worth = np.zeros(size + 1, np.int64)
    owner = np.zeros(size + 1, np.intp)  # of each column, rows counted from 1; column 0 is none
    for row in range(1, size + 1):
        owner[0] = row
        column = 0
        least = np.full(size + 1, np.iinfo(np.int64).max)
        came = np.zeros(size + 1, np.intp)
        done = np.zeros(size + 1, np.bool_)
        while owner[column]:
            done[column] = True
            here = owner[column]
            open_ = np.flatnonzero(~done)
            reduced = costs[here - 1, open_ - 1] - price[here] - worth[open_]
            better = reduced < least[open_]
            least[open_[better]] = reduced[better]
            came[open_[better]] = column
            column = int(open_[np.argmin(least[open_])])
            step = least[column]
            price[owner[done]] += step
            worth[done] -= step
            least[open_] -= step
        while column:
            before = came[column]
            owner[column] = owner[before]
            column = int(before)
    found = np.empty(size, np.intp)
    found[owner[1:] - 1] = np.arange(size)
    return found
