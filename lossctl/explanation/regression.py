"""The steps of losses of the difference between a prediction and a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.explanation.step import Step, Steps, steps
from lossctl.losses import forecasting, keras_regression, regression

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


@steps(regression.huber, keras_regression.huber)
def bend_distance(x: Array, y: Array, *, delta: float) -> Steps:
    """Tell the Huber loss: half the square of what is within delta, and the line beyond."""
    yield from differ(x, y)
    distance = np.abs(x - y)
    within = np.minimum(distance, delta)
    yield Step("distance", "|d|", distance)
    yield Step("clipped distance", "q = min(|d|, δ)", within, before=distance)
    formula = "½ d² where |d| ≤ δ; δ (|d| − ½ δ) elsewhere: q (|d| − ½ q)"
    yield Step("loss", formula, within * (distance - 0.5 * within))
