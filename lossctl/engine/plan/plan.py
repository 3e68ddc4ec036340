"""A plan: a loss, its inputs and options, and how the samples are cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import BlockPlan, Region
from lossctl.engine.plan.options import TensorOption
from lossctl.engine.plan.reduced_axes import AxisReduction
from lossctl.losses.core.declaration import Loss, Role

Array = NDArray[Any]

REDUCTIONS = (
    "none",
    "mean",
    "sum",
    "batchmean",
    "sum_over_batch_size",
    "mean_with_sample_weight",
)
NAN_POLICIES = ("propagate", "omit", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything besides the loss, its inputs and its options."""

    reduction: str = "mean"
    class_axis: int = 1
    squeeze: bool = False
    nan: str = "propagate"
    dtype: str = "float64"
    threads: int | None = None
    """None for as many as there are cores."""
    part: tuple[int, int] | None = None
    """Compute only the k-th of n parts of the blocks."""
    rows: bool = False
    """Keep the contribution of each sample, besides the sums."""


@dataclass(slots=True)
class Plan:
    """A computation, checked as far as shapes and options go, before any data are read."""

    loss: Loss
    inputs: tuple[BoundInput, ...]
    options: dict[str, Any]
    tensors: dict[str, TensorOption]
    settings: Settings
    sizes: dict[str, int | None]
    block_plan: BlockPlan
    axes: tuple[str, ...]
    """Axes of the per-element losses in the kernel's view."""
    shape: tuple[int | None, ...]
    """Shape of the per-element losses as the user sees them."""
    axis_reduction: AxisReduction | None = None
    """How the kernel's contributions become losses, if they are not losses yet."""
    predicates: dict[str, bool] = field(default_factory=dict)
    """The values of the predicates of complete inputs."""
    sample_weight: BoundInput | None = None
    mask: BoundInput | None = None
    notes: list[str] = field(default_factory=list)
    """Notes that do not depend on the data."""
    given: dict[str, str] = field(default_factory=dict)
    """Tensor-valued options as the user wrote them."""

    @property
    def samples(self) -> int | None:
        """The number of samples, or None where it is not known before the end."""
        return self.sizes["N"]

    @property
    def classes(self) -> int:
        """The number of classes; 1 where an input has no axis for them."""
        return self.sizes.get("C", 1) or 0

    @property
    def ignored_label(self) -> Any:
        """The ignored label; None if there is none."""
        return self.loss.read_role(Role.IGNORED_LABEL, self.options)

    @property
    def single(self) -> bool:
        """Whether many samples have one loss, known only at the end."""
        return self.axis_reduction is not None and self.axis_reduction.over_samples

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that the arithmetic is done in."""
        return np.dtype(self.settings.dtype)

    @property
    def averages(self) -> bool:
        """Whether the losses are divided by the sum of their denominators."""
        return self.settings.reduction in ("mean", "mean_with_sample_weight")

    @property
    def streams(self) -> tuple[BoundInput, ...]:
        """Everything that is read per region: inputs, weights, mask."""
        return (*self.inputs, *(one for one in (self.sample_weight, self.mask) if one))

    def regions(self) -> Iterator[Region]:
        """Yield the blocks; one empty block where there are no samples."""
        if self.settings.part is None:
            if self.samples == 0:
                return iter([Region(0, 0, self.block_plan.boxes[0])])
            return self.block_plan.regions(self.samples)
        assert self.samples is not None, "sources are measured before they are cut into parts"
        part, parts = self.settings.part
        count = self.block_plan.count(self.samples)
        first, last = count * (part - 1) // parts, count * part // parts
        for one in self.streams:
            if one.streamed:
                one.source.skip(first // len(self.block_plan.boxes) * self.block_plan.rows)
        return islice(self.block_plan.regions(self.samples, first), last - first)
