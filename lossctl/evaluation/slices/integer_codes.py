"""Integers as labels: each is given a code when it is first seen, many at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

WIDEST = 1 << 20
"""Up to so many integers are looked up in a table of all from the smallest to the largest."""


class IntegerCodes:
    """The codes of integers; ``number`` makes those of numbers that were not seen before."""

    def __init__(self, number: Callable[[int], int]) -> None:
        self._number = number
        self._low = 0
        self._table = np.zeros(0, np.int64)  # -1: not seen
        self._known = np.zeros((2, 0), np.int64)  # numbers, ascending, and their codes

    def encode(self, numbers: Codes) -> Codes:
        """Return the code of each number."""
        if not len(numbers):
            return np.empty(0, np.int64)
        if self._widen(int(numbers.min()), int(numbers.max())):
            return self._look_up(numbers)
        found, first, places = np.unique(numbers, return_index=True, return_inverse=True)
        return self._search(found, first)[places]

    def _widen(self, low: int, high: int) -> bool:
        """Make the table hold these numbers too; return whether it is not too wide for that."""
        if not len(self._table):
            self._low = low
        low, end = min(low, self._low), max(high + 1, self._low + len(self._table))
        if end - low > WIDEST:
            return False
        if end - low > len(self._table):
            table = np.full(end - low, -1)
            table[self._low - low : self._low - low + len(self._table)] = self._table
            self._low, self._table = low, table
        return True

    def _look_up(self, numbers: Codes) -> Codes:
        places = numbers - self._low
        codes: Codes = self._table[places]
        unseen = places[codes < 0]
        if len(unseen):
            found, first = np.unique(unseen, return_index=True)
            for place in found[np.argsort(first)].tolist():
                self._table[place] = self._number(place + self._low)
            codes = self._table[places]
        return codes

    def _search(self, found: Codes, first: Codes) -> Codes:
        """Return the codes of different numbers, ascending, which appear at ``first``."""
        known, codes = self._known
        places = np.searchsorted(known, found)
        unseen = places == len(known)
        unseen[~unseen] = known[places[~unseen]] != found[~unseen]
        if unseen.any():
            fresh = found[unseen][np.argsort(first[unseen])]
            more = np.fromiter(map(self._number, fresh.tolist()), np.int64, len(fresh))
            both = np.hstack([self._known, (fresh, more)])
            self._known = both[:, np.argsort(both[0])]
            known, codes = self._known
            places = np.searchsorted(known, found)
        result: Codes = codes[places]
        return result
