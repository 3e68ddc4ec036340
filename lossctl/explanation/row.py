"""One row of a call: everything is computed, and the row is kept and explained."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.class_names import load_classes
from lossctl.engine.plan.call import Call
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.elements import Elements, Progress, compute
from lossctl.engine.sums.reduce import fill
from lossctl.errors import UsageError
from lossctl.explanation.element import check_row, count_rows
from lossctl.explanation.elements import Run
from lossctl.explanation.result import Explanation
from lossctl.findings import Remedy, RemedyKind

Array = NDArray[Any]
Row = int | str | Sequence[int]


def explain_row(call: Call, row: Row | None, progress: Progress | None) -> Explanation:
    """Explain one element: the one named, or the largest of the row."""
    place = parse_row(row)
    finished = run(call, place[0], progress)
    return finished.explain(place[0], finished.find(place[0], place[1:]), chosen=not place[1:])


def parse_row(row: Row | None) -> tuple[int, ...]:
    """Return a row, and a position in it, as integers."""
    if row is None:
        raise UsageError("missing row", Remedy(RemedyKind.COUNT_ROWS))
    try:
        if isinstance(row, str):
            places = tuple(map(int, row.split(",")))
        else:
            several: Any = row if isinstance(row, Sequence | np.ndarray) else [row]
            places = tuple(operator.index(one) for one in several)
    except (TypeError, ValueError):
        places = ()
    if not places:
        raise UsageError(
            f"{row!r} is not a row",
            "A row is an integer of at least 0; 3,10,20 is an element of row 3.",
        )
    return places


def close(plan: Plan) -> None:
    """Close the inputs of a plan that is not carried out."""
    for bound in plan.streams:
        bound.source.close()


def run(call: Call, row: int, progress: Progress | None = None) -> Run:
    """Compute the reduced loss, and keep a row."""
    if call.settings.reduction == "none":
        raise UsageError(
            "a row is explained with its part of the result, but the reduction is none",
            "Choose another one, such as mean or sum.",
        )
    check_row(row, None, "")
    plan = call.plan(row)
    source = plan.inputs[0].source
    try:
        check_row(row, count_rows(plan, plan.samples), source.name)
    except UsageError:
        close(plan)
        raise
    stream = Elements(plan, progress)
    result = compute(stream)
    check_row(row, count_rows(plan, result.samples), source.name)
    named = load_classes(call.classes)
    names = () if named is None else named.names
    return Run(call.loss, plan, result, _total(plan, stream), names)


def _total(plan: Plan, stream: Elements) -> dict[str, Array]:
    """Return the named sums over all rows, in the shape of the losses made of them."""
    if plan.axis_reduction is None or not plan.single:
        return {}
    shape = fill(plan.axis_reduction.shape, 0)
    return {
        name: np.array([one.value for one in parts]).reshape(shape)
        for name, parts in stream.partial.sums.items()
    }
