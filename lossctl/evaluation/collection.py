"""Sums over the rows, over all of them or in the slices of one grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.sums.partial import Contributions
from lossctl.evaluation.request.request import BY, Request
from lossctl.evaluation.scan import Scored
from lossctl.evaluation.slices.groups import Codes, Grouping, GroupSums, add_by, count_by
from lossctl.evaluation.tasks import Task
from lossctl.evaluation.uncertainty.comparison import WinCounts
from lossctl.evaluation.uncertainty.ends import Doubt
from lossctl.evaluation.uncertainty.estimands import Contrast, Estimand, Ratio, divide, transformed
from lossctl.evaluation.uncertainty.uncertainty import Spread, Uncertainty
from lossctl.losses.core.terms import NON_NEGATIVE, UNBOUNDED, Range

Floats = NDArray[np.float64]

DOUBTS = {
    Doubt.SAME: "all rows have the same loss, which says nothing of others: no interval",
    Doubt.SKEWED: "a few rows make up most of the mean, and the interval may be too short (see"
    " 'lossctl docs guarantees')",
    Doubt.NO_PROPORTION: "the rows are not all 0 or 1, and the interval is Student's t, not {}",
}
"""What is said of intervals that cannot be trusted, or are not of the method asked for."""


@dataclass
class Collection:
    """What is collected over all rows (``grouping`` is None), or in the slices by some columns."""

    request: Request
    estimands: Sequence[Estimand]
    grouping: Grouping | None = None
    number: int = 0
    rows: Floats = field(default_factory=lambda: np.zeros(0))
    sums: list[GroupSums] = field(init=False)
    """The sums of each task in each slice; over all rows, the scan has them."""
    wins: dict[int, WinCounts] = field(init=False)
    compared: SharedSums | None = field(init=False)
    """What the tasks have on the rows of all models; None where all models have all rows."""
    uncertainty: Uncertainty | None = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.sums = [GroupSums() for _ in request.tasks]
        self.wins = {task: WinCounts() for task, _ in list_pairs(request)}
        self.compared = SharedSums(request) if compares_shared(request) else None
        self.uncertainty = (
            None if request.method is None else Uncertainty(self.estimands, request.method)
        )

    @property
    def size(self) -> int:
        """How many slices there are by now."""
        return 1 if self.grouping is None else self.grouping.size

    def add(self, scored: Scored, clusters: Codes | None) -> None:
        """Add the rows of a chunk."""
        codes = self._encode(scored)
        if codes is None:
            self.rows = np.array([len(scored.chunk.numbers) + self.rows.sum()])
        else:
            counts = count_by(codes, self.size)
            self.rows = add_by(self.rows, counts, self.size)
            for sums, rows in zip(self.sums, scored.scores, strict=True):
                sums.add(codes, rows, counts, self.size)
        scores = scored.scores
        if self.compared is not None:
            scores = self.compared.add(scored.scores, codes, self.size)
        for task, other in list_pairs(self.request):
            mine, theirs = scores[task], scores[other]
            self.wins[task].add(
                (mine.totals, mine.denominators), (theirs.totals, theirs.denominators), codes
            )
        if self.uncertainty is not None:
            every = [*scored.scores, *(scores if self.compared is not None else ())]
            columns = [one for rows in every for one in (rows.totals, rows.denominators)]
            self.uncertainty.add(columns, scored.chunk.numbers, codes, clusters)

    def spreads(self) -> list[Spread | None]:
        """Return the uncertainty of every estimand, in every slice."""
        if self.uncertainty is None or not self.size:
            return [None] * len(self.estimands)
        return list(self.uncertainty.spreads(self.size))

    def values(self, task: int) -> Floats:
        """Return the loss of a task in every slice."""
        return self._finish(task, self.sums[task])

    def compared_values(self, task: int) -> Floats:
        """Return the loss of a task in every slice, on the rows that all models have."""
        sums = self.sums if self.compared is None else self.compared.sums
        return self._finish(task, sums[task])

    def _finish(self, task: int, sums: GroupSums) -> Floats:
        size = self.size
        if self.request.tasks[task].gathered:
            totals = {
                name: np.stack([one[:size] for one in parts], axis=1)
                for name, parts in sums.sums.items()
            }
            return self.request.tasks[task].finish(totals) if totals else np.full(size, np.nan)
        means = divide(sums.totals[:size], sums.denominators[:size])
        return transformed(self.request.tasks[task].spec.loss.transform, means)

    def _encode(self, scored: Scored) -> Codes | None:
        """Return the slice of each row; None where there is one slice of all."""
        if self.grouping is None:
            return None
        axes = range(len(self.grouping.names))
        return self.grouping.encode([scored.chunk.columns[BY, self.number, a] for a in axes])


class SharedSums:
    """What the tasks have on the rows that no model lacks, in each slice.

    A row is lacking where a value of it was omitted; what is ignored or masked is so for all.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self.sums = [GroupSums() for _ in request.tasks]
        self.lost = dict.fromkeys((spec.name for spec in request.specs), 0)
        """How many rows of each loss some model lacks, and another one has."""

    def add(
        self, scores: Sequence[Contributions], codes: Codes | None, size: int
    ) -> list[Contributions]:
        """Add the rows of a chunk; returns them without what a model lacks."""
        codes = np.zeros(len(scores[0].totals), np.int64) if codes is None else codes
        counts = count_by(codes, size)
        shared = list(scores)
        for spec in self._request.specs:
            own = [self._request.task(model, spec.name) for model in self._request.models]
            lacking = [one for one in (scores[task].missing for task in own) if one is not None]
            some = np.logical_or.reduce([scores[task].counted > 0 for task in own])
            kept = ~np.logical_or.reduce(lacking) if lacking else np.ones(len(codes), np.bool_)
            self.lost[spec.name] += int(np.count_nonzero(some & ~kept))
            for task in own:
                if lacking:
                    shared[task] = scores[task].keep(kept)
                self.sums[task].add(codes, shared[task], counts, size)
        return shared


