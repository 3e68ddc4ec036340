"""Lending memory to Arrow's threads, which may release it a moment after they are done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

RELEASE_TIMEOUT_S = 1.0


@contextmanager
def lend(data: bytes | memoryview) -> Iterator[memoryview]:
    """Yield a view of memory for Arrow, and wait until no thread of Arrow has it any more.

    A thread that releases memory of Python while the interpreter shuts down aborts the process:
    a short script that reads one file would end so now and then.
    """
    view = memoryview(data)
    try:
        yield view
    finally:
        deadline = time.monotonic() + RELEASE_TIMEOUT_S
        while not _release(view) and time.monotonic() < deadline:
            time.sleep(0.0001)


def _release(view: memoryview) -> bool:
    """Release a view; return whether that was possible, because nobody else has it."""
    try:
        view.release()
    except BufferError:
        return False
    return True
