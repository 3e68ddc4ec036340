"""How large the terms are that cancel in the losses of evaluators and of optax.

- ``log_cosh``: optax takes log 2 from a logarithm; lossctl does not, and keeps small errors.
- ``log_loss``: scikit-learn takes the logarithm of 1 - p, which lossctl takes of p.
- The deviances, the overlaps of boxes and of maps, and the leads of classes are differences by
  definition.
- ``ntxent``: optax takes the logarithm of a sum that may be next to 1.
- ``focal``: torchvision takes the probability from 1 twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.losses.cases.case import Array


def one(*_: Array, **__: Any) -> Array:
    """Return 1, where the terms are shares of 1."""
    return np.ones(())


def spread(x: Array, *_: Array, **__: Any) -> Array:
    """Return the size of the largest score of a sample, and at least 1."""
    return np.asarray(np.abs(x).max(axis=1 if x.ndim > 1 else 0, initial=1.0))


def deviance(power: float) -> Callable[..., Array]:
    """Return the size of the terms of a deviance, of a power or of the power of a call."""

    def measure(x: Array, y: Array, power: float = power) -> Array:
        size = np.maximum(np.abs(x), np.abs(y))
        if power in (1, 2):
            powers = size if power == 1 else 1.0
            return np.asarray(2 * powers * (1 + np.abs(np.log(np.where(y == 0, 1, y / x)))))
        first = np.abs(y) ** (2 - power) if power else 0.0
        terms = first + np.abs(y) * x ** (1 - power) + x ** (2 - power) if power else first
        return np.asarray(terms * (4 / abs((1 - power) * (2 - power))))

    return measure


def similarity(x: Array, *_: Array, temperature: float = 0.07) -> Array:
    """Return the size of similarities, for each pair."""
    return np.asarray(len(x) * (1 + 1 / temperature))


TERMS: dict[str, Callable[..., Array]] = {
    "log_cosh": one,
    "log_loss": one,
    "giou": one,
    "diou": one,
    "ciou": one,
    "focal": one,
    "optax.dice": one,
    "binary_dice": one,
    "multiclass_generalized_dice": one,
    "cosine_distance": one,
    "multiclass_hinge": spread,
    "multiclass_perceptron": spread,
    "multiclass_sparsemax": spread,
    "poly_ce": spread,
    "poisson_deviance": deviance(1),
    "gamma_deviance": deviance(2),
    "tweedie_deviance": deviance(0),
    "ntxent": similarity,
}
