"""Derivatives where there is none: the convention of each loss's library, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.declare import Kink, known_kinks
from tests.losses.gradients import differentiate

KINKS = known_kinks()
LIBRARIES = ("torch", "keras", "optax", "torchvision")
"""Libraries that differentiate their losses."""
PARAMETERS = [pytest.param(one, id=f"{one.key}-{one.what}") for one in KINKS]
DIFFERENTIATED = [
    one
    for one, kink in zip(PARAMETERS, KINKS, strict=True)
    if registry()[kink.key].library in LIBRARIES
]


def make_case(kink: Kink) -> Case:
    """Return the inputs of a kink as a case."""
    return Case(kink.what, tuple(np.array(one) for one in kink.inputs), kink.options)


def compare(kink: Kink, found: Any) -> None:
    """Compare gradients with the expected ones, to the last digits."""
    wanted = [np.array(one, dtype=np.float64) for one in kink.expected]
    names = registry()[kink.key].prediction_inputs
    assert list(found) == list(names)
    for name, one in zip(names, wanted, strict=True):
        np.testing.assert_allclose(found[name], one, rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("kink", PARAMETERS)
def test_derivative_at_a_kink(kink: Kink) -> None:
    compare(kink, differentiate(kink.key, make_case(kink), "sum"))


@pytest.mark.parametrize("kink", DIFFERENTIATED)
def test_the_library_says_so_too(kink: Kink) -> None:
    """PyTorch's, Keras's or JAX's own differentiation gives the same numbers."""
    compare(kink, ask_library(kink.key, make_case(kink)))


def ask_library(key: str, case: Case) -> dict[str, Array]:
    """Return the gradient that the library of the loss computes; skip where that is not there."""
    library = registry()[key].library
    if library == "torch":
        pytest.importorskip("torch")
        from tests.losses.references import torch_gradients as gradient_reference

        return gradient_reference.backward(key, case, "sum")
    if library == "keras":
        from tests.losses.references import keras_gradients as keras_gradient_reference

        return keras_gradient_reference.backward(key, case, "sum")
    if library == "optax":
        pytest.importorskip("optax")
        from tests.losses.references import optax_gradients as optax_gradient_reference

        return optax_gradient_reference.backward(key, case, "sum")
    pytest.importorskip("torch")
    from tests.losses import test_gradients_torchvision

    losses, leaf = test_gradients_torchvision.evaluate(key, case)
    return test_gradients_torchvision.backward(losses, leaf, "sum")
