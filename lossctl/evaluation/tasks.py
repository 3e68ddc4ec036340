"""A loss of one model: the columns of its inputs, and how its sums over rows become a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.errors import UsageError
from lossctl.evaluation.request.specs import LossSpec
from lossctl.losses.core.declaration import Loss


@dataclass(frozen=True)
class Task:
    """A loss of one model, with the sources of its inputs in the order of the declaration."""

    model: str
    spec: LossSpec
    options: dict[str, Any]
    inputs: tuple[Any, ...]
    """Keys of columns, or arrays that all rows share."""
    sample_weight: Any = None
    mask: Any = None

    @property
    def gathered(self) -> bool:
        """Whether the loss is made of sums over rows, and is not a mean of the losses of rows."""
        return is_gathered(self.spec.loss, self.options)

    @property
    def columns(self) -> list[Any]:
        """The keys of the columns that it takes."""
        keys = [one for one in self.inputs if not isinstance(one, np.ndarray)]
        return keys + [one for one in (self.sample_weight, self.mask) if one is not None]

    def finish(self, sums: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the losses that sums make: one for each row of the sums."""
        assert self.spec.loss.finalize is not None
        with np.errstate(all="ignore"):
            losses = np.asarray(self.spec.loss.finalize(sums, self.options))
        empty = sums[COUNT].sum(axis=1) == 0
        return np.where(empty, np.nan, losses.mean(axis=1))


def is_gathered(loss: Loss, options: Mapping[str, Any]) -> bool:
    """Whether a loss is made of named sums over rows."""
    if loss.finalize is None or loss.reduce_axes == "last":
        return False
    axes = None if loss.reduce_axes in ("", "all") else options[loss.reduce_axes]
    return axes is None or 0 in axes


def reject_whole_losses(specs: Sequence[LossSpec]) -> None:
    """Raise UsageError for losses that compare rows with each other: no row has its own."""
    for spec in specs:
        if spec.loss.needs_all_samples:
            raise UsageError(
                f"{spec.name} compares all rows with each other, and has no loss per row",
                f"lossctl compute {spec.loss.key} gives its value over a whole file.",
            )
