"""What a kernel returns for a block, and what becomes of the sums over all blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import RemedyKind
from lossctl.losses.core.deprecated import rename_keywords

Array = NDArray[Any]

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

    ``weights`` are the per-element denominators of the mean (None: one each), named by
    ``denominator``. ``ignored`` marks elements that do not count. ``clamped`` marks elements
    whose value was clamped, because of what ``clamp`` says. ``mean_divisors`` divide ``losses``
    in the mean only. ``notes`` marks elements that a person should know of, each under the
    words of the note. ``sums`` replaces ``losses`` where the loss is no sum over samples:
    named contributions, which the engine adds up and the declaration's ``finalize`` turns into
    the loss.
    """

    losses: Array = field(default_factory=lambda: np.empty(0))
    weights: Array | None = None
    denominator: str = "elements"
    ignored: NDArray[np.bool_] | None = None
    clamped: NDArray[np.bool_] | None = None
    mean_divisors: Array | None = None
    notes: dict[str | Note, NDArray[np.bool_]] = field(default_factory=dict)
    sums: dict[str, Array] = field(default_factory=dict)
    clamp: str = "what should be likely has the probability 0"


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
