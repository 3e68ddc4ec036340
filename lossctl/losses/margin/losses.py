"""Losses that ask for a margin between scores, or between a score and a boundary."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    UNBOUNDED,
    Input,
    Option,
    index,
    index_list,
    loss,
    real,
    score,
    sign,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import (
    at_least,
    at_most,
    find_classes,
    flatten,
    log1p_exp,
    sigmoids,
    softplus,
    take_class,
)

Array = NDArray[Any]

SIGNS: Input = sign("target", "*", help="+1 or -1")


@loss(
    "margin_ranking",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        real("input1", "*", help="scores of the first items"),
        real("input2", "*", help="scores of the second items"),
        SIGNS,
    ),
    formula="max(0, −y (x₁ − x₂) + margin)",
    unit="the unit of the scores",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html",
    example="binary.csv#logit binary.csv#rival_logit binary.csv#sign --margin 1",
    traps=("+1 says that the first item should score higher, -1 that the second should",),
)
def margin_ranking(
    input1: Array,
    input2: Array,
    target: Array,
    *,
    margin: Annotated[float, Option("smallest difference of the scores with a loss of 0")] = 0.0,
) -> Array:
    """Hinge on the difference of two scores that should be in a given order.

    All three inputs have the same shape (*). A target that is not +1 or -1 is an error.
    """
    return at_least(margin - target * (input1 - input2), 0)


@margin_ranking.gradient(by=("input1", "input2"))
def margin_ranking_gradient(
    input1: Array, input2: Array, target: Array, *, margin: float
) -> tuple[Array, Array]:
    """Return −y and y where the hinge is not below 0 (at 0 too, as in torch)."""
    active = margin - target * (input1 - input2) >= 0
    return np.where(active, -target, 0), np.where(active, target, 0)


def lack_steps(lack: Array, formula: str) -> Steps:
    """Yield what is lacking, and the loss that is 0 where nothing is."""
    yield Step("lack", formula, lack)
    yield Step("loss", "max(0, lack)", np.maximum(lack, 0))


@margin_ranking.steps
def margin_ranking_steps(x1: Array, x2: Array, y: Array, *, margin: float) -> Steps:
    """Explain the hinge on the difference of two scores."""
    yield Step("first score", "x₁", x1)
    yield Step("second score", "x₂", x2)
    yield Step("sign", "y", y)
    yield Step("difference", "x₁ − x₂", x1 - x2)
    yield from lack_steps(margin - y * (x1 - x2), "margin − y (x₁ − x₂)")


@loss(
    "hinge_embedding",
    library="torch",
    range=UNBOUNDED,
    inputs=(real("input", "*", help="distances"), SIGNS),
    formula="x  where y = 1;  max(0, margin − x)  where y = −1",
    unit="the unit of the distances",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html",
    example="triplets.npz#pair_distance triplets.npz#pair_sign --margin 6",
    traps=("the input is a distance: small for similar pairs (+1)",),
)
def hinge_embedding(
    input: Array,
    target: Array,
    *,
    margin: Annotated[float, Option("distance from which a pair of -1 has a loss of 0")] = 1.0,
) -> Array:
    """Distance of similar pairs, hinge on the distance of dissimilar pairs.

    input and target have the same shape (*). A target that is not +1 or -1 is an error.
    """
    apart = at_least(margin - input, 0)
    # Taking elements by their place is twice as fast as np.where on signs in random order.
    together = np.flatnonzero(target == 1)
    apart.reshape(-1)[together] = input.reshape(-1)[together]
    return apart


@hinge_embedding.gradient
def hinge_embedding_gradient(input: Array, target: Array, *, margin: float) -> Array:
    """Return 1 for pairs that belong together, −1 where that of others is not below 0."""
    return np.where(target == 1, 1.0, np.where(margin - input >= 0, -1.0, 0.0))


@hinge_embedding.steps
def hinge_embedding_steps(x: Array, y: Array, *, margin: float) -> Steps:
    """Explain the distance of a pair, or what it lacks of the margin."""
    yield Step("distance", "x", x)
    yield Step("sign", "y", y)
    yield Step("lack", "margin − x", margin - x)
    losses = np.where(y == 1, x, np.maximum(margin - x, 0))
    yield Step("loss", "x where y = 1; max(0, lack) where y = −1", losses)


@loss(
    "soft_margin",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(score("input", "*", help="scores"), SIGNS),
    formula="log(1 + exp(−y x))",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html",
    example="binary.csv#logit binary.csv#sign",
    traps=("targets are +1 and -1; for 1 and 0 there is bce_with_logits",),
)
def soft_margin(input: Array, target: Array) -> Array:
    """Logistic loss of scores against signs, stable for scores of any size.

    input and target have the same shape (*). A target that is not +1 or -1 is an error.
    """
    agreement = target * input
    losses = log1p_exp(agreement)
    losses -= at_most(agreement, 0, out=agreement)
    return losses


@soft_margin.gradient
def soft_margin_gradient(input: Array, target: Array) -> Array:
    """Return −y σ(−y x)."""
    return -target * sigmoids(target * input)[1]


def agreement_steps(x: Array, y: Array) -> Steps:
    """Yield a score and its sign."""
    yield Step("score", "x", x)
    yield Step("sign", "y", y)
    yield Step("agreement", "y x", y * x)


@soft_margin.steps
def soft_margin_steps(x: Array, y: Array) -> Steps:
    """Explain the logistic loss."""
    yield from agreement_steps(x, y)
    yield Step("loss", "log(1 + exp(−y x))", softplus(-(y * x)))


@loss(
    "multi_margin",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        score("input", "N C", "C", "C", "", help="scores of the classes"),
        index("target", "N", "", "1", "", help="class indices"),
    ),
    results=("N", "", "1", ""),
    formula="(1/C) Σ_{i≠y} w_y max(0, margin − x_y + x_i)^p",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiMarginLoss.html",
    example="preds.npy labels.npy",
    facts={
        "axis": "sum over C, divided by C",
        "denominator": "samples, whatever the weights",
    },
    traps=(
        "the sum excludes the target's class, but C includes it",
        "mean divides by N, not by the sum of weights",
    ),
)
def multi_margin(
    input: Array,
    target: Array,
    *,
    p: Annotated[int, Option("power of each hinge", choices=(1, 2))] = 1,
    margin: Annotated[float, Option("smallest margin of the right class with a loss of 0")] = 1.0,
    weight: Annotated[Array | None, Option("weight of each class", shape="C")] = None,
) -> Array:
    """Hinge on the margin of the right class over every other class.

    input is (N, C) or (C); target holds class indices (N) or one index. A label outside [0, C)
    is an error.
    """
    scores = input if input.ndim == 2 else input[:, np.newaxis]
    own = take_class(scores, target)
    hinge = (margin - own)[:, np.newaxis] + scores
    at_least(hinge, 0, out=hinge)
    if p == 2:
        hinge *= hinge
    hinge[np.arange(len(scores)), target] = 0
    losses = hinge.sum(axis=1) / scores.shape[1]
    return losses if weight is None else losses * weight[target]


@multi_margin.gradient
def multi_margin_gradient(
    input: Array, target: Array, *, p: int, margin: float, weight: Array | None
) -> Array:
    """Return each hinge's gradient, and at the right class minus the sum of all; 0 at the kink."""
    scores = input if input.ndim == 2 else input[:, np.newaxis]
    hinge = (margin - take_class(scores, target))[:, np.newaxis] + scores
    gradient = np.where(hinge > 0, 1.0 if p == 1 else 2 * hinge, 0.0)
    rows = np.arange(len(scores))
    gradient[rows, target] = 0
    gradient[rows, target] = -gradient.sum(axis=1)
    gradient /= scores.shape[1]
    if weight is not None:
        gradient *= weight[target][:, np.newaxis]
    return gradient.reshape(input.shape)


