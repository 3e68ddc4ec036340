"""What optax answers, in float64. Its classes are the last axis, ours axis 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.references.references import find_reference

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
jax.config.update("jax_enable_x64", val=True)

NAME = "optax"
VERSION: str = optax.__version__
jnp = jax.numpy


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return optax's answer to the case as a float64 array."""
    reference = find_reference(key)
    inputs = [convert(key, array) for array in case.inputs]
    options = convert_options(case.options)
    losses = reference.ask(*inputs, **dict(options))
    if reduction == "mean" and reference.mean is not None:
        return np.asarray(reference.mean(reference.find(), losses, inputs, options))
    if reduction == "none":
        return np.asarray(losses)
    return np.asarray(losses.mean() if reduction == "mean" else losses.sum())


def convert(key: str, array: Array) -> Any:
    """Return an array as optax takes it: float64 or integers, the classes last."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        if find_reference(key).classes_last and array.ndim > 1:
            array = np.moveaxis(array, 1, -1)
    return jnp.asarray(array)


def convert_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as optax takes them: its own arrays."""
    return {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
