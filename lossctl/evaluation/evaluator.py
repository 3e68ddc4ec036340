"""The evaluation: one pass over the rows, which collects all results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossctl.engine.sums.reduce import quotient
from lossctl.engine.sums.summary import Summary
from lossctl.errors import warn
from lossctl.evaluation.collection import Collection, list_doubts, list_estimands, list_pairs
from lossctl.evaluation.request.gates import judge
from lossctl.evaluation.request.request import CLUSTER, ID, SHOW, Request
from lossctl.evaluation.result import Comparison, Estimate, Evaluation, WorstRow
from lossctl.evaluation.rows.join import match
from lossctl.evaluation.rows.reader import Reader, Recipe
from lossctl.evaluation.scan import Progress, Scan, Scored, TaskSums, evaluate_predicates
from lossctl.evaluation.slices.bins import make_groupings
from lossctl.evaluation.slices.groups import Categories
from lossctl.evaluation.slices.slices import GroupedSlices, Slices, sort_worst_first
from lossctl.evaluation.tasks import Task
from lossctl.evaluation.uncertainty.comparison import compare
from lossctl.evaluation.uncertainty.estimands import divide, transformed
from lossctl.evaluation.uncertainty.uncertainty import Spread
from lossctl.evaluation.worst_rows import WorstRows, row_losses
from lossctl.findings import OptionName, Sentence
from lossctl.losses.core.terms import DenominatorName

Sink = Callable[[dict[str, Any]], None]
"""Takes the columns of some rows: their numbers, their ids, and every loss."""


class Evaluator:
    """Runs a request."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.estimands = list_estimands(request)
        self._worst = [WorstRows(request.worst) for _ in request.tasks] if request.worst else []

    def run(self, progress: Progress | None = None, sink: Sink | None = None) -> Evaluation:
        """Read all rows once, and return the result. Warns with LossctlWarning."""
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
            request.accepted,
            request.time_major,
        )
        groupings = make_groupings(request.by, request.asked, recipe)
        collections = [
            Collection(request, self.estimands),
            *(
                Collection(request, self.estimands, grouping, number)
                for number, grouping in enumerate(groupings)
            ),
        ]
        scan = Scan(
            Reader(recipe, request.asked),
            request.tasks,
            request.settings,
            progress,
            [
                evaluate_predicates(
                    recipe, request.asked, task, omits_missing=request.settings.nan == "omit"
                )
                for task in request.tasks
            ],
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
        whole_spreads = whole.spreads()
        overall = self._estimate(scan, whole_spreads)
        labels = [list(part.grouping.labels()) if part.grouping else [] for part in parts]
        spreads = [part.spreads() for part in parts]
        every = Slices(
            [
                group
                for part, names, spread in zip(parts, labels, spreads, strict=True)
                for group in self._group_slices(part, names, spread, overall, 1)
            ]
        )
        comparisons = self._compare(whole, [()], whole_spreads, overall)
        for part, names, spread in zip(parts, labels, spreads, strict=True):
            comparisons += self._compare(part, names, spread, None)
        slices = every
        if request.min_size > 1:
            slices = Slices(
                [
                    group
                    for part, names, spread in zip(parts, labels, spreads, strict=True)
                    for group in self._group_slices(part, names, spread, overall, request.min_size)
                ]
            )
            notes += self._note_small_slices(parts)
        notes += self._list_notes(scan, overall)
        notes += _note_lacking_rows(whole, comparisons)
        notes += list_doubts(whole, whole_spreads)
        for part, spread in zip(parts, spreads, strict=True):
            notes += list_doubts(part, spread)
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
            typed={spec.name: spec.typed for spec in request.specs},
        )

    def _estimate(self, scan: Scan, spreads: Sequence[Spread | None]) -> list[Estimate]:
        found = []
        for place, (task, sums) in enumerate(zip(self.request.tasks, scan.sums, strict=True)):
            partial = sums.partial
            value, total, denominator = _reduce(task, sums)
            spread = spreads[place]
            found.append(
                Estimate(
                    model=task.model,
                    loss=task.spec.name,
                    value=value,
                    total=total,
                    denominator=denominator,
                    denominator_name=DenominatorName.ROWS
                    if task.spec.reduction == "batchmean"
                    else partial.divided_by.name,
                    counted=partial.counted,
                    ignored=partial.ignored,
                    masked=partial.masked,
                    omitted=partial.omitted,
                    nan=partial.nan,
                    interval=None if spread is None else spread.interval(),
                )
            )
        return found

    def _group_slices(
        self,
        part: Collection,
        labels: Sequence[tuple[str, ...]],
        spreads: Sequence[Spread | None],
        overall: Sequence[Estimate],
        smallest: int,
    ) -> list[GroupedSlices]:
        assert part.grouping is not None
        size = part.size
        kept = np.flatnonzero(part.rows[:size] >= smallest)
        groups = []
        for spec in self.request.specs:
            for model in self.request.models:
                place = self.request.task(model, spec.name)
                sums, whole = part.sums[place], overall[place]
                values = part.values(place)
                with np.errstate(invalid="ignore"):
                    shares = divide(sums.totals[:size], np.full(size, whole.total))
                    if self.request.tasks[place].gathered:  # parts of a ratio are no shares
                        shares = np.full(size, np.nan)
                    gaps = values - whole.value
                groups.append(
                    GroupedSlices(
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
        return groups

    def _compare(
        self,
        part: Collection,
        labels: Sequence[tuple[str, ...]],
        spreads: Sequence[Spread | None],
        overall: Sequence[Estimate] | None,
    ) -> list[Comparison]:
        """Compare every model with the baseline, over all rows or in each slice that has rows."""
        request = self.request
        assert request.baseline is not None or not part.wins
        found: list[Comparison] = []
        for number, (task, other) in enumerate(list_pairs(request)):
            spread = spreads[len(request.tasks) + number]
            size = part.size
            name = request.tasks[task].spec.name
            every = part.compared is None or not part.compared.lost[name]
            if overall is not None and every:
                base = np.array([overall[other].value])
                differences = np.array([overall[task].value]) - base
            else:
                base = part.compared_values(other)
                differences = part.compared_values(task) - base
            if spread is not None:
                differences = spread.values
            compared = compare(
                name,
                request.tasks[task].model,
                request.baseline or "",
                differences[:size],
                part.wins[task],
                spread,
                () if part.grouping is None else part.grouping.names,
                labels,
                base,
            )
            found += [one for one, rows in zip(compared, part.rows, strict=False) if rows]
        return found

    def _list_worst(self) -> list[WorstRow]:
        return [
            WorstRow(
                model=task.model,
                loss=task.spec.name,
                rank=rank,
                row=place.row,
                value=float(transformed(task.spec.loss.transform, np.array([place.value]))[0]),
                id=place.cells.get(ID),
                shown={name: place.cells[name] for name in self.request.show},
            )
            for task, worst in zip(self.request.tasks, self._worst, strict=False)
            for rank, place in enumerate(worst.places, 1)
        ]

    def _list_notes(self, scan: Scan, overall: Sequence[Estimate]) -> list[str]:
        """Return the warnings: findings, notes, empty means."""
        found: dict[str, None] = {}
        omits = self.request.settings.nan == "omit"
        for sums in scan.sums:
            for finding in sums.partial.findings.values():
                left_out = omits and finding.rule.code == "nan"
                found[str(replace(finding, left_out=left_out))] = None
            found |= dict.fromkeys(sums.plan.notes)
        for one in overall:
            if not one.denominator:
                why = _explain_nothing(scan)
                found[
                    f"{one.loss} of {one.model}: nothing is left to average{why}: the result is NaN"
                ] = None
        return list(found)

    def _note_small_slices(self, parts: Sequence[Collection]) -> list[str]:
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


def _explain_nothing(scan: Scan) -> str:
    """Say why, or of how many rows, there is nothing to average."""
    reader = scan.reader
    if reader.recipe.filter is None or reader.kept or not reader.seen:
        return f" of {reader.kept} rows"
    text = " and ".join(reader.recipe.filter.texts)
    said = ", because {where} {text!r} keeps none of the {rows} rows"
    return str(Sentence.of(said, OptionName("where"), text=text, rows=reader.seen))


def _note_lacking_rows(whole: Collection, comparisons: Sequence[Comparison]) -> list[str]:
    """Return on how many rows models are compared, where some have rows that others lack."""
    if whole.compared is None:
        return []
    compared = {one.loss: one.compared for one in comparisons if not one.by}
    return [
        f"{name}: the models are compared on the {compared[name]} rows that all of them have;"
        f" {lost} {'is' if lost == 1 else 'are'} missing in some"
        for name, lost in whole.compared.lost.items()
        if lost
    ]


def _reduce(task: Task, sums: TaskSums) -> tuple[float, float, float]:
    """Return the loss of a task over all rows, as ``compute`` does, its total and denominator."""
    total, denominator, _ = quotient(Summary.of(sums.plan), sums.partial, sums.samples)
    if task.spec.reduction == "sum_over_batch_size" and not task.gathered:
        denominator = float(sums.partial.counted)  # as in slices, where no row is ignored
    mean = divide(np.array([total]), np.array([denominator]))
    value = float(transformed(task.spec.loss.transform, mean)[0])
    if task.gathered:
        return value, value, float(sums.partial.counted > 0)
    return value, total, denominator


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
