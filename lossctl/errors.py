"""The exceptions that users of lossctl see, and the exit codes of the command line.

    LossctlError
    ├── UsageError        exit 2: the call is wrong (unknown loss, flag, column, option value)
    │   ├── OverwriteError exit 2: a file to write is one that is read, or written twice
    │   └── CustomLossError exit 2: a custom loss is at fault
    ├── DataError         exit 3: the data are wrong (shapes, labels, ranges, broken files)
    ├── FileError         exit 4: a file could not be opened, read or written
    ├── CheckError        exit 1: a gate or check failed
    └── InconclusiveError exit 5: a gate that may be inconclusive is

Each has a message (what was wrong, and where) and a remedy (what to do). Both may be data
(``lossctl.findings``): a kind of remedy, a location. The output room turns them into text when
they are converted with ``str``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from enum import IntEnum

_wording = ""


def register_wording(place: str) -> None:
    """Register the function (``module:name``) that makes text; it is imported when called."""
    global _wording  # noqa: PLW0603 - set once, when the package is imported
    _wording = place


class Worded:
    """Part of a message as data; ``str`` gives its text."""

    __slots__ = ()

    def __str__(self) -> str:
        module, _, name = _wording.partition(":")
        return str(getattr(importlib.import_module(module), name)(self))


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    DATA = 3
    FILE = 4
    INCONCLUSIVE = 5
    INTERNAL = 70
    INTERRUPTED = 130


class LossctlError(Exception):
    """Base of every error that lossctl raises on purpose.

    ``message`` says what was wrong and where; ``remedy`` what to do about it. ``finding`` and
    ``remedies`` are the same as they were given: in words, or as data.
    """

    exit_code = Exit.USAGE

    def __init__(self, message: str | Worded, *remedies: str | Worded) -> None:
        super().__init__(message)
        self.finding = message
        self.remedies = tuple(one for one in remedies if one)

    @property
    def message(self) -> str:
        """What was wrong, and where, in words."""
        return str(self.finding)

    @property
    def remedy(self) -> str:
        """What to do about it, in words, a line for each remedy."""
        return "\n".join(map(str, self.remedies))

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UsageError(LossctlError):
    """The call itself is wrong: an unknown name, a flag, an option out of its bounds."""

    exit_code = Exit.USAGE


class OverwriteError(UsageError):
    """A file to write is one that is read, or is written already."""


class CustomLossError(UsageError):
    """A loss that lossctl did not bring is at fault: its declaration, or what it does."""


class DataError(LossctlError):
    """The data do not fit the loss or each other, or a file's content is broken."""

    exit_code = Exit.DATA


class FileError(LossctlError):
    """A file could not be opened, read or written."""

    exit_code = Exit.FILE


class CheckError(LossctlError):
    """A gate or a check failed."""

    exit_code = Exit.CHECK_FAILED


class InconclusiveError(LossctlError):
    """No gate failed, but one could not be decided."""

    exit_code = Exit.INCONCLUSIVE


class LossctlWarning(UserWarning):
    """A warning about a result that was computed."""


def __getattr__(name: str) -> type[CustomLossError]:
    """Return CustomLossError for its previous name, with a warning."""
    if name == "OwnLossError":
        warn("OwnLossError is now called CustomLossError; the old name will go in the next version")
        return CustomLossError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def warn(message: str | Worded) -> None:
    """Issue a LossctlWarning that points at the code that called lossctl."""
    import inspect
    import warnings

    level = 1
    frame = inspect.currentframe()
    while frame and frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "lossctl":
        frame = frame.f_back
        level += 1
    warnings.warn(LossctlWarning(str(message)), stacklevel=level)


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return the candidates most similar to ``name``, best first."""
    from difflib import get_close_matches

    by_fold: dict[str, str] = {}
    for candidate in candidates:
        by_fold.setdefault(candidate.casefold(), candidate)
    return [by_fold[fold] for fold in get_close_matches(name.casefold(), by_fold, count, 0.5)]


def did_you_mean(name: str, candidates: Sequence[str]) -> str:
    """Return a sentence with the most similar candidates, or else all that are available."""
    close = nearest(name, candidates)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(candidates[:12])
    return f"Available: {shown}{', …' if len(candidates) > 12 else ''}." if shown else ""
