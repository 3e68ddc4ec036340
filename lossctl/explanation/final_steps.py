"""The steps that all losses end with: what an element adds to the reduced loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.engine.sums.result import Result
from lossctl.explanation.element import Element
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.step_names import OF_ALL, OF_ROW
from lossctl.losses.core.steps import LEFT_OUT, Step, Steps

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is known of an element and of all of them when its steps are known."""

    loss: Loss
    element: Element
    result: Result
    options: Mapping[str, Any]
    gathered: str = ""
    """Over what the values of the steps are averaged, or added up, to make a loss or its sums."""
    totals: Mapping[str, Array] = field(default_factory=dict)
    """The named sums over all rows, where the loss is made of those alone."""

    @property
    def contribution(self) -> float | None:
        """What the element adds to the mean, or to the sum."""
        if self.totals:
            return None
        denominator = self.result.denominator
        return self.element.total / denominator if denominator else np.nan


def add_final_steps(steps: Sequence[Step], known: Reduced) -> Steps:
    """Yield the steps of a loss, and those that follow them."""
    if known.element.sums:
        yield from steps
        yield from _add_sums(known, steps[-1].key)
    elif known.gathered and steps[-1].key == "loss":
        *steps, last = steps
        yield from steps
        yield replace(last, key="element losses")
        yield Step("loss", f"mean over {known.gathered}", known.element.loss)
    else:
        yield from steps
    if known.totals:
        yield from _finalize_totals(known)
    else:
        yield from _weigh(known)
    yield from _reduced_steps(
        known.loss, known.result, "losses" if known.totals else "contributions"
    )


def _add_sums(known: Reduced, last: str) -> Steps:
    """Yield the sums that a loss is made of: of the row, and of all rows."""
    sums = {name: value for name, value in known.element.sums.items() if name != COUNT}
    inputs = {one.name for one in known.loss.inputs}
    words = {name: name if name in inputs else name.replace("_", " ") for name in sums}
    over = f" over {known.gathered}" if known.gathered else ""
    for name, word in words.items():
        summand = word if len(words) > 1 else f"of the {last}"
        yield Step(OF_ROW.format(word), f"Σ {summand}{over}", sums[name])
    if not known.totals:
        yield Step("loss", known.loss.formula, known.element.loss)
        return
    for name, word in words.items():
        yield Step(OF_ALL.format(word), "the same over all rows", known.totals[name])


def _finalize_totals(known: Reduced) -> Steps:
    """Yield the loss of all rows, and what it would be without this one."""
    assert known.loss.finalize is not None
    sums = known.element.sums
    rest = {name: total - sums[name] for name, total in known.totals.items()}
    with np.errstate(all="ignore"):
        value = known.loss.finalize(known.totals, known.options)
        without = known.loss.finalize(rest, known.options)
    yield Step("loss", f"{known.loss.formula}, of the sums over all rows", value)
    yield Step("loss without the row", "the same for the sums without the row", without)
    yield Step("effect of the row", "loss − loss without the row", value - without)
    if np.ndim(value) and known.result.reduction != "sum":
        yield Step("denominator", known.result.denominator_name, known.result.denominator)


def _weigh(known: Reduced) -> Steps:
    """Yield what becomes of the loss of an element up to its part of the mean."""
    element, result = known.element, known.result
    shown = "loss"
    if element.left_out:
        yield Step(LEFT_OUT, f"{element.left_out}: it contributes nothing", True)
    elif element.weight is not None:
        yield Step("sample weight", "s", element.weight)
        yield Step("weighted loss", "s × loss", element.weight * (element.loss or 0.0))
        shown = "weighted loss"
    if element.divisor is not None and not element.left_out:
        yield Step("divisor", element.divided_by.divisor, element.divisor)
        shown = f"{shown} / divisor"
    if result.reduction == "sum":
        yield Step("contribution", shown, element.total)
        return
    if not element.left_out and (element.share != 1 or element.divided_by.sums_weights):
        yield Step("share of the denominator", "what the row adds to it", element.share)
    yield Step("denominator", result.denominator_name, result.denominator)
    yield Step("contribution", f"{shown} / denominator", known.contribution)


def _reduced_steps(loss: Loss, result: Result, summands: str) -> Steps:
    """Yield the reduced loss."""
    if loss.transform is not None:
        mean = result.total / result.denominator if result.denominator else np.nan
        yield Step("mean", "Σ of all contributions", mean)
        yield Step("result", f"{loss.transform.name} of the mean", result.value)
        return
    yield Step("result", f"Σ of all {summands} ({result.reduction})", result.value)
