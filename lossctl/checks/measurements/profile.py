"""What one input holds: ranges, NaN and infinity, constant columns, and how its rows add up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import View, find_class_axis, find_rows, flatten
from lossctl.data.rules.kinds import SUM_TOLERANCE
from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.blocks import Region
from lossctl.kinds import Kind

Array = NDArray[Any]

MOST_COLUMNS = 65_536
"""The most columns that are measured one by one."""

SAMPLE = 512
"""Numbers that are examined before all of them are."""

FAR_BELOW, FAR_ABOVE = -0.5, 1.5
"""Beyond these, numbers are not just badly rounded probabilities."""

LARGEST_HALF = 65_504.0
HALF_TOLERANCE = 1e-2
MOSTLY = 0.5
"""A class with more than this share is the one that a model is sure of."""


@dataclass(slots=True)
class RowSums:
    """How rows add up over the classes."""

    rows: int = 0
    simplex: int = 0
    """Rows in [0, 1] that sum to 1."""
    log_simplex: int = 0
    """Rows whose exponentials sum to 1."""
    elsewhere: int = 0
    """Rows that sum to 1, or whose exponentials do, over the last axis instead."""
    elsewhere_rows: int = 0
    soft: int = 0
    """Rows that are the softmax of rows in [0, 1] which sum to 1."""
    sharp: int = 0
    """Those among them where one of these is above a half."""

    def merge(self, other: RowSums) -> None:
        """Add the counts of other rows."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def are_probabilities(self) -> bool:
        """Whether all rows are probabilities of the classes."""
        return self.rows > 0 and self.simplex == self.rows

    @property
    def are_logs(self) -> bool:
        """Whether all rows are logarithms of probabilities of the classes."""
        return self.rows > 0 and self.log_simplex == self.rows


