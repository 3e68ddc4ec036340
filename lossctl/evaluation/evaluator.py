"""The evaluation itself: one pass over the rows, and what is collected on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.exact_sum import ExactSum
from lossctl.errors import warn
from lossctl.evaluation.request.gates import judge
from lossctl.evaluation.request.request import BY, CLUSTER, ID, SHOW, Request
from lossctl.evaluation.result import Comparison, Estimate, Evaluation, WorstRow
from lossctl.evaluation.rows.join import match
from lossctl.evaluation.rows.reader import Reader, Recipe
from lossctl.evaluation.scan import Progress, Scan, Scored, ask
from lossctl.evaluation.slices.bins import make_groupings
from lossctl.evaluation.slices.groups import Categories, Codes, Grouping, GroupSums, add_by
from lossctl.evaluation.slices.slices import Cut, Slices, sort_worst_first
from lossctl.evaluation.uncertainty.comparison import WinCounts, compare
from lossctl.evaluation.uncertainty.estimands import Quantity, divide, transformed
from lossctl.evaluation.uncertainty.uncertainty import Contrast, Ratio, Spread, Uncertainty
from lossctl.evaluation.worst_rows import Worst, row_losses

Floats = NDArray[np.float64]
Sink = Callable[[dict[str, Any]], None]
"""Takes the columns of some rows: their numbers, their ids, and every loss."""


@dataclass
class Collection:
    """What is collected over all rows (``grouping`` is None), or in the slices by some columns."""

    request: Request
    quantities: Sequence[Quantity]
    grouping: Grouping | None = None
    number: int = 0
    rows: Floats = field(default_factory=lambda: np.zeros(0))
    sums: list[GroupSums] = field(init=False)
    tallies: dict[int, WinCounts] = field(init=False)
    uncertainty: Uncertainty | None = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.sums = [GroupSums() for _ in request.tasks]
        self.tallies = {task: WinCounts() for task, _ in list_pairs(request)}
        self.uncertainty = (
            None if request.method is None else Uncertainty(self.quantities, request.method)
        )

    @property
    def size(self) -> int:
        """How many slices there are by now."""
        return 1 if self.grouping is None else self.grouping.size

    def add(self, scored: Scored, clusters: Codes | None) -> None:
        """Add the rows of a chunk."""
        codes, slices = self._encode(scored)
        self.rows = add_by(self.rows, codes, None, self.size)
        for sums, rows in zip(self.sums, scored.scores, strict=True):
            sums.add(codes, rows, self.size)
        for task, other in list_pairs(self.request):
            mine, theirs = scored.scores[task], scored.scores[other]
            self.tallies[task].add(
                (mine.totals, mine.denominators), (theirs.totals, theirs.denominators), slices
            )
        if self.uncertainty is not None:
            columns = [one for rows in scored.scores for one in (rows.totals, rows.denominators)]
            self.uncertainty.add(columns, scored.chunk.numbers, slices, clusters)

    def spreads(self) -> list[Spread | None]:
        """Return how sure every quantity is, in every slice."""
        if self.uncertainty is None or not self.size:
            return [None] * len(self.quantities)
        return list(self.uncertainty.spreads(self.size))

    def _encode(self, scored: Scored) -> tuple[Codes, Codes | None]:
        if self.grouping is None:
            return np.zeros(len(scored.chunk.numbers), np.int64), None
        axes = range(len(self.grouping.names))
        codes = self.grouping.encode([scored.chunk.columns[BY, self.number, a] for a in axes])
        return codes, codes


class Evaluator:
    """Carries a request out."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.quantities = list_quantities(request)
        self._totals = [(ExactSum(), ExactSum()) for _ in request.tasks]
        self._worst = [Worst(request.worst) for _ in request.tasks] if request.worst else []

    def run(self, progress: Progress | None = None, sink: Sink | None = None) -> Evaluation:
        """Read all rows once, and say what their losses say. Warns with LossctlWarning."""
        request = self.request
        matching = None
        if request.dataset.key is not None:
            matching = match(request.dataset, request.asked, request.how)
        recipe = Recipe(
            request.dataset,
            request.filter,
            matching,
            request.classes,
            request.indexed,
            request.turned,
        )
        groupings = make_groupings(request.by, request.asked, recipe)
        collections = [
            Collection(request, self.quantities),
            *(
                Collection(request, self.quantities, grouping, number)
                for number, grouping in enumerate(groupings)
            ),
        ]
        scan = Scan(
            Reader(recipe, request.asked),
            request.tasks,
            request.settings,
            progress,
            [ask(recipe, request.asked, task) for task in request.tasks],
        )
        clusters = Categories("cluster-by") if CLUSTER in request.asked else None
        for scored in scan:
            units = None if clusters is None else clusters.encode(scored.chunk.columns[CLUSTER])
            for collection in collections:
                collection.add(scored, units)
            self._add(scored)
            if sink is not None:
                sink(list_elements(request, scored))
        notes = list(matching.notes) if matching is not None else []
        return self._finish(scan, collections, notes)

    def _add(self, scored: Scored) -> None:
        for (total, denominator), rows in zip(self._totals, scored.scores, strict=True):
            total.add(float(np.sum(rows.totals)))
            denominator.add(float(np.sum(rows.denominators)))
        columns = scored.chunk.columns
        shown = {name: columns[SHOW, name] for name in self.request.show}
        if ID in columns:
            shown[ID] = columns[ID]
        for worst, rows in zip(self._worst, scored.scores, strict=False):
            worst.add(scored.chunk.numbers, rows, shown)

    def _finish(
        self, scan: Scan, collections: Sequence[Collection], notes: list[str]
    ) -> Evaluation:
        request = self.request
        whole, *parts = collections
        overall = self._estimate(scan, whole, whole.spreads())
        labels = [list(part.grouping.labels()) if part.grouping else [] for part in parts]
        spreads = [part.spreads() for part in parts]
        every = Slices(
            [
                cut
                for part, names, spread in zip(parts, labels, spreads, strict=True)
                for cut in self._cut(part, names, spread, overall, 1)
            ]
        )
        comparisons = self._compare(whole, [()], whole.spreads(), overall)
        for part, names, spread in zip(parts, labels, spreads, strict=True):
            comparisons += self._compare(part, names, spread, None)
        slices = every
        if request.min_size > 1:
            slices = Slices(
                [
                    cut
                    for part, names, spread in zip(parts, labels, spreads, strict=True)
                    for cut in self._cut(part, names, spread, overall, request.min_size)
                ]
            )
            notes += self._tell_small(parts)
        notes += self._tell(scan, overall)
        for note in notes:
            warn(note)
        reader = scan.reader
        return Evaluation(
            rows=reader.kept,
            matched=None if reader.recipe.matching is None else reader.matched,
            dropped=reader.seen - reader.kept,
            models=tuple(request.models),
            losses=tuple(spec.name for spec in request.specs),
            overall=tuple(overall),
            slices=slices,
            comparisons=tuple(comparisons),
            worst=tuple(self._list_worst()),
            verdicts=judge(request.gates, overall, every, comparisons),
            warnings=tuple(notes),
            settings=request.described,
        )

    def _estimate(
        self, scan: Scan, whole: Collection, spreads: Sequence[Spread | None]
    ) -> list[Estimate]:
        found = []
        for place, (task, tally) in enumerate(zip(self.request.tasks, scan.tallies, strict=True)):
            total, denominator = (one.value for one in self._totals[place])
            mean = divide(np.array([total]), np.array([denominator]))
            value = float(transformed(task.spec.loss.transform, mean)[0])
            if task.gathered:
                value = float(self._value(whole, place)[0]) if denominator else np.nan
                total, denominator = value, float(denominator > 0)
            spread = spreads[place]
            found.append(
                Estimate(
                    model=task.model,
                    loss=task.spec.name,
                    value=value,
                    total=total,
                    denominator=denominator,
                    denominator_name="rows"
                    if task.spec.reduction == "batchmean"
                    else tally.partial.denominator_name,
                    counted=tally.partial.counted,
                    ignored=tally.partial.ignored,
                    masked=tally.partial.masked,
                    omitted=tally.partial.omitted,
                    nan=tally.partial.nan,
                    interval=None if spread is None else spread.interval(),
                )
            )
        return found

    def _cut(
        self,
        part: Collection,
        labels: Sequence[tuple[str, ...]],
        spreads: Sequence[Spread | None],
        overall: Sequence[Estimate],
        smallest: int,
    ) -> list[Cut]:
        assert part.grouping is not None
        size = part.size
        kept = np.flatnonzero(part.rows[:size] >= smallest)
        cuts = []
        for spec in self.request.specs:
            for model in self.request.models:
                place = self.request.task(model, spec.name)
                sums, whole = part.sums[place], overall[place]
                values = self._value(part, place)
                with np.errstate(invalid="ignore"):
                    shares = divide(sums.totals[:size], np.full(size, whole.total))
                    if self.request.tasks[place].gathered:  # parts of a ratio are no shares
                        shares = np.full(size, np.nan)
                    gaps = values - whole.value
                cuts.append(
                    Cut(
                        by=part.grouping.names,
                        labels=labels,
                        model=model,
                        loss=spec.name,
                        order=sort_worst_first(values, kept, labels),
                        values=values,
                        rows=part.rows,
                        counted=sums.counted,
                        shares=shares,
                        gaps=gaps,
                        spread=spreads[place],
                    )
                )
        return cuts

    def _compare(
        self,
        part: Collection,
        labels: Sequence[tuple[str, ...]],
        spreads: Sequence[Spread | None],
        overall: Sequence[Estimate] | None,
    ) -> list[Comparison]:
        """Compare every model with the baseline, over all rows or in each slice that has rows."""
        request = self.request
        assert request.baseline is not None or not part.tallies
        found: list[Comparison] = []
        for number, (task, other) in enumerate(list_pairs(request)):
            spread = spreads[len(request.tasks) + number]
            size = part.size
            if overall is not None:
                differences = np.array([overall[task].value - overall[other].value])
            else:
                differences = self._value(part, task) - self._value(part, other)
            if spread is not None:
                differences = spread.values
            compared = compare(
                request.tasks[task].spec.name,
                request.tasks[task].model,
                request.baseline or "",
                differences[:size],
                part.tallies[task],
                spread,
                () if part.grouping is None else part.grouping.names,
                labels,
            )
            found += [one for one, rows in zip(compared, part.rows, strict=False) if rows]
        return found

    def _value(self, part: Collection, task: int) -> Floats:
        sums, size = part.sums[task], part.size
        if self.request.tasks[task].gathered:
            totals = {
                name: np.stack([one[:size] for one in parts], axis=1)
                for name, parts in sums.sums.items()
            }
            return self.request.tasks[task].finish(totals) if totals else np.full(size, np.nan)
        means = divide(sums.totals[:size], sums.denominators[:size])
        return transformed(self.request.tasks[task].spec.loss.transform, means)

    def _list_worst(self) -> list[WorstRow]:
        return [
            WorstRow(
                model=task.model,
                loss=task.spec.name,
                rank=rank,
                row=place.row,
                value=place.value,
                id=place.cells.get(ID),
                shown={name: place.cells[name] for name in self.request.show},
            )
            for task, worst in zip(self.request.tasks, self._worst, strict=False)
            for rank, place in enumerate(worst.places, 1)
        ]

    def _tell(self, scan: Scan, overall: Sequence[Estimate]) -> list[str]:
        """Return what a person should know: findings, notes, means of nothing."""
        told: dict[str, None] = {}
        omits = self.request.settings.nan == "omit"
        for tally in scan.tallies:
            for finding in tally.partial.findings.values():
                left_out = omits and finding.rule.code == "nan"
                told[str(replace(finding, left_out=left_out))] = None
            told |= tally.notes
        for one in overall:
            if not one.denominator:
                told[
                    f"{one.loss} of {one.model}: nothing is left to average of"
                    f" {scan.reader.kept} rows: the result is NaN"
                ] = None
        return list(told)

    def _tell_small(self, parts: Sequence[Collection]) -> list[str]:
        notes = []
        for part in parts:
            rows = part.rows[: part.size]
            small = int(np.count_nonzero((rows > 0) & (rows < self.request.min_size)))
            if small and part.grouping is not None:
                notes.append(
                    f"{small} slice{'s' if small > 1 else ''} by {', '.join(part.grouping.names)}"
                    f" with fewer than {self.request.min_size} rows not shown"
                )
        return notes


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


def list_quantities(request: Request) -> list[Quantity]:
    """Return what is estimated: the mean of every task, and the differences to the baseline."""
    ratios = [
        Ratio(2 * place, 2 * place + 1, task.spec.loss.transform)
        for place, task in enumerate(request.tasks)
    ]
    pairs = [Contrast(ratios[task], ratios[other]) for task, other in list_pairs(request)]
    return [*ratios, *pairs]


def list_elements(request: Request, scored: Scored) -> dict[str, Any]:
    """Return the losses of a chunk's rows as columns, beside row number and id."""
    columns: dict[str, Any] = {"row": scored.chunk.numbers}
    if ID in scored.chunk.columns:
        columns[ID] = scored.chunk.columns[ID]
    several = len(request.models) > 1
    for task, rows in zip(request.tasks, scored.scores, strict=True):
        name = f"{task.model}:{task.spec.name}" if several else task.spec.name
        columns[name] = row_losses(rows)
    return columns
