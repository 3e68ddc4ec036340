"""Single elements of a computation that is over: their steps, from the inputs to the mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.binding import BoundInput
from lossctl.engine.plan.plan import Plan
from lossctl.engine.sums.reduce import fill
from lossctl.engine.sums.result import Result
from lossctl.errors import warn
from lossctl.explanation.element import (
    IGNORED,
    MASKED,
    Element,
    check_position,
    find_largest,
    find_positions,
    show_index,
    take_element,
)
from lossctl.explanation.final_steps import Reduced, add_final_steps
from lossctl.explanation.result import Explanation, Place
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.description import describe
from lossctl.losses.core.steps import Step, Steps

Array = NDArray[Any]

TOLERANCE = 1e-9
"""How far the steps of a loss may end from what its kernel says, relative to it."""

ROUNDING = 1e-12
"""The same, relative to the largest of the steps."""


@dataclass(frozen=True, slots=True)
class Run:
    """A computation that is over, and of which any element can be explained that was kept."""

    loss: Loss
    plan: Plan
    result: Result
    totals: dict[str, Array]
    """Named sums over all rows, where the loss is made of those alone."""
    classes: tuple[str, ...] = ()
    description: dict[str, Any] = field(init=False, repr=False)
    """What the declaration says, the same for every element."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", describe(self.loss))

    @property
    def positions(self) -> tuple[int, ...]:
        """How many losses a row has along each further axis."""
        return find_positions(self.plan)

    def fit(self, position: tuple[int, ...]) -> tuple[int, ...]:
        """Return as much of a position of another loss as this one has axes for."""
        sizes = self.positions
        return position[: len(sizes)] if len(position) >= len(sizes) else ()

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
        known = Reduced(self.loss, element, result, plan.options, _name_gathered(plan), self.totals)
        steps = tuple(map(_make_plain, add_final_steps(_list_steps(self.loss, element), known)))
        if not element.left_out and not self.totals:
            _compare_with_kernel(self.loss, steps, element)
        return Explanation(
            loss=self.loss.key,
            name=result.name,
            description=self.description,
            steps=steps,
            row=row,
            position=position,
            positions=element.positions,
            chosen=chosen and bool(position),
            inputs=tuple(
                _find_place(plan, bound, element, result.samples) for bound in plan.streams
            ),
            value=element.loss,
            contribution=known.contribution,
            result=result,
            classes=self.classes,
        )


def _list_steps(loss: Loss, element: Element) -> list[Step]:
    """Return the steps of a loss, or only the inputs where they may be no valid ones."""
    if element.left_out in (IGNORED, MASKED) and not loss.needs_all_samples:
        return list(input_steps(loss, element.given))
    options = dict(element.options)
    if loss.needs_all_samples:
        options["row"] = element.row
    if loss.declared_steps is not None:
        return loss.list_steps(element.arrays, options)
    return list(undeclared_steps(loss, element.arrays, options, element.loss))


def input_steps(loss: Loss, arrays: Sequence[Array]) -> Steps:
    """Yield the inputs of any loss as they are."""
    for declared, array in zip(loss.inputs, arrays, strict=True):
        yield Step(declared.name, declared.help or declared.name, array)


def undeclared_steps(
    loss: Loss, arrays: Sequence[Array], options: Mapping[str, Any], value: float | None
) -> Steps:
    """Yield what is known of a custom loss that declares no steps: inputs, options and loss."""
    yield from input_steps(loss, arrays)
    for parameter in loss.parameters:
        given = options[parameter.name]
        if given is not None:
            yield Step(parameter.name, parameter.option.help, given)
    yield Step("loss", loss.formula or "what its function returned", value)


def _make_plain(step: Step) -> Step:
    """Return a step with numbers of Python where it has numbers."""
    return replace(step, value=_plain(step.value), before=_plain(step.before))


def _plain(value: Any) -> Any:
    single = isinstance(value, np.generic | np.ndarray) and value.ndim == 0
    return value.item() if single else value


def _name_gathered(plan: Plan) -> str:
    """Say over what the values of the steps are averaged or added up within a row."""
    axis_reduction = plan.axis_reduction
    if axis_reduction is None or (axis_reduction.over_samples and not axis_reduction.has_finalize):
        return ""
    if axis_reduction.axes == (-1,):
        return "the last axis"
    if axis_reduction.axes is None:
        return "the row" if len(plan.inputs[0].axes) > 1 else ""
    within = [str(axis) for axis in axis_reduction.axes if axis]
    return f"{'axis' if len(within) == 1 else 'axes'} {', '.join(within)}" if within else ""


def _compare_with_kernel(loss: Loss, steps: Sequence[Step], element: Element) -> None:
    """Warn where the steps end at another number than the loss: they are then not its steps."""
    found = next((step.value for step in steps if step.key == "loss"), None)
    if element.loss is None or found is None:
        return
    if np.ndim(found) or math.isnan(element.loss):
        return
    terms = [abs(step.value) for step in steps if isinstance(step.value, float)]
    size = max((term for term in terms if math.isfinite(term)), default=0.0)
    slack = ROUNDING * size  # terms may cancel
    same = math.isclose(float(found), element.loss, rel_tol=TOLERANCE, abs_tol=slack)
    if not same:
        warn(f"the steps of {loss.key} end at {float(found)!r}, but its loss is {element.loss!r}")


def _find_place(plan: Plan, bound: BoundInput, element: Element, samples: int) -> Place:
    """Say what was read of an input."""
    return Place(
        bound.name,
        bound.source.name,
        fill(bound.source.shape, samples),
        fill(bound.source.given_shape, samples),
        show_index(plan, bound, element),
    )
