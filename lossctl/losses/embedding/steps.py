"""The steps of losses of distances and angles between embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.keras import EPSILON
from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.embedding import contrastive, optax
from lossctl.losses.embedding import keras as keras_pairs
from lossctl.losses.embedding import losses as embedding
from lossctl.losses.maths.numerics import p_norm, softplus

Array = NDArray[Any]
Distance = Callable[[Array, Array], Array]


@steps(embedding.cosine_embedding)
def compare_pair(x1: Array, x2: Array, y: Array, *, margin: float) -> Steps:
    """Tell the cosine of a pair, and what it costs."""
    yield Step("first embedding", "x₁", x1)
    yield Step("second embedding", "x₂", x2)
    yield Step("sign", "y", y)
    (product,), (norms,) = embedding.find_angle(x1[np.newaxis], x2[np.newaxis])
    yield Step("product", "x₁·x₂", product)
    yield Step("norms", "√(‖x₁‖² + 1e-12) √(‖x₂‖² + 1e-12)", norms)
    cosine = product / norms
    yield Step("cosine", "product / norms", cosine)
    losses = np.where(y == 1, 1 - cosine, np.maximum(cosine - margin, 0))
    yield Step("loss", "1 − cosine where y = 1; max(0, cosine − margin) where y = −1", losses)


def shorten(x: Array, y: Array, floor: float, shown: str) -> Told:
    """Yield two vectors and their lengths; return the cosine of their angle."""
    shortened = []
    for key, sign, vector in (("prediction", "x", x), ("target", "y", y)):
        length = p_norm(vector, 2)
        kept = np.maximum(length, floor)
        yield Step(f"length of the {key}", f"‖{sign}‖", length)
        yield Step(f"clipped length of the {key}", f"max(‖{sign}‖, {shown})", kept, before=length)
        shortened.append(vector / kept)
    cosine = (shortened[0] * shortened[1]).sum()
    yield Step("cosine", "x·y / (length of x × length of y)", cosine)
    return cosine


@steps(contrastive.cosine_distance)
def turn_away(x: Array, y: Array, *, epsilon: float) -> Steps:
    """Tell one less the cosine."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    cosine = yield from shorten(x, y, float(np.sqrt(epsilon)), "√ε")
    yield Step("loss", "1 − cosine", 1 - cosine)


