"""The public API of explanations: how the number of one row comes about, step by step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.calls import plan_computation
from lossctl.data import load_array
from lossctl.data.classes import load_classes
from lossctl.engine import reduction as engine
from lossctl.engine.binding import Bound
from lossctl.engine.element import (
    IGNORED,
    MASKED,
    Element,
    check_position,
    check_row,
    count_rows,
    find_largest,
    show_index,
    take_element,
)
from lossctl.engine.options import check_options
from lossctl.engine.plan import Plan, Settings
from lossctl.engine.result import Result
from lossctl.engine.summary import is_default
from lossctl.engine.threads import available_threads
from lossctl.errors import LossctlWarning, UsageError, warn
from lossctl.explanation.ending import Ending, end
from lossctl.explanation.finding import walk_inputs, walk_loss
from lossctl.explanation.listing import list_variants
from lossctl.explanation.result import Explanation, Place
from lossctl.explanation.step import Step
from lossctl.losses.declaration import Loss
from lossctl.losses.description import describe
from lossctl.losses.registry import find

Array = NDArray[Any]
Row = int | Sequence[int]
Progress = Callable[[int, "int | None"], None]

TOLERANCE = 1e-9
"""How far the steps of a loss may end from what its kernel says, relative to it."""

ROUNDING = 1e-12
"""The same, relative to the largest of the steps."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a loss, apart from its options."""

    inputs: tuple[Any, ...]
    row: tuple[int, ...]
    settings: Settings
    sample_weight: Any = None
    mask: Any = None
    classes: Any = None
    progress: Progress | None = None


