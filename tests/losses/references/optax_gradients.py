"""What automatic differentiation by JAX makes of the losses of optax, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.references.optax_reference import convert, convert_options, jax
from tests.losses.references.references import find_reference


def backward(key: str, case: Case, reduction: str) -> dict[str, Array]:
    """Return the gradient of the reduced loss by each prediction input."""
    names = [one.name for one in registry()[key].inputs]
    predictions = registry()[key].prediction_inputs
    inputs = [convert(key, array) for array in case.inputs]
    options = convert_options(case.options)
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
    reference = find_reference(key)
    if reference.count is not None:  # optax has the mean alone
        count = reference.count(*inputs) if reduction == "sum" else 1
        return reference.find()(*inputs, **options) * count
    losses = reference.ask(*inputs, **dict(options))
    if reduction == "sum":
        return losses.sum()
    if reference.mean is not None:
        return reference.mean(reference.find(), losses, inputs, options)
    return losses.mean()


def restore(key: str, given: Array, found: Array) -> Array:
    """Put the classes back where lossctl has them."""
    last = find_reference(key).classes_last and given.ndim > 1
    return np.moveaxis(found, -1, 1) if last else found
