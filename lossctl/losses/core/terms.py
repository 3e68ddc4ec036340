"""What a kernel returns for a block, and what becomes of the sums over all blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.findings import RemedyKind
from lossctl.losses.core.deprecated import rename_keywords

Array = NDArray[Any]


class DenominatorName(StrEnum):
    """What the losses are counted by, where a mean counts and does not weigh."""

    ELEMENTS = "elements"
    KEPT = "elements kept"
    SAMPLES = "samples"
    ROWS = "rows"
    LOSSES = "losses"
    ONE = "one loss of everything"
    SUM = "a sum"
    NOT_REDUCED = "not reduced"


@dataclass(frozen=True, slots=True)
class Denominator:
    """What the sum of the losses is divided by in the mean."""

    of: str = DenominatorName.ELEMENTS
    """What is counted, or the sum of weights as a formula."""
    weighted: bool = False
    """Whether it is a sum of weights, which differ from element to element."""
    divisor: str = ""
    """What each loss is divided by before they are added up."""
    sample_weighted: bool = False
    """Whether each element counts with the weight of its sample."""

    @property
    def sums_weights(self) -> bool:
        """Whether elements may count for more, or less, than 1."""
        return self.weighted or self.sample_weighted

    @property
    def name(self) -> str:
        """What machine formats call it."""
        if self.sample_weighted:
            return f"Σ sample weight × {self.of}" if self.weighted else "Σ sample weight"
        return f"{self.of}, each loss divided by {self.divisor}" if self.divisor else str(self.of)


@dataclass(frozen=True, slots=True)
class Range:
    """Between which numbers the losses of valid rows lie; infinite where there is no bound."""

    lowest: float = -math.inf
    highest: float = math.inf
    ends_only: bool = False
    """Whether a loss is one of the two bounds, and nothing between them."""

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise ValueError(f"a range from {self.lowest} to {self.highest} is empty")
        if self.ends_only and not self.bounded:
            raise ValueError("a range of its ends only must have both")

    @property
    def bounded(self) -> bool:
        """Whether it has two bounds."""
        return math.isfinite(self.lowest) and math.isfinite(self.highest)

    @property
    def label(self) -> str:
        """The range as a person reads it.

        >>> Range(0, 2).label, Range(0).label
        ('0 to 2', 'at least 0')
        """
        if self.ends_only:
            return f"{self.lowest:g} or {self.highest:g}"
        if self.bounded:
            return f"{self.lowest:g} to {self.highest:g}"
        if math.isfinite(self.lowest):
            return f"at least {self.lowest:g}"
        return f"at most {self.highest:g}" if math.isfinite(self.highest) else "any number"

    def transformed(self, transform: Transform | None) -> Range:
        """Return the range of what an increasing transform makes of means."""
        if transform is None:
            return self
        apply = transform.apply
        low, high = (end if math.isinf(end) else apply(end) for end in (self.lowest, self.highest))
        return Range(low, high)


UNBOUNDED = Range()
NON_NEGATIVE = Range(0)
ZERO_ONE = Range(0, 1, ends_only=True)


Finalize = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
"""From named sums and the options to the loss; works on numbers and on arrays of sums alike."""


class Note(NamedTuple):
    """The words of a note, and its code."""

    code: str
    text: str
    remedy: RemedyKind | None = None


@dataclass(slots=True)
class Terms:
    """What a kernel returns for a block: losses, and what its reduction must know of them.

    ``weights`` are the per-element denominators of the mean (None: one each); ``denominator``
    names what is counted, or the sum of the weights. ``ignored`` marks elements that do not
    count. ``clamped`` marks elements whose value was clamped, because of what ``clamp`` says.
    ``mean_divisors`` divide ``losses`` in the mean only. ``notes`` marks elements that a person
    should know of, each under the words of the note. ``sums`` replaces ``losses`` where the loss
    is not a sum over samples: named contributions, which the engine adds up and the
    declaration's ``finalize`` turns into the loss.
    """

    losses: Array = field(default_factory=lambda: np.empty(0))
    weights: Array | None = None
    denominator: str | Denominator = DenominatorName.ELEMENTS
    ignored: NDArray[np.bool_] | None = None
    clamped: NDArray[np.bool_] | None = None
    mean_divisors: Array | None = None
    notes: dict[str | Note, NDArray[np.bool_]] = field(default_factory=dict)
    sums: dict[str, Array] = field(default_factory=dict)
    clamp: str = "what should be likely has the probability 0"
    clamped_unit: str = "logarithm"
    """What is clamped, one of them."""

    @property
    def divided_by(self) -> Denominator:
        """What the sum of the losses is divided by in the mean."""
        if isinstance(self.denominator, Denominator):
            return self.denominator
        named = self.denominator != DenominatorName.ELEMENTS
        return Denominator(self.denominator, weighted=named and self.weights is not None)


@dataclass(frozen=True, slots=True, init=False)
class Transform:
    """What is done with the mean at the end, such as a square root, and its derivative."""

    name: str
    apply: Callable[[float], float]
    derivative: Callable[[float], float]

    def __init__(
        self,
        name: str,
        apply: Callable[[float], float],
        derivative: Callable[[float], float] | None = None,
        **older: Any,
    ) -> None:
        if older:
            older = rename_keywords(older, {"slope": "derivative"}, "Transform")
        derivative = older.get("derivative", derivative)
        if derivative is None:
            raise TypeError("Transform() needs the derivative of what it applies")
        for field_name, value in (("name", name), ("apply", apply), ("derivative", derivative)):
            object.__setattr__(self, field_name, value)


@dataclass(frozen=True, slots=True)
class InputPredicate:
    """A predicate of all numbers of one input, evaluated before the first block.

    ``holds`` says whether it is true of a part of the input; whether it is true of all of it is
    given to the kernel under ``name``. Reading ends where the answer is known.
    """

    input: str
    name: str
    holds: Callable[[Array], bool]
