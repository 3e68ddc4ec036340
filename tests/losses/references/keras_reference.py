"""What Keras answers, in float64 on its PyTorch backend, with what was mended since 3.15.1."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
keras.config.set_floatx("float64")
# Keras computes in 32 bits what it is given in 64, unless its table of dtypes lets it be.
keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

from tests.losses.cases.case import Array, Case  # noqa: E402

NAME = "keras"
VERSION: str = keras.__version__

CLASSES = {
    "keras.mean_squared_error": "MeanSquaredError",
    "keras.mean_absolute_error": "MeanAbsoluteError",
    "keras.mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "keras.mean_squared_logarithmic_error": "MeanSquaredLogarithmicError",
    "keras.cosine_similarity": "CosineSimilarity",
    "keras.huber": "Huber",
    "keras.log_cosh": "LogCosh",
    "keras.hinge": "Hinge",
    "keras.squared_hinge": "SquaredHinge",
    "keras.categorical_hinge": "CategoricalHinge",
    "keras.kl_divergence": "KLDivergence",
    "keras.poisson": "Poisson",
    "keras.binary_crossentropy": "BinaryCrossentropy",
    "keras.binary_focal_crossentropy": "BinaryFocalCrossentropy",
    "keras.categorical_crossentropy": "CategoricalCrossentropy",
    "keras.categorical_focal_crossentropy": "CategoricalFocalCrossentropy",
    "keras.sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "keras.ctc": "CTC",
    "keras.dice": "Dice",
    "keras.tversky": "Tversky",
    "keras.circle": "Circle",
    "keras.categorical_generalized_cross_entropy": "CategoricalGeneralizedCrossEntropy",
}
SMOOTHED = {"keras.categorical_crossentropy", "keras.categorical_focal_crossentropy"}


def answer(
    key: str,
    case: Case,
    reduction: str,
    sample_weight: Array | None = None,
    mask: Array | None = None,
) -> Array:
    """Return Keras's answer to the case as a float64 array."""
    y_pred, y_true = case.inputs
    y_true, options = mend(key, y_true, dict(case.options))
    predicted = keras.ops.convert_to_tensor(y_pred, dtype="float64")
    if mask is not None:
        keras.src.backend.set_keras_mask(predicted, keras.ops.convert_to_tensor(mask, dtype="bool"))
    if "ref_embeddings" in options:
        return compare_with_others(predicted, y_true, reduction, options)
    instance = loss_class(key)(reduction=reduction, **options)
    if key == "keras.ctc":  # the class gives PyTorch labels in float64, which it refuses
        losses = keras.losses.ctc(y_true.astype(np.int64), predicted)
        return reduce(losses, reduction, sample_weight, mask)
    return to_array(instance(y_true, predicted, sample_weight=sample_weight))


def loss_class(key: str) -> Callable[..., Any]:
    """Return the class of a loss."""
    found: Callable[..., Any] = getattr(keras.losses, CLASSES[key])
    return found


def mend(key: str, y_true: Array, options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Return labels and options that make Keras 3.15.1 answer as it is meant to."""
    if key == "keras.tversky":  # keras#23333: its alpha and beta are interchanged
        options |= {"alpha": options.get("beta", 0.5), "beta": options.get("alpha", 0.5)}
    if key in SMOOTHED and "label_smoothing" in options:  # keras#23437: it counts the last axis
        smoothing = options.pop("label_smoothing")
        classes = y_true.shape[options.get("axis", -1)]
        y_true = y_true * (1 - smoothing) + smoothing / classes
    if key == "keras.categorical_generalized_cross_entropy" and y_true.shape[-1:] == (1,):
        y_true = y_true[..., 0] if y_true.ndim > 1 else y_true  # it makes (N, N) of (N, 1)
    return y_true, options


def compare_with_others(
    predicted: Any, y_true: Array, reduction: str, options: dict[str, Any]
) -> Array:
    """Return the circle loss against other embeddings, which only the function takes."""
    others = keras.ops.convert_to_tensor(options.pop("ref_embeddings"), dtype="float64")
    labels = keras.ops.convert_to_tensor(options.pop("ref_labels"), dtype="int32")
    losses = keras.losses.circle(
        y_true, predicted, ref_labels=labels, ref_embeddings=others, **options
    )
    return reduce(losses, reduction, mask=to_array(losses) > 0)


def reduce(
    losses: Any, reduction: str, sample_weight: Array | None = None, mask: Array | None = None
) -> Array:
    """Reduce losses as Keras's classes do."""
    from keras.src.losses.loss import reduce_weighted_values

    return to_array(
        reduce_weighted_values(
            losses, sample_weight=sample_weight, mask=mask, reduction=reduction, dtype="float64"
        )
    )


def to_array(tensor: Any) -> Array:
    """Return a tensor as a float64 array."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
