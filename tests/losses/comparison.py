"""How closely lossctl must agree with a reference, and where the two differ.

Values agree to a relative 1e-12. An absolute tolerance of 1e-15 times the largest term is added
for the losses whose terms cancel, because there the reference itself is no more exact than that:

- ``ce``, ``linear_ce``, ``bce_with_logits``: torch subtracts the target's logit from a
  log-sum-exp, so that a confident right answer with a loss of 1e-17 is 0 or noise of the size of
  the logits' last bit. lossctl keeps such a loss; test_exactness compares it with mpmath.
- ``poisson_nll``, ``gaussian_nll``, ``kl_div``, the hinges on differences, ``cosine_embedding``
  and the triplets: differences by definition.
- ``keras.log_cosh``, ``keras.categorical_generalized_cross_entropy`` near 0, and
  ``keras.binary_focal_crossentropy`` of logits, where Keras subtracts a probability from 1.
- ``keras.circle``: PyTorch's softplus is its argument from 20 on, and so off by 2e-9.
- ``ctc``: a long sum of probabilities that may come near 1, whose logarithm is then near 0.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import lossctl
from lossctl.errors import LossctlWarning
from tests.losses import cancellation
from tests.losses.cases.case import Array, Case

RELATIVE = 1e-12
CANCELLATION = 1e-15


def compute(key: str, case: Case, reduction: str) -> Array:
    """Return lossctl's answer as an array: the elements, or the reduced value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        try:
            result = lossctl.compute(key, *case.inputs, reduction=reduction, **case.options)
        finally:
            if (error := sys.exception()) is not None:
                error.add_note(f"in {key} [{case.id}] {reduction}")
    return np.asarray(result.elements if reduction == "none" else result.value)


def disagreements(
    key: str, case: Case, expected: Mapping[str, Array], relative: float = RELATIVE
) -> list[str]:
    """Say where lossctl's answers to a case differ from the expected ones."""
    found = []
    for reduction, reference in expected.items():
        actual = compute(key, case, reduction)
        allowed = tolerance(key, case, expected, reduction, relative)
        where = f"{key} [{case.id}] {reduction}"
        if actual.shape != reference.shape:
            found.append(f"{where}: shape {actual.shape}, expected {reference.shape}")
        elif actual.dtype != np.float64:
            found.append(f"{where}: dtype {actual.dtype}, expected float64")
        else:
            found += [f"{where}{text}" for text in differences(actual, reference, allowed)]
    return found


def differences(actual: Array, reference: Array, allowed: Array) -> Iterable[str]:
    """Yield a line for each number that is further from the reference than allowed."""
    with np.errstate(invalid="ignore"):
        near = np.abs(actual - reference) <= allowed
    equal = (actual == reference) | (np.isnan(actual) & np.isnan(reference))
    for place in np.argwhere(~(near | equal)):
        at = tuple(place.tolist())
        name = f" at {at}" if at else ""
        yield f"{name}: lossctl {float(actual[at])!r}, reference {float(reference[at])!r}"


def tolerance(
    key: str, case: Case, expected: Mapping[str, Array], reduction: str, relative: float
) -> Array:
    """Return what a result of the reduction may differ by: for a sum, what its terms may."""
    elements = np.asarray(expected["none"])
    size = np.broadcast_to(largest_term(key, case), elements.shape)
    each = relative * np.abs(elements) + CANCELLATION * np.nan_to_num(size, posinf=0.0)
    if reduction == "none":
        return np.asarray(each)
    total: Array = np.asarray(each[np.isfinite(each)].sum())
    # The mean is the sum divided by something, which the reference tells by giving both.
    value, summed = float(expected[reduction]), float(expected.get("sum", np.nan))
    ratio = abs(value / summed) if np.isfinite(value) and np.isfinite(summed) and summed else 1.0
    return total * ratio


def largest_term(key: str, case: Case) -> Array:
    """Return the size of each element's largest term where terms cancel, and 0 elsewhere."""
    measure = TERMS.get(key)
    if measure is None:
        return np.zeros(())
    inputs = [array.astype(np.float64) for array in case.inputs]
    with np.errstate(all="ignore"):
        return np.asarray(measure(*inputs, **case.options))


def finite_size(array: Array) -> Array:
    """Return absolute values, with 0 for what is not finite."""
    return np.where(np.isfinite(array), np.abs(array), 0.0)


