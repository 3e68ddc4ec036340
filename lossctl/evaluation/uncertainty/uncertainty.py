"""The uncertainty of means and their differences: one scan over the rows, four methods.

The rows are cut at fixed places, and every sum is taken in their order: the results have the
same bits however the rows come in chunks, and whatever threads have computed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import UsageError, did_you_mean
from lossctl.evaluation.result import Interval
from lossctl.evaluation.uncertainty import bootstrap, clusters, jackknife
from lossctl.evaluation.uncertainty.ends import Doubt, Ends, Test, find_difference, find_intervals
from lossctl.evaluation.uncertainty.estimands import (
    Contrast,
    Estimand,
    Floats,
    Integers,
    Ratio,
    slope,
    transformed,
)
from lossctl.evaluation.uncertainty.keyed_sums import Entries, KeyedSums
from lossctl.evaluation.uncertainty.moments import Measured, Moments
from lossctl.evaluation.uncertainty.proportions import RowFacts
from lossctl.findings import OptionName, Sentence

__all__ = ["Contrast", "Method", "Ratio", "Spread", "Uncertainty"]

BLOCK = 65_536
RESAMPLED = 2**24
"""So many pairs of slice and bucket, or group, are kept."""

Name = Literal["normal", "bootstrap", "jackknife", "cluster", "wilson", "clopper-pearson"]
PROPORTIONS = ("wilson", "clopper-pearson")
"""Methods of rows that are 0 or 1."""
NAMES = {"normal": "t"}
"""What the intervals of a method are called, where that is not its name."""
TESTS = {Test.T: "t", Test.MCNEMAR: "mcnemar", Test.SIGN: "sign"}


NAME_CLUSTERS = Sentence.of("Name their column with {cluster_by}.", OptionName("cluster_by"))


@dataclass(frozen=True, slots=True)
class Method:
    """How intervals are made. Raises UsageError for values out of bounds."""

    name: Name = "normal"
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0
    groups: int = 100
    clustered: bool = False
    """Whether a method of proportions has clusters."""

    @property
    def errors_of(self) -> str:
        """The method that the standard errors are made by."""
        if self.name in PROPORTIONS:
            return "cluster" if self.clustered else "normal"
        return self.name

    def describe(self, ends: int) -> str:
        """Return what machine formats call intervals that were made so."""
        base = NAMES.get(self.errors_of, self.errors_of)
        if ends in (Ends.PROPORTION, Ends.PAIRED):
            exact = "clopper-pearson" if self.name == "clopper-pearson" else "wilson"
            named = "bonett-price" if ends == Ends.PAIRED else exact
            return named if base == "t" else f"{named}-{base}"
        return base + {Ends.SKEWED: "-skewed", Ends.BOUNDED: "-bounded"}.get(Ends(ends), "")

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise UsageError(
                Sentence.of(
                    "{ci_method}: there is no method {name!r}",
                    OptionName("ci_method"),
                    name=self.name,
                ),
                did_you_mean(self.name, get_args(Name)),
            )
        for option, value, sound, bounds in (
            ("ci", self.level, 0 < self.level < 1, "between 0 and 1, such as 0.95"),
            ("replicates", self.replicates, 20 <= self.replicates <= 100_000, "20 to 100,000"),
            ("seed", self.seed, 0 <= self.seed < 2**64, "an integer from 0 to 2**64 - 1"),
            ("groups", self.groups, 2 <= self.groups <= 65_536, "2 to 65,536"),
        ):
            if not sound:
                said = "{option} must be {bounds}, not {value!r}"
                values = {"option": OptionName(option), "bounds": bounds, "value": value}
                raise UsageError(Sentence(said, values))


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """An estimand in each slice, with its standard error and interval.

    ``p_values`` are two-sided, of the hypothesis that the estimand is 0; only a
    :class:`Contrast` has them. What is unknown (with fewer than two rows) is NaN.
    """

    method: Method
    values: Floats
    errors: Floats
    low: Floats
    high: Floats
    p_values: Floats | None = None
    ends: Integers | None = None
    """How each interval was made: :class:`~lossctl.evaluation.uncertainty.ends.Ends`."""
    tests: Integers | None = None
    doubtful: NDArray[np.bool_] | None = None
    """Where the rows are too skewed, or all the same, for an interval that holds."""

    def doubts(self, doubt: Doubt) -> NDArray[np.bool_]:
        """Return in which slices there is a reason to doubt the interval."""
        unknown = np.isnan(self.low) | np.isnan(self.high)
        if doubt == Doubt.NO_PROPORTION:
            known = self.ends is not None and self.method.name in PROPORTIONS
            return ~unknown & (self.ends != Ends.PROPORTION) if known else np.zeros_like(unknown)
        doubtful = np.zeros_like(unknown) if self.doubtful is None else self.doubtful
        return doubtful & (unknown if doubt == Doubt.SAME else ~unknown)

    def describe(self, slices: Integers) -> list[str | None]:
        """Return what the methods of the intervals of some slices are called."""
        ends = np.zeros(self.low.size, np.int64) if self.ends is None else self.ends
        names = {end: self.method.describe(end) for end in np.unique(ends[slices]).tolist()}
        known = ~(np.isnan(self.low[slices]) | np.isnan(self.high[slices]))
        pairs = zip(ends[slices].tolist(), known.tolist(), strict=True)
        return [names[end] if one else None for end, one in pairs]

    def test(self, slice: int = 0) -> str | None:
        """Return what the test is called that the p-value of a slice is of."""
        if self.tests is None or self.p_value(slice) is None:
            return None
        name = TESTS[Test(int(self.tests[slice]))]
        base = self.method.errors_of
        return name if base == "normal" or name != "t" else f"{name}-{base}"

    def interval(self, slice: int = 0) -> Interval | None:
        """Return the interval of a slice, or None if there is none."""
        low, high = float(self.low[slice]), float(self.high[slice])
        if np.isnan(low) or np.isnan(high):
            return None
        error = float(self.errors[slice])
        ends = Ends.METHOD if self.ends is None else int(self.ends[slice])
        return Interval(self.method.level, low, high, self.method.describe(ends), error)

    def limits(self, slices: Integers) -> tuple[list[Any], ...]:
        """Return the intervals of some slices: their limits and standard errors, or None."""
        ends = (self.low[slices], self.high[slices], self.errors[slices])
        unknown = np.isnan(ends[0]) | np.isnan(ends[1])
        shown = [one.astype(np.object_) for one in ends]
        for one in shown:
            one[unknown] = None
        return (*(one.tolist() for one in shown), self.describe(slices))

    def p_value(self, slice: int = 0) -> float | None:
        """Return the p-value of a slice, or None if there is none."""
        if self.p_values is None or np.isnan(self.p_values[slice]):
            return None
        return float(self.p_values[slice])


class Uncertainty:
    """Collects rows, and returns the estimands with their uncertainty, overall or in each slice.

    Rows come in order, in chunks of any size. ``bootstrap`` and ``jackknife`` resample clusters
    where clusters are given, rows otherwise.
    """

    def __init__(self, estimands: Sequence[Estimand], method: Method) -> None:
        self.estimands = tuple(estimands)
        self.method = method
        self._moments = [
            Moments(4) if isinstance(one, Contrast) else Moments(2, third=True)
            for one in (self.estimands if method.errors_of == "normal" else ())
        ]
        self._facts = [RowFacts(one) for one in self.estimands]
        self._clustered = False
        self._sums = KeyedSums(None if method.errors_of == "cluster" else RESAMPLED)
        self._waiting: list[tuple[Floats, Integers, Integers | None]] = []
        self._length = 0

    def add(
        self,
        columns: Sequence[Floats],
        rows: Integers,
        slices: Integers | None = None,
        clusters: Integers | None = None,
    ) -> None:
        """Add rows: their columns (numerators and denominators) and their numbers.

        ``slices`` are codes from 0 (below 0: the row is in none) or None for one slice of all;
        ``clusters`` are codes from 0. Either there are slices in every chunk, or in none.
        """
        if clusters is None and self.method.errors_of == "cluster":
            said = Sentence.of("{ci_method} needs clusters", OptionName("ci_method", "cluster"))
            raise UsageError(said, NAME_CLUSTERS)
        self._clustered |= clusters is not None
        units = rows if clusters is None else clusters
        table = np.array(columns, np.float64)
        if slices is not None and (slices < 0).any():
            kept = slices >= 0
            table, units, slices = table[:, kept], units[kept], slices[kept]
        start = 0
        while start < units.size:
            stop = min(units.size, start + BLOCK - self._length)
            some = None if slices is None else np.array(slices[start:stop], np.int64)
            self._waiting.append(
                (table[:, start:stop], np.array(units[start:stop], np.int64), some)
            )
            self._length += stop - start
            start = stop
            if self._length == BLOCK:
                self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        tables, units, slices = zip(*self._waiting, strict=True)
        self._waiting, self._length = [], 0
        of = None if slices[0] is None else np.concatenate(slices)
        self._take(np.concatenate(tables, axis=1), np.concatenate(units), of)

    def _take(self, columns: Floats, units: Integers, slices: Integers | None) -> None:
        """Take a block of rows."""
        method = self.method
        for facts in self._facts:
            facts.add(columns, slices)
        if method.errors_of == "normal":
            for moments, estimand in zip(self._moments, self.estimands, strict=True):
                moments.add(estimand.terms(columns), slices)
            return
        if method.name == "bootstrap":
            buckets = bootstrap.BUCKETS if slices is None else bootstrap.SLICE_BUCKETS
            units = jackknife.scatter(units, buckets, method.seed)
        elif method.name == "jackknife":
            units = jackknife.scatter(units, method.groups)
        with np.errstate(invalid="ignore", over="ignore"):
            self._sums.add(columns, units, slices)

    def merge(self, other: Uncertainty) -> None:
        """Add the rows that another one has seen after this one's.

        The results are those of adding all rows to one, but for the rounding of sums.
        """
        self._flush()
        other._flush()
        for mine, others in zip(self._moments, other._moments, strict=True):
            mine.merge(others)
        for own, more in zip(self._facts, other._facts, strict=True):
            own.merge(more)
        self._clustered |= other._clustered
        self._sums.merge(other._sums)

    def spreads(self, slices: int = 1) -> list[Spread]:
        """Return each estimand's values, errors and intervals in so many slices."""
        self._flush()
        found = zip(self.estimands, self._measure(slices), self._facts, strict=True)
        return [self._finish(*one) for one in found]

    def _measure(self, slices: int) -> list[Measured]:
        method = self.method
        if method.errors_of == "normal":
            pairs = zip(self._moments, self.estimands, strict=True)
            return [moments.measure(estimand, slices) for moments, estimand in pairs]
        entries = self._entries()
        if method.name == "bootstrap":
            return bootstrap.measure(
                entries, self.estimands, slices, method.level, method.replicates, method.seed
            )
        measure = jackknife.measure if method.name == "jackknife" else clusters.measure
        return [measure(entries, estimand, slices) for estimand in self.estimands]

    def _entries(self) -> Entries:
        return self._sums.entries(_count_columns(self.estimands))

    def _finish(self, estimand: Estimand, measured: Measured, facts: RowFacts) -> Spread:
        """Put the interval around the values, in their transformed scale."""
        method, values = self.method, measured.values
        if isinstance(estimand, Contrast):
            found, p_values, tests = find_difference(
                measured, estimand, facts, method.level, clustered=self._clustered
            )
            low, high, errors, ends, doubtful = found
            return Spread(method, values, errors, low, high, p_values, ends, tests, doubtful)
        exact = method.name == "clopper-pearson"
        low, high, errors, ends, doubtful = find_intervals(
            measured, estimand, facts, method.level, clustered=self._clustered, exact=exact
        )
        transform = estimand.transform
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            errors = np.abs(slope(transform, values)) * errors
            low, high = (transformed(transform, end) for end in (low, high))
            # A mean that cannot be below 0 has a transform from 0 on, such as a square root.
            bottom = transformed(transform, np.zeros(1))
            low = np.where(np.isnan(low) & ~np.isnan(high), bottom, low)
            low, high = np.minimum(low, high), np.maximum(low, high)
        return Spread(
            method, transformed(transform, values), errors, low, high, ends=ends, doubtful=doubtful
        )


def _count_columns(estimands: Sequence[Estimand]) -> int:
    ratios = [
        ratio
        for one in estimands
        for ratio in ((one.model, one.baseline) if isinstance(one, Contrast) else (one,))
    ]
    return 1 + max(max(one.numerator, one.denominator) for one in ratios)
