"""On which threads: blocks are read in order, worked on in parallel, and returned in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from lossctl.data.arrays.source import Source
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import Outcome, process
from lossctl.engine.run.pool import AHEAD, Crew, P, T
from lossctl.engine.run.threads import keep_freed_memory
from lossctl.errors import DataError

BLOCKS_PER_RELEASE = 32
MOST_WITH_ELEMENTS = 2

Piece = tuple[Region, list[NDArray[Any]]]


class Done(Protocol):
    """What is made of a piece."""

    @property
    def region(self) -> Region:
        """Where it is."""


D = TypeVar("D", bound=Done)
Work = Callable[[Plan, Region, list[NDArray[Any]]], D]


class UnevenLengthsError(DataError):
    """The inputs do not have the same number of samples."""

    def __init__(self, counts: dict[str, int], expected: int | None) -> None:
        shown = [f"{name} has {count} samples" for name, count in counts.items()]
        if expected is not None and len(set(counts.values())) == 1:
            shown.append(f"{expected} are needed")
        super().__init__(
            f"the inputs differ in length: {', '.join(shown)}",
            "All inputs must hold the same samples in the same order.",
        )
        self.counts = counts


def execute(plan: Plan) -> Iterator[Outcome]:
    """Yield the outcome of every block, in order; a few blocks are in memory at a time."""
    return work_through(plan, process, read_pieces)


def work_through(plan: Plan, work: Work[D], read: Callable[[Plan], Iterator[Piece]]) -> Iterator[D]:
    """Yield what ``work`` makes of every piece that ``read`` gives, in order, on all threads.

    What lies behind the last block is given back (the pages of a mapped file count as memory).
    """

    def work_on(piece: Piece) -> D:
        return work(plan, *piece)

    def close() -> None:
        for bound in plan.streams:
            bound.source.close()

    # Whoever takes the elements is slower than this.
    most = MOST_WITH_ELEMENTS if plan.settings.reduction == "none" else None
    with closing(share_out(read(plan), work_on, plan.settings.threads, close, most)) as outcomes:
        for number, outcome in enumerate(outcomes, start=1):
            for bound in plan.streams:
                if outcome.region.partial and number % BLOCKS_PER_RELEASE == 0:
                    bound.source.release_all()
                elif bound.streamed:
                    bound.source.release(outcome.region.start)
            yield outcome


def share_out(
    pieces: Iterator[P],
    work: Callable[[P], T],
    threads: int,
    close: Callable[[], None],
    most: int | None = None,
) -> Generator[T, None, None]:
    """Yield what ``work`` makes of every piece, in order; ``most`` limits the pieces in memory.

    At the end, and where the caller stops early, ``close`` closes what the pieces are read from.
    """
    idle = True
    try:
        first = list(islice(pieces, 2))
        everything = chain(first, pieces)
        if len(first) > 1:
            keep_freed_memory()
        if threads == 1 or len(first) < 2:
            for piece in everything:
                yield work(piece)
            return
        limit = threads + AHEAD
        crew = Crew(everything, work, threads, limit if most is None else min(limit, most))
        try:
            yield from crew.outcomes()
        finally:
            idle = crew.dismiss()
    finally:
        if idle:  # to close what a helper is reading from would wait for the helper
            close()


def read_pieces(plan: Plan) -> Iterator[Piece]:
    """Read the regions one after another; raises DataError where the inputs end apart."""
    streamed = [
        (bound.name, bound.source) for bound in plan.streams if bound.streamed and bound.batched
    ]
    end = 0
    for number, region in enumerate(plan.regions()):
        blocks = [bound.block(region) for bound in plan.streams]
        rows = {
            len(block)
            for bound, block in zip(plan.streams, blocks, strict=True)
            if bound.streamed and bound.batched
        }
        here = min(rows, default=region.stop - region.start)
        if len(rows) > 1 or (plan.samples is not None and here < region.stop - region.start):
            raise _uneven(streamed, plan.samples)
        if plan.samples is None and here < region.stop - region.start:
            if here or number == 0:
                yield replace(region, stop=region.start + here), blocks
            end = region.start + here
            break
        yield region, blocks
        end = region.stop
    if plan.settings.part is None and any(_goes_on(source, end) for _, source in streamed):
        raise _uneven(streamed, plan.samples)


def _goes_on(source: Source, end: int) -> bool:
    """Whether a source has rows behind what was used of it."""
    if source.length is not None:
        return source.length > end
    return len(source.read(end, end + 1)) > 0


def _uneven(streamed: list[tuple[str, Source]], expected: int | None) -> UnevenLengthsError:
    """Count the rows of every input and say that they differ."""
    return UnevenLengthsError({name: source.count() for name, source in streamed}, expected)
