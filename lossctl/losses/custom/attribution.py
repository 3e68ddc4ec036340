"""Whose code is at fault: errors of a user's code are reported as theirs, with file and line."""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lossctl.errors import CustomLossError, LossctlError
from lossctl.findings import OptionName, Sentence

LOADED = "_lossctl_own_"
"""How the names of the modules begin that are made for files of users."""


@dataclass(frozen=True, slots=True)
class CodeOrigin:
    """Where the losses of one user are declared."""

    module: str
    file: str | None
    package: str = ""
    """The installed package that offers the losses, by the name it is installed under."""

    @property
    def label(self) -> str:
        """What stands before the names of its losses, and in place of their library."""
        if self.file and (self.module == "__main__" or self.module.startswith(LOADED)):
            return Path(self.file).name
        return self.module.partition(".")[0]

    @property
    def owner(self) -> str:
        """Whose it is, as a person reads it."""
        if self.label.endswith(".py") or not self.file or self.module == "__main__":
            return "your own code"
        return f"the package {self.label}"

    def qualify(self, key: str) -> str:
        """Return the name of a loss that nothing else can have."""
        return f"{self.label}{':' if self.label.endswith('.py') else '.'}{key}"

    def refer(self, key: str) -> str:
        """Return what a person types from here for the loss of that name."""
        return (
            f"{_show_file(self.file)}{key[len(self.label) :]}" if ":" in key and self.file else key
        )

    def owns(self, module: str, file: str) -> bool:
        """Whether code is of the same package, or of a file beside this one."""
        if module.partition(".")[0] == self.module.partition(".")[0]:
            return True
        return self.file is not None and Path(file).parent == Path(self.file).parent


def guard(function: Callable[..., Any], origin: CodeOrigin) -> Callable[..., Any]:
    """Return a function of a user's whose errors are reported as theirs, with their line."""

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> Any:
        with attribute_errors(origin):
            return function(*inputs, **options)

    return call


class attribute_errors:  # noqa: N801 - a context manager, read as a verb
    """Turn what a user's code raises into a CustomLossError; what lossctl says itself passes."""

    def __init__(self, origin: CodeOrigin) -> None:
        self.origin = origin

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Say whose error it is."""
        if error is None or isinstance(error, LossctlError | MemoryError | BrokenPipeError):
            return
        if isinstance(error, Exception | SystemExit):
            raise CustomLossError(_describe(error, self.origin), owner_hint(self.origin)) from error


@contextlib.contextmanager
def loading(origin: CodeOrigin) -> Iterator[None]:
    """Attribute errors of what runs when user's code is loaded; what it prints is no result."""
    with attribute_errors(origin), contextlib.redirect_stdout(sys.stderr):
        yield


def owner_hint(origin: CodeOrigin) -> Sentence:
    """Say who can fix it."""
    said = "This is in {owner}, not in lossctl. {debug} shows the traceback."
    return Sentence.of(said, OptionName("debug"), owner=origin.owner)


def _describe(error: BaseException, origin: CodeOrigin) -> str:
    """Say what was raised, and at which of their lines."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
        if error.filename:
            return f"{show_place(error.filename, error.lineno or 0, '')}: {said}"
    place = ""
    for frame, line in _list_frames(error.__traceback__):
        code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
        if origin.owns(module, code.co_filename):
            function = "" if code.co_name == "<module>" else code.co_name
            place = show_place(code.co_filename, line, function)
            source = linecache.getline(code.co_filename, line).strip()
            shown = f"\n    {source}" if source else ""
    if not place and origin.file:
        return f"{_show_file(origin.file)}: {said}"
    return f"{place}: {said}{shown}" if place else said


def _list_frames(traceback: TracebackType | None) -> Iterator[tuple[Any, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def show_place(file: str, line: int, function: str) -> str:
    """Return a place in code as a person reads it."""
    return f"{_show_file(file)}, line {line}" + (f", in {function}" if function else "")


def _show_file(file: str) -> str:
    """Return the path from here, if the file is below here."""
    try:
        near = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if near.startswith("..") or file.startswith("<") else near
