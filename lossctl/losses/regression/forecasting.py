"""Errors of predicted amounts, as evaluators measure them: relative, logarithmic, one-sided."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Range,
    Transform,
    above_minus_one,
    loss,
    real,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import at_least, at_most, log1p_difference
from lossctl.losses.regression.losses import difference_steps, mse_steps

Array = NDArray[Any]

PAIR = (real("input", "*", help="predictions"), real("target", "*", help="true values"))
FOREST = "regression.csv#pred_forest regression.csv#target"
RELATIVE_FLOOR = float(np.finfo(np.float64).eps)
FAR = 20.0
"""From here on log cosh d is |d| − log 2 to the last bit."""


@loss(
    "log_cosh",
    spellings=("log_cosh",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=PAIR,
    formula="log cosh(x − y)",
    source="https://openreview.net/pdf?id=rkglvsC9Ym",
    example=FOREST,
    traps=(
        "one loss per element; Keras averages over the last axis",
        "frameworks round to 0 the loss of errors below 1e-8, which is ½ (x − y)²",
    ),
)
def log_cosh(input: Array, target: Array) -> Array:
    """Logarithm of the hyperbolic cosine of the error: a smooth absolute error.

    input and target have the same shape (*).
    """
    error = input - target
    distance = np.abs(error, out=error)
    far = distance - math.log(2)
    # cosh d − 1 = 2 sinh²(d/2) keeps its digits where cosh d is 1 and something.
    half = np.sinh(0.5 * at_most(distance, FAR))
    return np.where(distance < FAR, np.log1p(2 * half * half), far)


@log_cosh.gradient
def log_cosh_gradient(input: Array, target: Array) -> Array:
    """Return the hyperbolic tangent of the error."""
    return np.tanh(input - target)


@log_cosh.steps
def log_cosh_steps(x: Array, y: Array) -> Steps:
    """Explain the logarithm of the hyperbolic cosine."""
    yield from difference_steps(x, y)
    distance = np.abs(x - y)
    near = distance < FAR
    half = np.sinh(0.5 * np.where(near, distance, 0))
    logs = np.where(near, np.log1p(2 * half * half), distance - math.log(2))
    yield Step("distance", "|d|", distance)
    yield Step("loss", "log cosh d: log(1 + 2 sinh²(d/2)), or |d| − log 2 beyond 20", logs)


@loss(
    "rmse",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=PAIR,
    aliases=("root_mean_squared_error",),
    formula="√ of the mean of (x − y)²",
    unit="the unit of the values; for per-element losses, its square",
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.metrics.root_mean_squared_error.html",
    example=FOREST,
    traps=(
        "one root of the mean over all elements; scikit-learn averages the roots of the columns of"
        " a matrix",
        "per-element losses are the squares, without a root",
    ),
    transform=Transform("square root", math.sqrt, lambda mean: 0.5 / math.sqrt(mean)),
)
def rmse(input: Array, target: Array) -> Array:
    """Square root of the mean squared error, in the unit of the values.

    input and target have the same shape (*).
    """
    error = input - target
    return np.multiply(error, error, out=error)


@rmse.gradient
def rmse_gradient(input: Array, target: Array) -> Array:
    """Return twice the error: the gradient of the root is that of the mean of all."""
    return 2 * (input - target)


rmse.steps(mse_steps)


@loss(
    "msle",
    spellings=("mean_squared_log_error",),
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(
        above_minus_one("input", "*", help="predicted amounts"),
        above_minus_one("target", "*", help="true amounts"),
    ),
    aliases=("mean_squared_log_error", "squared_log_error"),
    formula="(log(1 + x) − log(1 + y))²",
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.metrics.mean_squared_log_error.html",
    example=FOREST,
    traps=("amounts of −1 or less are an error, as in scikit-learn; Keras raises them to 1e-7",),
)
def msle(input: Array, target: Array) -> Array:
    """Squared difference of the logarithms of 1 + amount.

    input and target have the same shape (*). An amount of -1 or less is an error.
    """
    error = np.log1p(input) - np.log1p(target)
    return np.multiply(error, error, out=error)


@msle.gradient
def msle_gradient(input: Array, target: Array) -> Array:
    """Return twice the error of the logarithms over 1 + amount."""
    return 2 * log1p_difference(input, target) / (1 + input)


def log_difference_steps(x: Array, y: Array, difference: Array) -> Steps:
    """Yield the logarithms of two amounts, and the square of their difference."""
    yield Step("log of the prediction", "log(1 + x)", np.log1p(x))
    yield Step("log of the target", "log(1 + y)", np.log1p(y))
    yield Step("difference of logarithms", "e = log(1 + x) − log(1 + y)", difference)
    yield Step("loss", "e²", difference * difference)


@msle.steps
def msle_steps(x: Array, y: Array) -> Steps:
    """Explain the squared difference of logarithms."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield from log_difference_steps(x, y, np.log1p(x) - np.log1p(y))


