"""Gradients against Keras on its PyTorch backend: every case, option and reduction."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases.case import Array, Case
from tests.cases.keras_losses import KEYS
from tests.golden_values import load_golden
from tests.gradients import differentiate, disagreements
from tests.matrix import reductions

pytest.importorskip("torch")

SHOWN = 20
UNDIFFERENTIABLE = {
    ("keras.sparse_categorical_crossentropy", "grad_input must be contiguous"),
}
"""What Keras's own backward pass refuses."""
NAN_OF_KERAS = {
    "keras.cosine_similarity": "zeros",
    "keras.categorical_generalized_cross_entropy": "ends",
}
"""Cases in which autograd multiplies an infinite inner derivative by 0."""


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_autograd(key: str) -> None:
    from tests.keras_gradient_reference import backward

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


def mend(key: str, case: Case, expected: Array, actual: Array) -> Array:
    """Take our finite number for Keras's NaN in the cases that are known for it."""
    if NAN_OF_KERAS.get(key) != case.id:
        return expected
    return np.where(np.isnan(expected) & np.isfinite(actual), actual, expected)
