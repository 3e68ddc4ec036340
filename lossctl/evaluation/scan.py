"""One pass over the rows: every model and loss computed chunk by chunk, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.engine.run.block import Outcome, process
from lossctl.engine.run.threads import available_threads, keep_freed_memory
from lossctl.engine.sums.partial import Contributions, Partial
from lossctl.engine.sums.rule_finding import RuleFinding, find_remedy
from lossctl.errors import DataError, Location, UsageError
from lossctl.evaluation.request.specs import LossSpec
from lossctl.evaluation.rows.dataset import Asked
from lossctl.evaluation.rows.reader import Chunk, Reader, Recipe
from lossctl.losses.core.declaration import Loss

Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Task:
    """A loss of one model: which columns feed its inputs, in the order of the declaration."""

    model: str
    spec: LossSpec
    options: dict[str, Any]
    inputs: tuple[Any, ...]
    """Keys of columns, or arrays that all rows share."""
    sample_weight: Any = None
    mask: Any = None

    @property
    def gathered(self) -> bool:
        """Whether the loss is made of sums over rows, and is no mean of the losses of rows."""
        return is_gathered(self.spec.loss, self.options)

    def finish(self, sums: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the losses that sums make: one for each row of the sums."""
        assert self.spec.loss.finalize is not None
        with np.errstate(all="ignore"):
            losses = np.asarray(self.spec.loss.finalize(sums, self.options))
        empty = sums[COUNT].sum(axis=1) == 0
        return np.where(empty, np.nan, losses.mean(axis=1))

    @property
    def columns(self) -> tuple[Any, ...]:
        """The keys of the columns, ``None`` where there is an array instead."""
        keys = [None if isinstance(one, np.ndarray) else one for one in self.inputs]
        return (*keys, *(one for one in (self.sample_weight, self.mask) if one is not None))


@dataclass
class Tally:
    """The sums, counts and findings of a task over all chunks."""

    partial: Partial = field(default_factory=Partial)
    notes: dict[str, None] = field(default_factory=dict)


@dataclass
class Scored:
    """A chunk with what every task makes of its rows."""

    chunk: Chunk
    scores: list[Contributions]


@dataclass
class Scan:
    """The pass itself: iterate over it, then look at the tallies."""

    reader: Reader
    tasks: Sequence[Task]
    settings: Settings
    progress: Progress | None = None
    answers: Sequence[dict[str, bool]] = ()
    """For each task, what was asked of a whole input."""
    tallies: list[Tally] = field(init=False)

    def __post_init__(self) -> None:
        self.tallies = [Tally() for _ in self.tasks]

    def __iter__(self) -> Iterator[Scored]:
        keep_freed_memory()
        asked = self.settings.threads
        threads = available_threads() if asked is None else asked
        with ExitStack() as stack:
            pool: ThreadPoolExecutor | None = None
            if threads > 1:
                pool = stack.enter_context(ThreadPoolExecutor(threads, "lossctl"))
            for chunk in self.reader:
                yield Scored(chunk, self._score(chunk, pool))
                if self.progress is not None:
                    self.progress(self.reader.seen, self.reader.expect())
        self._report()

    def _score(self, chunk: Chunk, pool: ThreadPoolExecutor | None) -> list[Contributions]:
        answers = self.answers or [{} for _ in self.tasks]
        plans = [
            self._plan(task, chunk, known) for task, known in zip(self.tasks, answers, strict=True)
        ]
        work: list[list[Future[Outcome] | Outcome]] = [
            [_work(plan, region) if pool is None else pool.submit(_work, plan, region)
             for region in plan.regions()]
            for plan in plans
        ]  # fmt: skip
        scores = []
        for task, plan, tally, parts in zip(self.tasks, plans, self.tallies, work, strict=True):
            outcomes = [one.result() if isinstance(one, Future) else one for one in parts]
            tally.notes |= dict.fromkeys(plan.notes)
            for outcome in outcomes:
                for finding in outcome.partial.findings.values():
                    self._place(task, plan, finding, chunk.numbers)
                tally.partial.merge(outcome.partial)
            scores.append(_join(task, outcomes, len(chunk.numbers)))
        return scores

    def _plan(self, task: Task, chunk: Chunk, answers: dict[str, bool]) -> Plan:
        def wrap(key: Any, name: str) -> Source:
            if isinstance(key, np.ndarray):
                return ArraySource(name, key)
            values = _column(task, chunk.columns[key])
            if key in self.reader.recipe.turned:
                values = np.moveaxis(values, 0, 1)
            source = ArraySource(self._source(key).name, values)
            source.text = self._source(key).text
            return source

        sources = [
            wrap(key, one.name) for key, one in zip(task.inputs, task.spec.loss.inputs, strict=True)
        ]
        weight, mask = task.sample_weight, task.mask
        plan = make_plan(
            task.spec.loss,
            sources,
            task.options,
            replace(self.settings, rows=True, threads=1, reduction=task.spec.reduction),
            None if weight is None else wrap(weight, "sample weight"),
            None if mask is None else wrap(mask, "mask"),
            answers,
        )
        one_sample = not any(bound.batched for bound in plan.inputs)
        # A sum along a vector is a loss, and cannot be taken row by row.
        summed = (
            plan.single and plan.axis_reduction is not None and plan.axis_reduction.has_finalize
        )
        if one_sample or (summed and not task.gathered):
            raise DataError(
                f"{task.spec.name} needs several numbers in each row (classes, or a vector), but"
                f" {sources[0].name} has one",
                "Name all of their columns, such as logit_0:logit_9, or a column of lists.",
            )
        return plan

    def _source(self, key: Any) -> Source:
        return self.reader.sources[key]

    def _place(
        self, task: Task, plan: Plan, finding: RuleFinding, numbers: NDArray[np.int64]
    ) -> None:
        """Say where in the dataset a finding is, not in the chunk."""
        position = finding.position
        names = [bound.name for bound in plan.streams]
        place = names.index(finding.name) if finding.name in names else None
        key = task.columns[place] if place is not None else None
        if key is None:
            finding.position = (int(numbers[position[0]]), *position[1:]) if position else ()
            finding.location = Location(finding.position[0] if position else None)
            return
        bound = plan.streams[place or 0]
        if bound.batched and position:
            axis = bound.order[0]
            row = int(numbers[position[axis]])
            position = (*position[:axis], row, *position[axis + 1 :])
            finding.position = position
        finding.location = self._source(key).locate(position)

    def _report(self) -> None:
        """Raise the first error that the checks found."""
        for task, tally in zip(self.tasks, self.tallies, strict=True):
            broken = tally.partial.findings.values()
            fatal = [one for one in broken if one.rule.is_error]
            if self.settings.nan == "error":
                fatal += [one for one in broken if one.rule.code in ("nan", "nan_loss")]
            if fatal:
                loss = task.spec.loss
                raise DataError(fatal[0], find_remedy(loss, fatal[0], listed=True))


