"""Fixtures: a directory of small files, and a command line that has to be refused."""

from __future__ import annotations

import gc
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.support.command_line import Run, compute, save, starter
from tests.support.duration import pytest_sessionstart
from tests.support.guide import pytest_runtest_makereport
from tests.support.own_code import PREDICTED, TRUE, WING
from tests.support.small_files import GOOD, Refuse

__all__ = ["pytest_runtest_makereport", "pytest_sessionstart"]

# How long an example takes says more about the machine than about the program.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

# What runs in the background of a shell, or under nohup, ignores some signals, and hands that on to
# the processes it starts; a handler is not handed on.
for _name in ("SIGINT", "SIGHUP"):
    if signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), lambda *_: None)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was loaded: it stays to the end."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """End the process that started others."""
    if starter.cache_info().currsize:
        starter().close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of small good files, which commands run in."""
    monkeypatch.chdir(tmp_path)
    for key, array in GOOD.items():
        save(tmp_path, key, array)
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with a file of the user's losses and two arrays, which commands run in."""
    (tmp_path / "my_losses.py").write_text(WING, encoding="utf-8")
    np.save(tmp_path / "p.npy", PREDICTED)
    np.save(tmp_path / "y.npy", TRUE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refuse(here: Path) -> Refuse:
    """Return a function that sees a command refused, in every way of output.

    It gives back the one message; ``words`` are what the message must contain.
    """

    def check(*command: object, code: int, words: tuple[str, ...] = ()) -> str:
        before = sorted(here.iterdir())
        messages = []
        for output in (
            (),
            ("-r", "none"),
            ("-o", "out.json"),
            ("-r", "none", "-o", "out.npy"),
            ("-r", "none", "-o", "out.csv.gz"),
        ):
            done = compute(*command, *output)
            assert done.code == code, done
            assert done.out == ""
            assert sorted(here.iterdir()) == before
            messages.append(_read_message(done))
        assert len(set(messages)) == 1, messages
        for word in words:
            assert word in messages[0]
        return messages[0]

    return check


def _read_message(done: Run) -> str:
    """Return the only message on standard error: an error with a remedy."""
    first, *remedy = done.err.rstrip("\n").split("\n")
    assert first.startswith("error: ")
    assert len(remedy) == 1, done.err
    assert re.match(r"  \S", remedy[0]), done.err
    return done.err
