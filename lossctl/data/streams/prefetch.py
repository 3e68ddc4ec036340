"""Prefetching: the next item is made while the last one is processed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")

JOIN_TIMEOUT_S = 1.0
"""How long to wait for an unused item: its thread may be reading from a silent pipe."""


class Prefetcher(Generic[T]):
    """An iterator whose next item is made on a thread, on request."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._pool: ThreadPoolExecutor | None = None
        self._coming: Future[T | None] | None = None

    def take(self) -> T | None:
        """Return the next item, or None if there are no more."""
        if self._coming is None:
            return next(self._items, None)
        wait([self._coming])  # may be interrupted; the item stays the next one until then
        coming, self._coming = self._coming, None
        return coming.result()

    def prepare(self) -> None:
        """Start making the next item."""
        if self._coming is None:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "lossctl-reader")
            self._coming = self._pool.submit(next, self._items, None)

    def close(self) -> bool:
        """Make no more items; return False if the thread is still making one."""
        if self._pool is None:
            return True
        self._pool.shutdown(wait=False, cancel_futures=True)
        busy = wait([self._coming] if self._coming is not None else [], JOIN_TIMEOUT_S).not_done
        if not busy:
            self._pool.shutdown()
        self._pool = self._coming = None
        return not busy
