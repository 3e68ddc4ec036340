"""What optax answers, in float64. Its classes are the last axis, ours axis 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jax.config.update("jax_enable_x64", val=True)

NAME = "optax"
VERSION: str = optax.__version__
jnp = jax.numpy

CLASSES_LAST = {
    "multiclass_hinge", "multiclass_perceptron", "multiclass_sparsemax", "poly_ce",
    "safe_softmax_cross_entropy", "optax.dice", "multiclass_generalized_dice",
}  # fmt: skip


def sparse(scores: Array, labels: Array) -> Any:
    """Return multiclass_sparsemax_loss, which takes a matrix."""
    rows = scores.reshape(-1, scores.shape[-1])
    return optax.losses.multiclass_sparsemax_loss(rows, labels.reshape(-1)).reshape(labels.shape)


def poly(logits: Array, labels: Array, **options: Any) -> Any:
    """Return poly_loss_cross_entropy, which takes probabilities."""
    if labels.ndim < logits.ndim:
        labels = jax.nn.one_hot(labels, logits.shape[-1], dtype=jnp.float64)
    return optax.losses.poly_loss_cross_entropy(logits, labels, **options)


def rank(logits: Array, labels: Array, **options: Any) -> Any:
    """Return ranking_softmax_loss of each list; a where of integers is made one of truths."""
    if "where" in options:
        options["where"] = jnp.broadcast_to(options["where"] != 0, logits.shape)
    return optax.losses.ranking_softmax_loss(
        jnp.asarray(logits), jnp.asarray(labels), reduce_fn=None, **options
    )


def dice(logits: Array, labels: Array, class_reduction: str = "mean", **options: Any) -> Any:
    """Return dice_loss of each sample."""
    return optax.losses.dice_loss(logits, labels, reduction=class_reduction, **options)


def binary_dice(x: Array, labels: Array, apply_sigmoid: bool = True, **options: Any) -> Any:
    """Return binary_dice_loss, which refuses probabilities: it is given their logits."""
    logits = x if apply_sigmoid else jnp.log(x) - jnp.log1p(-x)
    return optax.losses.binary_dice_loss(logits, labels, **options)


def generalized_dice(logits: Array, labels: Array, **options: Any) -> Any:
    """Return the losses of samples of which multiclass_generalized_dice_loss is the mean."""
    frequency = labels.sum(axis=tuple(range(labels.ndim - 1)))
    weights = 1 / (frequency**2 + 1e-7)
    weights = weights / weights.sum() * len(weights)
    losses = optax.losses.dice_loss(logits, labels, class_weights=weights, **options)
    mean = optax.losses.multiclass_generalized_dice_loss(logits, labels, **options)
    np.testing.assert_allclose(losses.mean(), mean, rtol=1e-13)
    return losses


def pairs(embeddings: Array, labels: Array, temperature: float = 0.07) -> tuple[Array, Array]:
    """Return the summed losses of each sample's pairs, and their numbers, as ntxent adds them."""
    lengths = np.sqrt(np.maximum((embeddings**2).sum(axis=1), np.finfo(float).eps))
    unit = embeddings / lengths[:, np.newaxis]
    powers = np.exp(unit @ unit.T / temperature)
    same = labels[:, np.newaxis] == labels
    others = np.where(same, 0, powers).sum(axis=1, keepdims=True)
    positive = same & ~np.eye(len(labels), dtype=bool)
    costs = np.where(positive, -np.log(powers / (others + powers)), 0)
    return costs.sum(axis=1), positive.sum(axis=1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log_cosh": optax.log_cosh,
    "optax.l2": optax.l2_loss,
    "optax.hinge": optax.losses.hinge_loss,
    "perceptron": optax.losses.perceptron_loss,
    "sparsemax": optax.losses.sparsemax_loss,
    "multiclass_hinge": optax.losses.multiclass_hinge_loss,
    "multiclass_perceptron": optax.losses.multiclass_perceptron_loss,
    "multiclass_sparsemax": sparse,
    "optax.sigmoid_focal": optax.sigmoid_focal_loss,
    "poly_ce": poly,
    "generalized_kl": optax.losses.generalized_kl_divergence,
    "optax.kl_divergence": optax.losses.kl_divergence,
    "optax.kl_divergence_with_log_targets": optax.losses.kl_divergence_with_log_targets,
    "safe_softmax_cross_entropy": optax.safe_softmax_cross_entropy,
    "ranking_softmax": rank,
    "cosine_distance": optax.cosine_distance,
    "optax.triplet_margin": optax.losses.triplet_margin_loss,
    "ntxent": optax.losses.ntxent,
    "optax.dice": dice,
    "binary_dice": binary_dice,
    "multiclass_generalized_dice": generalized_dice,
}


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return optax's answer to the case as a float64 array."""
    inputs = [convert(key, array) for array in case.inputs]
    options = {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in case.options.items()
    }
    if key == "ntxent":
        return answer_pairs(inputs, options, reduction)
    if inputs[0].size == 0 and key in ("multiclass_sparsemax", "ntxent"):
        losses = jnp.zeros(inputs[1].shape)
    else:
        losses = FUNCTIONS[key](*inputs, **options)
    if reduction == "mean" and key == "ranking_softmax" and losses.size:
        if "where" in options:  # lists without an item do not count
            there = jnp.broadcast_to(options["where"] != 0, inputs[0].shape)
            return np.asarray(losses.sum() / there.any(axis=-1).sum())
        return np.asarray(optax.losses.ranking_softmax_loss(*inputs, **options))
    return np.asarray({"none": jnp.asarray, "mean": jnp.mean, "sum": jnp.sum}[reduction](losses))


def answer_pairs(inputs: list[Any], options: dict[str, Any], reduction: str) -> Array:
    """Return the mean that ntxent gives, or the sums that it is made of."""
    losses, _ = pairs(*map(np.asarray, inputs), **options)
    if reduction == "mean":
        return np.asarray(optax.losses.ntxent(*inputs, **options))
    return losses if reduction == "none" else np.asarray(losses.sum())


def convert(key: str, array: Array) -> Any:
    """Return an array as optax takes it: float64 or integers, the classes last."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    if key in CLASSES_LAST and array.ndim > 1 and array.dtype.kind == "f":
        array = np.moveaxis(array, 1, -1)
    return jnp.asarray(array)
