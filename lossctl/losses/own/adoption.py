"""Losses declared outside of lossctl: whose they are, whether they hold, whose fault an error is.

Nothing of a user is registered: a loss in a file, a package or a session is a loss of its own,
whatever the losses of lossctl are called. What it says wrongly, and what goes wrong inside of it
later, is answered as its own with the file and the line.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import FunctionType, TracebackType
from typing import Any

import numpy as np

from lossctl.errors import LossctlError, OwnLossError
from lossctl.losses.declaration import FACTS, Loss, Option
from lossctl.losses.inputs import Form, Input
from lossctl.losses.terms import Scan, Terms, Transform

LOADED = "_lossctl_own_"
"""How the names of the modules begin that are made for files of users."""

NAME = re.compile(r"[A-Za-z_]\w*")
RESERVED = frozenset(
    "loss inputs reduction sample_weight mask class_axis squeeze nan dtype threads part save_state"
    " progress format output limit precision debug help".split()
)
"""What every computation takes already: no input or option of a loss can be called so."""

DIGITS = "biuf"
"""Kinds of dtypes that can be losses."""


@dataclass(frozen=True, slots=True)
class Home:
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

    def owns(self, module: str, file: str) -> bool:
        """Whether code is of the same package, or of a file beside this one."""
        if module.partition(".")[0] == self.module.partition(".")[0]:
            return True
        return self.file is not None and Path(file).parent == Path(self.file).parent


def adopt(loss: Loss) -> Loss:
    """Take a user's loss: check what it declares, name it, and answer for its errors.

    Raises OwnLossError (a UsageError) with the file and line of the declaration.
    """
    kernel = loss.kernel
    if not isinstance(kernel, FunctionType):
        raise TypeError(f"@loss(...) stands before a function, but {kernel!r} is none")
    home = Home(kernel.__module__, inspect.unwrap(kernel).__globals__.get("__file__"))
    for objection in _object(loss):
        code = kernel.__code__
        place = _show_place(code.co_filename, code.co_firstlineno, "")
        raise OwnLossError(f"{place}: the loss {loss.key!r} {objection}", _say_whose(home))
    loss.key, loss.library = home.qualify(loss.key), home.label
    loss.home = home
    for field in fields(loss):
        value = getattr(loss, field.name)
        if isinstance(value, FunctionType):
            setattr(loss, field.name, guard(value, home))
        elif isinstance(value, Transform | Scan):
            setattr(loss, field.name, _guard_parts(value, home))
    loss.kernel = _check_returns(loss, loss.kernel, home)
    return loss


def guard(function: Callable[..., Any], home: Home) -> Callable[..., Any]:
    """Return a function of a user's whose errors are told as theirs, with their line."""

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> Any:
        with blaming(home):
            return function(*inputs, **options)

    return call


def _guard_parts(value: Any, home: Home) -> Any:
    parts = {field.name: getattr(value, field.name) for field in fields(value)}
    own = {name: one for name, one in parts.items() if isinstance(one, FunctionType)}
    return replace(value, **{name: guard(one, home) for name, one in own.items()})


class blaming:  # noqa: N801 - read as a word: with blaming(home)
    """Turn what user's code raises into an OwnLossError; what lossctl says itself passes."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        """Say whose error it is."""
        if error is None or isinstance(error, LossctlError | MemoryError | BrokenPipeError):
            return
        if isinstance(error, Exception | SystemExit):
            raise OwnLossError(_tell(error, self.home), _say_whose(self.home)) from error


def _say_whose(home: Home) -> str:
    return f"This is in {home.owner}, not in lossctl. --debug shows the traceback."


def _tell(error: BaseException, home: Home) -> str:
    """Say what was raised, and at which of their lines."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
        if error.filename:
            return f"{_show_place(error.filename, error.lineno or 0, '')}: {said}"
    place = ""
    for frame, line in _walk(error.__traceback__):
        code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
        if home.owns(module, code.co_filename):
            function = "" if code.co_name == "<module>" else code.co_name
            place = _show_place(code.co_filename, line, function)
            source = linecache.getline(code.co_filename, line).strip()
            shown = f"\n    {source}" if source else ""
    if not place and home.file:
        return f"{_show_file(home.file)}: {said}"
    return f"{place}: {said}{shown}" if place else said


