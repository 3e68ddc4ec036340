"""Losses of label sequences without a given alignment."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError
from lossctl.findings import OptionName, Sentence
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Terms,
    labels,
    length,
    log_probability,
    loss,
)
from lossctl.losses.core.options import Role
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.core.terms import Denominator, DenominatorName, Note
from lossctl.losses.maths.ctc import negative_log_likelihood, pad_targets
from lossctl.losses.maths.ctc_posteriors import find_occupation

Array = NDArray[Any]

IMPOSSIBLE = "impossible_alignment"
"""The code of a sample whose labels do not fit into its frames."""


@loss(
    "ctc",
    spellings=("CTCLoss", "ctc_loss"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        log_probability(
            "log_probs", "T N C", "T N C", "T C", "T C", help="log-probabilities of the classes"
        ),
        labels("targets", "N S", "L", "S", "S", help="labels, padded or concatenated"),
        length("input_lengths", "N", "N", "", "1", help="number of time steps of each sample"),
        length("target_lengths", "N", "N", "", "1", help="number of labels of each sample"),
    ),
    results=("N", "N", "", ""),
    formula="−log Σ over all alignments of Π_t p_t",
    unit="nats",
    source="Graves et al. 2006, doi:10.1145/1143844.1143891",
    # Many samples share one time loop: blocks of 64 and more run several times faster.
    sample_cost=lambda sizes: sizes["T"] * sizes["C"] // 32,
    example="ctc.npz#log_probs ctc.npz#targets ctc.npz#input_lengths ctc.npz#target_lengths",
    facts={
        "axis": "T, over all alignments",
        "denominator": "samples, each loss divided by its target length",
    },
    traps=(
        "log_probs are (T, N, C): time first, batch second",
        "mean divides each loss by its target length (at least 1), then averages over the batch",
        "repeated labels need a blank between them, so the input must be long enough for both",
        "an impossible alignment is +inf, or 0 with --zero-infinity",
    ),
)
def ctc(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: Annotated[int, Option("class index of the blank", at_least=0)] = 0,
    zero_infinity: Annotated[
        bool, Option("give impossible alignments a loss of 0", role=Role.INFINITE_AS_ZERO)
    ] = False,
) -> Terms:
    """Connectionist temporal classification: the likelihood of all alignments of the labels.

    log_probs is (T, N, C) or (T, C); targets (N, S) padded, or concatenated (L), input_lengths and
    target_lengths (N). Lengths that exceed their arrays and labels
    outside [0, C) are errors; impossible alignments are +inf.
    """
    losses = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
    impossible = np.isposinf(losses)
    if zero_infinity:
        losses = np.where(impossible, 0, losses)
    word = "0, by zero_infinity" if zero_infinity else "infinite"
    return Terms(
        losses,
        denominator=Denominator(DenominatorName.SAMPLES, divisor="its target length"),
        mean_divisors=np.maximum(target_lengths, 1),
        notes={
            Note(IMPOSSIBLE, f"{{are}} {word}: no alignment, the input is too short"): impossible
        },
    )


def _add_frames(
    log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *, blank: int
) -> Array:
    """Return Σ exp of the frames that count, which has the derivative exp(x)."""
    losses = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
    inside = np.arange(log_probs.shape[1]) < input_lengths[:, np.newaxis]
    inside &= np.isfinite(losses)[:, np.newaxis]
    return np.where(inside, np.exp(log_probs).sum(axis=2), 0).sum(axis=1)


@ctc.gradient(
    beside=_add_frames,
    note="as in torch, exp(x) minus the probability of the class given the labels: the gradient"
    " with respect to the logits before a log-softmax",
)
def ctc_gradient(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: int,
    zero_infinity: bool,
) -> Array:
    """Return p_t less the occupation of each class; 0 behind a sample's input length.

    An impossible alignment has NaN, or 0 by ``zero_infinity``.
    """
    gradient = np.exp(log_probs)
    gradient -= find_occupation(log_probs, targets, input_lengths, target_lengths, blank)
    inside = np.arange(log_probs.shape[1]) < input_lengths[:, np.newaxis]
    if zero_infinity:
        losses = negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
        inside &= np.isfinite(losses)[:, np.newaxis]
    return np.where(inside[:, :, np.newaxis], gradient, 0)


def alignment_steps(log_probs: Array, labels: Array, blank: int, *, zero_infinity: bool) -> Steps:
    """Yield the steps from log-probabilities (T, C) and labels (S) on."""
    yield Step("log-probabilities", "log p_t", log_probs)
    yield Step("labels", "y", labels)
    extended = np.full(2 * len(labels) + 1, blank, np.intp)
    extended[1::2] = labels
    yield Step("extended labels", "a blank before, between and after the labels", extended)
    frames, count = np.array([len(log_probs)]), np.array([len(labels)])
    (loss,) = negative_log_likelihood(log_probs[None], labels[None], frames, count, blank)
    alignment, best = _find_best(log_probs, extended, blank)
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


@ctc.steps
def ctc_steps(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: int,
    zero_infinity: bool,
) -> Steps:
    """Explain the sum over all alignments of log-probabilities."""
    frames, count = int(input_lengths), int(target_lengths)
    yield Step("frames", "T, the input length", input_lengths)
    yield from alignment_steps(
        log_probs[:frames], targets[:count], blank, zero_infinity=zero_infinity
    )


@ctc.prepare
def check_lengths(
    sizes: dict[str, int],
    sources: dict[str, str],
    *,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    **_: Any,
) -> dict[str, Array]:
    """Check lengths and labels before the work, and pad labels that come one after another."""
    steps, classes = sizes["T"], sizes["C"]
    if blank >= classes:
        raise DataError(
            f"blank is {blank}, but log_probs have {classes} classes (0 to {classes - 1})",
            Sentence.of("Give the index of the blank with {blank}.", OptionName("blank")),
        )
    _check_range(
        "input_lengths", sources, input_lengths, steps, f"log_probs have {steps} time steps"
    )
    if "L" in sizes:
        given = f"{sizes['L']} labels are given"
        _check_range("target_lengths", sources, target_lengths, sizes["L"], given)
        if int(target_lengths.sum()) != sizes["L"]:
            raise DataError(
                f"target_lengths add up to {int(target_lengths.sum())}, but targets contain"
                f" {sizes['L']} labels",
                "Targets of one axis contain the concatenated labels of all samples; padded"
                " targets are (N, S).",
            )
        targets = pad_targets(targets, target_lengths)
    else:
        columns = f"targets have {sizes['S']} columns"
        _check_range("target_lengths", sources, target_lengths, sizes["S"], columns)
    used = np.arange(targets.shape[1]) < target_lengths[:, np.newaxis]
    wrong = used & ((targets < 0) | (targets >= classes))
    if wrong.any():
        row, slot = np.argwhere(wrong)[0]
        raise DataError(
            f"targets: {int(wrong.sum())} of the labels are not class indices in [0, {classes});"
            f" the first is {targets[row, slot]} at sample {row}, label {slot} of"
            f" {sources['targets']}",
            "Labels start at 0 and are below the number of classes; padding starts at"
            " target_lengths.",
        )
    return {"targets": targets}


def _check_range(
    name: str, sources: dict[str, str], lengths: Array, most: int, because: str
) -> None:
    wrong = (lengths < 0) | (lengths > most)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{name}: {int(wrong.sum())} of the lengths are outside [0, {most}] ({because});"
            f" the first is {lengths[row]} at sample {row} of {sources[name]}",
            "A length counts the entries of its own sample, without padding.",
        )


def _find_best(log_probs: Array, extended: Array, blank: int) -> tuple[Array, float]:
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
