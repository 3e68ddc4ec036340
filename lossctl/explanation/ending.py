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
class Ending:
    """What is known of an element and of all of them when its walk is over."""

    loss: Loss
    element: Element
    result: Result
    options: Mapping[str, Any]
    gathered: str = ""
    """Over what the values of a walk are averaged, or added up, to make a loss or its sums."""
    totals: Mapping[str, Array] = field(default_factory=dict)
    """The named sums over all rows, where the loss is made of those alone."""

    @property
    def contribution(self) -> float | None:
        """What the element adds to the mean, or to the sum."""
        if self.totals:
            return None
        denominator = self.result.denominator
        return self.element.total / denominator if denominator else np.nan


def end(walked: Sequence[Step], ending: Ending) -> Steps:
    """Yield the steps of a walk, and those that follow them."""
    if ending.element.sums:
        yield from walked
        yield from _add_sums(ending, walked[-1].key)
    elif ending.gathered and walked[-1].key == "loss":
        *walked, last = walked
        yield from walked
        yield replace(last, key="element losses")
        yield Step("loss", f"mean over {ending.gathered}", ending.element.loss)
    else:
        yield from walked
    if ending.totals:
        yield from _finish_totals(ending)
    else:
        yield from _weigh(ending)
    yield from _finish(ending.loss, ending.result, "losses" if ending.totals else "contributions")


def _add_sums(ending: Ending, last: str) -> Steps:
    """Yield the sums that a loss is made of: of the row, and of all rows."""
    sums = {name: value for name, value in ending.element.sums.items() if name != COUNT}
    inputs = {one.name for one in ending.loss.inputs}
    words = {name: name if name in inputs else name.replace("_", " ") for name in sums}
    over = f" over {ending.gathered}" if ending.gathered else ""
    for name, word in words.items():
        summand = word if len(words) > 1 else f"of the {last}"
        yield Step(OF_ROW.format(word), f"Σ {summand}{over}", sums[name])
    if not ending.totals:
        yield Step("loss", ending.loss.formula, ending.element.loss)
        return
    for name, word in words.items():
        yield Step(OF_ALL.format(word), "the same over all rows", ending.totals[name])


def _finish_totals(ending: Ending) -> Steps:
    """Yield the loss of all rows, and what it would be without this one."""
    assert ending.loss.finalize is not None
    sums = ending.element.sums
    rest = {name: total - sums[name] for name, total in ending.totals.items()}
    with np.errstate(all="ignore"):
        value = ending.loss.finalize(ending.totals, ending.options)
        without = ending.loss.finalize(rest, ending.options)
    yield Step("loss", f"{ending.loss.formula}, of the sums over all rows", value)
    yield Step("loss without the row", "the same of the sums without it", without)
    yield Step("effect of the row", "loss − loss without the row", value - without)
    if np.ndim(value) and ending.result.reduction != "sum":
        yield Step("denominator", ending.result.denominator_name, ending.result.denominator)


def _weigh(ending: Ending) -> Steps:
    """Yield what becomes of the loss of an element up to its part of the mean."""
    element, result = ending.element, ending.result
    shown = "loss"
    if element.left_out:
        yield Step(LEFT_OUT, f"{element.left_out}: it adds nothing", True)
    elif element.weight is not None:
        yield Step("sample weight", "s", element.weight)
        yield Step("weighted loss", "s × loss", element.weight * (element.loss or 0.0))
        shown = "weighted loss"
    if element.divisor is not None and not element.left_out:
        name = result.denominator_name.rpartition("divided by ")[2]
        yield Step("divisor", name, element.divisor)
        shown = f"{shown} / divisor"
    if result.reduction == "sum":
        yield Step("contribution", shown, element.total)
        return
    if not element.left_out and (element.share != 1 or result.denominator_name.startswith("Σ")):
        yield Step("share of the denominator", "what the row adds to it", element.share)
    yield Step("denominator", result.denominator_name, result.denominator)
    yield Step("contribution", f"{shown} / denominator", ending.contribution)


def _finish(loss: Loss, result: Result, summands: str) -> Steps:
    """Yield the reduced loss."""
    if loss.transform is not None:
        mean = result.total / result.denominator if result.denominator else np.nan
        yield Step("mean", "Σ of all contributions", mean)
        yield Step("result", f"{loss.transform.name} of the mean", result.value)
        return
    yield Step("result", f"Σ of all {summands} ({result.reduction})", result.value)
