"""The result of a gradient: arrays or files, and their summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.sums.result import Result
from lossctl.errors import UsageError, did_you_mean

Array = NDArray[Any]

AGREEMENT = {"float64": 1e-6, "float32": 1e-3}
"""The largest relative difference at which gradients in this precision agree."""

SURE = 1e-3
"""The largest error, relative to the finite difference, at which there is a derivative."""


@dataclass(frozen=True, slots=True)
class GradientBlock:
    """A box of the gradient with respect to an input, and where it begins."""

    name: str
    start: tuple[int, ...]
    values: Array


@dataclass(frozen=True, slots=True)
class DerivativeComparison:
    """A declared derivative and the finite difference, with its error bound ``doubt``."""

    name: str
    place: tuple[int, ...]
    declared: float
    numerical: float
    doubt: float

    def relate(self, typical: float) -> float:
        """Return the relative difference beyond the error bound.

        It is relative to the larger of the two derivatives, or the typical one. NaN or infinity is
        infinitely wrong where the finite difference is reliable.
        """
        sizes = [abs(one) for one in (self.declared, self.numerical, typical)]
        size = max(one if math.isfinite(one) else 0.0 for one in sizes)
        if not math.isfinite(self.declared):
            return math.inf if self.doubt <= SURE * size else 0.0
        apart = abs(self.declared - self.numerical) - self.doubt
        return max(0.0, apart) / size if size else 0.0


@dataclass(slots=True)
class Agreement:
    """How declared derivatives compare with finite differences at sampled elements."""

    compared: int = 0
    kinks: int = 0
    """Elements at a kink or a clamp, where a derivative is a convention."""
    difference: float = 0.0
    """The absolute difference where the two differ most."""
    relative: float = 0.0
    """The part of it beyond the error of finite differences, relative to the larger of the two and
    to the typical size."""
    input: str = ""
    place: tuple[int, ...] = ()
    declared: float = 0.0
    numerical: float = 0.0
    found: list[DerivativeComparison] = field(default_factory=list)
    dtype: str = "float64"
    """The precision of the declared derivatives."""

    def merge(self, other: Agreement) -> None:
        """Add the comparisons of another block."""
        self.compared += other.compared
        self.kinks += other.kinks
        self.found += other.found

    def judge(self, sizes: Mapping[str, float]) -> None:
        """Find the largest difference; ``sizes`` are the typical sizes of the gradients."""

        def measure(one: DerivativeComparison) -> tuple[float, float]:
            return one.relate(sizes[one.name]), abs(one.declared - one.numerical)

        if not self.found:
            return
        worst = max(self.found, key=measure)
        self.relative, self.difference = measure(worst)
        self.input, self.place = worst.name, worst.place
        self.declared, self.numerical = worst.declared, worst.numerical

    @property
    def agrees(self) -> bool:
        """Whether the declared derivatives agree with the finite differences."""
        return self.relative <= AGREEMENT[self.dtype]


@dataclass(slots=True)
class Measure:
    """The summary of the gradient with respect to one input."""

    name: str
    shape: tuple[int, ...]
    elements: int = 0
    norm: float = 0.0
    largest: float = 0.0
    """The largest absolute value."""
    place: tuple[int, ...] = ()
    zeros: int = 0
    nan: int = 0
    infinite: int = 0

    @property
    def typical(self) -> float:
        """The root mean square."""
        return self.norm / math.sqrt(self.elements) if self.elements else 0.0

    @classmethod
    def of(cls, block: GradientBlock) -> Measure:
        """Measure a block of the gradient; NaN are counted, and left out of the norms."""
        values = block.values
        found = cls(block.name, values.shape, values.size)
        if not values.size:
            return found
        found.zeros = values.size - int(np.count_nonzero(values))
        size = np.abs(values)
        found.largest = float(size.max())
        if not math.isfinite(found.largest):
            missing = np.isnan(size)
            found.nan = int(np.count_nonzero(missing))
            found.infinite = int(np.count_nonzero(np.isinf(size)))
            size = np.where(missing, 0, size)
            found.largest = float(size.max())
        local = np.unravel_index(int(np.argmax(size)), size.shape)
        found.place = tuple(int(at) + first for at, first in zip(local, block.start, strict=True))
        found.norm = _measure_norm(size, found.largest)
        return found

    def merge(self, other: Measure) -> None:
        """Add the measures of another block, which follows this one."""
        if other.largest > self.largest or not self.elements:
            self.largest, self.place = other.largest, other.place
        self.elements += other.elements
        self.zeros += other.zeros
        self.nan += other.nan
        self.infinite += other.infinite
        self.norm = math.hypot(self.norm, other.norm)


@dataclass(slots=True)
class Gradient:
    """The gradient of a reduced loss with respect to the prediction inputs.

    ``arrays`` holds it by the names of the inputs, in their shapes; it is empty where the gradient
    was written to ``files``. ``result`` is the loss itself. ``measures`` has its norms.
    """

    result: Result
    measures: tuple[Measure, ...]
    arrays: dict[str, Array] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    numerical: bool = False
    """Whether it was computed by finite differences, because the loss declares none."""
    note: str = ""
    """Notes on the gradient of this loss."""
    agreement: Agreement | None = None
    """How it compares with finite differences, if requested."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the gradient if there is exactly one; raises UsageError otherwise."""
        names = [one.name for one in self.measures]
        if len(names) > 1:
            raise UsageError(
                f"the gradient is with respect to {len(names)} inputs ({', '.join(names)}), not one"
                " array",
                f"Select one of them, such as found[{names[0]!r}].",
            )
        return np.array(self[names[0]], dtype=dtype, copy=copy)

    def __getitem__(self, name: str) -> Array:
        """Return the gradient with respect to an input; UsageError if it is not in memory."""
        if name in self.arrays:
            return self.arrays[name]
        names = [one.name for one in self.measures]
        if name not in names:
            raise UsageError(
                f"there is no gradient with respect to {name!r}", did_you_mean(name, names)
            )
        if name in self.files:
            raise UsageError(
                f"the gradient with respect to {name} was written to {self.files[name]},"
                " and is not in memory",
                "Read it from there: lossctl.load_array.",
            )
        raise UsageError(
            f"the gradient with respect to {name} was measured, but not kept",
            "Compute it with keep=True.",
        )


def _measure_norm(size: Array, top: float) -> float:
    """Return the Euclidean norm; numbers whose squares leave the range are scaled first."""
    if not 0 < top < math.inf:
        return top
    if 1e-140 < top < 1e140:
        return math.sqrt(float(np.square(size, dtype=np.float64).sum()))
    return top * math.sqrt(float(np.square(size / top, dtype=np.float64).sum()))
