"""Losses of the angles between embeddings, in pairs and in whole batches."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Range,
    Terms,
    class_label,
    loss,
    real,
)
from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.core.terms import Denominator
from lossctl.losses.maths.numerics import at_least, p_norm, sigmoids, softplus
from lossctl.losses.maths.softmax import log_sum_exp

Array = NDArray[Any]

SIMILARITIES = 2**20
"""How many similarities are held at a time."""


@loss(
    "cosine_distance",
    library="optax",
    range=Range(0, 2),
    inputs=(
        real("input", "N *D F", "F", help="predicted embeddings"),
        real("target", "N *D F", "F", help="true embeddings"),
    ),
    formula="1 − x·y / (max(‖x‖, √ε) max(‖y‖, √ε))",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="triplets.npz#anchor triplets.npz#positive",
    traps=(
        "from 0 to 2; Keras's cosine similarity is the negative cosine, from -1 to 1",
        "a vector of zeros has no direction: NaN, unless epsilon is above 0",
    ),
    facts={"axis": "the last"},
)
def cosine_distance(
    input: Array,
    target: Array,
    *,
    epsilon: Annotated[float, Option("minimum squared norm", at_least=0)] = 0.0,
) -> Array:
    """Cosine distance: 1 − the cosine of the angle between two embeddings.

    input and target are (N, *D, F) or (F); the losses are (N, *D) or one number.
    """
    return 1 - (_shorten(input, epsilon) * _shorten(target, epsilon)).sum(axis=-1)


def _shorten(vectors: Array, epsilon: float) -> Array:
    """Return vectors of length 1, but for such as are shorter than √epsilon."""
    lengths = at_least(p_norm(vectors, 2), float(np.sqrt(epsilon)))
    return vectors / lengths[..., np.newaxis]


@cosine_distance.gradient
def cosine_distance_gradient(input: Array, target: Array, *, epsilon: float) -> Array:
    """Return what is left of the true direction across the predicted one, negative."""
    return _turn(-_shorten(target, epsilon), input, epsilon)


def cosine_steps(x: Array, y: Array, floor: float, shown: str) -> StepsToArray:
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


@cosine_distance.steps
def cosine_distance_steps(x: Array, y: Array, *, epsilon: float) -> Steps:
    """Explain 1 − the cosine."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    cosine = yield from cosine_steps(x, y, float(np.sqrt(epsilon)), "√ε")
    yield Step("loss", "1 − cosine", 1 - cosine)


def _turn(gradient: Array, vectors: Array, epsilon: float) -> Array:
    """Return the gradient with respect to vectors, from that of the normalized ones."""
    floor = float(np.sqrt(epsilon))
    length = at_least(p_norm(vectors, 2), floor)[..., np.newaxis]
    unit = vectors / length
    along = (gradient * unit).sum(axis=-1, keepdims=True) * unit
    return (gradient - np.where(length > floor, along, 0)) / length