@steps(keras_pairs.cosine_similarity)
def turn_towards(x: Array, y: Array) -> Steps:
    """Tell the negative cosine."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    cosine = yield from shorten(x, y, EPSILON, "1e-7")
    yield Step("loss", "−cosine", -cosine)


def compare_triplet(
    triplet: tuple[Array, Array, Array],
    distance: Distance,
    shown: str,
    margin: float,
    *,
    swap: bool,
) -> Steps:
    """Yield the distances of a triplet, and the hinge on their difference."""
    anchor, positive, negative = triplet
    yield Step("anchor", "a", anchor)
    yield Step("positive", "p", positive)
    yield Step("negative", "n", negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    yield Step("distance to the positive", shown.format("a", "p"), near)
    yield Step("distance to the negative", shown.format("a", "n"), far)
    if swap:
        between = distance(positive, negative)
        yield Step("distance between both", shown.format("p", "n"), between)
        nearer = np.minimum(far, between)
        yield Step("nearer distance", "the lesser of the last two", nearer, before=far)
        far = nearer
    lack = margin + near - far
    yield Step("lack", "margin + distance to p − distance to n", lack)
    yield Step("loss", "max(0, lack)", np.maximum(lack, 0))


@steps(embedding.triplet_margin)
def compare_by_norm(
    a: Array, positive: Array, n: Array, *, margin: float, p: float, eps: float, swap: bool
) -> Steps:
    """Tell the distances by a norm, eps added to every difference."""

    def distance(x: Array, y: Array) -> Array:
        return p_norm(x - y + eps, p)

    triplet = (a, positive, n)
    yield from compare_triplet(triplet, distance, "‖{} − {} + ε‖, degree --p", margin, swap=swap)


@steps(embedding.triplet_margin_with_distance)
def compare_by_distance(
    a: Array, p: Array, n: Array, *, distance: str, margin: float, swap: bool
) -> Steps:
    """Tell the distances of the chosen kind."""
    chosen = embedding.DISTANCES[distance]
    yield from compare_triplet(
        (a, p, n), chosen, f"{distance.replace('_', ' ')} distance of {{}}, {{}}", margin, swap=swap
    )


@steps(optax.triplet_margin)
def compare_by_powers(
    a: Array, p: Array, n: Array, *, norm_degree: float, margin: float, eps: float
) -> Steps:
    """Tell the distances by a norm, eps added to the sum of powers."""

    def distance(x: Array, y: Array) -> Array:
        return optax.measure_distance(x - y, norm_degree, eps)

    shown = "(Σ|{} − {}|^d + ε)^(1/d)"
    yield from compare_triplet((a, p, n), distance, shown, margin, swap=False)


@steps(contrastive.ntxent)
def tell_partners_apart(x: Array, y: Array, *, temperature: float, row: int) -> Steps:
    """Tell the cost of telling the partners of a sample from all samples of other labels."""
    lengths = np.maximum(p_norm(x, 2), np.sqrt(np.finfo(x.dtype).eps))
    unit = x / lengths[:, np.newaxis]
    scores = unit @ unit[row] / temperature
    same = y == y[row]
    partners = same & (np.arange(len(x)) != row)
    rivals = _log_sum(scores[~same])
    yield Step("embedding", "x_i", x[row])
    yield Step("label", "y_i", y[row])
    yield Step("partners", "others j of the label", int(partners.sum()))
    yield Step("rivals", "samples k of other labels", int((~same).sum()))
    places = np.flatnonzero(partners).tolist()
    formula = "cos(x_i, x_j) / temperature of the partners"
    yield Step("scaled cosines", formula, scores[partners], places=places)
    yield Step("log-sum-exp", "log Σ_k exp(cos(x_i, x_k) / temperature) of the rivals", rivals)
    costs = softplus(rivals - scores[partners])
    formula = "log(1 + exp(log-sum-exp − scaled cosine))"
    yield Step("pair losses", formula, costs, places=places)
    yield Step("loss", "Σ of the pair losses", costs.sum())


@steps(keras_pairs.circle)
def draw_circle(
    x: Array,
    y: Array,
    *,
    ref_labels: Array | None,
    ref_embeddings: Array | None,
    remove_diagonal: bool,
    gamma: float,
    margin: float,
    row: int,
) -> Steps:
    """Tell what partners far away and others near by cost together."""
    labels = y.reshape(-1)
    others = x if ref_embeddings is None else ref_embeddings
    same = labels[row] == (labels if ref_labels is None else ref_labels)
    apart = ~same
    if remove_diagonal and row < len(others):
        same = same & (np.arange(len(others)) != row)
    distance = np.clip(1 - others @ x[row], 0, np.inf)
    near = gamma * np.clip(distance + margin, 0, np.inf) * (distance - margin)
    far = gamma * np.clip(1 + margin - distance, 0, np.inf) * (1 - margin - distance)
    yield Step("embedding", "x_i", x[row])
    yield Step("label", "y_i", labels[row])
    yield Step("partners", "others j of the label", int(same.sum()))
    yield Step("rivals", "samples k of other labels", int(apart.sum()))
    places = np.flatnonzero(same).tolist()
    formula = "d = max(1 − x_i·x_j, 0)"
    yield Step("distances of the partners", formula, distance[same], places=places)
    pull = _log_sum(near[same])
    yield Step("pull", "log Σ_j exp(γ [d + m]₊ (d − m))", pull)
    push = _log_sum(far[apart])
    yield Step("push", "log Σ_k exp(γ [1 + m − d]₊ (1 − m − d)) of the rivals", push)
    yield Step("loss", "log(1 + exp(pull + push))", softplus(pull + push))


def _log_sum(scores: Array) -> Array:
    """Return log Σ exp; minus infinity of nothing."""
    top = scores.max(initial=-np.inf)
    shift = top if np.isfinite(top) else 0.0
    return np.asarray(shift + np.log(np.exp(scores - shift).sum()))
