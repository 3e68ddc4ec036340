"""Contestants within processes: each has one of its own, with the same arrays in memory.

They do not share a process, because thread pools, allocators and the peak of memory are those
of a process. The parent lets one at a time compute.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from tests.benchmarks import memory
from tests.benchmarks.array_cases import ARRAY_CASES, ArrayCase
from tests.benchmarks.arrays import Array
from tests.benchmarks.contestants import Call, prepare
from tests.benchmarks.turns import ContestantError, Turn

TINY = 1000
"""Elements of a first call that only loads modules and starts threads."""
TURN_SECONDS = 0.03
"""A turn repeats the call until about this long has passed."""
MOST_CALLS = 1000


def serve(connection: Connection, contestant: str, name: str, threads: int) -> None:
    """Make arrays when the parent sends their size, and take a turn when it sends None."""
    warnings.simplefilter("ignore")
    case = ARRAY_CASES[name]
    prepare(contestant, case, case.make_arrays(TINY), threads)()
    resident = memory.reset_peak()
    timer: Timer | None = None
    while True:
        count = connection.recv()
        if count is None:
            assert timer is not None
            connection.send(timer.turn())
        else:
            timer = None  # the arrays of the size before make room
            timer = make_timer(contestant, case, count, threads, resident)
            connection.send(None)


class Timer:
    """A call, how often it is repeated in a turn, and the memory it takes beside its inputs.

    ``resident`` is what the process had before there were any inputs. What an allocator keeps
    from the call before, instead of giving it back, so counts as taken.
    """

    def __init__(self, call: Call, arrays: Sequence[Array], resident: int | None) -> None:
        self.call = call
        self.calls = 0
        self.memory: int | None = None
        self._held = None if resident is None else resident + sum(one.nbytes for one in arrays)

    def turn(self) -> Turn:
        """Time the call; the first turn measures the memory, and chooses the repetitions."""
        if not self.calls:
            self.memory = self._measure_memory()
            seconds, _ = self._run(1)
            self.calls = max(1, min(MOST_CALLS, math.ceil(TURN_SECONDS / seconds)))
        seconds, value = self._run(self.calls)
        return Turn(seconds / self.calls, self.memory, value)

    def _measure_memory(self) -> int | None:
        """Call once, and return the peak beyond what is held anyway, in bytes."""
        memory.reset_peak()
        self.call()
        peak = memory.read_peak()
        return None if self._held is None or peak is None else max(0, peak - self._held)

    def _run(self, calls: int) -> tuple[float, float]:
        value = math.nan
        started = time.perf_counter()
        for _ in range(calls):
            value = self.call()
        return time.perf_counter() - started, value


def make_timer(
    contestant: str, case: ArrayCase, count: int, threads: int, resident: int | None
) -> Timer:
    """Make the arrays of a size, and what times the contestant on them."""
    arrays = case.make_arrays(count)
    return Timer(prepare(contestant, case, arrays, threads), arrays, resident)


class Worker:
    """The parent's end of one contestant's process."""

    def __init__(self, name: str, case: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, name, case, threads), daemon=True
        )
        self.process.start()
        theirs.close()

    def load(self, count: int) -> None:
        """Order arrays of a size, without waiting: all workers make theirs at the same time."""
        with contextlib.suppress(OSError):  # a worker that has ended says so when it is awaited
            self.connection.send(count)

    def wait(self) -> None:
        """Wait until the arrays are there."""
        self._receive()

    def turn(self) -> Turn:
        """Let the worker compute."""
        with contextlib.suppress(OSError):
            self.connection.send(None)
        turn = self._receive()
        assert isinstance(turn, Turn)
        return turn

    def close(self) -> None:
        """End the process, which has nothing to lose."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()

    def _receive(self) -> object:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            raise ContestantError("failed (its message is on standard error)") from None


@contextlib.contextmanager
def start_workers(names: Sequence[str], case: str, threads: int) -> Iterator[list[Worker]]:
    """Start a process for each contestant, and end them all."""
    workers: list[Worker] = []
    try:
        for name in names:
            workers.append(Worker(name, case, threads))  # noqa: PERF401 - those started are ended
        yield workers
    finally:
        for worker in workers:
            worker.close()
