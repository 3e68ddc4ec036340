"""Losses of the scores of a list's items."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, Terms, loss, real, score
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.softmax import (
    masked_cross_entropy,
    masked_cross_entropy_gradient,
    masked_cross_entropy_steps,
)

Array = NDArray[Any]

LAST = ("N *D C", "C")


@loss(
    "ranking_softmax",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(
        score("input", *LAST, help="scores of the items of each list"),
        real("target", *LAST, help="relevance of each item"),
    ),
    formula="−Σ_i w_i y_i log softmax(x)_i over the items of a list",
    unit="nats",
    source="Cao et al. 2007, Learning to rank: from pairwise approach to listwise approach,"
    " doi:10.1145/1273496.1273513",
    example="attributes_logits.npy attributes.npy",
    traps=(
        "relevances are not divided by their sum: a list with two relevant items counts double",
        "mean divides by the number of lists with an item; if none has one, it is NaN (optax: 0)",
    ),
    facts={"axis": "sum over the last axis", "denominator": "lists with an item"},
)
def ranking_softmax(
    input: Array,
    target: Array,
    *,
    where: Annotated[
        Array | None, Option("1 for items of the list, 0 for padding", broadcast_to="N *D C")
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
        return Terms(masked_cross_entropy(scores, np.moveaxis(relevance, -1, 1), None))
    there = np.moveaxis(np.broadcast_to(where != 0, input.shape), -1, 1)
    relevance = np.where(there, np.moveaxis(relevance, -1, 1), 0)
    empty: NDArray[np.bool_] = np.logical_not(there.any(axis=1))
    losses = np.where(empty, 0, masked_cross_entropy(scores, relevance, there))
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
    return np.moveaxis(masked_cross_entropy_gradient(scores, relevance, there), 1, -1)


@ranking_softmax.steps
def ranking_softmax_steps(
    x: Array, y: Array, *, where: Array | None, weights: Array | None
) -> Steps:
    """Explain the cross entropy of the scores of a list against relevances."""
    yield Step("scores", "x", x)
    yield Step("relevance", "y", y)
    there = np.ones(x.shape, bool)
    if where is not None:
        there = np.broadcast_to(where != 0, x.shape)
        yield Step("items that are there", "where", there)
    if weights is not None:
        y = y * weights
        yield Step("weighted relevance", "w_i y_i", y)
    yield from masked_cross_entropy_steps(x, np.where(there, y, 0), there)
