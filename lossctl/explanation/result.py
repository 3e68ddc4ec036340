"""What an explanation is: the steps of one element of a loss, and of two side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lossctl.engine.sums.result import Result
from lossctl.losses.core.deprecated import warn_renamed
from lossctl.losses.core.steps import Step

FORMAT = "lossctl.explanation/1"
"""Name and version of the JSON object's shape."""

COMPARISON_FORMAT = "lossctl.explained_difference/1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an input of an element was read."""

    name: str
    source: str
    shape: tuple[int, ...]
    given: tuple[int, ...]
    """The shape as it was given, before axes of length 1 were dropped."""
    index: str
    """What was taken of it, in the notation of NumPy."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the loss of one element comes about, and what it adds to the reduced loss.

    ``steps`` are in order; each has ``key``, ``formula`` and ``value``. Without data there are no
    values, no ``row`` and no ``result``. ``value`` is the loss of the element and
    ``contribution`` what it adds to ``result``, the reduced loss of all rows; both are None where
    the loss is one ratio of sums over all rows.
    """

    loss: str
    name: str
    """The loss with the options that differ from their defaults."""
    description: dict[str, Any]
    """What the declaration says, as :func:`lossctl.describe` returns it."""
    steps: tuple[Step, ...]
    row: int | None = None
    position: tuple[int, ...] = ()
    """Which element of the row, where it has several."""
    positions: tuple[int, ...] = ()
    """How many elements the row has along each further axis."""
    chosen: bool = False
    """Whether the position is that of the row's largest loss, because none was named."""
    inputs: tuple[Place, ...] = ()
    value: float | None = None
    contribution: float | None = None
    result: Result | None = None
    classes: tuple[str, ...] = ()
    """The names of the classes, if they were given."""
    example: str = ""
    """A command that explains this loss with data, where there are none."""

    def __getitem__(self, key: str) -> Any:
        """Return the value of a step."""
        for step in self.steps:
            if step.key == key:
                return step.value
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of two losses, or of one of them."""

    key: str
    left: Step | None
    right: Step | None
    same: bool | None
    """Whether both have it with one value; None for what one of them has alone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two definitions over the same row, and the step at which they diverge.

    ``divergence`` is the place in ``pairs`` of the first step by which the two numbers differ; the
    result where no row differs and the results do; None where they do not differ on this row.
    """

    left: Explanation
    right: Explanation
    pairs: tuple[Pair, ...]
    divergence: int | None
    readings: tuple[str, str] | None = None
    """What each takes the first input for, where they diverge because of that."""
    facts: tuple[tuple[str, str, str], ...] = ()
    """The declared differences: a fact, and what each definition says of it."""
    farthest: int | None = None
    """The row on which the mean losses differ most; None if they differ on none, or the row that
    was named shows it already."""
    chosen: bool = False
    """Whether that row is the one explained, because none was named."""

    @property
    def parting(self) -> int | None:
        """What ``divergence`` was called in the version before."""
        warn_renamed("Difference.parting", "divergence")
        return self.divergence

    @property
    def labels(self) -> tuple[str, str]:
        """What to call the two: the losses, of one loss with its options."""
        left, right = self.left, self.right
        return (left.name, right.name) if left.loss == right.loss else (left.loss, right.loss)

    @property
    def results_differ(self) -> bool:
        """Whether the reduced losses of all rows differ."""
        return any(pair.key == "result" and pair.same is False for pair in self.pairs)