@loss(
    "mape",
    spellings=("mean_absolute_percentage_error",),
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=PAIR,
    aliases=("sklearn.mean_absolute_percentage_error",),
    formula="|x − y| / max(|y|, ε), ε = 2.2e-16",
    unit="a fraction of the true value",
    source="https://scikit-learn.org/stable/modules/generated/"
    "sklearn.metrics.mean_absolute_percentage_error.html",
    example=FOREST,
    traps=(
        "a fraction, not percent, as in scikit-learn; Keras multiplies by 100",
        "a true value of 0 counts as 2.2e-16, so that its error is huge; Keras takes 1e-7",
    ),
    facts={"clipping": "|target| at least 2.2e-16"},
)
def mape(input: Array, target: Array) -> Array:
    """Absolute error relative to the true value, as a fraction.

    input and target have the same shape (*).
    """
    return np.abs(input - target) / at_least(np.abs(target), RELATIVE_FLOOR)


@mape.gradient
def mape_gradient(input: Array, target: Array) -> Array:
    """Return the sign of the error relative to the true value; 0 at the kink."""
    return np.sign(input - target) / at_least(np.abs(target), RELATIVE_FLOOR)


def relative_steps(x: Array, y: Array, size: Array, floor: str) -> Steps:
    """Yield the difference, and the size that it is relative to."""
    yield from difference_steps(x, y)
    yield Step("distance", "|d|", np.abs(x - y))
    yield Step("size", "|y|", np.abs(y))
    yield Step("clipped size", f"s = max(|y|, {floor})", size, before=np.abs(y))


@mape.steps
def mape_steps(x: Array, y: Array) -> Steps:
    """Explain the absolute error as a fraction of the true value."""
    yield from relative_steps(x, y, np.maximum(np.abs(y), RELATIVE_FLOOR), "2.2e-16")
    distance = np.abs(x - y)
    yield Step("loss", "|d| / s", distance / np.maximum(np.abs(y), RELATIVE_FLOOR))


@loss(
    "smape",
    library="literature",
    range=Range(0, 2),
    inputs=PAIR,
    aliases=("symmetric_mean_absolute_percentage_error",),
    formula="2 |x − y| / (|x| + |y|), and 0 where both are 0",
    unit="a fraction, from 0 to 2",
    source="Makridakis 1993, Accuracy measures: theoretical and practical concerns,"
    " doi:10.1016/0169-2070(93)90079-3",
    example=FOREST,
    traps=(
        "a fraction from 0 to 2, not percent; some libraries omit the 2, or the absolute values"
        " in the denominator",
        "a prediction of 0 for a true value of 0 has a loss of 0",
    ),
)
def smape(input: Array, target: Array) -> Array:
    """Absolute error relative to the mean size of prediction and true value.

    input and target have the same shape (*).
    """
    size = np.abs(input) + np.abs(target)
    return 2 * (np.abs(input - target) / np.where(size == 0, 1, size))


@smape.gradient
def smape_gradient(input: Array, target: Array) -> Array:
    """Return the gradients of the error and of the size it is relative to; 0 at kinks."""
    size = np.abs(input) + np.abs(target)
    size = np.where(size == 0, 1, size)
    error = input - target
    return 2 * (np.sign(error) - np.abs(error) / size * np.sign(input)) / size


@smape.steps
def smape_steps(x: Array, y: Array) -> Steps:
    """Explain the absolute error relative to the mean of both sizes."""
    yield from difference_steps(x, y)
    size = np.abs(x) + np.abs(y)
    yield Step("distance", "|d|", np.abs(x - y))
    yield Step("size", "|x| + |y|", size)
    losses = 2 * (np.abs(x - y) / np.where(size == 0, 1, size))
    yield Step("loss", "2 |d| / (|x| + |y|), and 0 where both are 0", losses)


@loss(
    "pinball",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(
        real("input", "*", help="predicted quantiles"),
        real("target", "*", help="true values"),
    ),
    aliases=("quantile", "mean_pinball"),
    formula="α max(y − x, 0) + (1 − α) max(x − y, 0)",
    unit="the unit of the values",
    source="Koenker and Bassett 1978, Regression quantiles, doi:10.2307/1913643",
    example=f"{FOREST} --alpha 0.9",
    traps=("alpha is the quantile that is predicted; 0.5 is half of the absolute error",),
)
def pinball(
    input: Array,
    target: Array,
    *,
    alpha: Annotated[float, Option("the predicted quantile", at_least=0, at_most=1)] = 0.5,
) -> Array:
    """Error of a predicted quantile: alpha for each unit below the truth, 1 - alpha above.

    input and target have the same shape (*).
    """
    error = target - input
    return alpha * at_least(error, 0) - (1 - alpha) * at_most(error, 0)


@pinball.gradient
def pinball_gradient(input: Array, target: Array, *, alpha: float) -> Array:
    """Return −α below the truth and at it, 1 − α above."""
    return np.where(np.isnan(input - target), np.nan, np.where(target >= input, -alpha, 1 - alpha))


@pinball.steps
def pinball_steps(x: Array, y: Array, *, alpha: float) -> Steps:
    """Explain the one-sided error of a quantile."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    below, above = np.maximum(y - x, 0), np.maximum(x - y, 0)
    yield Step("below the target", "max(y − x, 0)", below)
    yield Step("above the target", "max(x − y, 0)", above)
    yield Step("loss", "α × below + (1 − α) × above", alpha * below + (1 - alpha) * above)
