"""What PyTorch's autograd leaves in the predictions of Keras's losses, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.references.keras_reference import keras, mend
from tests.losses.references.references import find_reference

torch = pytest.importorskip("torch")


def backward(
    key: str,
    case: Case,
    reduction: str,
    sample_weight: Array | None = None,
    mask: Array | None = None,
) -> dict[str, Array]:
    """Return the gradient of Keras's reduced loss by the predictions."""
    from keras.src.losses.loss import reduce_weighted_values

    y_pred, y_true = case.inputs
    y_true, options = mend(key, y_true, dict(case.options))
    predicted = torch.from_numpy(np.array(y_pred, dtype=np.float64)).requires_grad_()
    if mask is not None:
        keras.src.backend.set_keras_mask(predicted, keras.ops.convert_to_tensor(mask, dtype="bool"))
    if "ref_embeddings" in options:
        others = keras.ops.convert_to_tensor(options.pop("ref_embeddings"), dtype="float64")
        labels = keras.ops.convert_to_tensor(options.pop("ref_labels"), dtype="int32")
        losses = keras.losses.circle(
            y_true, predicted, ref_labels=labels, ref_embeddings=others, **options
        )
        mask = losses > 0
    elif (reference := find_reference(key)).adapt is not None:
        losses = reference.ask(y_true, predicted, **options)
    else:
        instance = reference.find()(reduction=reduction, **options)
        value = instance(y_true, predicted, sample_weight=sample_weight)
        return {"y_pred": differentiate(value, predicted)}
    value = reduce_weighted_values(
        losses, sample_weight=sample_weight, mask=mask, reduction=reduction, dtype="float64"
    )
    return {"y_pred": differentiate(value, predicted)}


def differentiate(value: object, predicted: object) -> Array:
    """Return the derivative of a number by a tensor; 0 where it has no say."""
    (found,) = torch.autograd.grad(value, predicted, allow_unused=True)
    shape = predicted.shape  # type: ignore[attr-defined]
    return np.zeros(shape) if found is None else np.asarray(found)
