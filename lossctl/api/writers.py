"""The files that a call writes; the package registers the functions that write them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from os import PathLike
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import numpy as np

    from lossctl.engine.gradients.differentiation import GradientWriter
    from lossctl.engine.sums.result import Result

Path = str | PathLike[str]
_places: dict[str, str] = {}


def register_writers(**places: str) -> None:
    """Name the functions (as ``module:name``) that write; they are imported when called."""
    _places.update(places)


def find_writer(name: str) -> Callable[..., Any]:
    """Return a function that was registered."""
    module, _, function = _places[name].partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def open_text(path: Path) -> AbstractContextManager[TextIO]:
    """Open a text file, which appears complete or not at all."""
    opened: AbstractContextManager[TextIO] = find_writer("open_text")(path)
    return opened


def check_gradient(path: str) -> None:
    """Raise UsageError or FileError if a gradient cannot be written there."""
    find_writer("check_gradient")(path)


def open_gradient(
    paths: Sequence[str],
    shape: tuple[int, ...],
    given_shape: tuple[int, ...],
    dtype: np.dtype[Any],
    result: Result,
) -> AbstractContextManager[GradientWriter]:
    """Open files for the blocks of an array of ``shape``, which is stored as ``given_shape``."""
    opened: AbstractContextManager[GradientWriter] = find_writer("open_gradient")(
        paths, shape, given_shape, dtype, result
    )
    return opened


def check_rows(path: Path) -> None:
    """Raise UsageError if rows cannot be written there."""
    find_writer("check_rows")(path)


def open_rows(path: Path) -> AbstractContextManager[Callable[[dict[str, Any]], None]]:
    """Open a file for the losses of every row, in the format of its suffix."""
    opened: AbstractContextManager[Callable[[dict[str, Any]], None]] = find_writer("open_rows")(
        path
    )
    return opened
