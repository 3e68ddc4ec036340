"""Running a plan: blocks are read in order, processed in parallel, and returned in order."""

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
from lossctl.engine.run.pool import JOBS_AHEAD, Job, Result, WorkerPool
from lossctl.engine.run.threads import available_threads, keep_freed_memory
from lossctl.errors import DataError

BLOCKS_PER_RELEASE = 32
MOST_WITH_ELEMENTS = 2


class UnevenLengthsError(DataError):
    """The inputs do not have the same number of samples."""

    def __init__(self, counts: dict[str, int], expected: int | None) -> None:
        shown = [f"{name} has {count} samples" for name, count in counts.items()]
        if expected is not None and len(set(counts.values())) == 1:
            shown.append(f"{expected} are needed")
        super().__init__(
            f"the inputs differ in length: {', '.join(shown)}",
            "All inputs must contain the same samples in the same order.",
        )
        self.counts = counts


Block = tuple[Region, list[NDArray[Any]]]
"""A region, and the data of each input, the weight and the mask in it (in the order of streams)."""


class Located(Protocol):
    """The result of a block, which has the region of the block."""

    @property
    def region(self) -> Region:
        """Where the block is."""


T = TypeVar("T", bound=Located)
Work = Callable[[Plan, Region, list[NDArray[Any]]], T]
"""A function of a block; it runs on any thread, several at a time, and must not change the plan."""


def read_blocks(plan: Plan) -> Iterator[Block]:
    """Read the regions one after another; raises DataError if the inputs differ in length."""
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


def work_through(
    plan: Plan, work: Work[T], read: Callable[[Plan], Iterator[Block]] = read_blocks
) -> Iterator[T]:
    """Yield the result of ``work`` for every block of a plan, in order, on the threads of the plan.

    All passes over the data go through here: losses (:func:`~lossctl.engine.run.block.process`),
    gradients, checks and evaluations pass in what they do with a block, and the blocks are the
    same for all of them. ``work(plan, region, blocks)`` gets what the streams of the plan
    (inputs, sample weight, mask) have in the region, as it is stored. To check, arrange and
    compute it, use the steps of losses: ``take_inputs``, ``arrange``, ``call_kernel``
    and ``accumulate`` of :mod:`lossctl.engine.run.block`. It returns something with a ``region``.

    ``read`` yields the blocks, for callers that pass more with them, or have rows of their own
    (a dataset that is filtered): :func:`read_blocks` reads the sources. It is advanced by one
    thread at a time. A few blocks are in memory at a time. What lies behind the last one is given
    back to the system (the pages of a mapped file count as memory), and the sources are closed at
    the end. For several plans in one pass there is :func:`share_out`.
    """

    def work_on(block: Block) -> T:
        return work(plan, *block)

    def close() -> None:
        for bound in plan.streams:
            bound.source.close()

    # The consumer of the elements is slower than the workers.
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
    jobs: Iterator[Job],
    work: Callable[[Job], Result],
    threads: int | None,
    close: Callable[[], None],
    most: int | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of ``work`` for each job, in the order of the jobs, on several threads.

    ``jobs`` is advanced by one thread at a time, so that it may read from files. At most ``most``
    of them (two more than threads, unless that is less) are in memory. What the iterator or
    ``work`` raises is raised here. At the end, and where the caller stops early, ``close`` closes
    what the jobs are read from, unless a thread is still reading from it.
    """
    idle = True
    try:
        first = list(islice(jobs, 2))
        everything = chain(first, jobs)
        if len(first) > 1:
            keep_freed_memory()
        threads = available_threads() if threads is None else threads
        if threads == 1 or len(first) < 2:
            for job in everything:
                yield work(job)
            return
        limit = threads + JOBS_AHEAD
        pool = WorkerPool(everything, work, threads, limit if most is None else min(limit, most))
        try:
            yield from pool.results()
        finally:
            idle = pool.shutdown()
    finally:
        if idle:  # closing a file that a worker is reading would wait for the worker
            close()


def _goes_on(source: Source, end: int) -> bool:
    """Whether a source has rows after those that were used."""
    if source.length is not None:
        return source.length > end
    return len(source.read(end, end + 1)) > 0


def _uneven(streamed: list[tuple[str, Source]], expected: int | None) -> UnevenLengthsError:
    """Count the rows of every input, and return the error that they differ."""
    return UnevenLengthsError({name: source.count() for name, source in streamed}, expected)
