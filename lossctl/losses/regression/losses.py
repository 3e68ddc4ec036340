"""Losses of the difference between a prediction and a target."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, loss, real
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import find_sign

Array = NDArray[Any]

PAIR = (real("input", "*", help="predictions"), real("target", "*", help="true values"))
COLUMNS = "regression.csv#pred_linear regression.csv#target"


@loss(
    "l1",
    spellings=("L1Loss", "l1_loss", "mean_absolute_error"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=PAIR,
    aliases=("mae", "mean_absolute_error", "sklearn.mean_absolute_error"),
    formula="|x − y|",
    unit="the unit of the values",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html",
    example=COLUMNS,
)
def l1(input: Array, target: Array) -> Array:
    """Absolute error of each element.

    input and target have the same shape (*); shapes that differ are an error, never broadcast.
    """
    error = input - target
    return np.abs(error, out=error)


@l1.gradient
def l1_gradient(input: Array, target: Array) -> Array:
    """Return the sign of the error; 0 at the kink."""
    return find_sign(input - target)


def difference_steps(x: Array, y: Array) -> Steps:
    """Yield what all of them begin with."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield Step("difference", "d = x − y", x - y)


@l1.steps
def l1_steps(x: Array, y: Array) -> Steps:
    """Explain the absolute error."""
    yield from difference_steps(x, y)
    yield Step("loss", "|d|", np.abs(x - y))


