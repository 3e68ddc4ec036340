"""What automatic differentiation by JAX makes of the losses of optax, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.references.optax_reference import (
    CLASSES_LAST,
    FUNCTIONS,
    convert,
    jax,
    jnp,
    optax,
)


def backward(key: str, case: Case, reduction: str) -> dict[str, Array]:
    """Return the gradient of the reduced loss by each prediction input."""
    names = [one.name for one in registry()[key].inputs]
    predictions = registry()[key].prediction_inputs
    inputs = [convert(key, array) for array in case.inputs]
    options = {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in case.options.items()
    }
    places = tuple(names.index(name) for name in predictions)
    found = jax.grad(
        lambda *values: reduce(key, values, options, reduction), argnums=places, allow_int=True
    )(*inputs)
    return {
        name: restore(key, case.inputs[place], np.asarray(one))
        for name, place, one in zip(predictions, places, found, strict=True)
    }


def reduce(key: str, inputs: Any, options: dict[str, Any], reduction: str) -> Any:
    """Return the reduced loss."""
    if key == "ntxent":  # a mean over pairs
        labels = np.asarray(inputs[1])
        pairs = (labels[:, np.newaxis] == labels).sum() - len(labels)
        return optax.losses.ntxent(*inputs, **options) * (pairs if reduction == "sum" else 1)
    if key == "multiclass_generalized_dice":
        mean = optax.losses.multiclass_generalized_dice_loss(*inputs, **options)
        return mean * (len(inputs[0]) if reduction == "sum" else 1)
    losses = FUNCTIONS[key](*inputs, **options)
    if reduction == "sum":
        return losses.sum()
    if key == "ranking_softmax" and "where" in options:  # lists without an item do not count
        there = jnp.broadcast_to(options["where"] != 0, inputs[0].shape)
        return losses.sum() / there.any(axis=-1).sum()
    return losses.mean()


def restore(key: str, given: Array, found: Array) -> Array:
    """Put the classes back where lossctl has them."""
    return np.moveaxis(found, -1, 1) if key in CLASSES_LAST and given.ndim > 1 else found
