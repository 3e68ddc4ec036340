"""Reading ahead: the next piece is made while the last one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """An iterator whose next item a thread makes, once it is told to prepare it."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._pool: ThreadPoolExecutor | None = None
        self._coming: Future[T | None] | None = None

    def take(self) -> T | None:
        """Return the next item, or None where there are no more."""
        coming, self._coming = self._coming, None
        return coming.result() if coming is not None else next(self._items, None)

    def prepare(self) -> None:
        """Begin to make the next item."""
        if self._coming is None:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "lossctl-reader")
            self._coming = self._pool.submit(next, self._items, None)

    def close(self) -> None:
        """Wait for the item that is being made, and make no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._coming = None
