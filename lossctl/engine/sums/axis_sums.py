"""Named sums over all blocks, for losses computed from them: how they merge and finish."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.exact_sum import ExactSum, Sums
from lossctl.losses.core.declaration import Loss

Array = NDArray[Any]


def finalize_sums(loss: Loss, sums: Sums, options: dict[str, Any], shape: tuple[int, ...]) -> Array:
    """Return the losses computed from the sums over all blocks."""
    totals: dict[str, Any] = {
        name: np.array([one.value for one in parts]).reshape(shape) for name, parts in sums.items()
    }
    if not shape:
        totals = {name: float(total) for name, total in totals.items()}
    assert loss.finalize is not None
    with np.errstate(all="ignore"):
        return np.asarray(loss.finalize(totals, options), dtype=np.float64)


def merge_sums(into: Sums, other: Sums) -> None:
    """Add the sums of other blocks."""
    for name, parts in other.items():
        if name not in into:
            into[name] = [ExactSum() for _ in parts]
        for mine, theirs in zip(into[name], parts, strict=True):
            mine.merge(theirs)
