"""What scikit-learn answers: its means, and as losses of elements its means of one."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.declare import resolve
from tests.losses.references.references import find_reference

pytest.importorskip("sklearn.metrics")
NAME = "scikit-learn"
VERSION: str = pytest.importorskip("sklearn").__version__

Metric = Callable[..., float]


def find_metric(key: str) -> Metric:
    """Return the metric of a loss, with predictions first."""
    reference = find_reference(key)
    return reference.ask if reference.adapt else predictions_first(reference.find())


def predictions_first(metric: Metric) -> Metric:
    """Return a metric that takes what scikit-learn takes second first."""
    return lambda predicted, target, **options: float(metric(target, predicted, **options))


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return scikit-learn's answer to the case."""
    reference, metric = find_reference(key), find_metric(key)
    predicted, target = (np.asarray(array) for array in case.inputs)
    shape = target.shape
    if not reference.labels:
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
            return np.asarray(metric(predicted, target, **case.options))
        if reference.of_elements:
            metric = predictions_first(resolve(reference.of_elements))
        rows = [slice(row, row + 1) for row in range(len(target))]
        each = [metric(predicted[row], target[row], **case.options) for row in rows]
    return np.array(each).reshape(shape)
