"""Long texts on a terminal, a screen at a time."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

LESS = "FRSX"
"""What less does unless LESS says otherwise: leave if all fits, keep colours, and let long lines
run over the edge, where the arrow keys reach them."""


def show(text: str) -> None:
    """Show a text with the program that PAGER names, or less; without one, print it."""
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
    """Hand the text to the pager, and wait until the person leaves it, whom Ctrl-C is then for."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text)
    finally:
        signal.signal(signal.SIGINT, before)