def target_score_steps(x: Array, y: Array) -> Steps:
    """Yield scores, the right class, and its score."""
    yield Step("scores", "x", x, mark=int(y))
    yield Step("target", "y", y)
    yield Step("score of the target", "x_y", x[int(y)])


@multi_margin.steps
def multi_margin_steps(x: Array, y: Array, *, p: int, margin: float, weight: Array | None) -> Steps:
    """Explain the hinges on the lead over every other class."""
    x = np.atleast_1d(x)
    own = int(y)
    yield from target_score_steps(x, y)
    hinges = np.maximum((margin - x[own]) + x, 0)
    hinges = hinges if p == 1 else hinges * hinges
    hinges[own] = 0
    power = "" if p == 1 else "²"
    yield Step("hinges", f"max(0, margin − x_y + x_i){power}, and 0 for y itself", hinges)
    total = hinges.sum() / len(x)
    if weight is None:
        yield Step("loss", "Σ of the hinges / C", total)
        return
    yield Step("weight", "w_y", weight[own])
    yield Step("loss", "w_y Σ of the hinges / C", total * weight[own])


@loss(
    "multilabel_margin",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        score("input", "N C", "C", "", help="scores of the classes"),
        index_list("target", "N C", "C", "", help="indices of the right classes, then -1"),
    ),
    results=("N", "", ""),
    formula="(1/C) Σ_{j∈y} Σ_{i∉y} max(0, 1 − x_j + x_i)",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelMarginLoss.html",
    example="attributes_logits.npy attributes_indices.npy",
    facts={
        "axis": "sum over C, divided by C",
    },
    traps=("targets are lists of class indices that end at the first -1, not 0/1 flags",),
)
def multilabel_margin(input: Array, target: Array) -> Array:
    """Hinge on the margin of every right class over every wrong class.

    input and target are (N, C) or (C); each row of the target lists the right classes and ends
    at its first -1. An index outside [-1, C) is an error.
    """
    scores, lists = (one if one.ndim == 2 else one[:, np.newaxis] for one in (input, target))
    wrong = scores.copy(order="K")
    slots = []
    going_on = np.ones(len(scores), bool)
    for slot in range(scores.shape[1]):
        going_on = going_on & (lists[:, slot] >= 0)
        if not going_on.any():
            break
        flat, places = find_classes(scores, np.where(going_on, lists[:, slot], 0))
        flatten(wrong)[places[going_on]] = -np.inf
        slots.append((going_on, flat.take(places)))
    losses = np.zeros(len(scores), scores.dtype)
    for listed, own in slots:  # whole columns, listed or not: 3 times faster than the rows listed
        hinge = (1 - own)[:, np.newaxis] + wrong
        losses += np.where(listed, at_least(hinge, 0, out=hinge).sum(axis=1), 0)
    return losses / max(scores.shape[1], 1)


