"""One reading of the rows: every loss of every model is computed in blocks, on all threads.

Each task has one plan, and its blocks are cut as those of ``lossctl compute`` are. What they make
of the rows is put together in chunks, in the order of the rows, whatever thread was first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.source import ArraySource, Source
from lossctl.data.arrays.views import ReshapedSource
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.class_names import check_count, find_form
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.plan.predicates import holds
from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.engine.run.block import Outcome, process
from lossctl.engine.run.run import read_blocks, share_out
from lossctl.engine.sums.partial import Contributions, Partial
from lossctl.engine.sums.reduce import locate
from lossctl.engine.sums.rule_finding import RuleFinding, find_remedy
from lossctl.errors import DataError
from lossctl.evaluation.rows.columns import LabelColumn, SharedRows
from lossctl.evaluation.rows.dataset import Asked
from lossctl.evaluation.rows.reader import Chunk, Reader, Recipe, is_matrix
from lossctl.evaluation.tasks import Task
from lossctl.findings import Location
from lossctl.losses.core.inputs import Input

Progress = Callable[[int, "int | None"], None]
TaskBlock = tuple[int, Region, list[NDArray[Any]]]
"""The number of a task, a region of its rows, and the data of its inputs."""


@dataclass
class Scored:
    """A chunk with the losses of every task, and the columns that are not inputs."""

    chunk: Chunk
    scores: list[Contributions]


@dataclass
class TaskSums:
    """The sums, counts and findings of a task over all blocks so far."""

    plan: Plan
    partial: Partial = field(default_factory=Partial)
    samples: int = 0
    """The number of rows that are added up."""


@dataclass
class Scan:
    """The reading itself: iterate over it, then look at the sums."""

    reader: Reader
    tasks: Sequence[Task]
    settings: Settings
    progress: Progress | None = None
    predicates: Sequence[dict[str, bool]] = ()
    """For each task, whether the predicate of a whole input is true."""
    sums: list[TaskSums] = field(init=False)

    def __iter__(self) -> Iterator[Scored]:
        rows = SharedRows(self.reader, {key for task in self.tasks for key in task.columns})
        try:
            self.reader.check_lengths()
            predicates = self.predicates or [{} for _ in self.tasks]
            pairs = zip(self.tasks, predicates, strict=True)
            self.sums = [TaskSums(self._make_plan(task, rows, known)) for task, known in pairs]
        except BaseException:
            self.reader.close()
            raise
        blocks = _read_side_by_side([one.plan for one in self.sums], rows)
        outcomes = share_out(blocks, self._work, self.settings.threads, self.reader.close)
        with closing(outcomes):
            scores = RowScores(rows, self.tasks)
            for number, outcome in outcomes:
                self._merge(number, outcome, rows)
                scores.add(number, outcome, self.sums[number].plan)
                yield from self._hand_on(scores.complete())
            yield from self._hand_on(scores.rest())
        self._report()

    def _make_plan(self, task: Task, rows: SharedRows, predicates: dict[str, bool]) -> Plan:
        loss = task.spec.loss
        recipe = self.reader.recipe
        labels = {key for key in recipe.indexed if not is_matrix(self.reader.sources[key])}
        along = loss.reduce_axes not in ("", "all") and len(loss.inputs[0].forms) == 1

        def open_input(key: Any, declared: Input) -> Source:
            if isinstance(key, np.ndarray):
                return ArraySource(declared.name, key)
            column = rows.column(key)
            if key in labels and any(form.kind.may_be_named for form in declared.forms):
                column = LabelColumn(column, find_form(declared))
            # One row is one sample, which has an axis that the loss adds up along.
            return ReshapedSource(column, None) if along and not column.trailing else column

        weight, mask = task.sample_weight, task.mask
        plan = make_plan(
            loss,
            [open_input(key, one) for key, one in zip(task.inputs, loss.inputs, strict=True)],
            task.options,
            replace(self.settings, rows=True, threads=1, reduction=task.spec.reduction),
            None if weight is None else rows.column(weight),
            None if mask is None else rows.column(mask),
            predicates,
        )
        if recipe.classes is not None:
            pairs = enumerate(zip(task.inputs, plan.inputs, strict=True))
            named = [
                place
                for place, (key, bound) in pairs
                if not isinstance(key, np.ndarray) and key in labels and bound.kind.may_be_named
            ]
            check_count(plan, recipe.classes, named)
        one_sample = not any(bound.batched for bound in plan.inputs)
        # A sum along a vector is a loss, and cannot be taken row by row.
        summed = (
            plan.single and plan.axis_reduction is not None and plan.axis_reduction.has_finalize
        )
        if one_sample or (summed and not task.gathered):
            raise DataError(
                f"{task.spec.name} needs several numbers in each row (classes, or a vector), but"
                f" {plan.inputs[0].source.name} has one",
                "Name all their columns, such as logit_0:logit_9, or a column of lists.",
            )
        return plan

    def _work(self, block: TaskBlock) -> tuple[int, Outcome]:
        number, region, arrays = block
        outcome = process(self.sums[number].plan, region, arrays)
        if outcome.partial.rows is not None:
            outcome.partial.rows.totals += 0.0  # there is no -0.0 among sums
        return number, outcome

    def _merge(self, number: int, outcome: Outcome, rows: SharedRows) -> None:
        sums = self.sums[number]
        for finding in outcome.partial.findings.values():
            _locate(sums.plan, rows, finding)
        sums.partial.merge(outcome.partial)
        sums.samples = outcome.region.stop

    def _hand_on(self, complete: Iterator[Scored]) -> Iterator[Scored]:
        for scored in complete:
            yield scored
            self.reader.release(scored.chunk.stop)
            if self.progress is not None:
                self.progress(scored.chunk.stop, self.reader.expect())

    def _report(self) -> None:
        """Raise the first error that the checks found."""
        for task, sums in zip(self.tasks, self.sums, strict=True):
            broken = sums.partial.findings.values()
            fatal = [one for one in broken if one.rule.is_error]
            if self.settings.nan == "error":
                fatal += [one for one in broken if one.rule.code in ("nan", "nan_loss")]
            if fatal:
                raise DataError(fatal[0], find_remedy(task.spec.loss, fatal[0], listed=True))


class RowScores:
    """What the tasks make of each row, put together from their blocks chunk by chunk."""

    def __init__(self, rows: SharedRows, tasks: Sequence[Task]) -> None:
        self._rows = rows
        self._tasks = tasks
        self._complete = [0] * len(tasks)
        self._scores: dict[tuple[int, int], Contributions] = {}

    def add(self, number: int, outcome: Outcome, plan: Plan) -> None:
        """Take the block of a task."""
        region, rows = outcome.region, outcome.partial.rows
        if not region.partial or region.trailing == plan.block_plan.boxes[-1]:
            self._complete[number] = region.stop
        if rows is None:  # its data are broken; the error comes at the end
            return
        for first, chunk in tuple(self._rows.unscored):
            stop = first + len(chunk.numbers)
            if first >= region.stop or stop <= region.start:
                continue
            if region.start <= first and stop <= region.stop and not region.partial:
                here = slice(first - region.start, stop - region.start)
                self._scores[chunk.stop, number] = rows.take(here)
                continue
            known = self._scores.get((chunk.stop, number))
            if known is None:
                known = self._scores[chunk.stop, number] = Contributions.zeros(stop - first)
            start, end = max(first, region.start), min(stop, region.stop)
            here = slice(start - region.start, end - region.start)
            known.add(start - first, rows.take(here))

    def complete(self) -> Iterator[Scored]:
        """Yield the chunks whose losses are complete, in order."""
        done = min(self._complete)
        waiting = self._rows.unscored
        while waiting and waiting[0][0] + len(waiting[0][1].numbers) <= done:
            yield self._score(waiting.popleft()[1])

    def rest(self) -> Iterator[Scored]:
        """Yield what is left at the end: chunks of which no row is evaluated."""
        while self._rows.unscored:
            yield self._score(self._rows.unscored.popleft()[1])

    def _score(self, chunk: Chunk) -> Scored:
        return Scored(chunk, [self._finish(chunk, number) for number in range(len(self._tasks))])

    def _finish(self, chunk: Chunk, number: int) -> Contributions:
        """Return what each row of a chunk contributes, and the loss that it alone would have."""
        task, count = self._tasks[number], len(chunk.numbers)
        rows = self._scores.pop((chunk.stop, number), None) or Contributions.zeros(count)
        if task.gathered and rows.sums:
            counted = rows.sums[COUNT].sum(axis=1)
            losses = np.where(counted > 0, task.finish(rows.sums) * counted, 0)
            whole = counted.astype(np.int64)
            return Contributions(losses, counted, whole, rows.sums, missing=rows.missing)
        if task.spec.reduction == "batchmean" and not task.gathered:
            return replace(rows, denominators=np.ones(count))
        return rows


def evaluate_predicates(
    recipe: Recipe, asked: Mapping[Any, Asked], task: Task, *, omits_missing: bool
) -> dict[str, bool]:
    """Return whether the predicate of a whole input is true, found in a separate pass."""
    predicate = task.spec.loss.predicate
    if predicate is None:
        return {}
    place = next(n for n, one in enumerate(task.spec.loss.inputs) if one.name == predicate.input)
    key = task.inputs[place]
    if isinstance(key, np.ndarray):
        return {predicate.name: holds(predicate, key, omits_missing=omits_missing)}
    pieces = (chunk.columns[key] for chunk in Reader(recipe, {key: asked[key]}))
    found = (holds(predicate, piece, omits_missing=omits_missing) for piece in pieces)
    return {predicate.name: all(found)}


def _read_side_by_side(plans: Sequence[Plan], rows: SharedRows) -> Iterator[TaskBlock]:
    """Read the blocks of all plans side by side, so that few rows are held at a time."""
    readings = [read_blocks(plan) for plan in plans]
    waiting = [(0, number) for number in range(len(plans))]
    heapify(waiting)
    while waiting:
        start, number = heappop(waiting)
        rows.forget(start)
        block = next(readings[number], None)
        if block is None:
            continue
        region, arrays = block
        rows.fetch(region.stop)  # which a plan does not whose inputs are all held in memory
        yield number, region, arrays
        heappush(waiting, (region.start if region.partial else region.stop, number))
    rows.fetch()


def _locate(plan: Plan, rows: SharedRows, finding: RuleFinding) -> None:
    """Note where in the dataset a finding is, while its row is held."""
    if any(bound.name == finding.name for bound in plan.streams):
        locate(plan, finding)
    else:
        position = finding.position
        finding.location = Location(rows.number(position[0]) if position else None)
