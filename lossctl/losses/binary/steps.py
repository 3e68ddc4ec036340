"""The steps of losses of two classes, or of several classes that may hold at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.binary import focal as focusing
from lossctl.losses.binary import keras as keras_binary
from lossctl.losses.binary import losses as binary
from lossctl.losses.core.keras import GREATEST_LOG, LEAST_LOG, clip
from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.maths.numerics import sigmoids, softplus

Array = NDArray[Any]


def weigh(losses: Array, formula: str, weight: Array | None) -> Steps:
    """Yield a loss, times its weight where there is one."""
    if weight is None:
        yield Step("loss", formula, losses)
        return
    yield Step("unweighted loss", formula, losses)
    yield Step("weight", "w", weight)
    yield Step("loss", "w × unweighted loss", weight * losses)


def split(y: Array, log_p: Array, log_q: Array) -> Steps:
    """Yield the two parts of a binary cross entropy."""
    yield Step("positive term", "−y log p", -(y * log_p))
    yield Step("negative term", "−(1 − y) log(1 − p)", -((1 - y) * log_q))


def cross(y: Array, log_p: Array, log_q: Array, weight: Array | None = None) -> Steps:
    """Yield the binary cross entropy of two logarithms."""
    yield from split(y, log_p, log_q)
    total = -(y * log_p) - (1 - y) * log_q
    yield from weigh(total, "positive term + negative term", weight)


def take_logarithms(x: Array) -> Steps:
    """Yield the logarithms of a probability that is given by its logit."""
    yield Step("log-probability", "log p = −log(1 + exp(−x))", -softplus(-x))
    yield Step("log-complement", "log(1 − p) = −log(1 + exp(x))", -softplus(x))


@steps(binary.bce)
def cross_probability(p: Array, y: Array, *, weight: Array | None) -> Steps:
    """Tell the cross entropy of a probability, with logarithms not below −100."""
    yield Step("probability", "p", p)
    yield Step("target", "y", y)
    log_p, log_q = np.log(p), np.log1p(-p)
    kept_p, kept_q = np.maximum(log_p, binary.LOG_FLOOR), np.maximum(log_q, binary.LOG_FLOOR)
    yield Step("log-probability", "log p", log_p)
    yield Step("clipped log-probability", "max(log p, −100)", kept_p, before=log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield Step("clipped log-complement", "max(log(1 − p), −100)", kept_q, before=log_q)
    yield from cross(y, kept_p, kept_q, weight)


@steps(binary.bce_with_logits)
def cross_logit(x: Array, y: Array, *, weight: Array | None, pos_weight: Array | None) -> Steps:
    """Tell the cross entropy of a logit."""
    yield Step("logit", "x", x)
    yield Step("target", "y", y)
    yield from take_logarithms(x)
    positive, negative = y * softplus(-x), (1 - y) * softplus(x)
    if pos_weight is not None:
        yield Step("positive weight", "w₊", pos_weight)
        positive = pos_weight * positive
    yield Step("positive term", "−y log p" if pos_weight is None else "−w₊ y log p", positive)
    yield Step("negative term", "−(1 − y) log(1 − p)", negative)
    yield from weigh(positive + negative, "positive term + negative term", weight)


@steps(binary.multilabel_soft_margin)
def cross_labels(x: Array, y: Array, *, weight: Array | None) -> Steps:
    """Tell the mean cross entropy of several labels."""
    yield Step("logits", "x", x)
    yield Step("target", "y", y)
    yield from take_logarithms(x)
    terms = y * softplus(-x) + (1 - y) * softplus(x)
    formula = "−y_c log p_c − (1 − y_c) log(1 − p_c)"
    if weight is not None:
        weight = np.broadcast_to(weight, x.shape)
        yield Step("weight", "w_c", weight)
        terms, formula = terms * weight, f"w_c ({formula})"
    yield Step("class terms", formula, terms)
    mean = terms.sum() / len(terms) if len(terms) else np.nan
    yield Step("loss", "mean of the class terms", mean)


@steps(focusing.focal)
def focus_with_alpha(x: Array, y: Array, *, alpha: float, gamma: float) -> Steps:
    """Tell the focal loss, with class weights unless alpha is −1."""
    yield from focus(x, y, alpha=None if alpha < 0 else alpha, gamma=gamma)


@steps(focusing.sigmoid_focal)
def focus(x: Array, y: Array, *, alpha: float | None, gamma: float) -> Steps:
    """Tell the focal loss of a logit."""
    yield Step("logit", "x", x)
    yield Step("target", "y", y)
    p, q = sigmoids(x)
    yield Step("probability", "p = 1 / (1 + exp(−x))", p)
    yield from take_logarithms(x)
    yield from weigh_sureness(y, p, q, -softplus(-x), -softplus(x), gamma, alpha)


def weigh_sureness(
    y: Array, p: Array, q: Array, log_p: Array, log_q: Array, gamma: float, alpha: float | None
) -> Steps:
    """Yield a cross entropy times what is missing to a sure answer, and times class weights."""
    yield from split(y, log_p, log_q)
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


def smooth(y: Array, smoothing: float) -> Told:
    """Yield a target squeezed towards ½, where it is; return it."""
    yield Step("target", "y", y)
    if not smoothing:
        return y
    smoothed = y * (1 - smoothing) + 0.5 * smoothing
    yield Step("smoothed target", "y (1 − s) + s/2", smoothed, before=y)
    return smoothed


@steps(keras_binary.binary_crossentropy)
def cross_clipped(p: Array, y: Array, *, from_logits: bool, label_smoothing: float) -> Steps:
    """Tell the cross entropy of a clipped probability, or of a logit."""
    if from_logits:
        yield Step("logit", "x", p)
        y = yield from smooth(y, label_smoothing)
        yield from take_logarithms(p)
        yield from cross(y, -softplus(-p), -softplus(p))
        return
    yield Step("probability", "p", p)
    y = yield from smooth(y, label_smoothing)
    kept = clip(p)
    yield Step("clipped probability", "p between 1e-7 and 1 − 1e-7", kept, before=p)
    log_p, log_q = np.log(kept), np.log1p(-kept)
    yield Step("log-probability", "log p", log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield from cross(y, log_p, log_q)


@steps(keras_binary.binary_focal_crossentropy)
def focus_clipped(
    p: Array,
    y: Array,
    *,
    apply_class_balancing: bool,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
) -> Steps:
    """Tell the focal loss of a clipped probability, or of a logit."""
    if from_logits:
        x = p
        yield Step("logit", "x", x)
        y = yield from smooth(y, label_smoothing)
        p, q = sigmoids(x)
        yield Step("probability", "p = 1 / (1 + exp(−x))", p)
        log_p = np.clip(-softplus(-x), LEAST_LOG, GREATEST_LOG)
        log_q = np.clip(-softplus(x), keras_binary.LEAST_LOG_REST, keras_binary.GREATEST_LOG_REST)
    else:
        yield Step("probability", "p", p)
        y = yield from smooth(y, label_smoothing)
        q = 1 - p
        log_p, log_q = np.log(clip(p)), np.log1p(-clip(p))
    kept = clip(p)
    yield Step("clipped probability", "p between 1e-7 and 1 − 1e-7", kept, before=p)
    yield Step("log-probability", "log p", log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield from weigh_sureness(
        y, p, q, log_p, log_q, gamma, alpha if apply_class_balancing else None
    )
