"""Derivatives where there is none: the convention of each loss's library, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.gradients import differentiate

LEAST = float(np.float32(1e-12))
"""What torch adds to squares, and raises p (1 − p) to."""


NAN, INF = float("nan"), float("inf")


class Kink(NamedTuple):
    """Inputs at a kink, and the derivative of the sum of the losses by each prediction input."""

    key: str
    what: str
    inputs: Sequence[Any]
    expected: Sequence[Any]
    options: dict[str, Any] = {}  # noqa: RUF012 - read only


KINKS = [
    Kink("l1", "no error", ([1.0, 2.0], [1.0, 1.0]), [[0.0, 1.0]]),
    Kink("smooth_l1", "at beta", ([2.0, -2.0], [0.0, 0.0]), [[1.0, -1.0]], {"beta": 2.0}),
    Kink("smooth_l1", "without beta", ([0.0], [0.0]), [[0.0]], {"beta": 0.0}),
    Kink("huber", "at delta", ([2.0, -2.0], [0.0, 0.0]), [[2.0, -2.0]], {"delta": 2.0}),
    Kink(
        "bce",
        "certain",
        ([0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]),
        [[-1 / LEAST, 1 / LEAST, 0.0, 0.0]],
    ),
    Kink("l1", "NaN", ([NAN, NAN, INF], [1.0, INF, 1.0]), [[0.0, 0.0, 1.0]]),
    Kink("smooth_l1", "NaN without beta", ([NAN], [0.0]), [[0.0]], {"beta": 0.0}),
    Kink("huber", "NaN", ([NAN, INF], [0.0, 0.0]), [[NAN, 1.0]]),
    Kink(
        "ce",
        "infinite logit",
        ([[0.0, 1.0, INF], [0.0, 1.0, -INF]], [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]),
        [[[NAN] * 3, [1 / (1 + np.e) - 0.5, 0.5 - 1 / (1 + np.e), 0.0]]],
    ),
    Kink("margin_ranking", "NaN", ([NAN], [1.0], [1.0]), [[0.0], [0.0]]),
    Kink("hinge_embedding", "NaN", ([NAN, NAN], [-1.0, 1.0]), [[0.0, 1.0]]),
    Kink(
        "triplet_margin",
        "NaN",
        ([[0.0, 0.0]], [[NAN, 1.0]], [[0.0, 0.5]]),
        [[[NAN, NAN]], [[NAN, NAN]], [[0.0, 0.0]]],
        {"eps": 0.0},
    ),
    Kink("margin_ranking", "at 0", ([2.0], [1.0], [1.0]), [[-1.0], [1.0]], {"margin": 1.0}),
    Kink("hinge_embedding", "at the margin", ([1.0, 1.0], [-1.0, 1.0]), [[-1.0, 1.0]]),
    Kink("multi_margin", "at the margin", ([[2.0, 1.0, 1.5]], [0]), [[[-1 / 3, 0.0, 1 / 3]]]),
    Kink(
        "multilabel_margin",
        "at the margin",
        ([[2.0, 1.0, 1.5]], [[0, -1, -1]]),
        [[[-1 / 3, 0.0, 1 / 3]]],
    ),
    Kink(
        "cosine_embedding",
        "right angle",
        ([[1.0, 0.0]], [[0.0, 1.0]], [-1]),
        [[[0.0, 1.0]], [[1.0, 0.0]]],
    ),
    Kink(
        "cosine_embedding",
        "no length",
        ([[0.0, 0.0]], [[0.0, 1.0]], [1]),
        [[[0.0, -1 / float(np.sqrt(LEAST) * np.sqrt(1 + LEAST))]], [[0.0, 0.0]]],
    ),
    Kink(
        "triplet_margin",
        "at 0",
        ([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]),
        [[[-1.0, 1.0]], [[1.0, 0.0]], [[0.0, -1.0]]],
        {"eps": 0.0},
    ),
    Kink(
        "triplet_margin",
        "no distance",
        ([[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.5]]),
        [[[0.0, 1.0]], [[0.0, 0.0]], [[0.0, -1.0]]],
        {"eps": 0.0},
    ),
    Kink(
        "triplet_margin",
        "swap of equals",
        ([[0.0, 0.0]], [[2.0, 0.0]], [[1.0, 0.0]]),
        [[[-0.5, 0.0]], [[0.5, 0.0]], [[0.0, 0.0]]],
        {"eps": 0.0, "swap": True},
    ),
    Kink(
        "triplet_margin",
        "largest alike",
        ([[0.0, 0.0]], [[1.0, 1.0]], [[0.5, 0.0]]),
        [[[0.5, -0.5]], [[0.5, 0.5]], [[-1.0, 0.0]]],
        {"eps": 0.0, "p": float("inf")},
    ),
    Kink(
        "gaussian_nll",
        "raised variance",
        ([1.0], [0.0], [0.25]),
        [[1.0], [0.0]],
        {"eps": 1.0},
    ),
    Kink("kl_div", "nothing expected", ([-1.0], [0.0]), [[0.0]]),
    Kink("keras.mean_absolute_error", "no error", ([[1.0, 2.0]], [[1.0, 1.0]]), [[[0.0, 0.5]]]),
    Kink(
        "keras.mean_absolute_percentage_error",
        "no error",
        ([[1.0, 2.0]], [[1.0, 1.0]]),
        [[[0.0, 50.0]]],
    ),
    Kink(
        "keras.mean_squared_logarithmic_error",
        "raised amount",
        ([[0.0, 1e-7]], [[1.0, 1.0]]),
        [[[0.0, 0.5 * float(np.log1p(1e-7) - np.log(2)) / (1 + 1e-7)]]],
    ),
    Kink(
        "keras.huber",
        "at delta",
        ([[2.0, -2.0]], [[0.0, 0.0]]),
        [[[1.0, -1.0]]],
        {"delta": 2.0},
    ),
    Kink("keras.mean_absolute_error", "NaN", ([[NAN, 2.0]], [[1.0, 1.0]]), [[[0.0, 0.5]]]),
    Kink(
        "keras.mean_absolute_percentage_error",
        "NaN",
        ([[NAN, 2.0]], [[1.0, 1.0]]),
        [[[0.0, 50.0]]],
    ),
    Kink("keras.hinge", "NaN", ([[NAN, NAN]], [[1.0, -1.0]]), [[[-0.5, 0.5]]]),
    Kink("optax.hinge", "NaN", ([NAN, NAN], [1.0, -1.0]), [[0.0, 0.0]]),
    Kink("perceptron", "NaN", ([NAN, NAN], [1.0, -1.0]), [[0.0, 0.0]]),
    Kink("keras.hinge", "at the margin", ([[1.0, -1.0]], [[1.0, -1.0]]), [[[-0.25, 0.25]]]),
    Kink("keras.squared_hinge", "at the margin", ([[1.0]], [[1.0]]), [[[0.0]]]),
    Kink(
        "keras.categorical_hinge",
        "at the margin",
        ([[2.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]),
        [[[-0.5, 0.5, 0.0]]],
    ),
    Kink(
        "keras.categorical_hinge",
        "best alike",
        ([[0.0, 1.0, 1.0]], [[1.0, 0.0, 0.0]]),
        [[[-1.0, 0.5, 0.5]]],
    ),
    Kink(
        "keras.binary_crossentropy",
        "where clipping begins",
        ([[1e-7, 1e-8, 0.0, 1 - 1e-7]], [[1.0, 1.0, 1.0, 1.0]]),
        [[[-0.25e7, 0.0, 0.0, -0.25 / (1 - 1e-7)]]],
    ),
    Kink(
        "keras.kl_divergence",
        "where clipping begins",
        ([[1e-7, 1e-8, 1.0]], [[0.5, 0.5, 0.5]]),
        [[[-0.5e7, 0.0, -0.5]]],
    ),
    Kink(
        "keras.cosine_similarity",
        "just too short",
        ([[1e-7, 0.0]], [[3.0, 4.0]]),
        [[[-0.3e7, -0.8e7]]],
    ),
    Kink(
        "keras.cosine_similarity",
        "short",
        ([[1e-7, 0.0]], [[0.0, 1.0]]),
        [[[0.0, -1e7]]],
    ),
    Kink("perceptron", "at 0", ([0.0, 0.0], [1.0, -1.0]), [[-0.5, 0.5]]),
    Kink("optax.hinge", "at the margin", ([1.0, -1.0], [1.0, -1.0]), [[-0.5, 0.5]]),
    Kink("sparsemax", "at its ends", ([1.0, -1.0], [0.0, 0.0]), [[1.0, 0.0]]),
    Kink(
        "multiclass_perceptron",
        "best alike",
        ([[1.0, 1.0, 0.0]], [0]),
        [[[-0.5, 0.5, 0.0]]],
    ),
    Kink(
        "multiclass_hinge",
        "at the margin",
        ([[2.0, 1.0, 0.0]], [0]),
        [[[-0.5, 0.5, 0.0]]],
    ),
    Kink(
        "multiclass_sparsemax",
        "at the margin",
        ([[1.0, 0.0]], [0]),
        [[[0.0, 0.0]]],
    ),
    Kink(
        "optax.triplet_margin",
        "at 0",
        ([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]),
        [[[-0.5, 0.5]], [[0.5, 0.0]], [[0.0, -0.5]]],
        {"eps": 0.0},
    ),
    Kink("log_cosh", "no error", ([1.0], [1.0]), [[0.0]]),
    Kink("pinball", "no error", ([1.0, 2.0], [1.0, 1.0]), [[-0.9, 0.1]], {"alpha": 0.9}),
    Kink("mape", "no error", ([1.0], [1.0]), [[0.0]]),
    Kink("smape", "no error, and nothing", ([1.0, 0.0], [1.0, 0.0]), [[0.0, 0.0]]),
    Kink("log_loss", "clipped", ([0.0, 1.0], [1, 0]), [[0.0, 0.0]]),
    Kink(
        "giou",
        "the same box",
        ([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]),
        [[[0.0, 0.0, 0.0, 0.0]]],
        {"eps": 0.0},
    ),
]
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
