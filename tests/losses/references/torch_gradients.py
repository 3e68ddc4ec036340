"""What PyTorch's autograd leaves in the predictions of a case, in float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.references.torch_reference import (
    CLASS_INPUTS,
    FUNCTIONS,
    convert,
    convert_options,
    torch,
)


def backward(key: str, case: Case, reduction: str) -> dict[str, Array]:
    """Return torch's gradient of the reduced loss by each prediction input."""
    inputs = [convert(array) for array in case.inputs]
    if key in CLASS_INPUTS and case.inputs[1].dtype.kind in "iu":
        inputs[1] = torch.from_numpy(np.array(case.inputs[1], dtype=np.int64))
    if key == "ctc":
        inputs[1:] = [torch.from_numpy(np.array(array, np.int64)) for array in case.inputs[1:]]
    leaves = {
        declared.name: tensor.requires_grad_()
        for declared, tensor in zip(registry()[key].inputs, inputs, strict=True)
        if declared.name in prediction_inputs(key)
    }
    arguments: list[Any] = list(inputs)
    if key == "gaussian_nll" and not case.inputs[2].shape:
        arguments[2] = inputs[2] * torch.ones_like(inputs[0])  # torch takes a float for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = FUNCTIONS[key](*arguments, reduction=reduction, **convert_options(case.options))
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return {
        name: np.zeros(leaf.shape) if one is None else one.numpy()
        for (name, leaf), one in zip(leaves.items(), found, strict=True)
    }


def prediction_inputs(key: str) -> tuple[str, ...]:
    """Return the inputs by which a loss is differentiated."""
    loss = registry()[key]
    assert loss.declared_gradient is not None
    return loss.declared_gradient.by or (loss.inputs[0].name,)
