"""The steps of losses of one right class among several, from logits or log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.classification import linear, optax, perplexity
from lossctl.losses.classification import losses as classification
from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.maths.numerics import log_softmax
from lossctl.losses.ranking import losses as ranking

Array = NDArray[Any]


@steps(classification.nll)
def take_log_probability(x: Array, y: Array, *, weight: Array | None) -> Steps:
    """Tell the log-probability of the right class."""
    own = int(y)
    yield Step("log-probabilities", "x", x, mark=own)
    yield Step("target", "y", y)
    yield Step("log-probability", "x_y", x[own])
    if weight is None:
        yield Step("loss", "−x_y", -x[own])
        return
    yield Step("weight", "w_y", weight[own])
    yield Step("loss", "−w_y x_y", weight[own] * -x[own])


@steps(classification.ce)
def cross_logits(x: Array, y: Array, *, weight: Array | None, label_smoothing: float) -> Steps:
    """Tell the softmax cross entropy of logits, against a class or a distribution."""
    yield Step("logits", "x", x, mark=mark(y))
    yield from cross_classes(x, y, weight, label_smoothing)


@steps(perplexity.perplexity)
def cross_for_perplexity(x: Array, y: Array) -> Steps:
    """Tell the cross entropy of which the exponential of the mean is taken."""
    yield Step("logits", "x", x, mark=mark(y))
    yield from cross_classes(x, y, None, 0.0)


@steps(linear.linear_ce)
def cross_features(
    input: Array,
    target: Array,
    linear_weight: Array,
    *,
    linear_bias: Array | None,
    weight: Array | None,
    label_smoothing: float,
) -> Steps:
    """Tell the logits that a linear layer makes of features, and their cross entropy."""
    yield Step("features", "x", input)
    x = linear_weight.astype(input.dtype, copy=False) @ input
    if linear_bias is not None:
        yield Step("bias", "b", linear_bias, mark=mark(target))
        x = x + linear_bias
    formula = "z = W x" if linear_bias is None else "z = W x + b"
    yield Step("logits", formula, x, mark=mark(target))
    yield from cross_classes(x, target, weight, label_smoothing)


def mark(y: Array) -> int | None:
    """Return the place of the right class, or of the likeliest one."""
    return int(y) if y.ndim == 0 else int(np.argmax(y))


def normalise(x: Array) -> Told:
    """Yield maximum and log-sum-exp of logits; return log softmax, exact near 0."""
    top = x.max()
    yield Step("maximum", "m = max_c x_c", top)
    yield Step("log-sum-exp", "m + log Σ_c exp(x_c − m)", top + np.log(np.exp(x - top).sum()))
    return log_softmax(x)


def cross_classes(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the steps that follow the logits."""
    yield Step("target", "y", y, mark=None if y.ndim == 0 else mark(y))
    if y.ndim:
        yield from cross_distribution(x, y, weight, smoothing)
        return
    own = int(y)
    logs = yield from normalise(x)
    yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
    loss = -logs[own]
    if weight is not None:
        yield Step("weight", "w_y", weight[own])
        loss = weight[own] * loss
    factor = "" if weight is None else "w_y "
    if not smoothing:
        yield Step("loss", f"−{factor}log p_y", loss)
        return
    each = np.ones(len(x)) if weight is None else weight
    spread = smoothing / len(x) * -(each * logs).sum()
    yield Step("smoothing term", f"(ε/C) Σ_c −{'' if weight is None else 'w_c '}log p_c", spread)
    formula = f"(1 − ε) × −{factor}log p_y + smoothing term"
    yield Step("loss", formula, (1 - smoothing) * loss + spread)


def cross_distribution(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the cross entropy of logits and a distribution."""
    factors = y
    if smoothing:
        factors = y * (1 - smoothing) + smoothing / len(x)
        yield Step("smoothed target", "y (1 − ε) + ε/C", factors, mark=mark(y), before=y)
    logs = yield from normalise(x)
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=mark(y))
    if weight is not None:
        yield Step("weight", "w_c", weight, mark=mark(y))
        factors = weight * factors
    formula = "−y_c log p_c" if weight is None else "−w_c y_c log p_c"
    yield from add_classes(-(factors * logs), formula)


def add_classes(terms: Array, formula: str) -> Steps:
    """Yield the terms of the classes, and their sum."""
    yield Step("class terms", formula, terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())


@steps(optax.poly_ce)
def cross_and_missing(x: Array, y: Array, *, epsilon: float) -> Steps:
    """Tell the cross entropy, and what is missing to a sure answer."""
    yield Step("logits", "x", x, mark=mark(y))
    yield Step("target", "y", y, mark=None if y.ndim == 0 else mark(y))
    logs = yield from normalise(x)
    formula = "cross entropy + ε × missing probability"
    if y.ndim == 0:
        own = int(y)
        missing = -np.expm1(logs[own])
        yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
        yield Step("cross entropy", "−log p_y", -logs[own])
        yield Step("missing probability", "1 − p_y", missing)
        yield Step("loss", formula, -logs[own] + epsilon * missing)
        return
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=mark(y))
    entropy, missing = -(y * logs).sum(), (y * -np.expm1(logs)).sum()
    yield Step("cross entropy", "−Σ_c y_c log p_c", entropy)
    yield Step("missing probability", "Σ_c y_c (1 − p_c)", missing)
    yield Step("loss", formula, entropy + epsilon * missing)


@steps(optax.safe_softmax_cross_entropy)
def cross_what_counts(x: Array, y: Array) -> Steps:
    """Tell the cross entropy over the classes that are not ruled out."""
    yield Step("logits", "x", x, mark=mark(y))
    yield Step("target", "y", y, mark=mark(y))
    there = ~((x == -np.inf) & (y == 0))
    yield Step("classes that count", "not (x_c = −∞ and y_c = 0)", there)
    yield from _rank(x, y, there)


@steps(ranking.ranking_softmax)
def rank_items(x: Array, y: Array, *, where: Array | None, weights: Array | None) -> Steps:
    """Tell the cross entropy of the scores of a list against relevances."""
    yield Step("scores", "x", x)
    yield Step("relevance", "y", y)
    there = np.ones(x.shape, bool)
    if where is not None:
        there = np.broadcast_to(where != 0, x.shape)
        yield Step("items that are there", "where", there)
    if weights is not None:
        y = y * weights
        yield Step("weighted relevance", "w_i y_i", y)
    yield from _rank(x, np.where(there, y, 0), there)


def _rank(x: Array, y: Array, there: Array) -> Steps:
    """Yield a cross entropy over what is there; what is not has the log-probability −∞."""
    logs = yield from normalise(np.where(there, x, -np.inf))
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=mark(y))
    yield from add_classes(np.where(there, -(y * logs), 0.0), "−y_c log p_c")
