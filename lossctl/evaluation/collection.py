"""Sums over the rows, over all of them or in the slices of one grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.request.request import BY, Request
from lossctl.evaluation.scan import Scored
from lossctl.evaluation.slices.groups import Codes, Grouping, GroupSums, add_by, count_by
from lossctl.evaluation.uncertainty.comparison import WinCounts
from lossctl.evaluation.uncertainty.estimands import Contrast, Estimand, Ratio, divide, transformed
from lossctl.evaluation.uncertainty.uncertainty import Spread, Uncertainty

Floats = NDArray[np.float64]


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
    uncertainty: Uncertainty | None = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.sums = [GroupSums() for _ in request.tasks]
        self.wins = {task: WinCounts() for task, _ in list_pairs(request)}
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
        for task, other in list_pairs(self.request):
            mine, theirs = scored.scores[task], scored.scores[other]
            self.wins[task].add(
                (mine.totals, mine.denominators), (theirs.totals, theirs.denominators), codes
            )
        if self.uncertainty is not None:
            columns = [one for rows in scored.scores for one in (rows.totals, rows.denominators)]
            self.uncertainty.add(columns, scored.chunk.numbers, codes, clusters)

    def spreads(self) -> list[Spread | None]:
        """Return the uncertainty of every estimand, in every slice."""
        if self.uncertainty is None or not self.size:
            return [None] * len(self.estimands)
        return list(self.uncertainty.spreads(self.size))

    def values(self, task: int) -> Floats:
        """Return the loss of a task in every slice."""
        sums, size = self.sums[task], self.size
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
        Ratio(2 * place, 2 * place + 1, task.spec.loss.transform)
        for place, task in enumerate(request.tasks)
    ]
    pairs = [Contrast(ratios[task], ratios[other]) for task, other in list_pairs(request)]
    return [*ratios, *pairs]
