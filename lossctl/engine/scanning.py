"""Questions to whole inputs, answered before the work, so that no answer depends on the cutting."""

from __future__ import annotations

from lossctl.data.source import Source
from lossctl.engine.blocks import plan_cutting
from lossctl.losses.declaration import Scan


def answer(scan: Scan, source: Source) -> bool:
    """Say whether it is so in all of a source; reading ends where the question is settled."""
    import math

    for region in plan_cutting(math.prod(source.trailing), ()).regions(source.length):
        values = source.read(region.start, region.stop)
        if not scan.holds(values):
            return False
        source.release(region.stop)
        if len(values) < region.stop - region.start:
            break
    return True
