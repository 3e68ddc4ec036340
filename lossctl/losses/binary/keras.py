"""Keras's losses of two classes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.binary import losses as binary
from lossctl.losses.binary.focal import focusing_steps
from lossctl.losses.binary.losses import cross_entropy_steps, log_probability_steps
from lossctl.losses.core.declaration import NON_NEGATIVE, Option, Terms, loss
from lossctl.losses.core.keras import (
    AVERAGE,
    AXIS_TRAP,
    BINARY,
    BINARY_SMOOTHING,
    CLAMP,
    CLIPPING,
    EPSILON,
    FROM_LOGITS,
    GAMMA,
    GREATEST_LOG,
    LEAST_LOG,
    MEAN_AXIS,
    UPPER,
    clip,
    clipped_away,
    evaluate,
)
from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.maths.numerics import sigmoids, softplus

Array = NDArray[Any]

COLUMNS = "binary.csv#probability binary.csv#target"
LEAST_LOG_REST = float(np.log1p(-UPPER))
GREATEST_LOG_REST = float(np.log1p(-EPSILON))
AXIS = {
    "axis": "averaged over the given axis, by default the last",
    "denominator": "per-sample losses",
}


def _smooth(target: Array, smoothing: float) -> Array:
    return target * (1 - smoothing) + 0.5 * smoothing if smoothing else target


@loss(
    "keras.binary_crossentropy",
    spellings=("BinaryCrossentropy", "binary_crossentropy"),
    inputs=BINARY,
    aliases=("bce",),
    range=NON_NEGATIVE,
    formula="mean over the axis of −y log p − (1 − y) log(1 − p), y smoothed to y (1 − s) + s/2",
    unit="nats",
    source="https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class",
    example=COLUMNS,
    traps=(
        AXIS_TRAP,
        "probabilities are clipped to [1e-7, 1 − 1e-7], so p = 0 for a target of 1 has a loss of"
        " 16.118 (torch: 100); logits are not clipped",
    ),
    facts=AXIS | CLIPPING | {"smoothing": "y (1 − s) + s/2"},
    class_axis_option="axis",
    **AVERAGE,
)
def binary_crossentropy(
    y_pred: Array,
    y_true: Array,
    *,
    from_logits: Annotated[bool, FROM_LOGITS] = False,
    label_smoothing: Annotated[float, BINARY_SMOOTHING] = 0.0,
    axis: Annotated[int, MEAN_AXIS] = -1,
) -> Terms:
    """Binary cross entropy of probabilities or logits, averaged over an axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    smooth = _smooth(y_true, label_smoothing)
    if from_logits:
        return Terms(evaluate(binary.bce_with_logits, y_pred, smooth))
    probability = clip(y_pred)
    losses = (smooth - 1) * np.log1p(-probability) - smooth * np.log(probability)
    return Terms(losses, clamped=clipped_away(y_pred, y_true), clamp=CLAMP)


@binary_crossentropy.gradient
def binary_crossentropy_gradient(
    y_pred: Array, y_true: Array, *, from_logits: bool, label_smoothing: float
) -> Array:
    """Return (p − y) / (p (1 − p)), 0 where p is clipped; σ(x) − y for logits."""
    smooth = _smooth(y_true, label_smoothing)
    if from_logits:
        rising, falling = sigmoids(y_pred)
        return (1 - smooth) * rising - smooth * falling
    return np.where(clip(y_pred) == y_pred, (y_pred - smooth) / (y_pred * (1 - y_pred)), 0)


def _smoothing_steps(y: Array, smoothing: float) -> StepsToArray:
    """Yield a target squeezed towards ½, where it is; return it."""
    yield Step("target", "y", y)
    if not smoothing:
        return y
    smoothed = y * (1 - smoothing) + 0.5 * smoothing
    yield Step("smoothed target", "y (1 − s) + s/2", smoothed, before=y)
    return smoothed


