"""A pool of threads: each takes the next job when it is free; results come in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

Job = TypeVar("Job")
"""A job: the data for one unit of work."""
Result = TypeVar("Result")
"""The result of a job."""

JOBS_AHEAD = 2
JOIN_TIMEOUT_S = 1.0
"""How long to wait for workers to end: one may be reading from a silent pipe."""


class WorkerPool(Generic[Job, Result]):
    """The calling thread and its workers, which take jobs in turn; results are in order.

    The caller works too instead of waiting: handing every block over to another thread costs
    two switches of threads, which short blocks (those of ``nll``) take longer for than to work.
    ``limit`` says how many jobs may be worked on or wait for an earlier one: each is in memory.
    """

    def __init__(
        self, jobs: Iterator[Job], work: Callable[[Job], Result], threads: int, limit: int
    ) -> None:
        self._work = work
        self._jobs = enumerate(jobs)
        self._taking = Lock()
        self._taken = 0
        self._claimed = 0
        self._changed = Condition()
        self._done: dict[int, Result] = {}
        self._next = 0
        self._end: int | None = None
        self._failure: BaseException | None = None
        self._shut_down = False
        self._limit = limit
        self._workers = [
            Thread(target=self._run_worker, name=f"lossctl-{number}", daemon=True)
            for number in range(1, min(threads, limit))
        ]
        for worker in self._workers:
            worker.start()

    def results(self) -> Iterator[Result]:
        """Yield the result of every job, in their order; raises what reading or work raised."""
        while True:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                finished = self._next in self._done
                if finished:
                    result = self._done.pop(self._next)
                    self._next += 1
                    self._changed.notify_all()
                elif self._next == self._end:
                    return
            if finished:
                yield result
            elif not (self._claim(wait=False) and self._work_once()):
                self._wait_for_next()

    def shutdown(self) -> bool:
        """Let the workers finish their current jobs and end; return whether all have ended."""
        with self._changed:
            self._shut_down = True
            self._changed.notify_all()
        end = monotonic() + JOIN_TIMEOUT_S
        for worker in self._workers:
            worker.join(max(0.0, end - monotonic()))
        return not any(worker.is_alive() for worker in self._workers)

    def _run_worker(self) -> None:
        try:
            while self._claim(wait=True) and self._work_once():
                pass
        except BaseException as failure:  # noqa: BLE001 - raised again in the calling thread
            self._fail(failure)

    def _claim(self, *, wait: bool) -> bool:
        """Claim a slot for one more job; return False if there is none, or nothing to do."""
        with self._changed:
            while wait and self._crowded and not self._stopped:
                self._changed.wait()
            if self._crowded or self._stopped:
                return False
            self._claimed += 1
            return True

    @property
    def _crowded(self) -> bool:
        return self._claimed - self._next >= self._limit

    @property
    def _stopped(self) -> bool:
        return self._shut_down or self._failure is not None or self._end is not None

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _work_once(self) -> bool:
        """Take the next job and do it; return False if there is none left."""
        with self._taking:
            try:
                taken = next(self._jobs, None)
            except BaseException as failure:
                self._fail(failure)  # before another thread finds that there are no more jobs
                raise
            if taken is None:
                with self._changed:
                    self._end = self._taken
                    self._changed.notify_all()
                return False
            self._taken += 1
        number, job = taken
        result = self._work(job)
        with self._changed:
            self._done[number] = result
            if number == self._next:
                self._changed.notify_all()
        return True

    def _wait_for_next(self) -> None:
        with self._changed:
            while not (self._next in self._done or self._failure or self._next == self._end):
                self._changed.wait()