def compares_shared(request: Request) -> bool:
    """Whether models are compared that may lack rows: those with a value that is omitted."""
    return request.baseline is not None and request.settings.nan == "omit"


def list_pairs(request: Request) -> list[tuple[int, int]]:
    """Return each task that is compared, with the baseline's task of the same loss."""
    if request.baseline is None:
        return []
    return [
        (request.task(model, spec.name), request.task(request.baseline, spec.name))
        for spec in request.specs
        for model in request.models
        if model != request.baseline
    ]


def list_estimands(request: Request) -> list[Estimand]:
    """Return what is estimated: the mean of every task, and the differences to the baseline."""
    ratios = [
        Ratio(2 * place, 2 * place + 1, task.spec.loss.transform, find_range(task))
        for place, task in enumerate(request.tasks)
    ]
    first = 2 * len(ratios) if compares_shared(request) else 0
    shared = [
        replace(one, numerator=one.numerator + first, denominator=one.denominator + first)
        for one in ratios
    ]
    pairs = [Contrast(shared[task], shared[other]) for task, other in list_pairs(request)]
    return [*ratios, *pairs]


def list_doubts(collection: Collection, spreads: Sequence[Spread | None]) -> list[str]:
    """Return which intervals cannot be trusted, or are not of the method that was asked for."""
    request = collection.request
    if request.method is None or not collection.size:
        return []
    grouping, notes = collection.grouping, []
    where = (
        f" in {{}} of {collection.size} slices by {', '.join(grouping.names)}" if grouping else ""
    )
    for task, spread in zip(request.tasks, spreads, strict=False):
        assert spread is not None
        name = f"{task.spec.name} of {task.model}"
        rows = collection.rows[: collection.size] > 0
        for doubt, words in DOUBTS.items():
            count = int(np.count_nonzero(spread.doubts(doubt)[: collection.size] & rows))
            if count:
                notes.append(f"{name}{where.format(count)}: {words.format(request.method.name)}")
    return notes


def find_range(task: Task) -> Range:
    """Return in which range the losses of a task's rows are."""
    found = task.spec.loss.range
    if task.spec.reduction == "batchmean":  # which adds up the elements of a row
        return NON_NEGATIVE if found.lowest >= 0 else UNBOUNDED
    return found