def explain(
    loss: str | Loss,
    *inputs: Any,
    row: Row | None = None,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Explanation:
    """Tell how the loss of one row comes about, step by step, and what it adds to the mean.

    Takes what :func:`~lossctl.compute` takes; ``reduction`` is any but none. ``row`` is counted
    from 0; where a row has several losses (the pixels of an image), ``row=(3, 10, 20)`` names one
    of them, and ``row=3`` means its largest. The inputs are read once. Without inputs, the steps
    have formulas and no values.

    >>> import lossctl
    >>> found = lossctl.explain("huber", [1.0, 5.0], [1.0, 2.0], row=1)
    >>> for step in found.steps:
    ...     print(f"{step.key}: {step.value}")
    prediction: 5.0
    target: 2.0
    difference: 3.0
    distance: 3.0
    clipped distance: 1.0
    loss: 2.5
    denominator: 2.0
    contribution: 1.25
    result: 1.25

    Returns an :class:`~lossctl.explanation.result.Explanation`. Warns with LossctlWarning. Raises
    UsageError (there is no such row), DataError or FileError.
    """
    declared = find(loss)
    named = any(one.name in options for one in declared.inputs)
    if not inputs and not named:
        if row is not None:
            raise UsageError(f"row {row} of what? No inputs are given", "Name the files.")
        return _list_steps(declared, options, reduction)
    call = Call(
        inputs=inputs,
        row=parse_row(row),
        settings=Settings(
            reduction=declared.reduction if reduction is None else reduction,
            class_axis=class_axis,
            squeeze=squeeze,
            nan=nan,
            threads=available_threads() if threads is None else threads,
        ),
        sample_weight=sample_weight,
        mask=mask,
        classes=classes,
        progress=progress,
    )
    return walk(declared, call, options)


def parse_row(row: Row | None) -> tuple[int, ...]:
    """Return a row, and a position in it, as whole numbers."""
    if row is None:
        raise UsageError("no row is named", "Rows are counted from 0: --row 0 is the first one.")
    places = row.split(",") if isinstance(row, str) else np.atleast_1d(row).tolist()
    try:
        return tuple(int(place) for place in places)
    except ValueError:
        raise UsageError(
            f"{row!r} is no row", "A row is a whole number from 0 on; 3,10,20 is a place in row 3."
        ) from None


@dataclass(frozen=True, slots=True)
class Run:
    """A computation that is over, and of which any element can be explained that was kept."""

    loss: Loss
    plan: Plan
    result: Result
    totals: dict[str, Array]
    """Named sums over all rows, where the loss is made of those alone."""
    classes: tuple[str, ...] = ()

    def find(self, row: int, position: tuple[int, ...]) -> tuple[int, ...]:
        """Return a position, that of the row's largest loss if none is named."""
        if not position:
            return find_largest(self.plan, row)
        check_position(self.plan, row, position)
        return position

    def explain(self, row: int, position: tuple[int, ...], *, chosen: bool) -> Explanation:
        """Return the explanation of one element."""
        plan, result = self.plan, self.result
        element = take_element(plan, row, position, result.samples)
        ending = Ending(self.loss, element, result, plan.options, _name_gathered(plan), self.totals)
        steps = tuple(end(_walk_element(self.loss, element), ending))
        if not element.left_out and not self.totals:
            _compare_with_kernel(self.loss, steps, element)
        return Explanation(
            loss=self.loss.key,
            name=result.name,
            description=describe(self.loss),
            steps=steps,
            row=row,
            position=position,
            positions=element.positions,
            chosen=chosen,
            inputs=tuple(
                _find_place(plan, bound, element, result.samples) for bound in plan.streams
            ),
            value=element.loss,
            contribution=ending.contribution,
            result=result,
            classes=self.classes,
        )


def run(loss: Loss, call: Call, options: dict[str, Any]) -> Run:
    """Compute the reduced loss, and keep the row that is asked for."""
    if call.settings.reduction == "none":
        raise UsageError(
            "the reduction none adds nothing up, and the row is one of its losses already",
            "Choose another one, such as mean or sum.",
        )
    row = call.row[0]
    check_row(row, None, "")
    plan = plan_computation(
        loss,
        call.inputs,
        call.sample_weight,
        call.mask,
        call.settings,
        dict(options),
        call.classes,
        row=row,
    )
    source = plan.inputs[0].source
    try:
        check_row(row, count_rows(plan, plan.samples), source.name)
    except UsageError:
        for bound in plan.streams:
            bound.source.close()
        raise
    stream = engine.Elements(plan, call.progress)
    result = engine.compute(stream)
    check_row(row, count_rows(plan, result.samples), source.name)
    named = load_classes(call.classes)
    names = () if named is None else named.names
    return Run(loss, plan, result, _total(plan, stream), names)


def walk(loss: Loss, call: Call, options: dict[str, Any]) -> Explanation:
    """Return the explanation of one element."""
    row, *position = call.row
    finished = run(loss, call, options)
    place = finished.find(row, tuple(position))
    return finished.explain(row, place, chosen=bool(place) and not position)


def _walk_element(loss: Loss, element: Element) -> list[Step]:
    """Return the steps of a loss, or only the inputs where they may be no valid ones."""
    if element.left_out in (IGNORED, MASKED) and not loss.whole:
        return list(walk_inputs(loss, element.given))
    options = dict(element.options)
    if loss.whole:
        options["row"] = element.row
    return walk_loss(loss, element.arrays, options, element.loss)


def _name_gathered(plan: Plan) -> str:
    """Say over what the values of a walk are averaged or added up within a row."""
    gathering = plan.gathering
    if gathering is None or (gathering.across and not gathering.finished):
        return ""
    if gathering.axes == (-1,):
        return "the last axis"
    if gathering.axes is None:
        return "the row" if len(plan.inputs[0].axes) > 1 else ""
    within = [str(axis) for axis in gathering.axes if axis]
    return f"{'axis' if len(within) == 1 else 'axes'} {', '.join(within)}" if within else ""


def _total(plan: Plan, stream: engine.Elements) -> dict[str, Array]:
    """Return the named sums over all rows, in the shape of the losses made of them."""
    if plan.gathering is None or not plan.single:
        return {}
    shape = engine.fill(plan.gathering.shape, 0)
    return {
        name: np.array([one.value for one in parts]).reshape(shape)
        for name, parts in stream.partial.sums.items()
    }


def _compare_with_kernel(loss: Loss, steps: Sequence[Step], element: Element) -> None:
    """Warn where the steps end at another number than the loss: they are then not its steps."""
    told = next((step.value for step in steps if step.key == "loss"), None)
    if element.loss is None or told is None:
        return
    if np.ndim(told) or math.isnan(element.loss):
        return
    terms = [abs(step.value) for step in steps if isinstance(step.value, float)]
    size = max((term for term in terms if math.isfinite(term)), default=0.0)
    slack = ROUNDING * size  # terms may cancel
    same = math.isclose(float(told), element.loss, rel_tol=TOLERANCE, abs_tol=slack)
    if not same:
        warn(f"the steps of {loss.key} end at {float(told)!r}, but its loss is {element.loss!r}")


def _find_place(plan: Plan, bound: Bound, element: Element, samples: int) -> Place:
    """Say what was read of an input."""
    return Place(
        bound.name,
        bound.source.name,
        engine.fill(bound.source.shape, samples),
        engine.fill(bound.source.given_shape, samples),
        show_index(plan, bound, element),
    )


def _list_steps(loss: Loss, options: dict[str, Any], reduction: str | None) -> Explanation:
    """Return the steps of a loss without values: those of the options given, and of others."""
    check_options(loss, options, load_array)
    defaults = {one.name: one.default for one in loss.parameters}
    given = {name: v for name, v in options.items() if not is_default(v, defaults[name])}
    settings = Settings(loss.reduction if reduction is None else reduction)

    def try_out(inputs: tuple[Array, ...], more: dict[str, Any]) -> tuple[Step, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            return walk(loss, Call(inputs, (0,), settings), given | more).steps

    steps = [
        replace(step, value=None, before=None, mark=None)
        for step in list_variants(loss, try_out, given)
    ]
    return Explanation(loss.key, loss.key, describe(loss), tuple(steps))
