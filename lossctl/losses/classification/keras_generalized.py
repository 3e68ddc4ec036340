"""Keras's cross entropy that is robust to wrong labels."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, density, index, loss
from lossctl.losses.core.keras import BATCH, ROWS
from lossctl.losses.core.steps import Step, Steps

Array = NDArray[Any]


@loss(
    "keras.categorical_generalized_cross_entropy",
    inputs=(
        density("y_pred", "N *D C", "C", help="probabilities of the classes"),
        index("y_true", *ROWS, help="class indices"),
    ),
    results=ROWS,
    range=NON_NEGATIVE,
    formula="(1 − p_y^q) / q",
    source="Zhang and Sabuncu 2018, Generalized cross entropy loss, arXiv:1805.07836",
    example="probs.npy labels.npy --q 0.7",
    traps=(
        "takes class indices, and probabilities as they are: nothing is clipped or normalised",
        "q near 0 is cross entropy, q near 1 is the absolute error",
        "labels (N, 1) are read as (N); Keras 3.15.1 compares every row with the labels of all",
    ),
    facts={"axis": "classes along the last", "denominator": "per-sample losses"},
    **BATCH,
)
def categorical_generalized_cross_entropy(
    y_pred: Array,
    y_true: Array,
    *,
    q: Annotated[float, Option("robustness to wrong labels", above=0, below=1)] = 0.5,
) -> Array:
    """Cross entropy generalized to be robust to wrong labels.

    y_pred is (N, *D, C) or (C); y_true holds class indices (N, *D), (N, *D, 1) or one index.
    """
    own = np.take_along_axis(y_pred, y_true[..., np.newaxis], axis=-1)[..., 0]
    return -np.expm1(q * np.log(own)) / q  # 1 − pᵠ would lose the digits of a p near 1


@categorical_generalized_cross_entropy.gradient
def categorical_generalized_cross_entropy_gradient(
    y_pred: Array, y_true: Array, *, q: float
) -> Array:
    """Return −p^(q − 1) at the right class."""
    gradient, places = np.zeros_like(y_pred), y_true[..., np.newaxis]
    own = np.take_along_axis(y_pred, places, axis=-1)
    np.put_along_axis(gradient, places, -(own ** (q - 1)), axis=-1)
    return gradient


@categorical_generalized_cross_entropy.steps
def categorical_generalized_cross_entropy_steps(p: Array, y: Array, *, q: float) -> Steps:
    """Explain the loss that lies between cross entropy and absolute error."""
    own = p[int(y)]
    yield Step("probabilities", "p", p, mark=int(y))
    yield Step("target", "y", y)
    yield Step("probability", "p_y", own)
    yield Step("power", "p_y^q", own**q)
    yield Step("loss", "(1 − p_y^q) / q", -np.expm1(q * np.log(own)) / q)
