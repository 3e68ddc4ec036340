"""Focal losses: cross entropies that down-weight easy examples."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.binary.losses import log_probability_steps, term_steps
from lossctl.losses.core.declaration import NON_NEGATIVE, Input, Option, logit, loss, soft_label
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import (
    at_least,
    at_most,
    log1p_exp,
    sigmoids,
    softplus,
)

Array = NDArray[Any]

LOGITS = logit("input", "*", help="logits of the positive class")
TARGET: Input = soft_label("target", "*", help="1 for the positive class, 0 for the negative")
GAMMA = Option("exponent of 1 − p of the right class; 0 is cross entropy", at_least=0)
SCORES = "binary.csv#logit binary.csv#target"
SMALL_TAIL = 0.06
FOCAL_SOURCE = "Lin et al. 2017, Focal loss for dense object detection, arXiv:1708.02002"


@loss(
    "focal",
    spellings=("sigmoid_focal_loss",),
    library="torchvision",
    range=NON_NEGATIVE,
    inputs=(LOGITS, TARGET),
    aliases=("sigmoid_focal",),
    formula="−α_y (1 − p_y)^γ log p_y, p_y the probability of the right class, σ(x) or σ(−x);"
    "  α_y is α for 1, 1 − α for 0",
    source=FOCAL_SOURCE,
    example=SCORES,
    traps=(
        "takes logits, not probabilities",
        "alpha is 0.25 by default, as in torchvision; Keras and optax use none by default:"
        " --alpha -1",
        "mean divides by the number of elements; detectors often divide by the positives",
    ),
)
def focal(
    input: Array,
    target: Array,
    *,
    alpha: Annotated[
        float,
        Option("weight of the positive class; -1: no weights", at_least=-1, at_most=1, gap=(-1, 0)),
    ] = 0.25,
    gamma: Annotated[float, GAMMA] = 2.0,
) -> Array:
    """Binary cross entropy of logits that down-weights easy examples.

    input and target have the same shape (*). Stable for logits of any size.
    """
    return _focus(input, target, gamma, None if alpha < 0 else alpha)


@loss(
    "optax.sigmoid_focal",
    spellings=("sigmoid_focal_loss",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=(LOGITS, TARGET),
    formula="−α_y (1 − p_y)^γ log p_y;  α_y is 1 unless alpha is given",
    source=FOCAL_SOURCE,
    example=SCORES,
    traps=("no alpha by default; focal has 0.25",),
)
def sigmoid_focal(
    input: Array,
    target: Array,
    *,
    alpha: Annotated[
        float | None, Option("weight of the positive class", at_least=0, at_most=1)
    ] = None,
    gamma: Annotated[float, GAMMA] = 2.0,
) -> Array:
    """Focal loss of logits without class weights, as optax defines it.

    input and target have the same shape (*). Stable for logits of any size.
    """
    return _focus(input, target, gamma, alpha)


def _focus(x: Array, y: Array, gamma: float, alpha: float | None) -> Array:
    """Return cross entropy times (1 − p_y)^γ; no part of it is one number less another."""
    probability, complement = sigmoids(x)
    missing = (y * complement + (1 - y) * probability) ** gamma
    if gamma == 2:
        lag = np.where(y == 1, -x, x)
        missing = np.where((y == 0) | (y == 1), _square_sigmoid(lag), missing)
    small = log1p_exp(x)
    losses = y * (at_least(-x, 0) + small) + (1 - y) * (at_least(x, 0) + small)
    losses *= missing
    return losses if alpha is None else losses * (alpha * y + (1 - alpha) * (1 - y))


def _square_sigmoid(x: Array) -> Array:
    """Return σ(x)² with half the error of a square: that of exp(2x) is not doubled."""
    tail = np.exp(-np.abs(x))
    whole = 1 + tail
    greater = np.where(tail < SMALL_TAIL, (1 - tail / whole) ** 2, 1 / (whole * whole))
    return np.where(x < 0, np.exp(2 * at_most(x, 0)) * greater, greater)


@focal.gradient
def focal_gradient(input: Array, target: Array, *, alpha: float, gamma: float) -> Array:
    """Return the gradients of both factors."""
    return _differentiate_focus(input, target, gamma, None if alpha < 0 else alpha)


@focal.steps
def focal_steps(x: Array, y: Array, *, alpha: float, gamma: float) -> Steps:
    """Explain the focal loss, with class weights unless alpha is −1."""
    yield from sigmoid_focal_steps(x, y, alpha=None if alpha < 0 else alpha, gamma=gamma)


@sigmoid_focal.gradient
def sigmoid_focal_gradient(
    input: Array, target: Array, *, alpha: float | None, gamma: float
) -> Array:
    """Return the gradients of both factors."""
    return _differentiate_focus(input, target, gamma, alpha)


def focusing_steps(
    y: Array, p: Array, q: Array, log_p: Array, log_q: Array, gamma: float, alpha: float | None
) -> Steps:
    """Yield a cross entropy times (1 − p_t)^γ, and times class weights."""
    yield from term_steps(y, log_p, log_q)
    entropy = -(y * log_p) - (1 - y) * log_q
    yield Step("cross entropy", "positive term + negative term", entropy)
    missing = y * q + (1 - y) * p
    yield Step("missing probability", "1 − p_t = y (1 − p) + (1 − y) p", missing)
    factor = missing**gamma
    yield Step("focusing factor", "(1 − p_t)^γ", factor)
    if alpha is None:
        yield Step("loss", "focusing factor × cross entropy", factor * entropy)
        return
    weight = alpha * y + (1 - alpha) * (1 - y)
    yield Step("weight", "α_y = α y + (1 − α) (1 − y)", weight)
    yield Step("loss", "α_y × focusing factor × cross entropy", weight * factor * entropy)


@sigmoid_focal.steps
def sigmoid_focal_steps(x: Array, y: Array, *, alpha: float | None, gamma: float) -> Steps:
    """Explain the focal loss of a logit."""
    yield Step("logit", "x", x)
    yield Step("target", "y", y)
    p, q = sigmoids(x)
    yield Step("probability", "p = 1 / (1 + exp(−x))", p)
    yield from log_probability_steps(x)
    yield from focusing_steps(y, p, q, -softplus(-x), -softplus(x), gamma, alpha)


def _differentiate_focus(x: Array, y: Array, gamma: float, alpha: float | None) -> Array:
    rising, falling = sigmoids(x)
    missing = y * falling + (1 - y) * rising
    entropy = y * softplus(-x) + (1 - y) * softplus(x)
    gradient = missing**gamma * ((1 - y) * rising - y * falling)
    if gamma:
        power = np.where(missing == 0, 0, missing ** (gamma - 1))
        gradient += gamma * power * (1 - 2 * y) * rising * falling * entropy
    return gradient if alpha is None else gradient * (alpha * y + (1 - alpha) * (1 - y))
