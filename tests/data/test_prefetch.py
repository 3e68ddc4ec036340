"""Reading ahead: one piece, by a thread, and nothing before it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lossctl.data import open_sources
from lossctl.data.streams.prefetch import Prefetcher
from lossctl.errors import DataError
from tests.support.source_files import read_in_pieces, write


def test_items_come_in_order_from_another_thread() -> None:
    makers = []

    def count() -> Iterator[int]:
        for number in range(4):
            makers.append(threading.current_thread())
            yield number

    with closing(Prefetcher(count())) as items:
        assert items.take() == 0
        items.prepare()
        items.prepare()
        assert items.take() == 1
        items.prepare()
        assert [items.take() for _ in range(4)] == [2, 3, None, None]
    main = threading.current_thread()
    assert [maker is main for maker in makers] == [True, False, False, True]


def test_errors_come_where_their_item_would() -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise DataError("broken")

    with closing(Prefetcher(fail())) as items:
        assert items.take() == 1
        items.prepare()
        with pytest.raises(DataError, match="broken"):
            items.take()
        assert items.take() is None


def test_closing_waits_for_the_item_that_is_made() -> None:
    begun, go, made = threading.Event(), threading.Event(), []

    def wait() -> Iterator[int]:
        begun.set()
        go.wait()
        made.append(1)
        yield 1

    items = Prefetcher(wait())
    items.prepare()
    begun.wait()
    threading.Timer(0.01, go.set).start()
    items.close()
    assert made == [1]


def test_a_scan_may_be_left_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, 1000)
    path = write(tmp_path / "x.csv", b"x\n" + b"1.5\n" * 5000)
    before = threading.active_count()
    (source,) = open_sources([path])
    assert threading.active_count() == before
    source.read(0, 600)
    source.close()
    assert threading.active_count() == before


def test_a_late_error_is_not_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, 400)  # a segment is 101 rows
    path = write(tmp_path / "x.csv", b"x\n" + b"1.5\n" * 450 + b"oops\n")
    (source,) = open_sources([path])
    with closing(source):
        assert len(source.read(0, 250)) == 250
        assert np.array_equal(source.read(250, 400), np.full(150, 1.5))
        with pytest.raises(DataError, match="row 450"):
            source.read(400, 450)
