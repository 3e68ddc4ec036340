"""Memory that is lent to Arrow is released by its threads before the reading goes on."""

from __future__ import annotations

import threading
import time

import pyarrow as pa
import pytest

from lossctl.data.formats import lending
from lossctl.data.formats.lending import lend


def test_waits_for_a_thread_that_still_has_the_memory() -> None:
    held: list[pa.Buffer] = []
    with lend(b"p,y\n1,2\n") as view:
        held.append(pa.py_buffer(view))
        released = threading.Timer(0.05, held.clear)
        released.start()
        start = time.monotonic()
    assert time.monotonic() - start >= 0.04
    with pytest.raises(ValueError, match="released"):
        view.tobytes()
    released.join()


def test_gives_up_where_nobody_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "RELEASE_TIMEOUT_S", 0.01)
    with lend(b"p,y\n") as view:
        held = pa.py_buffer(view)
    assert held.to_pybytes() == view.tobytes() == b"p,y\n"


def test_leaves_the_memory_of_the_reader_alone() -> None:
    data = memoryview(b"1,2\n")
    with pytest.raises(pa.ArrowInvalid), lend(data):
        raise pa.ArrowInvalid("broken")
    assert data.tobytes() == b"1,2\n"
