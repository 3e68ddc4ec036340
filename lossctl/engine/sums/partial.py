"""What a block contributes, and how contributions merge: in any order, without rounding error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.exact_sum import ExactSum, Sums
from lossctl.engine.sums.axis_sums import merge_sums
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.losses.core.terms import Denominator


@dataclass(slots=True)
class Contributions:
    """What each sample of a block contributes to the total and to the denominator."""

    totals: NDArray[np.float64]
    denominators: NDArray[np.float64]
    counted: NDArray[np.int64]
    """How many of its losses count: not the ignored, masked and omitted ones."""
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Named contributions of each sample, if the loss is computed from their sums: ``(n, …)``."""
    single: bool = False
    """Whether each sample has one loss, which counts: denominators and ``counted`` are all 1."""
    missing: NDArray[np.bool_] | None = None
    """Which samples lack losses because of omitted values; None where none does."""

    @classmethod
    def of(
        cls,
        losses: NDArray[Any],
        denominators: NDArray[Any] | None,
        left_out: NDArray[np.bool_] | None,
    ) -> Contributions:
        """Add up along all axes but the first; denominators are 1 where there are none."""
        flat = losses.reshape(len(losses), math.prod(losses.shape[1:]))
        if flat.shape[1] == 1 and denominators is None and left_out is None:
            ones = np.broadcast_to(np.float64(1), len(flat)), np.broadcast_to(1, len(flat))
            return cls(flat[:, 0].astype(np.float64), *ones, single=True)
        counted = np.full(len(flat), flat.shape[1], np.int64)
        if left_out is not None:
            counted -= np.broadcast_to(left_out, losses.shape).reshape(flat.shape).sum(axis=1)
        shares = counted.astype(np.float64)
        if denominators is not None:
            shares = denominators.reshape(flat.shape).sum(axis=1, dtype=np.float64)
        return cls(flat.sum(axis=1, dtype=np.float64), shares, counted)

    @classmethod
    def zeros(cls, count: int) -> Contributions:
        """Return samples that contribute nothing yet."""
        return cls(np.zeros(count), np.zeros(count), np.zeros(count, np.int64))

    def take(self, some: slice) -> Contributions:
        """Return some of the samples."""
        sums = {name: values[some] for name, values in self.sums.items()}
        missing = None if self.missing is None else self.missing[some]
        return Contributions(
            self.totals[some],
            self.denominators[some],
            self.counted[some],
            sums,
            self.single,
            missing,
        )

    def keep(self, kept: NDArray[np.bool_]) -> Contributions:
        """Return the same samples, of which only some contribute anything."""
        return Contributions(
            np.where(kept, self.totals, 0),
            np.where(kept, self.denominators, 0),
            np.where(kept, self.counted, 0),
            {name: np.where(kept[:, np.newaxis], one, 0) for name, one in self.sums.items()},
        )

    def add(self, first: int, other: Contributions) -> None:
        """Add what other samples contribute, or parts of them, from the sample ``first`` on."""
        some = slice(first, first + len(other.totals))
        self.totals[some] += other.totals
        self.denominators[some] += other.denominators
        self.counted[some] += other.counted
        if other.missing is not None:
            if self.missing is None:
                self.missing = np.zeros(len(self.totals), np.bool_)
            self.missing[some] |= other.missing
        for name, values in other.sums.items():
            if name not in self.sums:
                self.sums[name] = np.zeros((len(self.totals), values.shape[1]))
            self.sums[name][some] += values


@dataclass(slots=True)
class Partial:
    """Sums and counts of some blocks."""

    total: ExactSum = field(default_factory=ExactSum)
    denominator: ExactSum = field(default_factory=ExactSum)
    divided_by: Denominator = field(default_factory=Denominator)
    """What the denominator is."""
    elements: int = 0
    counted: int = 0
    ignored: int = 0
    masked: int = 0
    omitted: int = 0
    clamped: int = 0
    nan: int = 0
    sums: Sums = field(default_factory=dict)
    """Named sums, one per remaining position, of a loss that is not a sum over samples."""
    findings: dict[tuple[str, str], RuleFinding] = field(default_factory=dict)
    rows: Contributions | None = None
    """The contribution of each sample, if requested; it is not merged."""
    omissions: NDArray[np.bool_] | None = None
    """Which losses are omitted, where some are; it is not merged."""

    def merge(self, other: Partial) -> None:
        """Add the sums, counts and broken rules of other blocks."""
        self.total.merge(other.total)
        self.denominator.merge(other.denominator)
        self.divided_by = other.divided_by
        self.elements += other.elements
        self.counted += other.counted
        self.ignored += other.ignored
        self.masked += other.masked
        self.omitted += other.omitted
        self.clamped += other.clamped
        self.nan += other.nan
        merge_sums(self.sums, other.sums)
        for finding in other.findings.values():
            self.note(finding)

    def note(self, finding: RuleFinding) -> None:
        """Add a broken rule."""
        key = (finding.rule.code, finding.name)
        if key in self.findings:
            self.findings[key].merge(finding)
        else:
            self.findings[key] = replace(finding)

    @property
    def broken(self) -> bool:
        """Whether the result is meaningless because of a broken rule."""
        return any(one.rule.is_error for one in self.findings.values())
