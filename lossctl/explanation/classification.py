"""The steps of losses of one right class among several, from logits or log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.explanation.step import Step, Steps, steps
from lossctl.losses import classification
from lossctl.losses.numerics import log_softmax

Array = NDArray[Any]


@steps(classification.ce)
def cross_logits(x: Array, y: Array, *, weight: Array | None, label_smoothing: float) -> Steps:
    """Tell the softmax cross entropy of logits, against a class or a distribution."""
    yield Step("logits", "x", x, mark=int(y) if y.ndim == 0 else None)
    yield from cross_classes(x, y, weight, label_smoothing)


def cross_classes(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the steps that follow the logits."""
    if y.ndim:
        yield from cross_distribution(x, y, weight, smoothing)
        return
    own, classes = int(y), len(x)
    yield Step("target", "y", y)
    logs = yield from normalise(x)
    yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
    loss = -logs[own]
    if weight is not None:
        yield Step("weight", "w_y", weight[own])
        loss = weight[own] * loss
    if not smoothing:
        yield Step("loss", "−log p_y" if weight is None else "−w_y log p_y", loss)
        return
    each = np.ones(classes) if weight is None else weight
    spread = smoothing / classes * -(each * logs).sum()
    formula = "(ε/C) Σ_c −log p_c" if weight is None else "(ε/C) Σ_c −w_c log p_c"
    yield Step("smoothing term", formula, spread)
    yield Step(
        "loss",
        f"(1 − ε) × −{'' if weight is None else 'w_y '}log p_y + smoothing term",
        (1 - smoothing) * loss + spread,
    )


def normalise(x: Array) -> Any:
    """Yield maximum and log-sum-exp of logits; return log softmax, exact near 0."""
    top = x.max()
    yield Step("maximum", "m = max_c x_c", top)
    yield Step("log-sum-exp", "m + log Σ_c exp(x_c − m)", top + np.log(np.exp(x - top).sum()))
    return log_softmax(x)


def cross_distribution(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the cross entropy of logits and a distribution."""
    yield Step("target", "y", y)
    factors = y
    if smoothing:
        factors = y * (1 - smoothing) + smoothing / len(x)
        yield Step("smoothed target", "y (1 − ε) + ε/C", factors, before=y)
    logs = yield from normalise(x)
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs)
    if weight is not None:
        yield Step("weight", "w_c", weight)
        factors = weight * factors
    terms = -(factors * logs)
    yield Step("class terms", "−y_c log p_c" if weight is None else "−w_c y_c log p_c", terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())
