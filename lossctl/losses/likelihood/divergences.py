"""Divergences of whole distributions and lists: one loss per sample, from its last axis."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    Input,
    Option,
    Terms,
    density,
    distribution,
    log_amount,
    log_probability,
    logit,
    loss,
    not_negative,
    real,
    score,
)
from lossctl.losses.maths.numerics import xlogy
from lossctl.losses.maths.softmax import DistributionCrossEntropy

Array = NDArray[Any]

LAST = ("N *D C", "C")
LOG_PREDICTIONS: Input = log_probability("input", *LAST, help="logarithms of the predictions")
KULLBACK = "Kullback and Leibler 1951, doi:10.1214/aoms/1177729694"
SUMMED = {"axis": "sum over the last axis"}


@loss(
    "generalized_kl",
    family="likelihood",
    inputs=(
        log_amount("input", *LAST, help="logarithms of the predicted amounts"),
        not_negative("target", *LAST, help="amounts"),
    ),
    library="optax",
    aliases=("generalized_kl_divergence", "convex_kl_divergence"),
    formula="Σ_c [y_c (log y_c − x_c) + exp(x_c) − y_c]",
    source="https://stanford.edu/~boyd/cvxbook/",
    example="log_probs.npy digits_other_probs.npy",
    traps=(
        "the input holds logarithms, the target does not",
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


@loss(
    "optax.kl_divergence",
    family="likelihood",
    inputs=(LOG_PREDICTIONS, density("target", *LAST, help="probabilities")),
    library="optax",
    formula="Σ_c y_c (log y_c − x_c)",
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


def _divergence(x: Array, y: Array) -> Array:
    losses = xlogy(y, y) - y * x
    losses[(y == 0) & ~np.isnan(x)] = 0
    return losses


@loss(
    "optax.kl_divergence_with_log_targets",
    family="likelihood",
    inputs=(LOG_PREDICTIONS, log_probability("target", *LAST, help="logarithms too")),
    library="optax",
    formula="Σ_c exp(y_c) (y_c − x_c)",
    source=KULLBACK,
    example="log_probs.npy log_probs.npy",
    traps=("both inputs hold logarithms of probabilities",),
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


@loss(
    "safe_softmax_cross_entropy",
    family="classification",
    inputs=(
        logit("input", "N C *D", "C", help="logits"),
        distribution("target", "N C *D", "C", help="probabilities of the classes"),
    ),
    library="optax",
    formula="−Σ_c y_c log softmax(x)_c, without the classes of which x is −∞ and y is 0",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="preds.npy digits_other_probs.npy",
    traps=("a class ruled out (a logit of −∞, a target of 0) costs nothing; for ce it is NaN",),
)
def safe_softmax_cross_entropy(input: Array, target: Array) -> Array:
    """Cross entropy of logits that may rule classes out.

    input and target are (N, C, *D) or (C); the losses are (N, *D) or one number.
    """
    return _rank(input, target, ~((input == -np.inf) & (target == 0)))


@safe_softmax_cross_entropy.gradient
def safe_softmax_cross_entropy_gradient(input: Array, target: Array) -> Array:
    """Return (Σ y) softmax − y, 0 for a class that is ruled out."""
    return _differentiate_rank(input, target, ~((input == -np.inf) & (target == 0)))


@loss(
    "ranking_softmax",
    family="ranking",
    inputs=(
        score("input", *LAST, help="scores of the items of each list"),
        real("target", *LAST, help="how relevant each item is"),
    ),
    library="optax",
    formula="−Σ_i w_i y_i log softmax(x)_i over the items of a list that are there",
    source="Cao et al. 2007, Learning to rank: from pairwise approach to listwise approach,"
    " doi:10.1145/1273496.1273513",
    example="attributes_logits.npy attributes.npy",
    traps=(
        "relevances are not divided by their sum: a list with two relevant items counts double",
        "mean divides by the lists that have an item; if none has, it is NaN (optax: 0)",
    ),
    facts={"axis": "sum over the last axis", "denominator": "lists with an item"},
)
def ranking_softmax(
    input: Array,
    target: Array,
    *,
    where: Annotated[
        Array | None, Option("0 for items that are not there, else 1", broadcast_to="N *D C")
    ] = None,
    weights: Annotated[Array | None, Option("weight of each item", broadcast_to="N *D C")] = None,
) -> Terms:
    """Softmax cross entropy of the scores of a list against the relevance of its items.

    input and target are (N, *D, C) or (C), C the items of a list; the losses are (N, *D) or one
    number.
    """
    relevance = target if weights is None else target * weights
    scores = np.moveaxis(input, -1, 1)
    if where is None:
        return Terms(_rank(scores, np.moveaxis(relevance, -1, 1), None))
    there = np.moveaxis(np.broadcast_to(where != 0, input.shape), -1, 1)
    relevance = np.where(there, np.moveaxis(relevance, -1, 1), 0)
    empty: NDArray[np.bool_] = np.logical_not(there.any(axis=1))
    losses = np.where(empty, 0, _rank(scores, relevance, there))
    return Terms(losses, ignored=empty if empty.any() else None, denominator="lists with an item")


@ranking_softmax.gradient
def ranking_softmax_gradient(
    input: Array, target: Array, *, where: Array | None, weights: Array | None
) -> Array:
    """Return (Σ w y) softmax − w y over the items that are there."""
    relevance = np.moveaxis(target if weights is None else target * weights, -1, 1)
    scores, there = np.moveaxis(input, -1, 1), None
    if where is not None:
        there = np.moveaxis(np.broadcast_to(where != 0, input.shape), -1, 1)
        relevance = np.where(there, relevance, 0)
    return np.moveaxis(_differentiate_rank(scores, relevance, there), 1, -1)


def _rank(logits: Array, factors: Array, there: Array | None) -> Array:
    """Return softmax cross entropy along axis 1, over what is there."""
    logits = _rule_out(logits, there)
    spread = DistributionCrossEntropy((len(logits), *logits.shape[2:]), logits.dtype)
    spread.add(logits, factors)
    return spread.loss


def _differentiate_rank(logits: Array, factors: Array, there: Array | None) -> Array:
    logits = _rule_out(logits, there)
    spread = DistributionCrossEntropy((len(logits), *logits.shape[2:]), logits.dtype)
    spread.add(logits, factors)
    gradient = spread.gradient(logits, factors)
    return gradient if there is None else np.where(there, gradient, 0)


def _rule_out(logits: Array, there: Array | None) -> Array:
    """Return logits so low for what is not there that their exponential is 0, and still finite."""
    return logits if there is None else np.where(there, logits, -np.finfo(logits.dtype).max / 4)
