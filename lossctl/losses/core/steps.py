"""A step of a computation, and how a loss is given the function that tells its steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import Loss

Array = NDArray[Any]
Steps = Iterator["Step"]
Told = Generator["Step", None, Array]
"""Steps at whose end there is an array for those that follow."""

Walk = Callable[..., Steps]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step: what it is called, its formula, and its value.

    ``key`` is a word of the vocabulary, by which the steps of two losses are laid side by side.
    ``value`` is a number, an array, a truth or a text (None where no data were given).
    """

    key: str
    formula: str
    value: Any = None
    mark: int | None = None
    """The place in a vector that later steps take, such as the right class."""
    before: Any = None
    """What the value would be if the step did nothing, where it clips or smooths something."""
    places: Sequence[int] = ()
    """Which samples the entries of a vector belong to, where they are not its own places."""
    note: str = ""
    """When it is taken, if it is not always."""

    @property
    def changes(self) -> bool | None:
        """Whether a step that may change a value does so; None for other steps."""
        if self.before is None:
            return None
        same = np.array_equal(np.asarray(self.before), np.asarray(self.value), equal_nan=True)
        return not same


LEFT_OUT = "left out"
"""The step of an element that is ignored or masked, and so adds nothing."""

WALKS: dict[Loss, Walk] = {}
"""The function of each loss that tells its steps."""


def steps(*losses: Loss) -> Callable[[Walk], Walk]:
    """Attach the steps of losses: the decorated function yields them for one element.

    It is given the inputs of one element as the kernel has them, without the axes of samples and
    further positions (a class loss gets ``C`` scores and one label), and those of the options
    that it names behind a ``*``. The function of a loss that needs all samples is given all of
    them, and the ``row``. The last step is the ``loss``; of a loss that is made of named sums, a
    step for each of them.

    Of a loss of your own::

        @lossctl.steps(wing)
        def explain_wing(input, target, *, omega, epsilon):
            yield lossctl.Step("difference", "x − y", input - target)
            ...
            yield lossctl.Step("loss", "ω log(1 + |x − y| / ε), or |x − y| − C", ...)
    """

    def attach(walk: Walk) -> Walk:
        for loss in losses:
            if loss in WALKS:
                raise ValueError(f"the steps of {loss.key} are told twice")
            WALKS[loss] = walk
        return walk

    return attach


def pick_options(walk: Walk, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options that a walk names."""
    parameters = inspect.signature(walk).parameters.values()
    named = {one.name for one in parameters if one.kind == one.KEYWORD_ONLY}
    return {name: value for name, value in options.items() if name in named}
