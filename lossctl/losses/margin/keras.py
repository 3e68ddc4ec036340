"""Keras's losses with a margin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, InputPredicate, loss, real, score
from lossctl.losses.core.keras import AVERAGE, AXIS_TRAP, BATCH, LAST, ROWS, VECTORS
from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.margin.losses import lack_steps
from lossctl.losses.maths.numerics import at_least, open_half

Array = NDArray[Any]


def _is_binary(labels: Array) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())


SIGNED = (
    score("y_pred", *VECTORS, help="scores, positive for the class +1"),
    real("y_true", *VECTORS, help="-1 and +1, or only 0 and 1"),
)
BINARY_LABELS = InputPredicate("y_true", "binary", _is_binary)
LABELS = {"labels": "0 and 1 become −1 and +1, if no other label occurs"}
LABEL_TRAP = "labels of 0 and 1 are read as -1 and +1 if y_true has no other values"


def _lack(y_pred: Array, y_true: Array, binary: bool) -> Array:
    """Return the margin violation of a score, for a margin of 1."""
    signs = 2 * y_true - 1 if binary else y_true
    lack = 1 - signs * y_pred
    return at_least(lack, 0, out=lack)


@loss(
    "keras.hinge",
    spellings=("Hinge", "hinge"),
    inputs=SIGNED,
    range=NON_NEGATIVE,
    formula="mean over the last axis of max(1 − y p, 0)",
    source="https://keras.io/api/losses/hinge_losses/#hinge-class",
    example="binary.csv#logit binary.csv#target",
    traps=(AXIS_TRAP, LABEL_TRAP),
    facts=LAST | LABELS,
    predicate=BINARY_LABELS,
    **AVERAGE,
)
def hinge(y_pred: Array, y_true: Array, *, binary: bool) -> Array:
    """Margin violation of a score, for a margin of 1, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return _lack(y_pred, y_true, binary)


@hinge.gradient
def hinge_gradient(y_pred: Array, y_true: Array, *, binary: bool) -> Array:
    """Return minus the sign where the margin is lacking, half of it where it is just reached."""
    signs = 2 * y_true - 1 if binary else y_true
    return -signs * (1 - open_half(signs * y_pred - 1))  # all of it at NaN, as in Keras


def _signed_label_steps(x: Array, y: Array, *, binary: bool) -> StepsToArray:
    """Yield a score and its label, which is a sign or becomes one; return what it lacks of 1."""
    signs = 2 * y - 1 if binary else y
    yield Step("score", "x", x)
    yield Step("target", "y", y)
    if binary:
        yield Step("sign", "2 y − 1, because all labels are 0 or 1", signs, before=y)
    yield Step("agreement", "y x", signs * x)
    return 1 - signs * x


@hinge.steps
def hinge_steps(x: Array, y: Array, *, binary: bool) -> Steps:
    """Explain the hinge on a score whose labels may be 0 and 1."""
    lack = yield from _signed_label_steps(x, y, binary=binary)
    yield from lack_steps(lack, "1 − y x")


@loss(
    "keras.squared_hinge",
    inputs=SIGNED,
    range=NON_NEGATIVE,
    formula="mean over the last axis of max(1 − y p, 0)²",
    source="https://keras.io/api/losses/hinge_losses/#squaredhinge-class",
    example="binary.csv#logit binary.csv#target",
    traps=(AXIS_TRAP, LABEL_TRAP),
    facts=LAST | LABELS,
    predicate=BINARY_LABELS,
    **AVERAGE,
)
def squared_hinge(y_pred: Array, y_true: Array, *, binary: bool) -> Array:
    """Squared margin violation of a score, for a margin of 1, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    lack = _lack(y_pred, y_true, binary)
    return np.multiply(lack, lack, out=lack)


@squared_hinge.gradient
def squared_hinge_gradient(y_pred: Array, y_true: Array, *, binary: bool) -> Array:
    """Return twice what is lacking, with minus the sign."""
    signs = 2 * y_true - 1 if binary else y_true
    return -2 * signs * _lack(y_pred, y_true, binary)


@squared_hinge.steps
def squared_hinge_steps(x: Array, y: Array, *, binary: bool) -> Steps:
    """Explain the square of that hinge."""
    lack = yield from _signed_label_steps(x, y, binary=binary)
    yield Step("lack", "1 − y x", lack)
    yield Step("loss", "max(0, lack)²", np.maximum(lack, 0) ** 2)


@loss(
    "keras.categorical_hinge",
    inputs=(
        score("y_pred", "N *D C", "C", help="scores of the classes"),
        real("y_true", "N *D C", "C", help="1 for the right class, 0 for the others"),
    ),
    results=ROWS,
    range=NON_NEGATIVE,
    formula="max(max_c (1 − y_c) p_c − Σ_c y_c p_c + 1, 0)",
    source="https://keras.io/api/losses/hinge_losses/#categoricalhinge-class",
    example="preds.npy one_hot.npy",
    traps=(
        "takes one-hot labels; for class indices there is multi_margin",
        "the maximum includes the right class, with a score of 0",
    ),
    facts={"axis": "classes along the last", "denominator": "per-sample losses"},
    **BATCH,
)
def categorical_hinge(y_pred: Array, y_true: Array) -> Array:
    """Margin violation of the right class's score against the best wrong one, for a margin of 1.

    y_pred and y_true have the same shape (N, *D, C), or (C).
    """
    right = (y_true * y_pred).sum(axis=-1)
    wrong = ((1 - y_true) * y_pred).max(axis=-1, initial=-np.inf)
    return at_least(wrong - right + 1, 0)


@categorical_hinge.gradient
def categorical_hinge_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return the gradient of the best wrong class less that of the right one.

    Classes that are best alike share it; where the margin is just reached, it is halved.
    """
    scores = (1 - y_true) * y_pred
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    best = scores == top
    share = best / np.maximum(best.sum(axis=-1, keepdims=True), 1)
    lack = top - (y_true * y_pred).sum(axis=-1, keepdims=True) + 1
    return open_half(lack) * (share * (1 - y_true) - y_true)


@categorical_hinge.steps
def categorical_hinge_steps(x: Array, y: Array) -> Steps:
    """Explain the hinge on the lead of the right class, by one-hot labels."""
    right, wrong = (y * x).sum(), ((1 - y) * x).max(initial=-np.inf)
    yield Step("scores", "x", x, mark=int(np.argmax(y)))
    yield Step("target", "y", y, mark=int(np.argmax(y)))
    yield Step("score of the target", "Σ_c y_c x_c", right)
    yield Step("best other score", "max_c (1 − y_c) x_c", wrong)
    lack = "1 + best other score − score of the target"
    yield from lack_steps(wrong - right + 1, lack)
