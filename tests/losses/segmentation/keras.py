"""The segmentation losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case, Draw
from tests.losses.cases.keras import bit, pair_cases, probability
from tests.losses.declare import cases, recomputed, reference, without_definition

reference("keras.dice", "keras.losses.Dice")
without_definition("keras.dice", "no sample has a loss by itself")
OVERLAPS: tuple[dict[str, Any], ...] = (
    {}, {"axis": (-1,)}, {"axis": (1,)}, {"axis": (0,)}, {"axis": (1, 2)}, {"axis": (1, 2, 3)},
    {"axis": (0, 1, 2)}, {"axis": (0, -1)},
)  # fmt: skip


@cases("keras.dice")
def overlap_cases(draw: Draw, more: Sequence[dict[str, Any]] = ()) -> Iterator[Case]:
    """Yield the cases of dice, and of tversky with more options."""
    for case in pair_cases(draw, probability, bit, [*OVERLAPS, *more]):
        if 0 not in case.inputs[0].shape:
            yield case
    yield Case("nothing", (np.zeros((2, 3)), np.zeros((2, 3))), {"axis": (1,)})
    yield Case("sure", (bit(draw, (2, 3, 2)), bit(draw, (2, 3, 2))), {"axis": (1, 2)})


def interchange(y_true: Array, options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Give alpha for beta: Keras 3.15.1 has them interchanged (keras#23333)."""
    weights = {"alpha": options.get("beta", 0.5), "beta": options.get("alpha", 0.5)}
    return y_true, {**options, **weights}


reference("keras.tversky", "keras.losses.Tversky", mend=interchange)
without_definition("keras.tversky", "no sample has a loss by itself")


@cases("keras.tversky")
def tversky_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of tversky."""
    choices = [{"alpha": 0.3, "beta": 0.7}, {"alpha": 0.9, "beta": 0.2, "axis": (1,)}]
    yield from overlap_cases(draw, choices)


recomputed(
    {
        ("intersection", "y p"): lambda s: s.x[0] * s.x[1],
        ("false positives", "(1 − y) p"): lambda s: s.x[0] - s.x[0] * s.x[1],
        ("false negatives", "y (1 − p)"): lambda s: s.x[1] - s.x[0] * s.x[1],
    }
)
