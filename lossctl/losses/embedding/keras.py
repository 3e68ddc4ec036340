"""Keras's losses of embeddings: of all pairs of a batch, and of the angle of a pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import DataError
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Range,
    Terms,
    class_label,
    loss,
    real,
)
from lossctl.losses.core.keras import BATCH, CLASS_AXIS, EPSILON, PREDICTED, ROWS, TRUE
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.embedding.contrastive import cosine_steps
from lossctl.losses.maths.numerics import at_least, dot, open_half, p_norm, sigmoids, softplus
from lossctl.losses.maths.softmax import log_sum_exp

Array = NDArray[Any]

PAIRS = 2**20
"""How many pairs are looked at together."""


@loss(
    "keras.circle",
    inputs=(
        real("y_pred", "N F", "N F", help="embeddings of norm 1"),
        class_label("y_true", "N", "N 1", help="labels: samples of one label are positive pairs"),
    ),
    results=("N",),
    range=NON_NEGATIVE,
    formula="log(1 + Σ_j exp(γ [d_ij + m]₊ (d_ij − m)) Σ_k exp(γ [1 + m − d_ik]₊ (1 − m − d_ik)))"
    " over j of the same label and k of others;  d = max(1 − cosine, 0)",
    source="Sun et al. 2020, Circle loss, arXiv:2002.10857",
    example="digits_unit.npy labels.npy --gamma 8",
    traps=(
        "it needs all pairs: the loss of a dataset is not the mean of the losses of its batches",
        "embeddings must have norm 1; nothing is normalised",
        "a sample whose loss is 0, such as one without a positive pair, is excluded from the"
        " denominator, as Keras masks it",
    ),
    facts={"axis": "one loss per sample", "denominator": "samples with a loss above 0"},
    needs_all_samples=True,
    **BATCH,
)
def circle(
    y_pred: Array,
    y_true: Array,
    *,
    ref_labels: Annotated[Array | None, Option("labels of other embeddings", shape="R")] = None,
    ref_embeddings: Annotated[
        Array | None, Option("other embeddings to compare with", shape="R F")
    ] = None,
    remove_diagonal: Annotated[bool, Option("exclude pairs of a sample with itself")] = True,
    gamma: Annotated[float, Option("scale of the similarities")] = 80.0,
    margin: Annotated[
        float, Option("margin between pairs of one label and pairs of different labels")
    ] = 0.4,
) -> Terms:
    """Circle loss of all pairs: embeddings of one label should be close, others far apart.

    y_pred is (N, F); y_true holds labels (N) or (N, 1), any integers. With ref_embeddings
    (R, F) and ref_labels (R), samples are compared with those instead of each other.
    """
    labels = y_true.reshape(-1)
    others = y_pred if ref_embeddings is None else ref_embeddings
    other_labels = labels if ref_labels is None else ref_labels
    if len(others) != len(other_labels):
        raise DataError(
            f"circle compares with {len(others)} embeddings, but {len(other_labels)} labels",
            "Give both ref_embeddings and ref_labels, one label for each embedding.",
        )
    losses = np.empty(len(y_pred), y_pred.dtype)
    for pairs in _iterate_pairs(y_pred, labels, others, other_labels, remove_diagonal):
        near, far = _weigh(pairs.distance, gamma, margin)
        losses[pairs.rows] = softplus(_log_sum(near, pairs.same) + _log_sum(far, pairs.apart))
    return Terms(losses, ignored=losses == 0, denominator="samples with a loss above 0")


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Some samples against all others: how far apart, and whether of the same label."""

    rows: slice
    cosine: Array
    distance: Array
    same: NDArray[np.bool_]
    apart: NDArray[np.bool_]


