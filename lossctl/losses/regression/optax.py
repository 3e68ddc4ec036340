"""The squared error as optax defines it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, loss, real
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.regression.losses import difference_steps

Array = NDArray[Any]


@loss(
    "optax.l2",
    spellings=("l2_loss",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=(real("input", "*", help="predictions"), real("target", "*", help="true values")),
    formula="½ (x − y)²",
    unit="the square of the unit of the values",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="regression.csv#pred_forest regression.csv#target",
    traps=("half of the squared error: mse has no ½",),
)
def l2(input: Array, target: Array) -> Array:
    """Half of the squared error of each element.

    input and target have the same shape (*).
    """
    error = input - target
    return 0.5 * (error * error)


@l2.gradient
def l2_gradient(input: Array, target: Array) -> Array:
    """Return the error."""
    return input - target


@l2.steps
def l2_steps(x: Array, y: Array) -> Steps:
    """Explain half of the squared error."""
    yield from difference_steps(x, y)
    yield Step("loss", "½ d²", 0.5 * ((x - y) * (x - y)))
