"""Does the loss fall when predictions are shifted by some rows against the targets?

For every row, the loss beside its own target is compared with the loss beside the one before and
the one behind. The differences are added up in segments, so that rows which are shifted only
from some place on (where a row was lost) are found too. A row is shifted only if moving it
the other way gains much less: where both ways gain, the predictions are worse than any others,
such as scores of exchanged classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import View
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import Taken, accumulate, arrange, call_kernel
from lossctl.engine.sums.partial import Contributions, Partial

Array = NDArray[Any]
Segments = NDArray[np.float64]

PER_BLOCK = 8
MOST_SEGMENTS = 512
FEWEST_ROWS = 16
SURENESS = 6.0
"""How many standard errors a difference must be away from 0."""
LEAST_GAIN = 0.1
"""The least share of the loss that must be gained."""
MOST_OPPOSITE = 0.5
"""The largest share of the gain that the same step the other way may have."""

STOP, COUNT, GAIN, SQUARES, BEFORE = range(5)
"""Columns of a table of segments: rows counted, how much less is lost, its squares, the loss."""


@dataclass(frozen=True, slots=True)
class Shift:
    """By how many rows predictions are shifted, from which row on, and the cost of it."""

    offset: int
    """Prediction i belongs to target i + offset."""
    start: int
    before: float
    after: float
    rows: int
    series: bool
    """Whether the step the other way surely loses more, as neighbours of a series are alike."""


class Shifts:
    """The differences between losses as given and shifted, for several offsets."""

    def __init__(self, offsets: Sequence[int]) -> None:
        both = (sign * one for one in offsets for sign in (1, -1))
        self.offsets = tuple(dict.fromkeys(both))
        self._segments: dict[int, Segments] = {one: np.empty((0, 5)) for one in self.offsets}

    def measure(self, view: View) -> dict[int, Segments]:
        """Compare the rows of a block."""
        rows = view.partial.rows
        if view.weight is not None and not view.region.partial:
            # Other rows have other weights: what is compared is what they lose without them.
            rows = score_rows(view.plan, view.region, view.inputs, view.mask)
        if rows is None or view.region.partial:
            return {}
        inputs, own = list(view.inputs), _mean(rows)
        if view.before:
            inputs = [np.concatenate(pair) for pair in zip(view.before, inputs, strict=True)]
            lost = len(inputs[0]) - len(own)
            own = np.concatenate([np.full(lost, np.nan), own])
        start = view.region.stop - len(own)
        return {
            offset: _compare(view.plan, view.region, inputs, own, offset, start)
            for offset in self.offsets
            if abs(offset) < len(own)
        }

    def add(self, piece: dict[int, Segments]) -> None:
        """Add the segments of a block."""
        for offset, segments in piece.items():
            joined = np.concatenate([self._segments[offset], segments])
            if len(joined) > MOST_SEGMENTS:
                even = len(joined) // 2 * 2
                merged = joined[0:even:2] + joined[1:even:2]
                merged[:, STOP] = joined[1:even:2, STOP]
                joined = np.concatenate([merged, joined[even:]])
            self._segments[offset] = joined

    def find(self) -> Shift | None:
        """Return the offset that significantly lowers the loss, if there is one."""
        found = [self._detect(offset) for offset in self.offsets]
        sure = [one for one in found if one is not None]
        return max(sure, key=lambda one: (one.before - one.after) * one.rows, default=None)

    def _detect(self, offset: int) -> Shift | None:
        segments = self._segments[offset]
        if not len(segments):
            return None
        behind = segments[::-1].cumsum(axis=0)[::-1]
        first = int(np.argmax(behind[:, GAIN]))
        start = int(segments[first - 1, STOP]) if first else 0
        if start < FEWEST_ROWS:
            first = start = 0
        _, count, gain, squares, before = behind[first]
        if count < FEWEST_ROWS or gain <= 0:
            return None
        if gain / count < SURENESS * _error(count, gain, squares):
            return None
        if gain < LEAST_GAIN * abs(before):
            return None
        # Both ways are measured in the same blocks, and their segments end at the same places.
        _, beside, won, own, _ = self._segments[-offset][first:].sum(axis=0)
        if won > MOST_OPPOSITE * gain:
            return None
        series = won < 0 and -won / beside > SURENESS * _error(beside, won, own)
        loss = before / count
        return Shift(offset, start, loss, loss - gain / count, int(count), series)


def _error(count: float, total: float, squares: float) -> float:
    """Return the standard error of a mean."""
    mean = total / count
    return math.sqrt(max(squares / count - mean * mean, 0.0) / count)


def can_shift(plan: Plan) -> bool:
    """Whether each row has a loss of its own, and predictions can be moved against targets."""
    loss = plan.loss
    moved = [one for one in plan.inputs if one.batched and not one.shared]
    return (
        not loss.needs_all_samples
        and not plan.single
        and len(moved) > 1
        and all(one.streamed and one.order[:1] == (0,) for one in moved)
        and plan.axes[:1] == ("N",)
    )


def score_rows(
    plan: Plan, region: Region, blocks: Sequence[Array], mask: Array | None = None
) -> Contributions | None:
    """Return what each row of a block contributes, weights of samples aside."""
    partial = Partial()
    here = replace(region, stop=region.start + len(blocks[0]))
    arrays, options = arrange(plan, here, blocks)
    accumulate(plan, here, call_kernel(plan, arrays, options), Taken([], None, mask), partial)
    return partial.rows


def _mean(rows: Contributions) -> Array:
    return np.asarray(rows.totals / rows.denominators)


def _compare(
    plan: Plan, region: Region, inputs: Sequence[Array], own: Array, offset: int, start: int
) -> Segments:
    """Return what is gained in each segment of a block by an offset."""
    count = len(own) - abs(offset)
    first = slice(0, count) if offset > 0 else slice(-offset, None)
    other = slice(offset, None) if offset > 0 else slice(0, count)
    moved = []
    for number, (bound, values) in enumerate(zip(plan.inputs, inputs, strict=True)):
        still = bound.shared or not bound.batched or 0 in bound.fixed
        moved.append(values if still else values[first if number == 0 else other])
    rows = score_rows(plan, region, moved)
    if rows is None:
        return np.empty((0, 5))
    cuts = np.linspace(0, count, min(PER_BLOCK, count) + 1).astype(np.intp)
    before = own[first]
    gain = before - _mean(rows)
    valid = np.isfinite(gain)
    segments = np.empty((len(cuts) - 1, 5))
    segments[:, STOP] = start + max(-offset, 0) + cuts[1:]
    segments[:, COUNT] = np.diff(cuts)
    if not valid.all():
        before, gain = np.where(valid, before, 0.0), np.where(valid, gain, 0.0)
        segments[:, COUNT] = np.add.reduceat(valid, cuts[:-1], dtype=np.float64)
    for column, values in ((GAIN, gain), (SQUARES, gain * gain), (BEFORE, before)):
        segments[:, column] = np.add.reduceat(values, cuts[:-1])
    return segments