@loss(
    "mse",
    spellings=("MSELoss", "mse_loss", "mean_squared_error"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=PAIR,
    aliases=(
        "l2",
        "mean_squared_error",
        "sklearn.mean_squared_error",
        "optax.squared_error",
    ),
    formula="(x − y)²",
    unit="the square of the unit of the values",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
    example="regression.csv#pred_forest regression.csv#target",
    traps=("(N, 1) against (N,) is an error here; torch broadcasts it to (N, N) with a warning",),
)
def mse(input: Array, target: Array) -> Array:
    """Squared error of each element.

    input and target have the same shape (*); shapes that differ are an error, never broadcast.
    """
    error = input - target
    return np.multiply(error, error, out=error)


@mse.gradient
def mse_gradient(input: Array, target: Array) -> Array:
    """Return twice the error."""
    return 2 * (input - target)


@mse.steps
def mse_steps(x: Array, y: Array) -> Steps:
    """Explain the squared error."""
    yield from difference_steps(x, y)
    yield Step("loss", "d²", (x - y) * (x - y))


@loss(
    "smooth_l1",
    library="torch",
    range=NON_NEGATIVE,
    inputs=PAIR,
    formula="½ (x − y)² / β  where |x − y| < β;  |x − y| − ½ β  elsewhere",
    unit="the unit of the values",
    source="Girshick 2015, Fast R-CNN, arXiv:1504.08083",
    example=f"{COLUMNS} --beta 25",
    traps=("smooth_l1 with beta is huber with delta = beta, divided by beta",),
)
def smooth_l1(
    input: Array,
    target: Array,
    *,
    beta: Annotated[
        float, Option("error at which the loss turns from quadratic to linear; 0 is l1", at_least=0)
    ] = 1.0,
) -> Array:
    """Squared error near zero, absolute error beyond beta, with slope 1 there.

    input and target have the same shape (*). A negative beta is an error.
    """
    error = input - target
    if beta == 0:
        return np.abs(error, out=error)
    return _bend(error, beta, divisor=beta)


def _bend(error: Array, bound: float, divisor: float = 1.0) -> Array:
    """Return half the square up to the bound, and beyond it the line of slope ``bound``.

    With q = the error clipped to ±bound both branches are (e − q/2) · q, and no element branches
    (3 times faster). A divisor divides q, so that nothing under- or overflows before.
    """
    bounded = np.clip(error, -bound, bound)
    error -= 0.5 * bounded
    if divisor != 1:
        bounded /= divisor
    return np.multiply(error, bounded, out=error)


@smooth_l1.gradient
def smooth_l1_gradient(input: Array, target: Array, *, beta: float) -> Array:
    """Return the error over beta, and its sign beyond beta."""
    error = input - target
    return find_sign(error) if beta == 0 else np.clip(error / beta, -1, 1)


@smooth_l1.steps
def smooth_l1_steps(x: Array, y: Array, *, beta: float) -> Steps:
    """Explain half the square over beta of what is within beta, and the line beyond."""
    yield from difference_steps(x, y)
    distance = np.abs(x - y)
    yield Step("distance", "|d|", distance)
    if beta == 0:
        yield Step("loss", "|d|, because β is 0", distance)
        return
    within = np.minimum(distance, beta)
    yield Step("clipped distance", "q = min(|d|, β)", within, before=distance)
    formula = "½ d² / β where |d| < β; |d| − ½ β elsewhere: q/β (|d| − ½ q)"
    yield Step("loss", formula, within / beta * (distance - 0.5 * within))


@loss(
    "huber",
    spellings=("HuberLoss", "huber_loss"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=PAIR,
    aliases=("optax.huber",),
    formula="½ (x − y)²  where |x − y| ≤ δ;  δ (|x − y| − ½ δ)  elsewhere",
    unit="the square of the unit of the values",
    source="Huber 1964, doi:10.1214/aoms/1177703732",
    example="regression.csv#pred_forest regression.csv#target --delta 50",
    traps=("huber with delta is delta times smooth_l1 with beta = delta",),
)
def huber(
    input: Array,
    target: Array,
    *,
    delta: Annotated[
        float, Option("error at which the loss turns from quadratic to linear", above=0)
    ] = 1.0,
) -> Array:
    """Squared error near zero, absolute error beyond delta, with slope delta there.

    input and target have the same shape (*). A delta of 0 or less is an error.
    """
    return _bend(input - target, delta)


@huber.gradient
def huber_gradient(input: Array, target: Array, *, delta: float) -> Array:
    """Return the error, clipped to delta."""
    return np.clip(input - target, -delta, delta)


@huber.steps
def huber_steps(x: Array, y: Array, *, delta: float) -> Steps:
    """Explain half the square of what is within delta, and the line beyond."""
    yield from difference_steps(x, y)
    distance = np.abs(x - y)
    within = np.minimum(distance, delta)
    yield Step("distance", "|d|", distance)
    yield Step("clipped distance", "q = min(|d|, δ)", within, before=distance)
    formula = "½ d² where |d| ≤ δ; δ (|d| − ½ δ) elsewhere: q (|d| − ½ q)"
    yield Step("loss", formula, within * (distance - 0.5 * within))


@loss(
    "charbonnier",
    library="literature",
    range=NON_NEGATIVE,
    inputs=PAIR,
    formula="√((x − y)² + ε²) − ε",
    unit="the unit of the values",
    source="Charbonnier, Blanc-Féraud, Aubert and Barlaud 1994, Two deterministic half-quadratic"
    " regularization algorithms for computed imaging, doi:10.1109/ICIP.1994.413553",
    example=COLUMNS,
    traps=(
        "many implementations omit − ε: their loss is higher by ε, their gradient the same",
        "epsilon has the unit of the values: 1e-3 suits images from 0 to 1 (Lai et al. 2017)",
        "the pseudo-Huber loss of delta is delta times charbonnier with epsilon = delta",
    ),
)
def charbonnier(
    input: Array,
    target: Array,
    *,
    epsilon: Annotated[
        float,
        Option("error at which the loss turns from quadratic to linear", above=0, at_most=1e300),
    ] = 1e-3,
) -> Array:
    """Smooth absolute error: quadratic below epsilon, linear above.

    input and target have the same shape (*). An epsilon of 0 or less is an error.
    """
    return _flatten(input - target, epsilon)


def _flatten(error: Array, epsilon: float) -> Array:
    """Return √(d² + ε²) − ε, near 0 as d² / (√(d² + ε²) + ε), which takes nothing from another."""
    size = np.hypot(error, epsilon)
    return np.where(size < 2 * epsilon, error * (error / (size + epsilon)), size - epsilon)


@charbonnier.gradient
def charbonnier_gradient(input: Array, target: Array, *, epsilon: float) -> Array:
    """Return d / √(d² + ε²), the sign of an error that is infinite."""
    error = input - target
    size = np.hypot(error, epsilon)
    return np.divide(error, size, out=np.sign(error), where=np.isfinite(size))


@charbonnier.steps
def charbonnier_steps(x: Array, y: Array, *, epsilon: float) -> Steps:
    """Explain the root of the squares of the error and of epsilon, less epsilon."""
    yield from difference_steps(x, y)
    yield Step("size", "s = √(d² + ε²)", np.hypot(x - y, epsilon))
    yield Step("loss", "d² / (s + ε) where s < 2 ε; s − ε elsewhere", _flatten(x - y, epsilon))
