"""Work functions: whatever is done with the blocks of a plan runs on the engine's threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import sleep

import numpy as np
import pytest

from lossctl.data import open_sources
from lossctl.engine.plan.blocks import BLOCK_NUMBERS, Region
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.run.block import Outcome, arrange, process
from lossctl.engine.run.run import Block, read_blocks, share_out, work_through
from lossctl.losses.core.registry import find
from tests.support.command_line import Array

ROWS = 5 * BLOCK_NUMBERS + 7
VALUES = np.random.default_rng(5).normal(size=(2, ROWS))


@dataclass(frozen=True)
class Sums:
    """The sum of each input over a block."""

    region: Region
    sums: tuple[float, ...]


def add_up(plan: Plan, region: Region, blocks: Sequence[Array]) -> Sums:
    """Add up each input of a block."""
    arrays, _ = arrange(plan, region, blocks)
    return Sums(region, tuple(float(one.sum()) for one in arrays))


def plan_mse(threads: int, reduction: str = "mean") -> Plan:
    settings = Settings(reduction=reduction, threads=threads)
    return make_plan(find("mse"), open_sources([*VALUES]), {}, settings)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_any_work_gets_every_block_once_and_in_order(threads: int, reduction: str) -> None:
    found = list(work_through(plan_mse(threads, reduction), add_up))
    starts = [one.region.start for one in found]
    assert starts == list(range(0, ROWS, BLOCK_NUMBERS))
    expected = [tuple(VALUES[:, start : start + BLOCK_NUMBERS].sum(axis=1)) for start in starts]
    np.testing.assert_allclose([one.sums for one in found], expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_are_those_of_the_losses(threads: int) -> None:
    regions = [one.region for one in work_through(plan_mse(threads), add_up)]
    assert regions == [one.region for one in work_through(plan_mse(1), process)]


@pytest.mark.parametrize("threads", [1, 3])
def test_another_reader_hands_over_what_it_likes(threads: int) -> None:
    def read(plan: Plan) -> Iterator[Block]:
        for region, blocks in read_blocks(plan):
            yield region, [one * 0 for one in blocks]

    outcomes: list[Outcome] = list(work_through(plan_mse(threads), process, read))
    assert [one.partial.total.value for one in outcomes] == [0.0] * 6
    assert sum(one.partial.counted for one in outcomes) == ROWS


class TestSharingOut:
    """Jobs of any kind, without a plan."""

    @pytest.mark.parametrize("threads", [1, 2, 4])
    @pytest.mark.parametrize("most", [None, 1, 2])
    def test_results_come_in_the_order_of_the_jobs(self, threads: int, most: int | None) -> None:
        closed: list[int] = []
        jobs = iter(range(50))
        results = share_out(jobs, lambda job: job**2, threads, lambda: closed.append(1), most)
        assert list(results) == [job**2 for job in range(50)]
        assert closed == [1]

    def test_jobs_are_taken_by_one_thread_at_a_time(self) -> None:
        inside = threading.Lock()

        class Jobs:
            """An iterator that notices two threads in it."""

            number = -1

            def __iter__(self) -> Iterator[int]:
                return self

            def __next__(self) -> int:
                assert inside.acquire(blocking=False)
                self.number += 1
                sleep(0)
                inside.release()
                if self.number == 200:
                    raise StopIteration
                return self.number

        assert sum(share_out(Jobs(), lambda job: job, 4, lambda: None)) == sum(range(200))

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("most", [1, 2, 4])
    def test_few_jobs_are_in_memory(self, threads: int, most: int) -> None:
        taken, used = [], 0

        def make() -> Iterator[int]:
            for job in range(40):
                taken.append(job)
                yield job

        for used, _ in enumerate(share_out(make(), abs, threads, lambda: None, most), start=1):
            assert len(taken) <= used + max(most, 2)
        assert used == 40

    @pytest.mark.parametrize("threads", [1, 3])
    def test_a_result_may_be_none(self, threads: int) -> None:
        assert list(share_out(iter(range(9)), lambda _: None, threads, lambda: None)) == [None] * 9

    @pytest.mark.parametrize("threads", [1, 3])
    def test_what_work_raises_is_raised_to_the_caller(self, threads: int) -> None:
        closed: list[int] = []

        def fail(job: int) -> int:
            if job == 5:
                raise ZeroDivisionError
            return job

        with pytest.raises(ZeroDivisionError):
            list(share_out(iter(range(20)), fail, threads, lambda: closed.append(1)))
        assert closed == [1]

    @pytest.mark.parametrize("threads", [1, 3])
    def test_who_stops_early_closes_too(self, threads: int) -> None:
        closed: list[int] = []
        results = share_out(iter(range(1000)), abs, threads, lambda: closed.append(1))
        assert next(results) == 0
        results.close()
        assert closed == [1]
