"""Losses of two classes, or of several classes that may hold at once."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Input,
    Option,
    Terms,
    logit,
    loss,
    probability,
    soft_label,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import at_least, log1p_exp, sigmoids, softplus

Array = NDArray[Any]

TARGET: Input = soft_label("target", "*", help="1 for the positive class, 0 for the negative")
ELEMENT_WEIGHT = Option("weight of each element's loss", broadcast_to="N *D")
LOG_FLOOR = -100.0
LEAST_VARIANCE = float(np.float32(1e-12))
"""What torch raises p (1 − p) to before it divides by it, held in single precision."""


@loss(
    "bce",
    spellings=("BCELoss", "binary_cross_entropy"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=(probability("input", "*", help="probability of the positive class"), TARGET),
    aliases=("binary_cross_entropy",),
    formula="−w [y log p + (1 − y) log(1 − p)], logarithms at least −100",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html",
    example="binary.csv#probability binary.csv#target",
    facts={
        "clipping": "logarithms at least −100",
        "denominator": "elements, whatever the weights",
    },
    traps=(
        "takes probabilities; for logits there is bce_with_logits",
        "logarithms are clamped at −100, so p = 0 for a target of 1 has a loss of 100 (Keras:"
        " 16.118)",
        "mean divides by the number of elements, not by the sum of weights",
    ),
)
def bce(
    input: Array,
    target: Array,
    *,
    weight: Annotated[Array | None, ELEMENT_WEIGHT] = None,
) -> Terms:
    """Binary cross entropy of probabilities.

    input and target have the same shape (*). An input outside [0, 1] is an error.
    """
    log_p, log_q = np.log(input), np.log1p(-input)
    low_p, low_q = log_p < LOG_FLOOR, log_q < LOG_FLOOR
    at_least(log_p, LOG_FLOOR, out=log_p)
    at_least(log_q, LOG_FLOOR, out=log_q)
    losses = (target - 1) * log_q - target * log_p
    if weight is not None:
        losses = losses * weight
    clamped = (low_p & (target != 0)) | (low_q & (target != 1))
    return Terms(losses, clamped=clamped)


def _is_near_bound(input: Array, *_: Array) -> NDArray[np.bool_]:
    return input * (1 - input) < LEAST_VARIANCE


@bce.gradient(
    convention=_is_near_bound,
    note="as in torch, p (1 − p) is at least 1e-12, so that it is finite where a logarithm is"
    " clamped",
)
def bce_gradient(input: Array, target: Array, *, weight: Array | None) -> Array:
    """Return (p − y) / (p (1 − p))."""
    gradient = (input - target) / at_least(input * (1 - input), LEAST_VARIANCE)
    return gradient if weight is None else gradient * weight


def weighted_steps(losses: Array, formula: str, weight: Array | None) -> Steps:
    """Yield a loss, times its weight where there is one."""
    if weight is None:
        yield Step("loss", formula, losses)
        return
    yield Step("unweighted loss", formula, losses)
    yield Step("weight", "w", weight)
    yield Step("loss", "w × unweighted loss", weight * losses)


def term_steps(y: Array, log_p: Array, log_q: Array) -> Steps:
    """Yield the two parts of a binary cross entropy."""
    yield Step("positive term", "−y log p", -(y * log_p))
    yield Step("negative term", "−(1 − y) log(1 − p)", -((1 - y) * log_q))


def cross_entropy_steps(y: Array, log_p: Array, log_q: Array, weight: Array | None = None) -> Steps:
    """Yield the binary cross entropy of two logarithms."""
    yield from term_steps(y, log_p, log_q)
    total = -(y * log_p) - (1 - y) * log_q
    yield from weighted_steps(total, "positive term + negative term", weight)


@bce.steps
def bce_steps(p: Array, y: Array, *, weight: Array | None) -> Steps:
    """Explain the cross entropy of a probability, with logarithms at least −100."""
    yield Step("probability", "p", p)
    yield Step("target", "y", y)
    log_p, log_q = np.log(p), np.log1p(-p)
    kept_p, kept_q = np.maximum(log_p, LOG_FLOOR), np.maximum(log_q, LOG_FLOOR)
    yield Step("log-probability", "log p", log_p)
    yield Step("clipped log-probability", "max(log p, −100)", kept_p, before=log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield Step("clipped log-complement", "max(log(1 − p), −100)", kept_q, before=log_q)
    yield from cross_entropy_steps(y, kept_p, kept_q, weight)


@loss(
    "bce_with_logits",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(logit("input", "*", help="logits of the positive class"), TARGET),
    aliases=(
        "bce_logits",
        "binary_cross_entropy_with_logits",
        "optax.sigmoid_binary_cross_entropy",
    ),
    formula="w [p y log(1 + exp(−x)) + (1 − y) log(1 + exp(x))], p the pos_weight",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html",
    example="binary.csv#logit binary.csv#target",
    facts={
        "denominator": "elements, whatever the weights",
    },
    traps=(
        "takes logits; for probabilities there is bce",
        "mean divides by the number of elements, not by the sum of weights",
    ),
)
def bce_with_logits(
    input: Array,
    target: Array,
    *,
    weight: Annotated[Array | None, ELEMENT_WEIGHT] = None,
    pos_weight: Annotated[
        Array | None, Option("weight of the positive part of each loss", broadcast_to="N *D")
    ] = None,
) -> Array:
    """Binary cross entropy of logits, stable for logits of any size.

    input and target have the same shape (*); weight and pos_weight broadcast to it.
    """
    # Both parts are non-negative, so their sum loses nothing: max(x, 0) − x·y, as frameworks
    # write it, cancels for a confident right answer.
    small = log1p_exp(input)
    positive = at_least(-input, 0)
    positive += small
    positive *= target
    if pos_weight is not None:
        positive *= pos_weight
    losses = at_least(input, 0)
    losses += small
    losses *= 1 - target
    losses += positive
    return losses if weight is None else losses * weight


@bce_with_logits.gradient
def bce_with_logits_gradient(
    input: Array, target: Array, *, weight: Array | None, pos_weight: Array | None
) -> Array:
    """Return (1 − y) σ(x) − p y σ(−x)."""
    rising, falling = sigmoids(input)
    falling *= target if pos_weight is None else target * pos_weight
    rising *= 1 - target
    rising -= falling
    return rising if weight is None else rising * weight


def log_probability_steps(x: Array) -> Steps:
    """Yield the logarithms of a probability that is given by its logit."""
    yield Step("log-probability", "log p = −log(1 + exp(−x))", -softplus(-x))
    yield Step("log-complement", "log(1 − p) = −log(1 + exp(x))", -softplus(x))


@bce_with_logits.steps
def bce_with_logits_steps(
    x: Array, y: Array, *, weight: Array | None, pos_weight: Array | None
) -> Steps:
    """Explain the cross entropy of a logit."""
    yield Step("logit", "x", x)
    yield Step("target", "y", y)
    yield from log_probability_steps(x)
    positive, negative = y * softplus(-x), (1 - y) * softplus(x)
    if pos_weight is not None:
        yield Step("positive weight", "w₊", pos_weight)
        positive = pos_weight * positive
    yield Step("positive term", "−y log p" if pos_weight is None else "−w₊ y log p", positive)
    yield Step("negative term", "−(1 − y) log(1 − p)", negative)
    yield from weighted_steps(positive + negative, "positive term + negative term", weight)


@loss(
    "multilabel_soft_margin",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        logit("input", "N *D C", "C", help="logits of each label"),
        soft_label("target", "N *D C", "C", help="1 where the label applies, 0 elsewhere"),
    ),
    formula="(1/C) Σ_c w_c [y_c log(1 + exp(−x_c)) + (1 − y_c) log(1 + exp(x_c))]",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelSoftMarginLoss.html",
    example="attributes_logits.npy attributes.npy",
    facts={
        "axis": "mean over C",
        "denominator": "samples, whatever the weights",
    },
    traps=("averages over the labels of a sample before it reduces over samples",),
)
def multilabel_soft_margin(
    input: Array,
    target: Array,
    *,
    weight: Annotated[Array | None, Option("weight of each label", broadcast_to="N *D C")] = None,
) -> Array:
    """Binary cross entropy of several labels, averaged over the labels of each sample.

    input and target are (N, C) or (C); the losses are (N) or one number.
    """
    losses = target * softplus(-input) + (1 - target) * softplus(input)
    if weight is not None:
        losses = losses * weight
    classes = losses.shape[-1]
    total = losses.sum(axis=-1)
    return total / classes if classes else np.full(total.shape, np.nan, total.dtype)


@multilabel_soft_margin.gradient
def multilabel_soft_margin_gradient(input: Array, target: Array, *, weight: Array | None) -> Array:
    """Return the gradient of bce_with_logits over the number of labels."""
    gradient = bce_with_logits_gradient(input, target, weight=weight, pos_weight=None)
    return gradient / max(1, input.shape[-1])


@multilabel_soft_margin.steps
def multilabel_soft_margin_steps(x: Array, y: Array, *, weight: Array | None) -> Steps:
    """Explain the mean cross entropy of several labels."""
    yield Step("logits", "x", x)
    yield Step("target", "y", y)
    yield from log_probability_steps(x)
    terms = y * softplus(-x) + (1 - y) * softplus(x)
    formula = "−y_c log p_c − (1 − y_c) log(1 − p_c)"
    if weight is not None:
        weight = np.broadcast_to(weight, x.shape)
        yield Step("weight", "w_c", weight)
        terms, formula = terms * weight, f"w_c ({formula})"
    yield Step("class terms", formula, terms)
    mean = terms.sum() / len(terms) if len(terms) else np.nan
    yield Step("loss", "mean of the class terms", mean)
