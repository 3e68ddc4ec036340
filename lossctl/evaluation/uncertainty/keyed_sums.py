"""Sums of rows by key, for any number of keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossctl.errors import UsageError
from lossctl.evaluation.uncertainty.estimands import Floats, Integers
from lossctl.evaluation.uncertainty.moments import locate, sum_by
from lossctl.findings import OptionName, Sentence

PENDING = 2**18
"""So many sums of blocks may wait, at least, before they are added to the others."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The sums of the units (clusters, groups, buckets) of each slice, in order."""

    slices: Integers
    units: Integers
    columns: Floats
    """One row per column, one column per entry."""


class KeyedSums:
    """The sums of columns over the rows of each unit in each slice.

    Memory grows with the pairs of slice and unit that occur, not with the rows.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        """So many pairs are allowed."""
        self._keys: list[Integers] = []
        self._sums: list[Floats] = []
        self._pending = 0

    def add(
        self, columns: Sequence[Floats] | Floats, units: Integers, slices: Integers | None = None
    ) -> None:
        """Add rows: their columns, and the unit (below 2**32) and the slice of each."""
        keys = units if slices is None else (slices << 32) | units
        places, touched = locate(keys)
        sums = np.stack([sum_by(places, one, touched.size) for one in columns])
        self._append(touched, sums)

    def merge(self, other: KeyedSums) -> None:
        """Add all sums of another one."""
        for keys, sums in zip(other._keys, other._sums, strict=True):
            self._append(keys, sums)

    def _append(self, keys: Integers, sums: Floats) -> None:
        self._keys.append(keys)
        self._sums.append(sums)
        self._pending += keys.size
        if self._pending >= max(PENDING, self._keys[0].size):
            self._compact()

    def _compact(self) -> None:
        self._pending = 0
        if len(self._keys) > 1:
            keys, sums = np.concatenate(self._keys), np.concatenate(self._sums, axis=1)
            places, touched = locate(keys)
            with np.errstate(invalid="ignore"):
                total = np.stack([sum_by(places, one, touched.size) for one in sums])
            self._keys, self._sums = [touched], [total]
        if self.limit is not None and self._keys[0].size > self.limit:
            raise UsageError(
                "there are too many slices to resample each: more than"
                f" {self.limit:,} sums would have to be kept",
                Sentence.of("Use {ci_method}, or fewer slices.", OptionName("ci_method", "normal")),
            )

    def entries(self, columns: int) -> Entries:
        """Return all sums of so many columns, ordered by slice and unit."""
        if not self._keys:
            nothing = np.zeros(0, np.int64)
            return Entries(nothing, nothing, np.zeros((columns, 0)))
        self._compact()
        keys = self._keys[0]
        return Entries(keys >> 32, keys & (2**32 - 1), self._sums[0])
