"""Keras's loss of label sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError
from lossctl.losses.core.declaration import NON_NEGATIVE, Terms, labels, logit, loss
from lossctl.losses.core.keras import BATCH
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.core.terms import Note
from lossctl.losses.maths.ctc import negative_log_likelihood
from lossctl.losses.maths.ctc_posteriors import find_occupation
from lossctl.losses.maths.numerics import log_softmax
from lossctl.losses.sequence.losses import IMPOSSIBLE, alignment_steps

Array = NDArray[Any]


@loss(
    "keras.ctc",
    spellings=("CTC",),
    inputs=(
        logit("y_pred", "N T C", help="logits of the classes at each time step"),
        labels("y_true", "N S", help="labels of at least 1, padded with 0"),
    ),
    range=NON_NEGATIVE,
    formula="−log Σ over all alignments of Π_t softmax(x_t)",
    unit="nats",
    source="https://keras.io/api/losses/ctc/#ctc-class",
    # Many samples share one time loop: blocks of 64 and more run several times faster.
    sample_cost=lambda sizes: sizes["T"] * sizes["C"] // 32,
    example="ctc.npz#logits ctc.npz#targets",
    traps=(
        "y_pred is (N, T, C) logits; torch's ctc takes (T, N, C) log-probabilities",
        "label 0 is both the blank and the padding: the labels are those that are not 0",
        "a loss is not divided by its number of labels",
        "an impossible alignment is +inf, where some of Keras's backends give a finite number",
    ),
    facts={"axis": "one loss per sample", "denominator": "per-sample losses"},
    **BATCH,
)
def ctc(y_pred: Array, y_true: Array) -> Terms:
    """Connectionist temporal classification: the likelihood of all alignments of the labels.

    y_pred is (N, T, C); y_true (N, S), padded with 0. A label outside [0, C) is an
    error; a 0 before a label is computed as Keras does, with a warning.
    """
    lengths = np.full(len(y_pred), y_pred.shape[1])
    counts = np.count_nonzero(y_true, axis=1)
    losses = negative_log_likelihood(log_softmax(y_pred), y_true, lengths, counts, 0)
    before = (y_true[:, :-1] == 0) & (y_true[:, 1:] != 0)
    return Terms(
        losses,
        notes={
            Note(IMPOSSIBLE, "{are} infinite: no alignment, the input is too short"): np.isposinf(
                losses
            ),
            "{were} computed with a 0 among the labels, which is not padding": before.any(axis=1),
        },
    )


@ctc.gradient
def ctc_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return softmax less the probability of each class given the labels; NaN without any way."""
    lengths = np.full(len(y_pred), y_pred.shape[1])
    log_probs = log_softmax(y_pred)
    counts = np.count_nonzero(y_true, axis=1)
    return np.exp(log_probs) - find_occupation(log_probs, y_true, lengths, counts, 0)


@ctc.steps
def ctc_steps(y_pred: Array, y_true: Array) -> Steps:
    """Explain the sum over all alignments of logits."""
    yield Step("frames", "T, all time steps", np.asarray(len(y_pred)))
    yield Step("logits", "x", y_pred)
    labels = y_true[: np.count_nonzero(y_true)]
    yield from alignment_steps(log_softmax(y_pred), labels, 0, zero_infinity=False)


@ctc.prepare
def check_labels(
    sizes: dict[str, int], sources: dict[str, str], *, y_true: Array, **_: Any
) -> dict[str, Array]:
    """Check the labels before the work."""
    classes = sizes["C"]
    wrong = (y_true < 0) | (y_true >= classes)
    if wrong.any():
        row, slot = np.argwhere(wrong)[0]
        raise DataError(
            f"y_true: {int(wrong.sum())} of the labels are not class indices in [0, {classes});"
            f" the first is {y_true[row, slot]} at sample {row}, label {slot} of"
            f" {sources['y_true']}",
            "Labels are at least 1 and below the number of classes; 0 is the blank and the"
            " padding.",
        )
    return {"y_true": y_true}
