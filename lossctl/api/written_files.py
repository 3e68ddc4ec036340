"""Files to write are checked before any work: none is one that is read, or written twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from lossctl.data import reject_overwriting
from lossctl.losses.core.declaration import Loss


def check_written(
    paths: Iterable[str | PathLike[str] | None],
    loss: Loss | None,
    inputs: Iterable[Any],
    options: Mapping[str, Any],
) -> None:
    """Raise OverwriteError if a file to write is one that the call of a loss reads.

    ``options`` are those of the loss and of the computation; a path that is None is not a file.
    """
    written = [path for path in paths if path is not None]
    if written:
        origin = None if loss is None else loss.origin
        reject_overwriting(written, [None if origin is None else origin.file, *inputs, options])


def check_merged(
    paths: Iterable[str | PathLike[str] | None], states: Sequence[str | PathLike[str]]
) -> None:
    """Raise OverwriteError if a file to write is one of the states, or is written twice."""
    from lossctl.engine.sums.merge import find_states

    written = [path for path in paths if path is not None]
    if written:
        reject_overwriting(written, find_states(states))
