"""A step of a computation: what it is called, its formula and its value."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Steps = Iterator["Step"]
StepsToArray = Generator["Step", None, Array]
"""Steps at whose end there is an array for those that follow."""

StepsFunction = Callable[..., Steps]
"""What yields the steps of a loss for one element: see :meth:`Loss.steps`."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step: what it is called, its formula, and its value.

    ``key`` is one of the known names of steps, by which those of two losses are compared.
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
