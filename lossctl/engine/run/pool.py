"""Threads that share out pieces of work: each takes the next one when it is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

P = TypeVar("P")
"""A piece of work, with the data it needs."""
T = TypeVar("T")
"""What is made of a piece."""

AHEAD = 2

PATIENCE = 1.0
"""Seconds to wait for helpers that are to leave: one may be reading from a silent pipe."""


class Crew(Generic[P, T]):
    """The calling thread and its helpers, who take pieces in turn; outcomes come back in order.

    The caller works too instead of waiting: handing every block over to another thread costs
    two switches of threads, which short blocks (those of ``nll``) take longer for than to work.
    ``limit`` says how many pieces may be worked on or wait for an earlier one: each is in memory.
    """

    def __init__(
        self, pieces: Iterator[P], work: Callable[[P], T], threads: int, limit: int
    ) -> None:
        self._work = work
        self._pieces = enumerate(pieces)
        self._taking = Lock()
        self._taken = 0
        self._claimed = 0
        self._changed = Condition()
        self._done: dict[int, T] = {}
        self._next = 0
        self._end: int | None = None
        self._failure: BaseException | None = None
        self._dismissed = False
        self._limit = limit
        self._helpers = [
            Thread(target=self._help, name=f"lossctl-{number}", daemon=True)
            for number in range(1, min(threads, limit))
        ]
        for helper in self._helpers:
            helper.start()

    def outcomes(self) -> Iterator[T]:
        """Yield the outcome of every piece, in their order; raises what reading or work raised."""
        while True:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                outcome = self._done.pop(self._next, None)
                if outcome is not None:
                    self._next += 1
                    self._changed.notify_all()
                elif self._next == self._end:
                    return
            if outcome is not None:
                yield outcome
            elif not (self._claim(wait=False) and self._work_once()):
                self._wait_for_next()

    def dismiss(self) -> bool:
        """Let the helpers finish the piece at hand and leave; return whether all have left."""
        with self._changed:
            self._dismissed = True
            self._changed.notify_all()
        end = monotonic() + PATIENCE
        for helper in self._helpers:
            helper.join(max(0.0, end - monotonic()))
        return not any(helper.is_alive() for helper in self._helpers)

    def _help(self) -> None:
        try:
            while self._claim(wait=True) and self._work_once():
                pass
        except BaseException as failure:  # noqa: BLE001 - raised again in the calling thread
            self._fail(failure)

    def _claim(self, *, wait: bool) -> bool:
        """Claim a place for one more piece; return False if there is none, or nothing to do."""
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
        return self._dismissed or self._failure is not None or self._end is not None

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _work_once(self) -> bool:
        """Take the next piece and work on it; return False if there is none left."""
        with self._taking:
            try:
                taken = next(self._pieces, None)
            except BaseException as failure:
                self._fail(failure)  # before another thread finds that there are no more pieces
                raise
            if taken is None:
                with self._changed:
                    self._end = self._taken
                    self._changed.notify_all()
                return False
            self._taken += 1
        number, piece = taken
        outcome = self._work(piece)
        with self._changed:
            self._done[number] = outcome
            if number == self._next:
                self._changed.notify_all()
        return True

    def _wait_for_next(self) -> None:
        with self._changed:
            while not (self._next in self._done or self._failure or self._next == self._end):
                self._changed.wait()
