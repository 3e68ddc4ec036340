"""Where the samples are cut into blocks.

The cuts depend on the shape of one sample and the computing dtype alone, never on threads, memory,
files or the number of samples, so that a stream of unknown length is cut like a file and every run
adds up the same blocks. A sample larger than a block is cut along its trailing axes too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_NUMBERS = 262_144
"""Numbers of float64 in a block, 2 MiB. Blocks of half the size or less fit the second-level cache
but make threads useless: they wait for the interpreter's lock once per call of NumPy, so that
calls must be long (measured on two threads: 1.5 times the time with 131,072 numbers of float32)."""


@dataclass(frozen=True, slots=True)
class Region:
    """A box of samples: rows ``start`` to ``stop``, and a slice of each trailing axis."""

    start: int
    stop: int
    trailing: tuple[slice, ...]
    partial: bool = False
    """Whether the trailing axes are cut, so that the region holds parts of samples."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How samples of one shape are cut: ``rows`` per block, or one row in several boxes."""

    rows: int
    boxes: tuple[tuple[slice, ...], ...]

    def count(self, samples: int) -> int:
        """Return the number of blocks that so many samples make."""
        return -(-samples // self.rows) * len(self.boxes)

    def regions(self, samples: int | None, first: int = 0) -> Iterator[Region]:
        """Yield the blocks in order from number ``first`` on.

        The iterator is infinite if the number of samples is not known.
        """
        partial = len(self.boxes) > 1
        row, box = divmod(first, len(self.boxes))
        boxes = self.boxes[box:]
        for start in itertools.count(row * self.rows, self.rows):
            if samples is not None and start >= samples:
                return
            stop = start + self.rows if samples is None else min(start + self.rows, samples)
            for trailing in boxes:
                yield Region(start, stop, trailing, partial)
            boxes = self.boxes


def plan_blocks(
    numbers_per_sample: int,
    trailing: tuple[int, ...],
    *,
    itemsize: int = 8,
    divisible: bool = True,
) -> BlockPlan:
    """Return the block plan for samples of so many numbers, with trailing axes of these sizes.

    Samples are not cut unless ``divisible``.
    """
    cost = max(1, numbers_per_sample)
    block = BLOCK_NUMBERS * 8 // itemsize
    whole = tuple(slice(0, size) for size in trailing)
    if cost <= block or math.prod(trailing) <= 1 or not divisible:
        return BlockPlan(max(1, block // cost), (whole,))
    positions = max(1, block // max(1, cost // math.prod(trailing)))
    return BlockPlan(1, tuple(_boxes(trailing, positions)))


def _boxes(trailing: tuple[int, ...], positions: int) -> Iterator[tuple[slice, ...]]:
    """Cut the axes into boxes of at most ``positions`` positions, in the order of memory."""
    axis, inner = len(trailing) - 1, 1
    while axis > 0 and inner * trailing[axis] <= positions:
        inner *= trailing[axis]
        axis -= 1
    step = max(1, positions // inner)
    tail = tuple(slice(0, size) for size in trailing[axis + 1 :])
    for outer in itertools.product(*map(range, trailing[:axis])):
        head = tuple(slice(position, position + 1) for position in outer)
        for start in range(0, trailing[axis], step):
            yield (*head, slice(start, min(start + step, trailing[axis])), *tail)
