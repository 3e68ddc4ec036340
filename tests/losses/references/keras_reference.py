"""What Keras answers, in float64 on its PyTorch backend, with what was mended since 3.15.1."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
keras.config.set_floatx("float64")
# Keras computes in 32 bits what it is given in 64, unless its table of dtypes lets it be.
keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

from tests.losses.cases.case import Array, Case  # noqa: E402
from tests.losses.references.references import find_reference  # noqa: E402

NAME = "keras"
VERSION: str = keras.__version__


def answer(
    key: str,
    case: Case,
    reduction: str,
    sample_weight: Array | None = None,
    mask: Array | None = None,
) -> Array:
    """Return Keras's answer to the case as a float64 array."""
    reference = find_reference(key)
    y_pred, y_true = case.inputs
    y_true, options = mend(key, y_true, dict(case.options))
    predicted = keras.ops.convert_to_tensor(y_pred, dtype="float64")
    if mask is not None:
        keras.src.backend.set_keras_mask(predicted, keras.ops.convert_to_tensor(mask, dtype="bool"))
    if "ref_embeddings" in options:
        return compare_with_others(predicted, y_true, reduction, options)
    if reference.adapt is not None:
        losses = reference.ask(y_true, predicted, **options)
        return reduce(losses, reduction, sample_weight, mask)
    instance = reference.find()(reduction=reduction, **options)
    return to_array(instance(y_true, predicted, sample_weight=sample_weight))


def mend(key: str, y_true: Array, options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Return labels and options that make Keras answer as it is meant to."""
    mended = find_reference(key).mend
    return (y_true, options) if mended is None else mended(y_true, options)


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