def _walk(traceback: TracebackType | None) -> Iterator[tuple[Any, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _show_place(file: str, line: int, function: str) -> str:
    return f"{_show_file(file)}, line {line}" + (f", in {function}" if function else "")


def _show_file(file: str) -> str:
    """Return the path from here, if the file is below here."""
    try:
        near = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if near.startswith("..") or file.startswith("<") else near


def _object(loss: Loss) -> Iterator[str]:
    """Yield what is wrong with a declaration."""
    if not isinstance(loss.key, str) or not NAME.fullmatch(loss.key):
        yield f"needs a name of letters, digits and _, not {loss.key!r}"
    if loss.library != "torch":
        yield f"says library={loss.library!r}; the library of your own loss is its file"
    for one in loss.inputs:
        if not isinstance(one, Input):
            yield f"has an input that is none: {one!r}; say real('input', '*') and the like"
            return
        if not one.forms:
            yield f"does not say the shape of {one.name!r}; '*' is any shape"
    if not loss.inputs:
        yield "has no inputs"
    yield from _object_to_signature(loss)
    for fact in loss.facts:
        if fact not in FACTS:
            yield f"says {fact!r}, which is none of the facts {', '.join(FACTS)}"


def _object_to_signature(loss: Loss) -> Iterator[str]:
    """Compare the signature of the kernel with what is declared."""
    parameters = inspect.signature(loss.kernel).parameters.values()
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    declared = [one.name for one in loss.inputs]
    for name in [*declared, *(one.name for one in loss.parameters)]:
        if name in RESERVED:
            yield f"calls an input or an option {name!r}, which every loss has already; rename it"
    if taken != declared:
        yield (
            f"declares the inputs {', '.join(declared)}, but its function takes"
            f" {', '.join(taken) or 'none'} (options stand behind a *)"
        )
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        yield "takes *args or **kwargs: name each input, and each option behind a *"
        return
    for one in loss.parameters:
        if one.default is inspect.Parameter.empty:
            yield f"has an option without a default: {one.name}"
        elif not isinstance(one.option, Option):
            yield f"annotates {one.name} with {one.option!r}; say Annotated[float, Option('help')]"
        elif not one.tensor and one.type not in (int, float, bool, str):
            kind = one.type.__name__
            yield f"has an option {one.name} of type {kind}; int, float, bool and str are known"
        elif one.default is None and not (one.tensor or one.optional):
            yield f"has an option {one.name} whose default is None; say {one.type.__name__} | None"
        elif one.default is not None and not one.tensor and one.option.objection(one.default):
            yield f"has a default out of bounds: {one.name} {one.option.objection(one.default)}"


def _check_returns(loss: Loss, kernel: Callable[..., Any], home: Home) -> Callable[..., Any]:
    """Return the kernel with read-only inputs and a check of what it returns."""

    @functools.wraps(kernel)
    def call(*inputs: Any, **options: Any) -> Any:
        views = [one.view() for one in inputs]
        for one in views:
            one.flags.writeable = False
        returned = kernel(*views, **options)
        objection = _object_to_returned(loss, views, returned)
        if objection:
            code = inspect.unwrap(kernel).__code__
            place = _show_place(code.co_filename, code.co_firstlineno, code.co_name)
            raise OwnLossError(f"{place}: {objection}", _say_whose(home))
        return returned

    return call


def _object_to_returned(loss: Loss, inputs: list[Any], returned: Any) -> str | None:
    """Say what is wrong with what a kernel returned, or return None."""
    losses: Any = returned.losses if isinstance(returned, Terms) else returned
    if losses is None and isinstance(returned, Terms) and returned.sums:
        return None
    rule = "a kernel returns the loss of each element as an array, and never reduces"
    if np.ndim(losses) == 0 and not isinstance(losses, np.ndarray):
        return f"it returned {losses!r}, but {rule}"
    if not isinstance(losses, np.ndarray) or losses.dtype.kind not in DIGITS:
        what = losses.dtype if isinstance(losses, np.ndarray) else f"a {type(losses).__name__}"
        return f"it returned {what}, but {rule}"
    wanted = _expected_shapes(loss, inputs)
    if wanted and losses.shape not in wanted:
        shapes = ", ".join(str(one.shape) for one in inputs)
        expected = " or ".join(map(str, wanted))
        axes = " or ".join(
            dict.fromkeys(f"({' '.join(loss.result_axes(at))})" for at in range(loss.form_count))
        )
        return (
            f"for inputs of shape {shapes} it returned losses of shape {losses.shape}, but"
            f" {expected} is declared: {axes}; results=... says otherwise"
        )
    if isinstance(returned, Terms):
        for name in ("weights", "ignored", "clamped", "mean_losses"):
            part = getattr(returned, name)
            if part is not None and np.shape(part) != losses.shape:
                return f"its losses have shape {losses.shape}, but its {name} {np.shape(part)}"
    return None


def _expected_shapes(loss: Loss, inputs: list[Any]) -> list[tuple[int, ...]]:
    """Return the shapes that the losses of a block may have, by the forms that its inputs fit."""
    found = []
    for number in range(loss.form_count):
        sizes: dict[str, tuple[int, ...]] = {}
        forms = [one.form(number) for one in loss.inputs]
        fits = [
            declared.fits
            or _bind(form, block.shape, sizes, shared="N" not in declared.form(0).axes)
            for declared, form, block in zip(loss.inputs, forms, inputs, strict=True)
        ]
        words = loss.result_axes(number)
        if all(fits):
            rows = () if "N" in words else sizes.get("N", (1,))  # a single sample has the axis too
            shape = [size for word in words for size in sizes.get(word, (1,))]
            found.append((*rows, *shape))
    return list(dict.fromkeys(found))


def _bind(
    form: Form, shape: tuple[int, ...], sizes: dict[str, tuple[int, ...]], *, shared: bool
) -> bool:
    """Bind the words of a form to the block in the kernel's view, samples first."""
    words = [word for word in form.axes if word not in ("N", "1")]
    words = words if shared else ["N", *words]
    further = len(shape) - len(words) + ("*D" in words)
    if further < 0 or (further and "*D" not in words):
        return False
    rest = list(shape)
    for word in words:
        count = further if word == "*D" else 1
        size, rest = tuple(rest[:count]), rest[count:]
        if word.isdigit() and size != (int(word),):
            return False
        if sizes.setdefault(word, size) != size:
            return False
    return True
