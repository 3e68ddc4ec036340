"""Predicates of complete inputs, evaluated first, so that they do not depend on the blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lossctl.data import is_streaming, open_sources
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import RewindableSource
from lossctl.engine.plan.blocks import plan_blocks
from lossctl.losses.core.declaration import InputPredicate, Loss


def evaluate_predicate(predicate: InputPredicate, source: Source) -> bool:
    """Return whether a predicate is true of all of a source; reading ends when that is known.

    A :class:`RewindableSource` keeps the rows that were read.
    """
    for region in plan_blocks(math.prod(source.trailing), ()).regions(source.length):
        count = region.stop - region.start
        if isinstance(source, RewindableSource):
            values = source.take(count)
        else:
            values = source.read(region.start, region.stop)
            source.release(region.start)
        if not predicate.holds(values):
            return False
        if len(values) < count:
            break
    return True


def evaluate_predicates(
    loss: Loss, references: Sequence[Any], sources: list[Source]
) -> dict[str, bool]:
    """Return the value of a loss's predicate, if it has one, for its complete input.

    A file is read separately for it; of a pipe, the rows that were read are kept.
    """
    if loss.predicate is None:
        return {}
    place = next(n for n, one in enumerate(loss.inputs) if one.name == loss.predicate.input)
    if is_streaming(references[place]):
        sources[place] = kept = RewindableSource(sources[place])
        return {loss.predicate.name: evaluate_predicate(loss.predicate, kept)}
    (source,) = open_sources([references[place]])
    try:
        return {loss.predicate.name: evaluate_predicate(loss.predicate, source)}
    finally:
        source.close()
