"""Divergences of whole distributions: one loss per sample, from its last axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    UNBOUNDED,
    Input,
    density,
    log_amount,
    log_probability,
    loss,
    not_negative,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.likelihood.losses import divergence_steps, log_divergence_steps
from lossctl.losses.maths.numerics import xlogy

Array = NDArray[Any]

LAST = ("N *D C", "C")
LOG_PREDICTIONS: Input = log_probability(
    "input", *LAST, help="logarithms of the predicted probabilities"
)
KULLBACK = "Kullback and Leibler 1951, doi:10.1214/aoms/1177729694"
SUMMED = {"axis": "sum over the last axis"}


@loss(
    "generalized_kl",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(
        log_amount("input", *LAST, help="logarithms of the predicted amounts"),
        not_negative("target", *LAST, help="amounts"),
    ),
    aliases=("generalized_kl_divergence", "convex_kl_divergence"),
    formula="Σ_c [y_c (log y_c − x_c) + exp(x_c) − y_c]",
    unit="nats",
    source="https://stanford.edu/~boyd/cvxbook/",
    example="log_probs.npy digits_other_probs.npy",
    traps=(
        "the input contains logarithms, the target does not",
        "the amounts need not sum to 1; where both do, it is the Kullback-Leibler divergence",
    ),
    facts=SUMMED,
)
def generalized_kl(input: Array, target: Array) -> Array:
    """Kullback-Leibler divergence of amounts that need not sum to 1.

    input and target are (N, *D, C) or (C); the losses are (N, *D) or one number. A negative
    amount is an error, an amount of 0 contributes exp(x).
    """
    return (_divergence(input, target) + (np.exp(input) - target)).sum(axis=-1)


@generalized_kl.gradient
def generalized_kl_gradient(input: Array, target: Array) -> Array:
    """Return exp(x) − y."""
    return np.exp(input) - target


@generalized_kl.steps
def generalized_kl_steps(x: Array, y: Array) -> Steps:
    """Explain the divergence of amounts that need not sum to 1."""
    terms = yield from divergence_steps(x, y)
    surplus = np.exp(x) - y
    yield Step("surplus", "exp(x_c) − y_c", surplus)
    yield Step("class terms", "y_c (log y_c − x_c) + exp(x_c) − y_c", terms + surplus)
    yield Step("loss", "Σ_c of the class terms", (terms + surplus).sum())


@loss(
    "optax.kl_divergence",
    spellings=("kl_divergence",),
    library="optax",
    range=UNBOUNDED,
    inputs=(LOG_PREDICTIONS, density("target", *LAST, help="probabilities")),
    formula="Σ_c y_c (log y_c − x_c)",
    unit="nats",
    source=KULLBACK,
    example="log_probs.npy digits_other_probs.npy",
    traps=("one loss per sample, summed over its last axis; kl_div has one per element",),
    facts=SUMMED,
)
def kl_divergence(input: Array, target: Array) -> Array:
    """Kullback-Leibler divergence of each sample's distribution.

    input and target are (N, *D, C) or (C); the losses are (N, *D) or one number. A probability
    of 0 contributes 0.
    """
    return _divergence(input, target).sum(axis=-1)


@kl_divergence.gradient
def kl_divergence_gradient(_: Array, target: Array) -> Array:
    """Return −y."""
    return -target


@kl_divergence.steps
def kl_divergence_steps(x: Array, y: Array) -> Steps:
    """Explain the divergence of a distribution."""
    terms = yield from divergence_steps(x, y)
    yield Step("class terms", "y_c (log y_c − x_c), and 0 where y_c is 0", terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())


def _divergence(x: Array, y: Array) -> Array:
    losses = xlogy(y, y) - y * x
    losses[(y == 0) & ~np.isnan(x)] = 0
    return losses


@loss(
    "optax.kl_divergence_with_log_targets",
    library="optax",
    range=UNBOUNDED,
    inputs=(
        LOG_PREDICTIONS,
        log_probability("target", *LAST, help="logarithms of the target probabilities"),
    ),
    formula="Σ_c exp(y_c) (y_c − x_c)",
    unit="nats",
    source=KULLBACK,
    example="log_probs.npy log_probs.npy",
    traps=("both inputs contain logarithms of probabilities",),
    facts=SUMMED,
)
def kl_divergence_with_log_targets(input: Array, target: Array) -> Array:
    """Kullback-Leibler divergence of each sample's distribution, both given by logarithms.

    input and target are (N, *D, C) or (C); the losses are (N, *D) or one number.
    """
    probability = np.exp(target)
    losses = probability * (target - input)
    losses[(probability == 0) & ~np.isnan(input)] = 0
    return losses.sum(axis=-1)


@kl_divergence_with_log_targets.gradient
def kl_divergence_with_log_targets_gradient(_: Array, target: Array) -> Array:
    """Return −exp(y)."""
    return -np.exp(target)


@kl_divergence_with_log_targets.steps
def kl_divergence_with_log_targets_steps(x: Array, y: Array) -> Steps:
    """Explain the divergence of a distribution, both given by logarithms."""
    terms = yield from log_divergence_steps(x, y)
    yield Step("class terms", "exp(y_c) (y_c − x_c), and 0 where exp(y_c) is 0", terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())
