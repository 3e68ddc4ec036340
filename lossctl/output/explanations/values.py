"""The values of steps as people read them: numbers, the most relevant vector entries, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.output.text.wording import format_amount, format_number

if TYPE_CHECKING:
    from lossctl.losses.core.steps import Step

Array = NDArray[Any]

SHOWN = 4
"""Most entries of a vector that are shown; of a longer one, one fewer and a count."""

LABEL_WIDTH = 24
LABEL_LINES = 4


def write_step(step: Step, precision: int, names: Sequence[str], between: str) -> str:
    """Return the value of a step, its lines joined by ``between``."""
    lines = format_step(step, precision, names)
    if between != "\n":  # numbers on one line are not aligned
        lines = [" ".join(line.split()) for line in lines]
    return between.join(lines)


def format_step(step: Step, precision: int, names: Sequence[str] = ()) -> list[str]:
    """Return the lines that show the value of a step; ``names`` are the names of the classes.

    A long vector is shortened to the marked entry and the largest others, a sequence of labels
    to its runs.
    """
    value = step.value
    if isinstance(value, str) or value is None:
        return [value or ""]
    array = np.asarray(value)
    if array.ndim == 0:
        shown = _format_number(array.item(), precision)
        named = step.key == "target" and isinstance(value, int) and 0 <= value < len(names)
        return [f"{shown}: {names[value]}" if named else shown]
    if array.ndim > 1 or array.size == 0:
        return [f"{' × '.join(map(str, array.shape))} numbers" if array.size else "none"]
    if array.dtype.kind in "iu":
        return _format_labels(array)
    labels: Sequence[Any] = step.places or range(len(array))
    if len(names) == len(array):
        labels = names
    return list(_format_vector(array, precision, labels, step.mark))


def _format_number(value: Any, precision: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return format_amount(value, precision) if np.isfinite(value) else format_number(value, 1)


def _format_vector(
    array: Array, precision: int, labels: Sequence[Any], mark: int | None
) -> Iterator[str]:
    """Yield the most relevant entries, each with its label: an index or the name of a class."""
    places = list(range(len(array)))
    if len(array) > SHOWN:
        places = _choose(array, mark)
    shown = [_format_number(array[place].item(), precision) for place in places]
    width = max(map(len, shown))
    for place, number in zip(places, shown, strict=True):
        yield f"{labels[place]}: {number:>{width}}"
    if len(places) < len(array):
        yield f"… {len(array) - len(places)} more"


def _choose(array: Array, mark: int | None) -> list[int]:
    """Return the positions of the marked entry and of the largest others."""
    size = array if mark is not None else np.abs(array.astype(np.float64))
    ranked = np.where(np.isnan(size), np.inf, size)
    order = [int(place) for place in np.argsort(-ranked, kind="stable")[:SHOWN]]
    first = [] if mark is None else [mark]
    return [*first, *(place for place in order if place != mark)][: SHOWN - 1]


def _format_labels(array: Array) -> list[str]:
    """Return a sequence of integers, with the length of each run."""
    runs = [(label, len(list(run))) for label, run in groupby(array.tolist())]
    words = [str(label) if count == 1 else f"{label}×{count}" for label, count in runs]
    lines = wrap(" ".join(words), LABEL_WIDTH)
    if len(lines) <= LABEL_LINES:
        return lines
    return [*lines[: LABEL_LINES - 1], f"… {len(array)} in total"]