def greatest(weight: Array | None) -> float:
    """Return the largest of the weights, 1 without any."""
    return 1.0 if weight is None else float(np.max(weight, initial=1.0))


def class_term(logits: Array, *_: Array, weight: Array | None = None, **__: Any) -> Array:
    """Return the largest logit of each sample, times the largest weight."""
    axis = 1 if logits.ndim > 1 else 0
    return np.asarray(np.max(finite_size(logits), axis, initial=1.0) * greatest(weight))


def linear_term(
    features: Array, target: Array, linear_weight: Array, linear_bias: Any = 0.0, **options: Any
) -> Array:
    """Return the largest sum of |feature · weight| of each sample."""
    terms = np.tensordot(np.abs(features), np.abs(linear_weight), axes=(-1, -1))
    return class_term(terms + np.abs(linear_bias), **options)


def binary_term(
    logits: Array, _: Array, weight: Array | float = 1.0, pos_weight: Array | float = 1.0
) -> Array:
    """Return the size of each logit, times its weights."""
    return (1 + finite_size(logits)) * weight * np.maximum(pos_weight, 1)


def poisson_term(
    x: Array, y: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8
) -> Array:
    """Return the rate, count times log rate, and count times its logarithm."""
    rate, log_rate = (np.exp(x), x) if log_input else (x, np.log(x + eps))
    return np.asarray(rate + np.abs(y * log_rate) + full * y * np.log(np.maximum(y, 1)))


def gaussian_term(x: Array, y: Array, var: Array, full: bool = False, eps: float = 1e-6) -> Array:
    """Return the logarithm of the variance and the square relative to it."""
    if var.ndim == x.ndim - 1:
        var = var[..., np.newaxis]
    var = np.maximum(var, eps)
    return 1 + np.abs(np.log(var)) + (x - y) ** 2 / var


def divergence_term(x: Array, y: Array, log_target: bool = False) -> Array:
    """Return target times both logarithms."""
    probability, log_y = (np.exp(y), y) if log_target else (y, np.log(np.where(y > 0, y, 1)))
    return np.asarray(probability * (np.abs(log_y) + np.abs(x)))


def ranking_term(x1: Array, x2: Array, _: Array, margin: float = 0.0) -> Array:
    """Return the margin and the difference."""
    return np.asarray(abs(margin) + np.abs(x1 - x2))


def cosine_term(x1: Array, x2: Array, _: Array, margin: float = 0.0) -> Array:
    """Return the margin and the largest cosine."""
    return np.asarray(1 + abs(margin))


def triplet_term(
    anchor: Array, positive: Array, negative: Array, margin: float = 1.0, p: float = 2.0,
    distance: str = "", **_: Any,
) -> Array:  # fmt: skip
    """Return a bound of every distance between the three."""
    spread = np.abs(anchor) + np.abs(positive) + np.abs(negative)
    size = np.sum(spread, -1) if p >= 1 else np.sum(spread**p, -1) ** (1 / p)
    return np.asarray(margin + (size**2 if distance.startswith("squared") else size))


def sigmoid_term(logits: Array, _: Array, from_logits: bool = False, **__: Any) -> Array:
    """Return how often what a probability lacks of 1 is contained in the probability."""
    if not from_logits:
        return np.zeros(())
    lack = np.exp(np.minimum(np.abs(logits), -np.log(1e-7)))
    return np.asarray(np.max(lack, axis=None, initial=0.0) * np.ones(()))


TERMS: dict[str, Callable[..., Array]] = {
    "ce": class_term,
    "linear_ce": linear_term,
    "bce_with_logits": binary_term,
    "poisson_nll": poisson_term,
    "gaussian_nll": gaussian_term,
    "kl_div": divergence_term,
    "margin_ranking": ranking_term,
    "cosine_embedding": cosine_term,
    "triplet_margin": triplet_term,
    "triplet_margin_with_distance": triplet_term,
    "ctc": lambda *_, **__: np.ones(()),
    "keras.log_cosh": lambda *_, **__: np.ones(()),
    "keras.cosine_similarity": lambda *_, **__: np.ones(()),
    "keras.binary_focal_crossentropy": sigmoid_term,
    "keras.circle": lambda *_, **__: np.full((), 3e6),
    "keras.categorical_generalized_cross_entropy": lambda *_, q=0.5: np.full((), 1 / q),
    **cancellation.TERMS,
}
