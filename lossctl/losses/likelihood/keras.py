"""Keras's losses of probability distributions and of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import UNBOUNDED, Terms, density, loss, real
from lossctl.losses.core.keras import AVERAGE, AXIS_TRAP, CLAMP, EPSILON, LAST, VECTORS
from lossctl.losses.core.steps import Step, Steps

Array = NDArray[Any]


def _add(sums: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return sums["divergence"]


@loss(
    "keras.kl_divergence",
    spellings=("KLDivergence", "kl_divergence"),
    inputs=(
        density("y_pred", *VECTORS, help="probabilities of the model"),
        density("y_true", *VECTORS, help="probabilities of the reference distribution"),
    ),
    aliases=("kld", "kullback_leibler_divergence"),
    range=UNBOUNDED,
    formula="sum over the last axis of y log(y / p), both clipped to [1e-7, 1]",
    unit="nats",
    source="https://keras.io/api/losses/probabilistic_losses/#kldivergence-class",
    example="digits_other_probs.npy probs.npy",
    traps=(
        "takes probabilities; torch's kl_div takes log-probabilities of the model",
        "sums the last axis, so that a loss is the divergence of a sample",
    ),
    facts={
        "axis": "summed over the last",
        "clipping": "probabilities to [1e-7, 1]",
        "denominator": "per-sample losses",
    },
    finalize=_add,
    **AVERAGE,
)
def kl_divergence(y_pred: Array, y_true: Array) -> Terms:
    """Kullback-Leibler divergence of the predicted from the true distribution.

    y_pred and y_true have the same shape (N, *D, C), or (C).
    """
    predicted, true = np.clip(y_pred, EPSILON, 1), np.clip(y_true, EPSILON, 1)
    clamped = (y_pred < EPSILON) & (y_true > EPSILON)
    return Terms(sums={"divergence": true * np.log(true / predicted)}, clamped=clamped, clamp=CLAMP)


@kl_divergence.gradient
def kl_divergence_gradient(y_pred: Array, y_true: Array, *, cotangent: dict[str, Array]) -> Array:
    """Return −y / p, 0 where p is clipped."""
    inside = (y_pred >= EPSILON) & (y_pred <= 1)
    gradient = np.where(inside, -np.clip(y_true, EPSILON, 1) / y_pred, 0)
    return cotangent["divergence"] * gradient


@kl_divergence.steps
def kl_divergence_steps(p: Array, y: Array) -> Steps:
    """Explain the terms of the divergence of clipped probabilities."""
    predicted, true = np.clip(p, EPSILON, 1), np.clip(y, EPSILON, 1)
    yield Step("probabilities" if p.ndim else "probability", "p", p)
    yield Step("target", "y", y)
    yield Step("clipped probabilities", "p between 1e-7 and 1", predicted, before=p)
    yield Step("clipped target", "y between 1e-7 and 1", true, before=y)
    yield Step("class terms", "y_c log(y_c / p_c)", true * np.log(true / predicted))


@loss(
    "keras.poisson",
    inputs=(
        real("y_pred", *VECTORS, help="predicted rates"),
        real("y_true", *VECTORS, help="observed counts"),
    ),
    range=UNBOUNDED,
    formula="mean over the last axis of p − y log(p + 1e-7)",
    unit="nats",
    source="https://keras.io/api/losses/probabilistic_losses/#poisson-class",
    example="regression.csv#pred_poisson regression.csv#target",
    traps=(
        AXIS_TRAP,
        "takes rates, and gives NaN for negative ones; torch's poisson_nll takes their logarithms"
        " unless --no-log-input",
    ),
    facts=LAST,
    **AVERAGE,
)
def poisson(y_pred: Array, y_true: Array) -> Array:
    """Negative log-likelihood of counts under Poisson rates, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return y_pred - y_true * np.log(y_pred + EPSILON)


@poisson.gradient
def poisson_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return 1 − y / (p + 1e-7)."""
    return 1 - y_true / (y_pred + EPSILON)


@poisson.steps
def poisson_steps(p: Array, y: Array) -> Steps:
    """Explain the likelihood of a count from a rate, without its constant."""
    yield Step("rate", "x", p)
    yield Step("target", "y", y)
    yield Step("log-rate", "log(x + 1e-7)", np.log(p + EPSILON))
    yield Step("loss", "x − y log(x + 1e-7)", p - y * np.log(p + EPSILON))
