"""Questions to whole inputs, answered before the work, so that no answer depends on the cutting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lossctl.data import is_live, open_sources
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import ReplayedSource
from lossctl.engine.plan.blocks import plan_cutting
from lossctl.losses.core.declaration import InputPredicate, Loss


def answer(scan: InputPredicate, source: Source) -> bool:
    """Say whether it is so in all of a source; reading ends where the question is settled.

    A :class:`ReplayedSource` keeps the rows that were read.
    """
    for region in plan_cutting(math.prod(source.trailing), ()).regions(source.length):
        count = region.stop - region.start
        if isinstance(source, ReplayedSource):
            values = source.take(count)
        else:
            values = source.read(region.start, region.stop)
            source.release(region.start)
        if not scan.holds(values):
            return False
        if len(values) < count:
            break
    return True


def ask(loss: Loss, references: Sequence[Any], sources: list[Source]) -> dict[str, bool]:
    """Answer the question that a loss has to a whole input.

    A file is read for it by itself; what can be read only once is kept as far as it was read.
    """
    if loss.predicate is None:
        return {}
    place = next(n for n, one in enumerate(loss.inputs) if one.name == loss.predicate.input)
    if is_live(references[place]):
        sources[place] = kept = ReplayedSource(sources[place])
        return {loss.predicate.name: answer(loss.predicate, kept)}
    (source,) = open_sources([references[place]])
    try:
        return {loss.predicate.name: answer(loss.predicate, source)}
    finally:
        source.close()
