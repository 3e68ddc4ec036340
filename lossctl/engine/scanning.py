"""Questions to whole inputs, answered before the work, so that no answer depends on the cutting."""

from __future__ import annotations

import math

from lossctl.data.replayed import ReplayedSource
from lossctl.data.source import Source
from lossctl.engine.blocks import plan_cutting
from lossctl.losses.declaration import Scan


def answer(scan: Scan, source: Source) -> bool:
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
