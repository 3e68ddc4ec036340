"""Long text on a terminal, a screen at a time."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

LESS = "FRSX"
"""Options of less unless LESS is set: quit if the text fits one screen, keep colours, and chop long
lines, which the arrow keys scroll."""


def show(text: str) -> None:
    """Show text in the pager that PAGER names, or in less; without a pager, print it."""
    words = shlex.split(os.environ.get("PAGER", "less"))
    if words and os.environ.get("TERM") != "dumb":
        try:
            pager = subprocess.Popen(
                words, stdin=subprocess.PIPE, env={"LESS": LESS, **os.environ}, text=True,
                encoding=sys.stdout.encoding, errors="replace",
            )  # fmt: skip
        except OSError:  # there is no such program
            pass
        else:
            _feed(pager, text)
            return
    sys.stdout.write(text)


def _feed(pager: subprocess.Popen[str], text: str) -> None:
    """Pass the text to the pager and wait until it exits; it gets Ctrl-C meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text)
    finally:
        signal.signal(signal.SIGINT, before)
