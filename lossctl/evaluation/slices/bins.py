"""The edges of bins, found in a separate pass before the losses are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError
from lossctl.evaluation.request.specs import Axis, BySpec
from lossctl.evaluation.rows.dataset import Asked
from lossctl.evaluation.rows.reader import Reader, Recipe
from lossctl.evaluation.slices.groups import (
    Bins,
    Categories,
    Coded,
    Grouping,
    cut_evenly,
)
from lossctl.evaluation.slices.quantiles import find_quantiles

Floats = NDArray[np.float64]


def make_groupings(
    by: Sequence[BySpec], asked: Mapping[Any, Asked], recipe: Recipe
) -> list[Grouping]:
    """Return the groupings; equal axes of several are one, and so are their bins."""
    found: dict[str, Coded] = {}
    bins = {
        axis.name: (axis, asked_by(asked, number, place))
        for number, spec in enumerate(by)
        for place, axis in enumerate(spec.axes)
        if axis.bins
    }
    if bins:
        found |= _find_bins(bins, recipe)
    return [
        Grouping(spec.names, [found.get(axis.name) or Categories(axis.name) for axis in spec.axes])
        for spec in by
    ]


def asked_by(asked: Mapping[Any, Asked], number: int, place: int) -> Asked:
    """Return what was asked for an axis."""
    return asked["by", number, place]


def _find_bins(bins: Mapping[str, tuple[Axis, Asked]], recipe: Recipe) -> dict[str, Bins]:
    """Read the columns, and cut them: exactly, whatever the order of the rows."""
    found = {}
    for name, (axis, asked) in bins.items():

        def read(name: str = name, asked: Asked = asked) -> Iterator[Floats]:
            for chunk in Reader(recipe, {name: asked}):
                yield _check(name, chunk.columns[name])

        if axis.quantiles:
            found[name] = Bins(find_quantiles(read, np.linspace(0, 1, axis.bins + 1)))
        else:
            found[name] = cut_evenly(*_find_ends(read()), axis.bins)
    return found


def _find_ends(pieces: Iterator[Floats]) -> tuple[float, float]:
    """Return the smallest and the largest finite number."""
    low, high = np.inf, -np.inf
    for numbers in pieces:
        finite = numbers[np.isfinite(numbers)]
        low = min(low, float(finite.min(initial=np.inf)))
        high = max(high, float(finite.max(initial=-np.inf)))
    return low, high


def _check(name: str, column: Any) -> Floats:
    numbers = np.asarray(column, np.float64)
    if numbers.ndim != 1:
        raise DataError(f"{name} has {numbers.ndim} axes, but bins need one number per row")
    return numbers
