"""Predicates of complete inputs, evaluated first, so that they do not depend on the blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data import is_streaming, open_sources
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import RewindableSource
from lossctl.engine.plan.blocks import plan_blocks
from lossctl.losses.core.declaration import InputPredicate, Loss


def evaluate_predicate(
    predicate: InputPredicate, source: Source, *, omits_missing: bool = False
) -> bool:
    """Return whether a predicate is true of all of a source; reading ends when that is known.

    Where what is missing is left out, it is true of the rest.

    A :class:`RewindableSource` keeps the rows that were read.
    """
    for region in plan_blocks(math.prod(source.trailing), ()).regions(source.length):
        count = region.stop - region.start
        if isinstance(source, RewindableSource):
            values = source.take(count)
        else:
            values = source.read(region.start, region.stop)
            source.release(region.start)
        if not holds(predicate, values, omits_missing=omits_missing):
            return False
        if len(values) < count:
            break
    return True


def holds(predicate: InputPredicate, values: NDArray[Any], *, omits_missing: bool) -> bool:
    """Return whether a predicate is true of numbers, or of those that are not missing."""
    if omits_missing and values.dtype.kind == "f":
        values = values[~np.isnan(values)]
    return predicate.holds(values)


def evaluate_predicates(
    loss: Loss, references: Sequence[Any], sources: list[Source], *, omits_missing: bool = False
) -> dict[str, bool]:
    """Return the value of a loss's predicate, if it has one, for its complete input.

    A file is read separately for it; of a pipe, the rows that were read are kept.
    """
    if loss.predicate is None:
        return {}
    place = next(n for n, one in enumerate(loss.inputs) if one.name == loss.predicate.input)
    name = loss.predicate.name
    if is_streaming(references[place]):
        sources[place] = kept = RewindableSource(sources[place])
        return {name: evaluate_predicate(loss.predicate, kept, omits_missing=omits_missing)}
    (source,) = open_sources([references[place]])
    try:
        return {name: evaluate_predicate(loss.predicate, source, omits_missing=omits_missing)}
    finally:
        source.close()
