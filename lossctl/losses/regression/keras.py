"""Keras's losses of the difference between a prediction and a target."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, Terms, loss
from lossctl.losses.core.keras import (
    AVERAGE,
    AXIS_TRAP,
    EPSILON,
    LAST,
    PAIR,
    evaluate,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import (
    at_least,
    find_sign,
    log1p_difference,
    open_half,
)
from lossctl.losses.regression import forecasting
from lossctl.losses.regression import losses as regression
from lossctl.losses.regression.forecasting import (
    log_cosh_steps,
    log_difference_steps,
    relative_steps,
)
from lossctl.losses.regression.losses import huber_steps, l1_steps, mse_steps

Array = NDArray[Any]

COLUMNS = "regression.csv#pred_forest regression.csv#target"


SMALL = "a true value below 1e-7 counts as 1e-7"


@loss(
    "keras.mean_squared_error",
    spellings=("MeanSquaredError", "mean_squared_error"),
    agrees=True,
    inputs=PAIR,
    aliases=("mse",),
    range=NON_NEGATIVE,
    formula="mean over the last axis of (p − y)²",
    unit="the square of the unit of the values",
    source="https://keras.io/api/losses/regression_losses/#meansquarederror-class",
    example=COLUMNS,
    traps=(AXIS_TRAP,),
    facts=LAST,
    **AVERAGE,
)
def mean_squared_error(y_pred: Array, y_true: Array) -> Array:
    """Squared error, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return evaluate(regression.mse, y_pred, y_true)


@mean_squared_error.gradient
def mean_squared_error_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return twice the error."""
    return 2 * (y_pred - y_true)


mean_squared_error.steps(mse_steps)


@loss(
    "keras.mean_absolute_error",
    spellings=("MeanAbsoluteError", "mean_absolute_error"),
    agrees=True,
    inputs=PAIR,
    aliases=("mae",),
    range=NON_NEGATIVE,
    formula="mean over the last axis of |p − y|",
    unit="the unit of the values",
    source="https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class",
    example=COLUMNS,
    traps=(AXIS_TRAP,),
    facts=LAST,
    **AVERAGE,
)
def mean_absolute_error(y_pred: Array, y_true: Array) -> Array:
    """Absolute error, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return evaluate(regression.l1, y_pred, y_true)


@mean_absolute_error.gradient
def mean_absolute_error_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return the sign of the error; 0 at the kink."""
    return find_sign(y_pred - y_true)


mean_absolute_error.steps(l1_steps)


@loss(
    "keras.mean_absolute_percentage_error",
    spellings=("MeanAbsolutePercentageError", "mean_absolute_percentage_error"),
    inputs=PAIR,
    aliases=("mape",),
    range=NON_NEGATIVE,
    formula="mean over the last axis of 100 |p − y| / max(|y|, ε), ε = 1e-7",
    unit="percent of the true value",
    source="https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-class",
    example=COLUMNS,
    traps=(AXIS_TRAP, "in percent; a true value near 0 counts as 1e-7, so that its error is huge"),
    facts=LAST | {"clipping": "|y_true| at least 1e-7"},
    **AVERAGE,
)
def mean_absolute_percentage_error(y_pred: Array, y_true: Array) -> Terms:
    """Absolute error in percent of the true value, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    size = np.abs(y_true)
    losses = np.abs(y_pred - y_true) / at_least(size, EPSILON)
    small = size < EPSILON
    return Terms(100 * losses, clamped=small, clamp=SMALL, clamped_unit="denominator")


