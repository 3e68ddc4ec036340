"""Ids that occur more than once: all of them are compared, in memory that does not grow.

Hashes of ids go to a temporary file in sorted runs. In the end the runs are read side by side, a
range of hashes at a time, in which equal ids must lie together.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.duplicates import Counted, Hashes, Repeats
from lossctl.data.streams.mmap import MappedFile
from lossctl.data.streams.spool import Spool
from lossctl.findings import OptionName, Sentence

RUN = 2**20
"""Ids of a run."""

RANGES = 256
"""Ranges of hashes that are looked at one after another."""

_EDGES = np.arange(1, RANGES, dtype=np.uint64) * np.uint64(2**64 // RANGES)


@dataclass(frozen=True, slots=True)
class _Run:
    """Where the hashes of a run, and then its rows, stand in the file, and where ranges end."""

    start: int
    ends: NDArray[np.intp]

    def read(self, mapped: MappedFile, number: int) -> Counted:
        """Return the ids of a range."""
        first, last, size = map(int, self.ends[[number, number + 1, -1]])
        count, start = last - first, self.start + 8 * first
        hashes = np.frombuffer(mapped.content, np.uint64, count, start)
        return Counted.of(hashes, np.frombuffer(mapped.content, np.int64, count, start + 8 * size))


class Ids:
    """The hashes of ids, with their rows."""

    def __init__(self) -> None:
        self._held: list[tuple[Hashes, NDArray[np.intp]]] = []
        self._count = 0
        self._spool: Spool | None = None
        self._runs: list[_Run] = []

    def add(self, hashes: Hashes, rows: NDArray[np.intp]) -> None:
        """Add the ids of some rows."""
        self._held.append((hashes, rows))
        self._count += len(hashes)
        if self._count >= RUN:
            self._write()

    def find_repeats(self) -> Repeats:
        """Return how many ids repeat an earlier one; may be called once."""
        if self._spool is None:
            return Counted.merge([Counted.of(*one) for one in self._held] or [NONE]).find_repeats()
        self._write()
        found = Repeats(0)
        with closing(self._spool):
            mapped = self._spool.map()
            for number in range(RANGES):
                parts = [run.read(mapped, number) for run in self._runs]
                found = found.join(Counted.merge(parts).find_repeats())
                mapped.release(0, mapped.size)
        return found

    def _write(self) -> None:
        if not self._held:
            return
        if self._spool is None:
            self._spool = Spool(
                "the column of ids",
                "a long column",
                Sentence.of("Leave {id} out", OptionName("id")),
            )
        hashes = np.concatenate([one for one, _ in self._held])
        rows: NDArray[Any] = np.concatenate([one for _, one in self._held]).astype(np.int64)
        order = np.argsort(hashes)
        hashes, rows = hashes[order], rows[order]
        ends = np.concatenate([[0], np.searchsorted(hashes, _EDGES), [len(hashes)]])
        start = self._spool.append(hashes.view(np.uint8).data)
        self._spool.append(rows.view(np.uint8).data)
        self._runs.append(_Run(start, ends.astype(np.intp)))
        self._held.clear()
        self._count = 0


NONE = Counted.of(np.empty(0, np.uint64), np.empty(0, np.int64))
