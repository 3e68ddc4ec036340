"""The one pass over the files: every block is computed, and measured by every probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.duplicates import hash_values
from lossctl.checks.measurements.ids import Ids
from lossctl.checks.measurements.probes import Probe, View, find_rows
from lossctl.data.arrays.source import Source
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import find_kept, process
from lossctl.engine.run.missing import find_missing, spread
from lossctl.engine.run.run import Block, UnevenLengthsError, read_blocks, work_through
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.reduce import locate

Array = NDArray[Any]
Progress = Callable[[int, "int | None"], None]

SHORT = 8
"""Rows of a block below which the last rows of the one before are kept beside it."""

HEAD = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of a block."""

    region: Region
    partial: Partial
    pieces: list[Any]


@dataclass(slots=True)
class Scan:
    """The pass: what the probes and the engine have gathered when it is over."""

    plan: Plan
    probes: Sequence[Probe]
    ids: Source | None = None
    carried: int = 0
    """Rows of the block before that are kept beside short blocks."""
    progress: Progress | None = None
    partial: Partial = field(default_factory=Partial)
    samples: int = 0
    head: list[Array] = field(default_factory=list)
    seen_ids: Ids = field(default_factory=Ids)
    ids_read: int = 0
    uneven: UnevenLengthsError | None = None

    def run(self) -> None:
        """Read everything; inputs of different lengths are noted."""
        try:
            for seen in work_through(self.plan, self._look, self._read):
                self.partial.merge(seen.partial)
                self.samples = seen.region.stop
                for probe, piece in zip(self.probes, seen.pieces, strict=True):
                    probe.add(piece)
                if self.progress is not None:
                    self.progress(self.samples, self.plan.samples)
        except UnevenLengthsError as uneven:
            self.uneven = uneven
        for finding in self.partial.findings.values():
            locate(self.plan, finding)

    def count_ids(self) -> int:
        """Return how many ids there are; of a stream that goes on, one more than samples."""
        if self.ids is None or self.uneven is not None:
            return self.samples
        if self.ids.length is not None:
            return self.ids.length
        return self.ids_read + len(self.ids.read(self.samples, self.samples + 1))

    def _read(self, plan: Plan) -> Iterator[Block]:
        """Read the blocks, each with the last rows of the one before and with its ids."""
        count = len(plan.inputs)
        before: list[Array] = []
        for region, blocks in read_blocks(plan):
            if not self.head:
                self.head = [np.array(block[:HEAD]) for block in blocks[:count]]
            if self.ids is not None and region.start != region.stop and not _is_later(region):
                hashes = hash_values(self.ids.read(region.start, region.stop))
                self.ids.release(region.stop)
                self.ids_read += len(hashes)
                mask = blocks[-1] if plan.mask is not None else None
                rows = find_rows(mask, region, len(hashes))
                self.seen_ids.add(hashes[rows - region.start], rows)
            yield region, [*blocks, before]  # type: ignore[list-item]
            if self.carried and len(blocks[0]) < SHORT and not region.partial:
                joined = [np.concatenate(pair) for pair in zip(before, blocks, strict=False)]
                kept = joined or blocks[:count]
                before = [np.array(one[-self.carried :]) for one in kept[:count]]

    def _look(self, plan: Plan, region: Region, blocks: list[Array]) -> Seen:
        *own, before = blocks
        count = len(plan.inputs)
        extras = list(own[count:])
        weight = extras.pop(0) if plan.sample_weight is not None else None
        mask = extras.pop(0) if plan.mask is not None else None
        with np.errstate(all="ignore"):
            outcome = process(plan, region, own)
            if plan.settings.nan == "omit":
                mask = _mask_unlabelled(plan, own[:count], mask)
            inputs = own[:count] if mask is None else _clear_masked(plan, own[:count], mask)
            view = View(plan, region, inputs, weight, mask, outcome.partial, list(before))
            pieces = [probe.measure(view) for probe in self.probes]
        outcome.partial.rows = None
        return Seen(region, outcome.partial, pieces)


def _mask_unlabelled(plan: Plan, inputs: Sequence[Array], mask: Array | None) -> Array | None:
    """Return a mask that leaves out what lacks an index or a label, besides what it did."""
    pairs = zip(plan.inputs, inputs, strict=True)
    labels = [one if bound.kind.is_integer else np.empty(0) for bound, one in pairs]
    missing = find_missing(plan, labels, None, None)
    if missing is None:
        return mask
    if mask is None:
        return ~missing
    rank = max(mask.ndim, missing.ndim)
    return np.asarray((spread(mask, rank) != 0) & ~spread(missing, rank))


def _clear_masked(plan: Plan, inputs: Sequence[Array], mask: Array) -> list[Array]:
    """Return inputs with 0 for masked indices, which may be anything."""
    cleared = list(inputs)
    for number, (bound, values) in enumerate(zip(plan.inputs, inputs, strict=True)):
        kept = find_kept(plan, bound, values, mask) if bound.kind.is_integer else None
        if kept is not None:
            cleared[number] = np.where(kept, values, 0)
    return cleared


def _is_later(region: Region) -> bool:
    """Whether it is a part of samples of which another part came before."""
    return any(cut.start for cut in region.trailing)
