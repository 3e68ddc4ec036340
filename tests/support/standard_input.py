"""A pipe in the place of standard input."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def standard_input(content: bytes, chunk: int = 1 << 20) -> Iterator[None]:
    """Put a real pipe, filled by a thread in chunks, in the place of standard input."""
    reading, writing = os.pipe()

    def fill() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for start in range(0, len(content), chunk):
                try:
                    pipe.write(content[start : start + chunk])
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=fill)
    with os.fdopen(reading, "r") as pipe, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", pipe)
        thread.start()
        try:
            yield
        finally:
            pipe.buffer.read()
            thread.join()
