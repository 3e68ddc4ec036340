"""The most memory that a run of lossctl holds, as the operating system counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.command_line import command, environment


def measure_peak(*words: object, stdin: Path | None = None) -> int:
    """Run lossctl as a process, with a file in a pipe, and return the most bytes it held."""
    feeder = None
    if stdin is not None:
        feeder = subprocess.Popen(["cat", stdin], stdout=subprocess.PIPE)
    process = subprocess.Popen(
        command(*words),
        env=environment(),
        stdin=feeder.stdout if feeder else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if feeder is not None and feeder.stdout is not None:
        feeder.stdout.close()
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        _, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if feeder is not None:
        feeder.wait()
    assert process.returncode == 0, err
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
