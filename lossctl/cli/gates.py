"""Failed gates: everything is printed first, then the command exits with 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from lossctl.errors import CheckError, InconclusiveError


class Judged(Protocol):
    """A condition that was judged."""

    @property
    def passed(self) -> bool:
        """Whether the gate is passed."""

    @property
    def inconclusive(self) -> bool:
        """Whether it could not be decided."""

    @property
    def value(self) -> float | None:
        """What was compared."""

    @property
    def detail(self) -> str:
        """Which slice or model the result comes from."""


def report(write: Callable[[], None], gates: Sequence[tuple[str, Judged]]) -> None:
    """Write a result, then raise CheckError if a gate failed, or InconclusiveError.

    The error is raised even if the reader of standard output is gone.
    """
    failed = [(name, one) for name, one in gates if not (one.passed or one.inconclusive)]
    undecided = [(name, one) for name, one in gates if one.inconclusive]
    write_out(write, verdict=bool(failed or undecided))
    lines = "\n".join(_describe(name, one) for name, one in (*failed, *undecided))
    if failed:
        more = f", {len(undecided)} inconclusive" if undecided else ""
        raise CheckError(f"{len(failed)} of {len(gates)} gates failed{more}", lines)
    if undecided:
        verb = "is" if len(undecided) == 1 else "are"
        raise InconclusiveError(
            f"{len(undecided)} of {len(gates)} gates {verb} inconclusive", lines
        )


def write_out(write: Callable[[], None], *, verdict: bool) -> None:
    """Write a result; if a verdict follows, a closed pipe does not stop the command."""
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        if not verdict:
            raise
        leave_pipe()


def _describe(name: str, one: Judged) -> str:
    facts = [] if one.value is None else [f"{one.value:.6g}"]
    facts += [one.detail] if one.detail else []
    return f"{name}: {', '.join(facts)}" if facts else name


def leave_pipe() -> None:
    """Discard what is still to be written: the reader of standard output is gone."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