def refuse_wholes(specs: Sequence[LossSpec]) -> None:
    """Raise UsageError for losses that compare rows with each other: no row has its own."""
    for spec in specs:
        if spec.loss.needs_all_samples:
            raise UsageError(
                f"{spec.name} compares all rows with each other, and rows have no losses of it",
                f"lossctl compute {spec.loss.key} gives its value over a whole file.",
            )


def is_gathered(loss: Loss, options: Mapping[str, Any]) -> bool:
    """Whether a loss is made of named sums over rows."""
    if loss.finalize is None or loss.reduce_axes == "last":
        return False
    axes = None if loss.reduce_axes in ("", "all") else options[loss.reduce_axes]
    return axes is None or 0 in axes


def ask(recipe: Recipe, asked: Mapping[Any, Asked], task: Task) -> dict[str, bool]:
    """Answer the question that a loss has to a whole input, in a pass of its own."""
    scan = task.spec.loss.predicate
    if scan is None:
        return {}
    place = next(n for n, one in enumerate(task.spec.loss.inputs) if one.name == scan.input)
    key = task.inputs[place]
    if isinstance(key, np.ndarray):
        return {scan.name: scan.holds(key)}
    pieces = (chunk.columns[key] for chunk in Reader(recipe, {key: asked[key]}))
    return {scan.name: all(scan.holds(piece) for piece in pieces)}


def _column(task: Task, values: Array) -> Array:
    """Return a column as the loss is to see it: one row is one sample."""
    alone = task.spec.loss.reduce_axes not in ("", "all") and values.ndim == 1
    return values[:, np.newaxis] if alone and len(task.spec.loss.inputs[0].forms) == 1 else values


def _work(plan: Plan, region: Region) -> Outcome:
    return process(plan, region, [bound.block(region) for bound in plan.streams])


def _join(task: Task, outcomes: Sequence[Outcome], count: int) -> Contributions:
    """Return what each row contributes, from blocks of rows or from several blocks of a row."""
    if task.gathered:
        return _join_sums(task, outcomes, count)
    totals, denominators = np.zeros(count), np.zeros(count)
    counted = np.zeros(count, np.int64)
    for outcome in outcomes:
        rows = outcome.partial.rows
        if rows is None:  # its data are broken; the error comes at the end
            continue
        some = slice(outcome.region.start, outcome.region.stop)
        totals[some] += rows.totals
        denominators[some] += rows.denominators
        counted[some] += rows.counted
    if task.spec.reduction == "batchmean":
        denominators = np.ones(count)
    return Contributions(totals, denominators, counted)


def _join_sums(task: Task, outcomes: Sequence[Outcome], count: int) -> Contributions:
    """Return the sums of each row, and the loss that the row alone would have."""
    sums: dict[str, NDArray[np.float64]] = {}
    for outcome in outcomes:
        rows = outcome.partial.rows
        some = slice(outcome.region.start, outcome.region.stop)
        for name, values in rows.sums.items() if rows is not None else ():
            if name not in sums:
                sums[name] = np.zeros((count, values.shape[1]))
            sums[name][some] += values
    if not sums:
        return Contributions(np.zeros(count), np.zeros(count), np.zeros(count, np.int64))
    counted = sums[COUNT].sum(axis=1)
    losses = np.where(counted > 0, task.finish(sums) * counted, 0)
    return Contributions(losses, counted, counted.astype(np.int64), sums)