@binary_crossentropy.steps
def binary_crossentropy_steps(
    p: Array, y: Array, *, from_logits: bool, label_smoothing: float
) -> Steps:
    """Explain the cross entropy of a clipped probability, or of a logit."""
    if from_logits:
        yield Step("logit", "x", p)
        y = yield from _smoothing_steps(y, label_smoothing)
        yield from log_probability_steps(p)
        yield from cross_entropy_steps(y, -softplus(-p), -softplus(p))
        return
    yield Step("probability", "p", p)
    y = yield from _smoothing_steps(y, label_smoothing)
    kept = clip(p)
    yield Step("clipped probability", "p between 1e-7 and 1 − 1e-7", kept, before=p)
    log_p, log_q = np.log(kept), np.log1p(-kept)
    yield Step("log-probability", "log p", log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield from cross_entropy_steps(y, log_p, log_q)


@loss(
    "keras.binary_focal_crossentropy",
    inputs=BINARY,
    range=NON_NEGATIVE,
    formula="mean over the axis of a (1 − p_t)^γ (−y log p − (1 − y) log(1 − p));"
    "  p_t = y p + (1 − y)(1 − p),  a = y α + (1 − y)(1 − α) if balanced, else 1",
    source="Lin et al. 2017, Focal loss for dense object detection, arXiv:1708.02002",
    example=COLUMNS,
    traps=(
        AXIS_TRAP,
        "alpha is used only with apply_class_balancing; torchvision's focal loss always uses it",
        "logits are clipped too, as probabilities are",
    ),
    facts=AXIS | CLIPPING | {"smoothing": "y (1 − s) + s/2"},
    class_axis_option="axis",
    **AVERAGE,
)
def binary_focal_crossentropy(
    y_pred: Array,
    y_true: Array,
    *,
    apply_class_balancing: Annotated[bool, Option("weight the classes by alpha")] = False,
    alpha: Annotated[float, Option("weight of class 1", at_least=0, at_most=1)] = 0.25,
    gamma: Annotated[float, GAMMA] = 2.0,
    from_logits: Annotated[bool, FROM_LOGITS] = False,
    label_smoothing: Annotated[float, BINARY_SMOOTHING] = 0.0,
    axis: Annotated[int, MEAN_AXIS] = -1,
) -> Terms:
    """Binary cross entropy that down-weights easy examples.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    smooth = _smooth(y_true, label_smoothing)
    probability, rest = sigmoids(y_pred) if from_logits else (y_pred, 1 - y_pred)
    log_p, log_rest = _clip_logs(y_pred, from_logits=from_logits)
    wrong = smooth * rest + (1 - smooth) * probability
    losses = wrong**gamma * ((smooth - 1) * log_rest - smooth * log_p)
    if apply_class_balancing:
        losses *= smooth * alpha + (1 - smooth) * (1 - alpha)
    return Terms(losses, clamped=clipped_away(probability, y_true), clamp=CLAMP)


def _clip_logs(y_pred: Array, *, from_logits: bool) -> tuple[Array, Array]:
    """Return the logarithms of p and of 1 − p, clipped as Keras clips p."""
    if not from_logits:
        return np.log(clip(y_pred)), np.log1p(-clip(y_pred))
    # softplus keeps the digits that a probability near 1 has lost
    log_p = np.clip(-softplus(-y_pred), LEAST_LOG, GREATEST_LOG)
    return log_p, np.clip(-softplus(y_pred), LEAST_LOG_REST, GREATEST_LOG_REST)


@binary_focal_crossentropy.gradient
def binary_focal_crossentropy_gradient(
    y_pred: Array,
    y_true: Array,
    *,
    apply_class_balancing: bool,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
) -> Array:
    """Return the gradients of both factors; that of the logarithm is 0 where p is clipped."""
    smooth = _smooth(y_true, label_smoothing)
    probability, rest = sigmoids(y_pred) if from_logits else (y_pred, 1 - y_pred)
    log_p, log_rest = _clip_logs(y_pred, from_logits=from_logits)
    wrong = smooth * rest + (1 - smooth) * probability
    entropy = (smooth - 1) * log_rest - smooth * log_p
    spread = probability * rest
    inside = clip(probability) == probability
    # By p the gradient of the logarithm is (p − y) / (p (1 − p)); a logit multiplies by p (1 − p).
    by_entropy = np.where(inside, (1 - smooth) * probability - smooth * rest, 0)
    by_weight = gamma * wrong ** (gamma - 1) * (1 - 2 * smooth) * entropy if gamma else 0.0
    if from_logits:
        gradient = by_weight * spread + wrong**gamma * by_entropy
    else:
        gradient = by_weight + wrong**gamma * np.where(inside, by_entropy / spread, 0)
    if apply_class_balancing:
        gradient *= smooth * alpha + (1 - smooth) * (1 - alpha)
    return gradient


@binary_focal_crossentropy.steps
def binary_focal_crossentropy_steps(
    p: Array,
    y: Array,
    *,
    apply_class_balancing: bool,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
) -> Steps:
    """Explain the focal loss of a clipped probability, or of a logit."""
    if from_logits:
        x = p
        yield Step("logit", "x", x)
        y = yield from _smoothing_steps(y, label_smoothing)
        p, q = sigmoids(x)
        yield Step("probability", "p = 1 / (1 + exp(−x))", p)
        log_p = np.clip(-softplus(-x), LEAST_LOG, GREATEST_LOG)
        log_q = np.clip(-softplus(x), LEAST_LOG_REST, GREATEST_LOG_REST)
    else:
        yield Step("probability", "p", p)
        y = yield from _smoothing_steps(y, label_smoothing)
        q = 1 - p
        log_p, log_q = np.log(clip(p)), np.log1p(-clip(p))
    kept = clip(p)
    yield Step("clipped probability", "p between 1e-7 and 1 − 1e-7", kept, before=p)
    yield Step("log-probability", "log p", log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield from focusing_steps(
        y, p, q, log_p, log_q, gamma, alpha if apply_class_balancing else None
    )
