"""The steps of losses of label sequences: all alignments, and the likeliest of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.steps import Step, Steps, steps
from lossctl.losses.maths.ctc import negative_log_likelihood
from lossctl.losses.maths.numerics import log_softmax
from lossctl.losses.sequence import keras as keras_sequence
from lossctl.losses.sequence import losses as sequence

Array = NDArray[Any]


@steps(sequence.ctc)
def align_labels(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: int,
    zero_infinity: bool,
) -> Steps:
    """Tell the sum over all alignments of log-probabilities."""
    frames, count = int(input_lengths), int(target_lengths)
    yield Step("frames", "T, the input length", input_lengths)
    yield from align(log_probs[:frames], targets[:count], blank, zero_infinity=zero_infinity)


@steps(keras_sequence.ctc)
def align_logits(y_pred: Array, y_true: Array) -> Steps:
    """Tell the sum over all alignments of logits."""
    yield Step("frames", "T, all steps of time", np.asarray(len(y_pred)))
    yield Step("logits", "x", y_pred)
    labels = y_true[: np.count_nonzero(y_true)]
    yield from align(log_softmax(y_pred), labels, 0, zero_infinity=False)


def align(log_probs: Array, labels: Array, blank: int, *, zero_infinity: bool) -> Steps:
    """Yield the steps from log-probabilities (T, C) and labels (S) on."""
    yield Step("log-probabilities", "log p_t", log_probs)
    yield Step("labels", "y", labels)
    extended = np.full(2 * len(labels) + 1, blank, np.intp)
    extended[1::2] = labels
    yield Step("extended labels", "a blank before, between and behind the labels", extended)
    frames, count = np.array([len(log_probs)]), np.array([len(labels)])
    (loss,) = negative_log_likelihood(log_probs[None], labels[None], frames, count, blank)
    alignment, best = find_best(log_probs, extended, blank)
    yield Step("best alignment", "label of each frame, in the likeliest alignment", alignment)
    yield Step("best log-probability", "Σ_t log p_t of the best alignment", best)
    yield Step("log-likelihood", "log Σ over all alignments of Π_t p_t", -loss)
    yield Step(
        "share of the best", "exp(best log-probability − log-likelihood)", np.exp(best + loss)
    )
    if zero_infinity:
        loss, plain = (0.0 if np.isposinf(loss) else loss), loss
        yield Step("loss", "−log-likelihood, and 0 where there is no alignment", loss, before=plain)
        return
    yield Step("loss", "−log-likelihood", loss)


def find_best(log_probs: Array, extended: Array, blank: int) -> tuple[Array, float]:
    """Return the likeliest alignment (a label per frame; empty if there is none), and its score.

    Viterbi 1967, doi:10.1109/TIT.1967.1054010, over the states of the extended labels: a frame
    stays, moves on by one, or jumps over a blank between two different labels.
    """
    states = len(extended)
    jumps = np.zeros(states, bool)
    jumps[2:] = (extended[2:] != blank) & (extended[2:] != extended[:-2])
    score = np.full(states, -np.inf)
    score[0] = 0.0
    came = np.zeros((len(log_probs), states), np.intp)
    for frame, row in enumerate(log_probs):
        moved = np.full((3, states), -np.inf)
        moved[0] = score
        if frame == 0:  # an alignment begins with the first blank or the first label
            moved[1, 1:2] = 0.0
        else:
            moved[1, 1:] = score[:-1]
            moved[2, 2:] = np.where(jumps[2:], score[:-2], -np.inf)
        came[frame] = moved.argmax(axis=0)
        score = moved.max(axis=0) + row[extended]
    last = states - 1
    if states > 1 and score[-2] > score[-1]:
        last -= 1
    best = float(score[last]) if len(log_probs) or states == 1 else -np.inf
    if best == -np.inf:
        return np.empty(0, np.intp), best
    path = np.empty(len(log_probs), np.intp)
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = extended[last]
        last -= came[frame, last]
    return path, best
