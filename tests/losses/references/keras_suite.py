"""The losses of Keras by its own names and calls, answered by lossctl.

``Answers`` stands where Keras's tests expect the module ``keras.losses``: its classes and
functions take (y_true, y_pred), as Keras's do, and pass them on as (y_pred, y_true). Keras computes
in float32, and some of its tests expect its rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lossctl
from lossctl.errors import LossctlError, LossctlWarning, UsageError

Array = NDArray[Any]


class Answers:
    """Keras's losses: classes in CamelCase make a callable, functions give per-sample losses."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name[0].islower():
            return Function(name)

        def instantiate(
            *, reduction: str | None = "sum_over_batch_size", **options: Any
        ) -> Callable[..., Array]:
            return Instance(name, reduction, options)

        return instantiate


class Instance:
    """A loss with a reduction and options."""

    def __init__(self, name: str, reduction: str | None, options: dict[str, Any]) -> None:
        self.name, self.options = f"keras.{name}", options
        if name == "Tversky":  # keras#23333: its tests have alpha and beta interchanged
            alpha, beta = options.get("alpha", 0.5), options.get("beta", 0.5)
            self.options |= {"alpha": beta, "beta": alpha}
        self.reduction = "none" if reduction is None else reduction
        check_reduction(self.reduction)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        return answer(self.name, y_true, y_pred, self.reduction, sample_weight, self.options)


class Function:
    """A loss without a reduction."""

    def __init__(self, name: str) -> None:
        self.name = f"keras.{name}"

    def __call__(self, y_true: Any, y_pred: Any, **options: Any) -> Array:
        return answer(self.name, y_true, y_pred, "none", None, options)


def check_reduction(reduction: str) -> None:
    """Refuse what is no reduction, in the words that Keras's tests look for."""
    try:
        lossctl.compute("keras.mse", [[1.0]], [[1.0]], reduction=reduction)
    except UsageError as error:
        raise ValueError(f"Invalid value for argument `reduction`: {error}") from error


def answer(
    name: str, y_true: Any, y_pred: Any, reduction: str, weight: Any, options: dict[str, Any]
) -> Array:
    """Return lossctl's answer to a call of Keras."""
    arrays = [np.asarray(one) for one in (y_pred, y_true)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        try:
            result = lossctl.compute(
                name, *arrays, reduction=reduction, sample_weight=weight, dtype="float32", **options
            )
        except LossctlError as error:
            raise ValueError(f"inputs must have the same shape: {error}") from error
    return np.asarray(result)