@loss(
    "ntxent",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(
        real("input", "N F", help="embeddings"),
        class_label("target", "N", help="labels: samples of one label are positive pairs"),
    ),
    aliases=("nt_xent",),
    formula="−log(e_ij / (e_ij + Σ_k e_ik)) over the pairs i ≠ j of one label, k of the others;"
    "  e_ij = exp(cos(x_i, x_j) / temperature)",
    unit="nats",
    source="Chen et al. 2020, A simple framework for contrastive learning, arXiv:2002.05709",
    example="digits_features.npy labels.npy --temperature 0.5",
    traps=(
        "it needs all pairs: the loss of a dataset is not the mean of the losses of its batches",
        "mean divides by the number of positive pairs, each counted in both directions",
        "the negatives of a pair are the samples of other labels, not other pairs of its label",
    ),
    needs_all_samples=True,
    facts={"axis": "the sum over the pairs of each sample", "denominator": "positive pairs"},
)
def ntxent(
    input: Array,
    target: Array,
    *,
    temperature: Annotated[float, Option("divisor of the cosines", above=0)] = 0.07,
) -> Terms:
    """Cross entropy of the cosine of each positive pair against samples of other labels.

    input is (N, F); target holds labels (N), any integers. Without a positive pair it is NaN.
    """
    unit = _shorten(input, float(np.finfo(input.dtype).eps))
    losses, pairs = np.zeros(len(unit), unit.dtype), np.zeros(len(unit), unit.dtype)
    step = max(1, SIMILARITIES // max(1, len(unit)))
    for start in range(0, len(unit), step):
        rows = slice(start, start + step)
        scores = unit[rows] @ unit.T / temperature
        same = target[rows, np.newaxis] == target
        rivals = _log_sum(np.where(same, -np.inf, scores))
        same[np.arange(len(scores)), np.arange(start, start + len(scores))] = False
        costs = np.where(same, softplus(rivals - scores), 0)
        losses[rows], pairs[rows] = costs.sum(axis=1), same.sum(axis=1)
    return Terms(losses, pairs, Denominator("positive pairs"))


@ntxent.gradient
def ntxent_gradient(input: Array, target: Array, *, temperature: float, cotangent: Array) -> Array:
    """Return the gradients of all pairs, for both of their samples."""
    epsilon = float(np.finfo(input.dtype).eps)
    unit = _shorten(input, epsilon)
    gradient = np.zeros_like(unit)
    step = max(1, SIMILARITIES // max(1, len(unit)))
    for start in range(0, len(unit), step):
        rows = slice(start, start + step)
        scores = unit[rows] @ unit.T / temperature
        same = target[rows, np.newaxis] == target
        rivals = _log_sum(np.where(same, -np.inf, scores))
        shares = np.where(same, 0, np.exp(scores - np.where(np.isfinite(rivals), rivals, 0)))
        same[np.arange(len(scores)), np.arange(start, start + len(scores))] = False
        steep = np.where(same, sigmoids(rivals - scores)[0], 0) * cotangent[rows, np.newaxis]
        by_score = (shares * steep.sum(axis=1, keepdims=True) - steep) / temperature
        gradient[rows] += by_score @ unit
        gradient += by_score.T @ unit[rows]
    return _turn(gradient, input, epsilon)


@ntxent.steps
def ntxent_steps(x: Array, y: Array, *, temperature: float, row: int) -> Steps:
    """Explain the cost of telling the partners of a sample from all samples of other labels."""
    lengths = np.maximum(p_norm(x, 2), np.sqrt(np.finfo(x.dtype).eps))
    unit = x / lengths[:, np.newaxis]
    scores = unit @ unit[row] / temperature
    same = y == y[row]
    partners = same & (np.arange(len(x)) != row)
    rivals = log_sum_exp(scores[~same])
    yield Step("embedding", "x_i", x[row])
    yield Step("label", "y_i", y[row])
    yield Step("partners", "other samples j of the label", int(partners.sum()))
    yield Step("rivals", "samples k of other labels", int((~same).sum()))
    places = np.flatnonzero(partners).tolist()
    formula = "cos(x_i, x_j) / temperature of the partners"
    yield Step("scaled cosines", formula, scores[partners], places=places)
    yield Step("log-sum-exp", "log Σ_k exp(cos(x_i, x_k) / temperature) of the rivals", rivals)
    costs = softplus(rivals - scores[partners])
    formula = "log(1 + exp(log-sum-exp − scaled cosine))"
    yield Step("pair losses", formula, costs, places=places)
    yield Step("loss", "Σ of the pair losses", costs.sum())


def _log_sum(scores: Array) -> Array:
    """Return log Σ exp of each row, as a column; minus infinity for rows of nothing."""
    top = scores.max(axis=1, keepdims=True, initial=-np.inf)
    top = np.where(top == -np.inf, 0, top)
    return top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
