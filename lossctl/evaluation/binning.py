"""Where numbers are cut into bins: found in a pass of its own, before the losses are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError
from lossctl.evaluation.dataset import Asked
from lossctl.evaluation.groups import (
    Bins,
    Categories,
    Coded,
    Grouping,
    cut_by_quantiles,
    cut_evenly,
)
from lossctl.evaluation.reading import Reader, Recipe
from lossctl.evaluation.specs import Axis, BySpec

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
        Grouping(spec.names, [found.get(axis.name) or Categories() for axis in spec.axes])
        for spec in by
    ]


def asked_by(asked: Mapping[Any, Asked], number: int, place: int) -> Asked:
    """Return what was asked for an axis."""
    return asked["by", number, place]


def _find_bins(bins: Mapping[str, tuple[Axis, Asked]], recipe: Recipe) -> dict[str, Bins]:
    """Read the columns once, and cut them: exactly, whatever the order of the rows."""
    values: dict[str, list[Floats]] = {name: [] for name in bins}
    low = dict.fromkeys(bins, np.inf)
    high = dict.fromkeys(bins, -np.inf)
    for chunk in Reader(recipe, {name: asked for name, (_, asked) in bins.items()}):
        for name, (axis, _) in bins.items():
            numbers = _check(name, chunk.columns[name])
            if axis.quantiles:
                values[name].append(numbers[~np.isnan(numbers)])
                continue
            finite = numbers[np.isfinite(numbers)]
            low[name] = min(low[name], float(finite.min(initial=np.inf)))
            high[name] = max(high[name], float(finite.max(initial=-np.inf)))
    return {
        name: cut_by_quantiles(np.concatenate(values.pop(name)), axis.bins)
        if axis.quantiles
        else cut_evenly(low[name], high[name], axis.bins)
        for name, (axis, _) in bins.items()
    }


def _check(name: str, column: Any) -> Floats:
    numbers = np.asarray(column, np.float64)
    if numbers.ndim != 1:
        raise DataError(f"{name} has {numbers.ndim} axes, but bins are cut out of one number a row")
    return numbers
