"""What torchvision answers, by its formulas as they stand in version 0.29, in NumPy or torch.

The formulas stand in the test files of its losses. torchvision itself is asked where it can be
imported, which takes a build for the very torch that is installed: test_torchvision.py.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case
from tests.losses.references.references import find_reference

NAME, VERSION = "torchvision", "0.29.2"


def apply_formula(key: str, inputs: list[Any], **options: Any) -> Any:
    """Return the losses of arrays or tensors, given in float64."""
    reference = find_reference(key)
    assert reference.adapt is not None
    if reference.last_axis_first:
        inputs = [
            np.moveaxis(one, -1, 0) if isinstance(one, np.ndarray) else one.movedim(-1, 0)
            for one in inputs
        ]
    return reference.adapt(*inputs, **options)


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return torchvision's answer to the case."""
    inputs = [array.astype(np.float64) for array in case.inputs]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = np.asarray(apply_formula(key, inputs, **case.options))
        reduce = {"none": np.asarray, "mean": np.mean, "sum": np.sum}[reduction]
        return np.asarray(reduce(losses))
