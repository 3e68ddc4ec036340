"""Losses of decisions: nothing for an answer that is clear enough, more the clearer it is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, binary, index, loss, score, sign
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.margin.losses import agreement_steps, lack_steps, target_score_steps
from lossctl.losses.maths.numerics import (
    align_classes,
    at_least,
    find_classes,
    open_half,
    take_class,
)

Array = NDArray[Any]

SCORE = score("input", "*", help="scores of the positive class")
SCORES = (
    score("input", "N C *D", "C", help="scores of the classes"),
    index("target", "N *D", "", help="class indices"),
)
DIGITS = "preds.npy labels.npy"
BINARY = "binary.csv#logit binary.csv#{}"
FENCHEL_YOUNG = "Blondel et al. 2020, Learning with Fenchel-Young losses, arXiv:1901.02324"
SPARSEMAX = "Martins and Astudillo 2016, From softmax to sparsemax, arXiv:1602.02068"
LOWEST = "a tie has a loss of 0: only scores above that of the right class count"


@loss(
    "perceptron",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(SCORE, sign("target", "*", help="+1 or -1")),
    formula="max(0, −y x)",
    source="Rosenblatt 1958, The perceptron, doi:10.1037/h0042519",
    example=BINARY.format("sign"),
    traps=("targets are +1 and -1, not 1 and 0",),
)
def perceptron(input: Array, target: Array) -> Array:
    """Magnitude of a score that has the wrong sign.

    input and target have the same shape (*). A target that is not +1 or -1 is an error.
    """
    return at_least(-target * input, 0)


@perceptron.gradient
def perceptron_gradient(input: Array, target: Array) -> Array:
    """Return −y where the score has the wrong sign, half of it at 0."""
    return -target * open_half(-target * input)


@perceptron.steps
def perceptron_steps(x: Array, y: Array) -> Steps:
    """Explain the size of a score with the wrong sign."""
    yield from agreement_steps(x, y)
    yield from lack_steps(-(y * x), "−y x")


@loss(
    "multiclass_perceptron",
    library="optax",
    range=NON_NEGATIVE,
    inputs=SCORES,
    formula="max_c x_c − x_y",
    source="https://aclanthology.org/W02-1001/",
    example=DIGITS,
    traps=(LOWEST,),
)
def multiclass_perceptron(input: Array, target: Array) -> Array:
    """Margin of the best class over the right one.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index.
    A label outside [0, C) is an error.
    """
    return input.max(axis=1) - take_class(input, target)


@multiclass_perceptron.gradient
def multiclass_perceptron_gradient(input: Array, target: Array) -> Array:
    """Return 1 at the best class, which ties share, less 1 at the right one."""
    gradient = _share_best(input)
    flat, places = find_classes(gradient, target)
    flat[places] -= 1
    return gradient


@multiclass_perceptron.steps
def multiclass_perceptron_steps(x: Array, y: Array) -> Steps:
    """Explain the lead of the best class."""
    yield from target_score_steps(x, y)
    yield Step("maximum", "max_c x_c", x.max())
    yield Step("loss", "max_c x_c − x_y", x.max() - x[int(y)])


def _share_best(scores: Array) -> Array:
    """Return 1 at the largest of axis 1, shared evenly by ties."""
    best = scores == scores.max(axis=1, keepdims=True, initial=-np.inf)
    return np.ascontiguousarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1))


@loss(
    "multiclass_hinge",
    library="optax",
    range=NON_NEGATIVE,
    inputs=SCORES,
    aliases=("crammer_singer",),
    formula="max(0, 1 + max_{c≠y} x_c − x_y)",
    source="https://www.jmlr.org/papers/v2/crammer01a.html",
    example=DIGITS,
    traps=("only the best wrong class counts; multi_margin sums over all of them, divided by C",),
)
def multiclass_hinge(input: Array, target: Array) -> Array:
    """Hinge on the margin of the right class over the best of the others.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index.
    A label outside [0, C) is an error.
    """
    own = take_class(input, target)
    others = input.copy(order="K")
    flat, places = find_classes(others, target)
    flat[places] = -np.inf
    return at_least(1 + (others.max(axis=1) - own), 0)


@multiclass_hinge.gradient
def multiclass_hinge_gradient(input: Array, target: Array) -> Array:
    """Return 1 at the best of all with a lead of 1 over the right class, less 1 at that one.

    Classes that are best alike share it, the right one among them where its lead is just 1.
    """
    raised = input + 1.0
    flat, places = find_classes(raised, target)
    flat[places] -= 1
    gradient = _share_best(raised)
    flat, places = find_classes(gradient, target)
    flat[places] -= 1
    return gradient


@multiclass_hinge.steps
def multiclass_hinge_steps(x: Array, y: Array) -> Steps:
    """Explain the hinge on the lead over the best of the others."""
    yield from target_score_steps(x, y)
    best = np.delete(x, int(y)).max(initial=-np.inf)
    yield Step("best other score", "max_{c≠y} x_c", best)
    lack = "1 + best other score − score of the target"
    yield from lack_steps(1 + (best - x[int(y)]), lack)


@loss(
    "sparsemax",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(SCORE, binary("target", "*", help="1 for the positive class, 0 for the negative")),
    aliases=("binary_sparsemax",),
    formula="s(x) for 0, s(−x) for 1:  s(x) = 0 for x ≤ −1;  ¼ (x + 1)² for −1 < x < 1;  x for x"
    " ≥ 1",
    source=FENCHEL_YOUNG,
    example=BINARY.format("target"),
    traps=(
        "targets are 1 and 0, not +1 and -1",
        "0 for margins of 1 or more; cross entropy is never 0",
    ),
)
def sparsemax(input: Array, target: Array) -> Array:
    """Analogue of cross entropy that is 0 for margins of 1 or more.

    input and target have the same shape (*). A target that is not 0 or 1 is an error.
    """
    lag = np.where(target == 1, -input, input)
    risen = at_least(lag, -1) + 1
    return np.where(lag >= 1, lag, 0.25 * risen * risen)


@sparsemax.gradient
def sparsemax_gradient(input: Array, target: Array) -> Array:
    """Return ½ (lag + 1) between leads of 1 and −1, in the direction of the error."""
    sign = np.where(target == 1, -1.0, 1.0)
    return sign * np.clip(0.5 * (sign * input + 1), 0, 1)


@sparsemax.steps
def sparsemax_steps(x: Array, y: Array) -> Steps:
    """Explain the loss of two classes that ends at a lead of 1."""
    lag = np.where(y == 1, -x, x)
    risen = np.maximum(lag, -1) + 1
    yield Step("score", "x", x)
    yield Step("target", "y", y)
    yield Step("lag", "l = −x for 1, x for 0", lag)
    losses = np.where(lag >= 1, lag, 0.25 * risen * risen)
    yield Step("loss", "0 for l ≤ −1; ¼ (l + 1)² for −1 < l < 1; l for l ≥ 1", losses)


@loss(
    "multiclass_sparsemax",
    library="optax",
    range=NON_NEGATIVE,
    inputs=SCORES,
    formula="½ ‖p − e_y‖² + max(0, τ − x_y),  p = max(x − τ, 0) with the τ for which Σ p = 1",
    source=SPARSEMAX,
    example=DIGITS,
    traps=("0 if the right class leads by 1 or more; softmax cross entropy is never 0",),
)
def multiclass_sparsemax(input: Array, target: Array) -> Array:
    """Loss of the sparse probabilities that are nearest to the scores.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index.
    A label outside [0, C) is an error.
    """
    scores = input - input.max(axis=1, keepdims=True)
    threshold = find_threshold(scores)
    shares = at_least(scores - threshold[:, np.newaxis], 0)
    flat, places = find_classes(shares, target)
    flat[places] = 0
    # The right class lacks what the others have: both squares are sums of the others' shares.
    lacking = shares.sum(axis=1)
    squares = (shares * shares).sum(axis=1) + lacking * lacking
    return 0.5 * squares + at_least(threshold - take_class(scores, target), 0)


@multiclass_sparsemax.gradient
def multiclass_sparsemax_gradient(input: Array, target: Array) -> Array:
    """Return the sparse probabilities less 1 at the right class."""
    scores = input - input.max(axis=1, keepdims=True)
    shares = np.ascontiguousarray(at_least(scores - find_threshold(scores)[:, np.newaxis], 0))
    flat, places = find_classes(shares, target)
    flat[places] = 0
    flat[places] = -shares.sum(axis=1)
    return shares


@multiclass_sparsemax.steps
def multiclass_sparsemax_steps(x: Array, y: Array) -> Steps:
    """Explain the loss of the sparse probabilities that are nearest to the scores."""
    own, scores = int(y), (x - x.max())[np.newaxis]
    (threshold,) = find_threshold(scores)
    shares = np.maximum(scores[0] - threshold, 0)
    others = np.delete(shares, own)
    yield from target_score_steps(x, y)
    yield Step("threshold", "τ with Σ_c max(x_c − τ, 0) = 1", threshold + x.max())
    yield Step("probabilities", "p_c = max(x_c − τ, 0)", shares, mark=own)
    squares = (others * others).sum() + others.sum() ** 2
    yield Step("squared distance", "‖p − e_y‖²", squares)
    below = np.maximum(threshold - scores[0, own], 0)
    yield Step("below the threshold", "max(0, τ − x_y)", below)
    yield Step("loss", "½ squared distance + below the threshold", 0.5 * squares + below)


def find_threshold(scores: Array) -> Array:
    """Return τ with Σ max(x − τ, 0) = 1: the k best scores are above it (Martins, algorithm 1)."""
    ordered = np.sort(scores, axis=1)[:, ::-1]
    sums = ordered.cumsum(axis=1)
    ranks = align_classes(np.arange(1, scores.shape[1] + 1), scores.ndim)
    support = (1 + ranks * ordered > sums).sum(axis=1)
    last = at_least(support, 1)[:, np.newaxis].astype(np.intp) - 1
    return (np.take_along_axis(sums, last, axis=1)[:, 0] - 1) / (last[:, 0] + 1)


@loss(
    "optax.hinge",
    spellings=("hinge_loss",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=(score("input", "*", help="scores"), sign("target", "*", help="+1 or -1")),
    formula="max(0, 1 − y x)",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="binary.csv#logit binary.csv#sign",
    traps=(
        "one loss per element, with targets +1 and -1; Keras also takes 0 and 1, and averages"
        " over the last axis",
    ),
)
def hinge(input: Array, target: Array) -> Array:
    """Hinge on a score that should have a given sign.

    input and target have the same shape (*). A target that is not +1 or -1 is an error.
    """
    return at_least(1 - target * input, 0)


@hinge.gradient
def hinge_gradient(input: Array, target: Array) -> Array:
    """Return −y where the margin is lacking, half of it where it is just reached."""
    return -target * open_half(1 - target * input)


@hinge.steps
def hinge_steps(x: Array, y: Array) -> Steps:
    """Explain the hinge on a score."""
    yield from agreement_steps(x, y)
    yield from lack_steps(1 - y * x, "1 − y x")
