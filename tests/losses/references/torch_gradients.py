"""What PyTorch's autograd leaves in the predictions of a case, in float64."""

from __future__ import annotations

import numpy as np

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.references.torch_reference import ask, convert_inputs, torch


def backward(key: str, case: Case, reduction: str) -> dict[str, Array]:
    """Return torch's gradient of the reduced loss by each prediction input."""
    inputs = convert_inputs(key, case)
    leaves = {
        declared.name: tensor.requires_grad_()
        for declared, tensor in zip(registry()[key].inputs, inputs, strict=True)
        if declared.name in registry()[key].prediction_inputs
    }
    value = ask(key, case, inputs, reduction)
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return {
        name: np.zeros(leaf.shape) if one is None else one.numpy()
        for (name, leaf), one in zip(leaves.items(), found, strict=True)
    }