@multilabel_margin.gradient
def multilabel_margin_gradient(input: Array, target: Array) -> Array:
    """Return how many right classes a wrong one is too near to, and the reverse, negative."""
    scores, lists = (one if one.ndim == 2 else one[:, np.newaxis] for one in (input, target))
    listed, right = _list_right(scores, lists)
    gradient = np.zeros(scores.shape, scores.dtype)
    for slot in range(int(listed.sum(axis=1).max(initial=0))):
        active = np.flatnonzero(listed[:, slot])
        chosen = lists[active, slot]
        hinge = (1 - scores[active, chosen])[:, np.newaxis] + scores[active]
        near = (hinge > 0) & ~right[active]
        gradient[active] += near
        gradient[active, chosen] -= near.sum(axis=1)
    return (gradient / max(scores.shape[1], 1)).reshape(input.shape)


@multilabel_margin.steps
def multilabel_margin_steps(x: Array, y: Array) -> Steps:
    """Explain the hinges on the lead of every right class over every wrong one."""
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    ends = np.flatnonzero(y < 0)
    listed = y[: ends[0]] if len(ends) else y
    wrong = x.copy()
    wrong[listed] = -np.inf
    hinges = np.array([np.maximum((1 - x[own]) + wrong, 0).sum() for own in listed])
    yield Step("scores", "x", x, mark=int(listed[0]) if len(listed) else None)
    yield Step("target", "y", y)
    yield Step("listed classes", "y up to the first −1", listed)
    yield Step("hinges", "Σ_{i not listed} max(0, 1 − x_j + x_i) of each listed j", hinges)
    yield Step("loss", "Σ of the hinges / C", hinges.sum() / max(len(x), 1))


def _list_right(scores: Array, lists: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which entries of the lists count, and which classes are right."""
    listed = np.logical_and.accumulate(lists >= 0, axis=1)
    rows, slots = np.nonzero(listed)
    right = np.zeros(scores.shape, bool)
    right[rows, lists[rows, slots]] = True
    return listed, right
