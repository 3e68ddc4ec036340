"""Contestants as whole processes: a command line in a directory of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lossctl
from tests.benchmarks import launcher
from tests.benchmarks.turns import ContestantError, Turn

ROOT = Path(lossctl.__file__).resolve().parents[1]


def read_value(text: str) -> float | None:
    """Return the number that was printed, if one was."""
    try:
        return float(text)
    except ValueError:
        return None


class Process:
    """A command, run anew in every turn; ``read`` makes a number of what it prints."""

    def __init__(
        self,
        name: str,
        words: tuple[str, ...],
        directory: Path,
        read: Callable[[str], float | None] = read_value,
    ) -> None:
        self.name = name
        self.words = words
        self.directory = directory
        self.read = read

    def turn(self) -> Turn:
        """Run the command, and read what it prints."""
        done = subprocess.run(
            [sys.executable, "-I", "-S", launcher.__file__, *self.words],
            cwd=self.directory,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ContestantError(f"could not be started: {last_line(done.stderr)}")
        told = json.loads(done.stdout)
        if told["code"] != 0:
            raise ContestantError(f"ended with exit code {told['code']}: {last_line(done.stderr)}")
        return Turn(told["seconds"], told["peak"], self.read(told["out"]))


def environment() -> dict[str, str]:
    """Return the environment of the commands: this checkout, and bytecode that is kept."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key != "PYTHONDONTWRITEBYTECODE" and not key.startswith("LOSSCTL_")
    }
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path}


def last_line(text: str) -> str:
    """Return the line that says what went wrong."""
    return text.strip().rpartition("\n")[2] or "no message"
