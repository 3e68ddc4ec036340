"""Signals that stop a run, whatever it is doing."""

from __future__ import annotations

import signal
import sys
import warnings
from types import FrameType

STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_received: list[int] = []


def listen() -> None:
    """Let signals stop the run in order, so that unfinished output files are removed.

    What is ignored stays so: hangups under ``nohup``, interrupts in the background of a script.
    """
    for name in STOP_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def find_stop() -> int | None:
    """Return the exit code that the signal asks for, if there was one.

    It may have come where something else failed for it: a lock that was being taken, a file that
    was being opened.
    """
    return 128 + _received[0] if _received else None


def _stop(number: int, _: FrameType | None) -> None:
    _received.append(number)
    warnings.simplefilter("ignore", ResourceWarning)
    sys.exit(128 + number)
