"""What scikit-learn answers: its means, and as losses of elements its means of one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case

metrics = pytest.importorskip("sklearn.metrics")
NAME = "scikit-learn"
VERSION: str = pytest.importorskip("sklearn").__version__
HALVES = {"auto": "auto", "true": True, "false": False}

Metric = Callable[..., float]


def score(metric: Metric) -> Metric:
    """Return a metric of class probabilities that knows all classes."""

    def ask(predicted: Array, target: Array, **options: Any) -> float:
        classes = 2 if predicted.ndim == 1 else predicted.shape[1]
        return metric(target.astype(int), predicted, labels=range(classes), **options)

    return ask


def brier(predicted: Array, target: Array, scale_by_half: str = "auto") -> float:
    """Return the Brier score; the labels of two classes are the positive one and the other."""
    half = HALVES[scale_by_half]
    labels: dict[str, Any] = {"pos_label": 1}
    if predicted.ndim > 1:
        labels = {"labels": range(predicted.shape[1])}
    return float(
        metrics.brier_score_loss(target.astype(int), predicted, scale_by_half=half, **labels)
    )


def zero_one(predicted: Array, target: Array, top_k: int = 1) -> float:
    """Return the share of wrong labels, or of right classes that are not among the best."""
    if predicted.ndim == 1:
        return float(metrics.zero_one_loss(target, predicted))
    labels = range(predicted.shape[1])
    return 1 - float(metrics.top_k_accuracy_score(target, predicted, k=top_k, labels=labels))


def compare(metric: Metric) -> Metric:
    """Return a metric with predictions first."""
    return lambda predicted, target, **options: float(metric(target, predicted, **options))


METRICS: dict[str, Metric] = {
    "rmse": compare(metrics.root_mean_squared_error),
    "msle": compare(metrics.mean_squared_log_error),
    "mape": compare(metrics.mean_absolute_percentage_error),
    "pinball": compare(metrics.mean_pinball_loss),
    "poisson_deviance": compare(metrics.mean_poisson_deviance),
    "gamma_deviance": compare(metrics.mean_gamma_deviance),
    "tweedie_deviance": compare(metrics.mean_tweedie_deviance),
    "log_loss": score(metrics.log_loss),
    "brier": brier,
    "zero_one": zero_one,
}
ELEMENTS = {"rmse": compare(metrics.mean_squared_error)}
"""What an element's loss is, where it is not the metric of one element."""


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return scikit-learn's answer to the case."""
    predicted, target = (np.asarray(array) for array in case.inputs)
    shape = target.shape
    if predicted.dtype.kind != "f" and key != "zero_one":
        predicted = predicted.astype(np.float64)
    if key not in ("log_loss", "brier", "zero_one"):
        predicted, target = predicted.astype(np.float64), target.astype(np.float64)
    if predicted.ndim > target.ndim:  # samples by classes
        predicted = predicted[np.newaxis] if predicted.ndim == 1 else predicted
        predicted = np.moveaxis(predicted, 1, -1).reshape(-1, predicted.shape[1])
    else:
        predicted = predicted.reshape(-1)
    target = target.reshape(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if reduction == "mean":
            return np.asarray(METRICS[key](predicted, target, **case.options))
        metric = ELEMENTS.get(key, METRICS[key])
        rows = [slice(row, row + 1) for row in range(len(target))]
        each = [metric(predicted[row], target[row], **case.options) for row in rows]
    return np.array(each).reshape(shape)
