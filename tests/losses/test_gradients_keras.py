"""Gradients against Keras on its PyTorch backend: every case, option and reduction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossctl
from tests.losses.cases.case import Array, Case
from tests.losses.cases.keras_losses import KEYS
from tests.losses.golden_values import load_golden
from tests.losses.gradients import differentiate, disagreements
from tests.losses.matrix import reductions
from tests.losses.test_keras import MASKING, RATIOS, weighted, weights_of

pytest.importorskip("torch")

SHOWN = 20
UNDIFFERENTIABLE = {
    ("keras.sparse_categorical_crossentropy", "grad_input must be contiguous"),
}
"""What Keras's own backward pass refuses."""
SOFTPLUS = {"keras.circle": 1e-6}
"""PyTorch's softplus is its argument from 20 on, here with steep slopes behind it."""
NAN_OF_KERAS = {
    "keras.cosine_similarity": "zeros",
    "keras.categorical_generalized_cross_entropy": "ends",
}
"""Cases in which autograd multiplies an infinite inner derivative by 0."""


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_autograd(key: str) -> None:
    from tests.losses.references.keras_gradients import backward

    wrong: list[str] = []
    compared = refused = 0
    for golden in load_golden(key):
        case = golden.case
        for reduction in reductions(key, case):
            if reduction == "none" or not case.inputs[0].size:
                continue  # of nothing, Keras makes an array that has no gradient
            try:
                expected = backward(key, case, reduction)
            except RuntimeError as error:
                if (key, str(error)) not in UNDIFFERENTIABLE:
                    raise
                refused += 1
                continue
            actual = differentiate(key, case, reduction)
            mended = {name: mend(key, case, one, actual[name]) for name, one in expected.items()}
            wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, mended)
            compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 10
    assert refused < compared / 4


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.filterwarnings("ignore::lossctl.errors.LossctlWarning")
@pytest.mark.parametrize("key", KEYS)
def test_weights_and_masks_agree_with_autograd(key: str) -> None:
    from tests.losses.references.keras_gradients import backward

    random = np.random.default_rng(11)
    compared, wrong = 0, []
    for case in weighted(key)[:4]:
        shape = lossctl.compute(key, *case.inputs, reduction="none", **case.options).shape
        for choice in choose(key, case, shape, random):
            for reduction in ("sum", "sum_over_batch_size", "mean_with_sample_weight"):
                if spreads(choice, shape) and reduction == "mean_with_sample_weight":
                    continue  # Keras divides by the sum of the weights before it spreads them
                expected = backward(key, case, reduction, **choice)
                actual = differentiate(key, case, reduction, **choice)
                where = f"{key} [{case.id}] {reduction} {sorted(choice)}"
                wrong += disagreements(where, actual, expected, allowed=SOFTPLUS.get(key, 0.0))
                compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 5


def choose(
    key: str, case: Case, shape: tuple[int, ...], random: np.random.Generator
) -> list[dict[str, Any]]:
    """Return weights and masks that Keras takes for losses of this shape."""
    if "ref_embeddings" in case.options:
        return []
    weights = weights_of(shape, random)
    found: list[dict[str, Any]] = [{"sample_weight": one} for one in weights]
    if key in MASKING:
        del found[0]  # which Keras cannot multiply by a mask
    if key not in RATIOS:
        mask = random.random(shape) < 0.6
        mask.flat[:2] = True
        found += [{"mask": mask}, {"mask": mask, "sample_weight": weights[-1]}]
    return found


def spreads(choice: dict[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether a weight has fewer numbers than there are losses."""
    return "sample_weight" in choice and np.shape(choice["sample_weight"]) != shape


def mend(key: str, case: Case, expected: Array, actual: Array) -> Array:
    """Take our finite number for Keras's NaN in the cases that are known for it."""
    if NAN_OF_KERAS.get(key) != case.id:
        return expected
    return np.where(np.isnan(expected) & np.isfinite(actual), actual, expected)