@mean_absolute_percentage_error.gradient
def mean_absolute_percentage_error_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return the sign of the error, in percent of the true value."""
    return 100 * find_sign(y_pred - y_true) / at_least(np.abs(y_true), EPSILON)


@mean_absolute_percentage_error.steps
def mean_absolute_percentage_error_steps(x: Array, y: Array) -> Steps:
    """Explain the absolute error in percent of the true value."""
    size = np.maximum(np.abs(y), EPSILON)
    yield from relative_steps(x, y, size, "1e-7")
    yield Step("loss", "100 |d| / s", 100 * (np.abs(x - y) / size))


@loss(
    "keras.mean_squared_logarithmic_error",
    spellings=("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error"),
    agrees=True,
    inputs=PAIR,
    aliases=("msle",),
    range=NON_NEGATIVE,
    formula="mean over the last axis of (log(1 + max(p, ε)) − log(1 + max(y, ε)))², ε = 1e-7",
    source="https://keras.io/api/losses/regression_losses/#meansquaredlogarithmicerror-class",
    example=COLUMNS,
    traps=(AXIS_TRAP, "values below 1e-7, negative ones too, count as 1e-7"),
    facts=LAST | {"clipping": "both at least 1e-7"},
    **AVERAGE,
)
def mean_squared_logarithmic_error(y_pred: Array, y_true: Array) -> Terms:
    """Squared difference of the logarithms of 1 + amount, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    predicted, true = at_least(y_pred, EPSILON), at_least(y_true, EPSILON)
    error = log1p_difference(predicted, true)
    negative = (y_pred < 0) | (y_true < 0)
    return Terms(error * error, clamped=negative, clamp="a negative amount counts as 1e-7")


@mean_squared_logarithmic_error.gradient
def mean_squared_logarithmic_error_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return twice the error of the logarithms over 1 + amount; 0 where the amount is raised."""
    predicted, true = at_least(y_pred, EPSILON), at_least(y_true, EPSILON)
    return 2 * log1p_difference(predicted, true) / (1 + predicted) * open_half(y_pred - EPSILON)


@mean_squared_logarithmic_error.steps
def mean_squared_logarithmic_error_steps(p: Array, y: Array) -> Steps:
    """Explain the squared difference of logarithms of amounts that are raised to 1e-7."""
    yield Step("prediction", "x", p)
    yield Step("target", "y", y)
    x, t = np.maximum(p, EPSILON), np.maximum(y, EPSILON)
    yield Step("clipped prediction", "max(x, 1e-7)", x, before=p)
    yield Step("clipped target", "max(y, 1e-7)", t, before=y)
    ratio = np.log1p(np.abs(x - t) / (1 + np.minimum(x, t)))  # cancels nothing
    yield from log_difference_steps(x, t, np.where(x < t, -ratio, ratio))


@loss(
    "keras.huber",
    spellings=("Huber",),
    agrees=True,
    inputs=PAIR,
    range=NON_NEGATIVE,
    formula="mean over the last axis of ½ (p − y)² where |p − y| ≤ δ, δ (|p − y| − ½ δ) elsewhere",
    unit="the square of the unit of the values",
    source="https://keras.io/api/losses/regression_losses/#huber-class",
    example=f"{COLUMNS} --delta 50",
    traps=(AXIS_TRAP,),
    facts=LAST,
    **AVERAGE,
)
def huber(
    y_pred: Array,
    y_true: Array,
    *,
    delta: Annotated[
        float, Option("error at which the loss turns from quadratic to linear", above=0)
    ] = 1.0,
) -> Array:
    """Squared error near zero, absolute error beyond delta, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return evaluate(regression.huber, y_pred, y_true, delta=delta)


@huber.gradient
def huber_gradient(y_pred: Array, y_true: Array, *, delta: float) -> Array:
    """Return the error, clipped to delta."""
    return np.clip(y_pred - y_true, -delta, delta)


huber.steps(huber_steps)


@loss(
    "keras.log_cosh",
    spellings=("LogCosh",),
    agrees=True,
    inputs=PAIR,
    range=NON_NEGATIVE,
    formula="mean over the last axis of log cosh(p − y)",
    source="https://keras.io/api/losses/regression_losses/#logcosh-class",
    example=COLUMNS,
    traps=(AXIS_TRAP,),
    facts=LAST,
    **AVERAGE,
)
def log_cosh(y_pred: Array, y_true: Array) -> Array:
    """Logarithm of the hyperbolic cosine of the error, averaged over the last axis.

    y_pred and y_true have the same shape (N, *D, C), or (N); a last axis of 1 may be missing.
    """
    return evaluate(forecasting.log_cosh, y_pred, y_true)


@log_cosh.gradient
def log_cosh_gradient(y_pred: Array, y_true: Array) -> Array:
    """Return the hyperbolic tangent of the error."""
    return np.tanh(y_pred - y_true)


log_cosh.steps(log_cosh_steps)
