"""Keras's losses of probability distributions and of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import Terms, density, loss, real
from lossctl.losses.core.keras import AVERAGE, AXIS_TRAP, CLAMP, EPSILON, LAST, VECTORS

Array = NDArray[Any]


def _add(sums: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return sums["divergence"]


@loss(
    "keras.kl_divergence",
    family="likelihood",
    inputs=(
        density("y_pred", *VECTORS, help="probabilities of the model"),
        density("y_true", *VECTORS, help="probabilities of the reference distribution"),
    ),
    aliases=("kld", "kullback_leibler_divergence"),
    formula="sum over the last axis of y log(y / p), both clipped to [1e-7, 1]",
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


@loss(
    "keras.poisson",
    family="likelihood",
    inputs=(
        real("y_pred", *VECTORS, help="predicted rates"),
        real("y_true", *VECTORS, help="observed counts"),
    ),
    formula="mean over the last axis of p − y log(p + 1e-7)",
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
