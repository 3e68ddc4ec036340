"""Pipes that say nothing more: a run that ends early does not wait for them."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.data import open_sources
from lossctl.data.formats.npy import StreamSource
from lossctl.data.streams import prefetch
from lossctl.engine.plan.blocks import BLOCK_NUMBERS
from lossctl.engine.run.pool import WorkerPool
from tests.support.command_line import command, environment
from tests.support.source_files import read_in_pieces

ROWS = 400_000


@contextmanager
def silent_pipe(path: Path, content: bytes) -> Iterator[None]:
    """Fill a named pipe and keep it open."""
    os.mkfifo(path)
    over = threading.Event()

    def fill() -> None:
        with suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            rest = memoryview(content)
            while rest:
                rest = rest[pipe.write(rest) or 0 :]
            over.wait(30)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("idle", [True, False])
def test_what_a_thread_reads_from_is_not_closed(
    idle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutdown = WorkerPool.shutdown
    monkeypatch.setattr(WorkerPool, "shutdown", lambda self: shutdown(self) and idle)
    closed: list[object] = []
    close = StreamSource.close
    monkeypatch.setattr(StreamSource, "close", lambda self: (closed.append(self), close(self)))
    whole = tmp_path / "whole.npy"
    np.save(whole, np.ones(3 * BLOCK_NUMBERS))
    with silent_pipe(tmp_path / "pipe", whole.read_bytes()):
        blocks = iter(lossctl.elements("mse", tmp_path / "pipe", whole, threads=2))
        next(blocks)
        blocks.close()  # type: ignore[attr-defined]
    assert bool(closed) == idle


def test_text_may_be_left_while_a_thread_decompresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetch, "JOIN_TIMEOUT_S", 0.05)
    read_in_pieces(monkeypatch, 1000)
    text = b"x\n" + np.random.default_rng(1).bytes(3_000_000).hex("\n", 2).encode()
    numbers = text.translate(bytes.maketrans(b"abcdef", b"012345"))
    packed = gzip.compress(numbers, 1)
    with silent_pipe(tmp_path / "pipe", packed[:-100]):
        (source,) = open_sources([f"{tmp_path}/pipe#x"])
        assert len(source.read(0, 1000)) == 1000
        begun = time.monotonic()
        source.close()
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_interrupt_does_not_wait_for_compressed_input(threads: str) -> None:
    packed = gzip.compress(b"x,y\n" + b"1.5,2.5\n" * ROWS, 1)
    with subprocess.Popen(
        command("compute", "mse", "-#x", "-#y", "-j", threads),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(packed[:-100])
        process.stdin.flush()
        time.sleep(2.5)  # until all has been read
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == 130
            assert process.stderr.read() == b""
        finally:
            process.kill()
