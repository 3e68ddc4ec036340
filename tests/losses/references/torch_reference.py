"""What torch answers, in float64, to a call of one of the losses of torch.nn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.references.references import find_reference

torch = pytest.importorskip("torch")
NAME = "torch"
VERSION: str = torch.__version__

Tensor = Any

torch.set_num_threads(1)  # the arrays are small, and two pools of threads would wait for each other


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return torch's answer to the case as a float64 array."""
    return np.asarray(ask(key, case, convert_inputs(key, case), reduction))


def ask(key: str, case: Case, inputs: list[Tensor], reduction: str) -> Tensor:
    """Return torch's answer to the inputs, with the options of the case."""
    options = convert_options(case.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_reference(key).ask(*inputs, reduction=reduction, **options)


def convert_inputs(key: str, case: Case) -> list[Tensor]:
    """Return the inputs as float64 tensors, class indices and lengths as integers."""
    inputs = [convert(array) for array in case.inputs]
    for place in find_reference(key).integers:
        if case.inputs[place].dtype.kind in "iu":
            inputs[place] = torch.from_numpy(np.array(case.inputs[place], dtype=np.int64))
    return inputs


def convert(array: Array) -> Tensor:
    """Return the array as a float64 tensor."""
    return torch.from_numpy(np.array(array, dtype=np.float64))


def convert_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as torch takes them: tensors for arrays."""
    return {
        name: convert(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
