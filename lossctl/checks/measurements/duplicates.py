"""Rows that occur more than once, in memory that does not grow with the data.

Rows are compared by 64-bit hashes. Where there are more different ones than ``CAPACITY``, only
hashes below a bound are kept, and the bound is halved as often as needed: equal rows are kept or
left out together, so that what is kept is a fair sample and the counts are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import View, find_rows, flatten
from lossctl.data.arrays.cells import Cells

Array = NDArray[Any]
Hashes = NDArray[np.uint64]

CAPACITY = 2**19
"""Different rows that are kept, 32 bytes each."""

NEVER = np.iinfo(np.int64).max
WORD = 8
SEED = 0x9E3779B97F4A7C15
_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SHIFTS = (np.uint64(31), np.uint64(29))


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many rows repeat an earlier one, and the first two that are equal."""

    count: int
    first: int = -1
    again: int = -1
    estimated: bool = False

    def join(self, other: Repeats) -> Repeats:
        """Return what there is among these rows and others, which equal none of these."""
        if not self.count or not other.count:
            return self if self.count else other
        early = min(self, other, key=lambda one: one.again)
        return replace(early, count=self.count + other.count)


class Sketch:
    """The different hashes that were seen, how often, and where first and second."""

    def __init__(self) -> None:
        self._level = 0
        self._kept = Counted.of(np.empty(0, np.uint64), np.empty(0, np.int64))
        self._waiting: list[tuple[Hashes, Array]] = []

    def add(self, hashes: Hashes, rows: NDArray[np.intp]) -> None:
        """Add the hashes of some rows, which follow those seen."""
        kept = hashes < _find_bound(self._level) if self._level else slice(None)
        self._waiting.append((hashes[kept], rows[kept]))
        if sum(len(one) for one, _ in self._waiting) > CAPACITY:
            self._compress()

    def find_repeats(self) -> Repeats:
        """Return the rows that occur more than once."""
        self._compress()
        found = self._kept.find_repeats()
        return replace(found, count=found.count << self._level, estimated=self._level > 0)

    def _compress(self) -> None:
        self._kept = Counted.merge([self._kept, *(Counted.of(*one) for one in self._waiting)])
        self._waiting.clear()
        while len(self._kept.hashes) > CAPACITY:
            self._level += 1
            self._kept = self._kept.below(self._level)


@dataclass(frozen=True, slots=True)
class Counted:
    """Hashes with their counts and first two rows."""

    hashes: Hashes
    counts: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @classmethod
    def of(cls, hashes: Hashes, rows: Array) -> Counted:
        """Count the hashes of some rows, each by itself."""
        return cls(hashes, np.ones(len(hashes), np.int64), rows, np.full(len(hashes), NEVER))

    @classmethod
    def merge(cls, parts: list[Counted]) -> Counted:
        """Join parts."""
        joined = np.concatenate([one.hashes for one in parts])
        if not len(joined):
            return parts[0]
        order = np.argsort(joined)
        hashes = joined[order]
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))

        def collect(name: str) -> NDArray[np.int64]:
            return np.concatenate([getattr(one, name) for one in parts])[order]

        counts = np.add.reduceat(collect("counts"), starts)
        rows = collect("first")
        first = np.minimum.reduceat(rows, starts)
        # The second row is the least of those that are not the first.
        again = np.repeat(first, np.diff(np.append(starts, len(rows))))
        rows = np.where(rows == again, collect("second"), rows)
        return cls(hashes[starts], counts, first, np.minimum.reduceat(rows, starts))

    def find_repeats(self) -> Repeats:
        """Return the hashes that were seen more than once."""
        twice = np.flatnonzero(self.counts > 1)
        if not len(twice):
            return Repeats(0)
        place = twice[np.argmin(self.second[twice])]
        extra = int((self.counts[twice] - 1).sum())
        return Repeats(extra, int(self.first[place]), int(self.second[place]))

    def below(self, level: int) -> Counted:
        """Return those that a level keeps."""
        if not level:
            return self
        kept = self.hashes < _find_bound(level)
        return Counted(*(getattr(self, name)[kept] for name in self.__slots__))


def _find_bound(level: int) -> np.uint64:
    """Return what the hashes that a level keeps are below."""
    return np.uint64(1 << (64 - level))


class RowHashes:
    """The rows of all inputs together, sample by sample."""

    def __init__(self, inputs: tuple[int, ...]) -> None:
        self.inputs = inputs
        self.sketch = Sketch()

    def measure(self, view: View) -> tuple[Hashes, NDArray[np.intp]] | None:
        """Hash the rows of a block that are not masked."""
        if view.region.partial:
            return None
        total: Hashes | None = None
        for number in self.inputs:
            hashed = hash_rows(view.inputs[number])
            total = hashed if total is None else total * _MULTIPLIER + hashed
        if total is None:
            return None
        rows = find_rows(view.mask, view.region, len(total))
        return total[rows - view.region.start], rows

    def add(self, piece: tuple[Hashes, NDArray[np.intp]] | None) -> None:
        """Count the rows of a block."""
        if piece is not None:
            self.sketch.add(*piece)


def hash_rows(values: Array) -> Hashes:
    """Return a hash of each row's bytes, (n,)."""
    rows = flatten(np.ascontiguousarray(values))
    raw = rows.view(np.uint8).reshape(len(rows), rows.shape[1] * rows.itemsize)
    spare = -raw.shape[1] % WORD
    if spare:
        raw = np.concatenate([raw, np.zeros((len(raw), spare), np.uint8)], axis=1)
    words = raw.view(np.uint64)
    # Each word is mixed before it is multiplied, or low bits that are all 0 would cost bits.
    mixed = words ^ (words >> _SHIFTS[0])
    mixed *= _MULTIPLIER
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _draw_factors(words.shape[1])
    mixed ^= mixed >> _SHIFTS[0]
    return np.asarray(mixed.sum(axis=1, dtype=np.uint64) * _MULTIPLIER)


def _draw_factors(count: int) -> Hashes:
    """Return an odd factor for each word of a row."""
    factors = np.random.default_rng(SEED).integers(0, 2**63, count, dtype=np.uint64)
    return factors * np.uint64(2) + np.uint64(1)


def hash_values(values: Array | Cells) -> Hashes:
    """Return a hash of each value of a column, numbers or strings."""
    if not isinstance(values, Cells):
        return hash_rows(np.asarray(values))
    codes, found = values.encode("ids")
    hashed = [hash((type(one).__name__, one)) & (2**64 - 1) for one in found]
    distinct = np.array([*hashed, 0], np.uint64)  # an empty cell has the code -1, the last one
    distinct *= _MULTIPLIER
    return distinct[codes]