def _iterate_pairs(
    y_pred: Array, labels: Array, others: Array, other_labels: Array, remove_diagonal: bool
) -> Iterator[_Pairs]:
    step = max(1, PAIRS // max(1, len(others)))
    for start in range(0, len(y_pred), step):
        rows = slice(start, start + step)
        cosine = y_pred[rows] @ others.T
        same = labels[rows, np.newaxis] == other_labels
        apart = ~same
        if remove_diagonal:
            own = np.arange(start, min(start + len(cosine), len(others)))
            same[own - start, own] = False
        yield _Pairs(rows, cosine, at_least(1 - cosine, 0), same, apart)


def _weigh(distance: Array, gamma: float, margin: float) -> tuple[Array, Array]:
    """Return the scores of pairs of one label, and of others."""
    near = gamma * at_least(distance + margin, 0) * (distance - margin)
    far = gamma * at_least(1 + margin - distance, 0) * (1 - margin - distance)
    return near, far


@circle.gradient
def circle_gradient(
    y_pred: Array,
    y_true: Array,
    *,
    ref_labels: Array | None,
    ref_embeddings: Array | None,
    remove_diagonal: bool,
    gamma: float,
    margin: float,
    cotangent: Array,
) -> Array:
    """Return the gradients of all pairs, for both of their samples unless compared with others."""
    labels = y_true.reshape(-1)
    others = y_pred if ref_embeddings is None else ref_embeddings
    other_labels = labels if ref_labels is None else ref_labels
    gradient = np.zeros_like(y_pred)
    for pairs in _iterate_pairs(y_pred, labels, others, other_labels, remove_diagonal):
        distance = pairs.distance
        near, far = _weigh(distance, gamma, margin)
        near_sum, far_sum = _log_sum(near, pairs.same), _log_sum(far, pairs.apart)
        steep = cotangent[pairs.rows] * sigmoids(near_sum + far_sum)[0]
        by_near = open_half(distance + margin) * (distance - margin) + at_least(
            distance + margin, 0
        )
        by_far = -open_half(1 + margin - distance) * (1 - margin - distance) - at_least(
            1 + margin - distance, 0
        )
        by_distance = gamma * (
            _share(near, near_sum, pairs.same) * by_near
            + _share(far, far_sum, pairs.apart) * by_far
        )
        by_cosine = -by_distance * open_half(1 - pairs.cosine) * steep[:, np.newaxis]
        by_cosine = np.where(steep[:, np.newaxis] == 0, 0, by_cosine)
        gradient[pairs.rows] += by_cosine @ others
        if ref_embeddings is None:
            gradient += by_cosine.T @ y_pred[pairs.rows]
    return gradient


@circle.steps
def circle_steps(
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
    """Explain what partners far away and others near by cost together."""
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
    yield Step("partners", "other samples j of the label", int(same.sum()))
    yield Step("rivals", "samples k of other labels", int(apart.sum()))
    places = np.flatnonzero(same).tolist()
    formula = "d = max(1 − x_i·x_j, 0)"
    yield Step("distances of the partners", formula, distance[same], places=places)
    pull = log_sum_exp(near[same])
    yield Step("pull", "log Σ_j exp(γ [d + m]₊ (d − m))", pull)
    push = log_sum_exp(far[apart])
    yield Step("push", "log Σ_k exp(γ [1 + m − d]₊ (1 − m − d)) of the rivals", push)
    yield Step("loss", "log(1 + exp(pull + push))", softplus(pull + push))


def _share(scores: Array, log_sums: Array, where: NDArray[np.bool_]) -> Array:
    """Return what part each pair has in the sum of exponentials of its row."""
    usable = np.where(np.isfinite(log_sums), log_sums, 0)[:, np.newaxis]
    return np.exp(scores - usable, where=where, out=np.zeros_like(scores))


def _log_sum(scores: Array, where: NDArray[np.bool_]) -> Array:
    """Return log Σ exp over the places of each row; minus infinity for a row without any."""
    top = scores.max(axis=1, where=where, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0)
    powers = np.exp(scores - shift[:, np.newaxis], where=where, out=np.zeros_like(scores))
    return shift + np.log(powers.sum(axis=1))


@loss(
    "keras.cosine_similarity",
    inputs=(
        real("y_pred", "N *D C", "C", help=PREDICTED),
        real("y_true", "N *D C", "C", help=TRUE),
    ),
    results=ROWS,
    range=Range(-1, 1),
    formula="−p·y / (max(‖p‖, ε) max(‖y‖, ε)), ε = 1e-7",
    source="https://keras.io/api/losses/regression_losses/#cosinesimilarity-class",
    example="triplets.npz#anchor triplets.npz#positive",
    traps=("the cosine is negative: -1 is the same direction, 1 the opposite one",),
    facts={"axis": "the given axis, by default the last", "denominator": "per-sample losses"},
    class_axis_option="axis",
    **BATCH,
)
def cosine_similarity(
    y_pred: Array, y_true: Array, *, axis: Annotated[int, CLASS_AXIS] = -1
) -> Array:
    """Negative cosine of the angle between two vectors.

    y_pred and y_true have the same shape, with the vectors along axis. A vector of zeros gives 0.
    """
    return -dot(_shorten(y_pred), _shorten(y_true))


def _shorten(vectors: Array) -> Array:
    """Return vectors of length 1, but for such as are shorter than 1e-7."""
    return vectors / at_least(p_norm(vectors, 2), EPSILON)[..., np.newaxis]


@cosine_similarity.gradient
def cosine_similarity_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return what is left of the true direction across the predicted one, negative.

    A length below 1e-7 is taken for it, and has no gradient; at it, half of one.
    """
    norm = p_norm(y_pred, 2)[..., np.newaxis]
    length = at_least(norm, EPSILON)
    unit, other = y_pred / length, _shorten(y_true)
    along = dot(unit, other)[..., np.newaxis] * unit
    return (open_half(norm - EPSILON) * along - other) / length


@cosine_similarity.steps
def cosine_similarity_steps(x: Array, y: Array) -> Steps:
    """Explain the negative cosine."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    cosine = yield from cosine_steps(x, y, EPSILON, "1e-7")
    yield Step("loss", "−cosine", -cosine)
