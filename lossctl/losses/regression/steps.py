"""The steps of losses of the difference between a prediction and a target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.keras import EPSILON
from lossctl.losses.core.steps import Step, Steps, steps
from lossctl.losses.regression import forecasting
from lossctl.losses.regression import keras as keras_regression
from lossctl.losses.regression import losses as regression
from lossctl.losses.regression import optax as optax_namesakes

Array = NDArray[Any]


def differ(x: Array, y: Array) -> Steps:
    """Yield what all of them begin with."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield Step("difference", "d = x − y", x - y)


@steps(regression.l1, keras_regression.mean_absolute_error)
def measure_distance(x: Array, y: Array) -> Steps:
    """Tell the absolute error."""
    yield from differ(x, y)
    yield Step("loss", "|d|", np.abs(x - y))


@steps(regression.mse, forecasting.rmse, keras_regression.mean_squared_error)
def square_distance(x: Array, y: Array) -> Steps:
    """Tell the squared error."""
    yield from differ(x, y)
    yield Step("loss", "d²", (x - y) * (x - y))


@steps(optax_namesakes.l2)
def halve_square(x: Array, y: Array) -> Steps:
    """Tell half of the squared error."""
    yield from differ(x, y)
    yield Step("loss", "½ d²", 0.5 * ((x - y) * (x - y)))


@steps(regression.huber, keras_regression.huber)
def bend_distance(x: Array, y: Array, *, delta: float) -> Steps:
    """Tell half the square of what is within delta, and the line beyond."""
    yield from differ(x, y)
    distance = np.abs(x - y)
    within = np.minimum(distance, delta)
    yield Step("distance", "|d|", distance)
    yield Step("clipped distance", "q = min(|d|, δ)", within, before=distance)
    formula = "½ d² where |d| ≤ δ; δ (|d| − ½ δ) elsewhere: q (|d| − ½ q)"
    yield Step("loss", formula, within * (distance - 0.5 * within))


@steps(regression.smooth_l1)
def bend_to_slope_one(x: Array, y: Array, *, beta: float) -> Steps:
    """Tell the same, divided by beta."""
    yield from differ(x, y)
    distance = np.abs(x - y)
    yield Step("distance", "|d|", distance)
    if beta == 0:
        yield Step("loss", "|d|, because β is 0", distance)
        return
    within = np.minimum(distance, beta)
    yield Step("clipped distance", "q = min(|d|, β)", within, before=distance)
    formula = "½ d² / β where |d| < β; |d| − ½ β elsewhere: q/β (|d| − ½ q)"
    yield Step("loss", formula, within / beta * (distance - 0.5 * within))


@steps(forecasting.log_cosh, keras_regression.log_cosh)
def bend_smoothly(x: Array, y: Array) -> Steps:
    """Tell the logarithm of the hyperbolic cosine."""
    yield from differ(x, y)
    distance = np.abs(x - y)
    near = distance < forecasting.FAR
    half = np.sinh(0.5 * np.where(near, distance, 0))
    logs = np.where(near, np.log1p(2 * half * half), distance - math.log(2))
    yield Step("distance", "|d|", distance)
    yield Step("loss", "log cosh d: log(1 + 2 sinh²(d/2)), or |d| − log 2 beyond 20", logs)


@steps(forecasting.msle)
def square_log_distance(x: Array, y: Array) -> Steps:
    """Tell the squared difference of logarithms."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield from _differ_in_logarithms(x, y, np.log1p(x) - np.log1p(y))


@steps(keras_regression.mean_squared_logarithmic_error)
def square_clipped_log_distance(p: Array, y: Array) -> Steps:
    """Tell the same of amounts that are raised to 1e-7."""
    yield Step("prediction", "x", p)
    yield Step("target", "y", y)
    x, t = np.maximum(p, EPSILON), np.maximum(y, EPSILON)
    yield Step("clipped prediction", "max(x, 1e-7)", x, before=p)
    yield Step("clipped target", "max(y, 1e-7)", t, before=y)
    ratio = np.log1p(np.abs(x - t) / (1 + np.minimum(x, t)))  # cancels nothing
    yield from _differ_in_logarithms(x, t, np.where(x < t, -ratio, ratio))


def _differ_in_logarithms(x: Array, y: Array, difference: Array) -> Steps:
    yield Step("log of the prediction", "log(1 + x)", np.log1p(x))
    yield Step("log of the target", "log(1 + y)", np.log1p(y))
    yield Step("difference of logarithms", "e = log(1 + x) − log(1 + y)", difference)
    yield Step("loss", "e²", difference * difference)


@steps(forecasting.mape)
def relate_to_target(x: Array, y: Array) -> Steps:
    """Tell the absolute error as a fraction of the true value."""
    yield from _relate(x, y, np.maximum(np.abs(y), forecasting.RELATIVE_FLOOR), "2.2e-16")
    distance = np.abs(x - y)
    yield Step("loss", "|d| / s", distance / np.maximum(np.abs(y), forecasting.RELATIVE_FLOOR))


@steps(keras_regression.mean_absolute_percentage_error)
def relate_in_percent(x: Array, y: Array) -> Steps:
    """Tell the same in percent."""
    size = np.maximum(np.abs(y), EPSILON)
    yield from _relate(x, y, size, "1e-7")
    yield Step("loss", "100 |d| / s", 100 * (np.abs(x - y) / size))


def _relate(x: Array, y: Array, size: Array, floor: str) -> Steps:
    yield from differ(x, y)
    yield Step("distance", "|d|", np.abs(x - y))
    yield Step("size", "|y|", np.abs(y))
    yield Step("clipped size", f"s = max(|y|, {floor})", size, before=np.abs(y))


@steps(forecasting.smape)
def relate_to_both(x: Array, y: Array) -> Steps:
    """Tell the absolute error relative to the mean of both sizes."""
    yield from differ(x, y)
    size = np.abs(x) + np.abs(y)
    yield Step("distance", "|d|", np.abs(x - y))
    yield Step("size", "|x| + |y|", size)
    losses = 2 * (np.abs(x - y) / np.where(size == 0, 1, size))
    yield Step("loss", "2 |d| / (|x| + |y|), and 0 where both are 0", losses)


@steps(forecasting.pinball)
def tilt_distance(x: Array, y: Array, *, alpha: float) -> Steps:
    """Tell the one-sided error of a quantile."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    below, above = np.maximum(y - x, 0), np.maximum(x - y, 0)
    yield Step("below the target", "max(y − x, 0)", below)
    yield Step("above the target", "max(x − y, 0)", above)
    yield Step("loss", "α × below + (1 − α) × above", alpha * below + (1 - alpha) * above)