@dataclass(slots=True)
class Measures:
    """Measures of some numbers of an input."""

    count: int = 0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    zeros: int = 0
    nan: int = 0
    infinite: int = 0
    halves: int = 0
    """Numbers at the largest of half precision."""
    above: int = 0
    """Numbers above 0."""
    outside: int = 0
    """Numbers outside [0, 1]."""
    whole: bool = True
    lows: Array | None = None
    highs: Array | None = None
    sums: RowSums = field(default_factory=RowSums)

    def merge(self, other: Measures) -> None:
        """Add what other numbers are, that follow these."""
        if not other.count:
            return
        if not self.count:
            self.lows, self.highs = other.lows, other.highs
        elif self.lows is None or self.highs is None or other.lows is None or other.highs is None:
            self.lows = self.highs = None
        else:
            np.fmin(self.lows, other.lows, out=self.lows)
            np.fmax(self.highs, other.highs, out=self.highs)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        for name in ("count", "total", "zeros", "nan", "infinite", "halves", "above", "outside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.whole = self.whole and other.whole
        self.sums.merge(other.sums)

    def within(self, low: float, high: float) -> bool:
        """Whether there are finite numbers, and all of these lie there."""
        return self.finite > 0 and self.low >= low and self.high <= high

    @property
    def finite(self) -> int:
        """How many are finite."""
        return self.count - self.nan - self.infinite

    @property
    def mean(self) -> float | None:
        """The mean of the finite numbers."""
        return self.total / self.finite if self.finite else None

    @property
    def far_outside(self) -> bool:
        """Whether numbers are so far outside [0, 1] that they are no probabilities."""
        return self.finite > 0 and (self.low < FAR_BELOW or self.high > FAR_ABOVE)

    @property
    def are_bits(self) -> bool:
        """Whether all numbers are 0 or 1, and both occur."""
        return self.whole and self.within(0, 1) and self.low < self.high

    @property
    def are_signs(self) -> bool:
        """Whether all numbers are -1 or +1, and both occur."""
        return self.whole and self.within(-1, 1) and self.low < self.high and not self.zeros


class Profile:
    """The measures of one input over all blocks."""

    def __init__(self, number: int, bound: BoundInput) -> None:
        self.number = number
        self.bound = bound
        self.measures = Measures()
        self.rows = 0

    def measure(self, view: View) -> tuple[Measures, int]:
        """Measure a block."""
        values = view.inputs[self.number]
        if not self._is_new(view.region):
            return Measures(), 0
        if view.mask is not None and self.bound.batched and not self.bound.shared:
            rows = find_rows(view.mask, view.region, len(values)) - view.region.start
            values = values[rows] if 0 not in self.bound.fixed else values
        found = measure(values, columns=not view.region.partial)
        axis = find_sum_axis(self.bound, values.ndim)
        fractions = values.dtype.kind == "f" or self.number > 0  # one-hot rows may be integers
        if axis is not None and fractions and not found.nan:
            whole = not view.region.partial or "C" in self.bound.axes
            if whole and values.size:
                found.sums = measure_sums(values, axis, found)
                if find_class_axis(self.bound) is None and values.ndim > 2:
                    # Any axis may be that of the classes where the loss does not say which.
                    other = measure_sums(values, 1, found)
                    if other.simplex + other.log_simplex == other.rows:
                        found.sums = other
        return found, len(values)

    def _is_new(self, region: Region) -> bool:
        """Whether a block has numbers of this input that no block before had."""
        bound = self.bound
        first = not region.start and not any(cut.start for cut in region.trailing)
        if bound.shared or 0 in bound.fixed:
            return first
        return first or "*" in bound.axes or not any(cut.start for cut in region.trailing)

    def add(self, piece: tuple[Measures, int]) -> None:
        """Add the measures of a block."""
        self.measures.merge(piece[0])
        self.rows += piece[1]

    @property
    def samples(self) -> int:
        """How many samples there are; one that was read in parts counts once."""
        return self.measures.count // self.columns if self.columns else self.rows

    @property
    def columns(self) -> int:
        """How many numbers a sample has."""
        return math.prod(self.bound.source.trailing)

    def find_constant(self) -> Array:
        """Return the columns that hold one finite number only."""
        found = self.measures
        if found.lows is None or found.highs is None:
            return np.empty(0, np.intp)
        return np.flatnonzero((found.lows == found.highs) & np.isfinite(found.lows))


def find_sum_axis(bound: BoundInput, rank: int) -> int | None:
    """Return the axis over which probabilities of classes would sum to 1."""
    if rank < 2:
        return None
    axis = find_class_axis(bound)
    if axis is not None:
        return axis
    spread = bound.kind in (Kind.DENSITY, Kind.LOG_PROBABILITY, Kind.DISTRIBUTION)
    return rank - 1 if spread and bound.source.shape[-1] != 1 else None


def measure(values: Array, *, columns: bool = True) -> Measures:
    """Measure some numbers, column by column unless they are parts of samples."""
    found = Measures(count=values.size)
    if not values.size:
        found.whole = True
        return found
    rows = flatten(values)
    if columns and rows.shape[1] <= MOST_COLUMNS:
        found.lows, found.highs = (one.astype(np.float64) for one in _find_ends(rows))
        found.low, found.high = float(found.lows.min()), float(found.highs.max())
    else:
        found.low, found.high = float(values.min()), float(values.max())
    floating = values.dtype.kind == "f"
    finite = values
    if floating and not (math.isfinite(found.low) and math.isfinite(found.high)):
        finite = _measure_odd(values, rows, found)
    if finite.size:
        found.total = float(finite.sum(dtype=np.float64))
        found.above = int(np.count_nonzero(finite > 0)) if found.high > 0 else 0
        if found.low < 0 or found.high > 1:
            found.outside = int(np.count_nonzero((finite < 0) | (finite > 1)))
        if abs(found.high) == LARGEST_HALF or abs(found.low) == LARGEST_HALF:
            found.halves = int(np.count_nonzero(np.abs(finite) == LARGEST_HALF))
    found.zeros = values.size - int(np.count_nonzero(values))
    found.whole = not floating or _are_whole(finite)
    return found


def _find_ends(rows: Array) -> tuple[Array, Array]:
    """Return the least and the largest number of each column."""
    if rows.shape[1] == 1:
        flat = rows[:, 0]
        return np.array([flat.min()]), np.array([flat.max()])
    return rows.min(axis=0), rows.max(axis=0)


def _measure_odd(values: Array, rows: Array, found: Measures) -> Array:
    """Count NaN and infinity, and return the other numbers."""
    missing, endless = np.isnan(values), np.isinf(values)
    found.nan, found.infinite = int(missing.sum()), int(endless.sum())
    finite: Array = values[~(missing | endless)]
    found.low = float(finite.min()) if finite.size else math.inf
    found.high = float(finite.max()) if finite.size else -math.inf
    if found.lows is not None and found.nan:
        found.lows = np.fmin.reduce(rows, axis=0).astype(np.float64)
        found.highs = np.fmax.reduce(rows, axis=0).astype(np.float64)
    return finite


def _are_whole(values: Array) -> bool:
    some = values.reshape(-1)[:SAMPLE]
    return bool(np.all(some == np.floor(some)) and np.all(values == np.floor(values)))


def measure_sums(values: Array, axis: int, found: Measures) -> RowSums:
    """Say how rows add up over an axis; what is far from probabilities costs nothing."""
    half = values.dtype.itemsize == np.dtype(np.float16).itemsize
    tolerance = HALF_TOLERANCE if half else SUM_TOLERANCE
    classes = values.shape[axis]
    sums = RowSums(rows=values.size // classes if classes else 0)
    if not values.size:
        return sums
    if found.low >= 0 and found.high <= 1 + tolerance:
        shares = values
    elif found.high <= tolerance:
        shares = np.exp(values, dtype=np.float64)
    else:
        return sums
    whole = np.abs(shares.sum(axis=axis, dtype=np.float64) - 1) <= tolerance
    count = int(np.count_nonzero(whole))
    if shares is values:
        sums.simplex = count
    else:
        sums.log_simplex = count
    if count == sums.rows:
        _measure_softness(shares, axis, sums)
    elif values.ndim > 2 and axis != values.ndim - 1:
        last = np.abs(shares.sum(axis=-1, dtype=np.float64) - 1) <= tolerance
        sums.elsewhere, sums.elsewhere_rows = int(np.count_nonzero(last)), last.size
    return sums


def _measure_softness(shares: Array, axis: int, sums: RowSums) -> None:
    """Count rows that are a softmax of probabilities: log p = q + a constant, with Σ q = 1."""
    classes = shares.shape[axis]
    bound = math.e / (math.e + classes - 1)
    if classes < 2 or float(shares.max()) > bound * (1 + SUM_TOLERANCE):
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(shares, dtype=np.float64)
        inner = logs - logs.mean(axis=axis, keepdims=True) + 1 / classes
    soft = inner.min(axis=axis) >= -SUM_TOLERANCE
    sums.soft = int(np.count_nonzero(soft))
    sums.sharp = int(np.count_nonzero(soft & (inner.max(axis=axis) > MOSTLY)))
