"""How closely lossctl must agree with a reference.

Values agree to a relative 1e-12. An absolute tolerance of 1e-15 times the largest term is added
for the losses whose terms cancel (``@largest_term`` in their test files), because there the
reference itself is no more exact than that: tests/losses/cancellation.py says where.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping

import numpy as np

import lossctl
from lossctl.errors import LossctlWarning
from tests.losses.cases.case import Array, Case
from tests.losses.declare import known

RELATIVE = 1e-12
CANCELLATION = 1e-15


def compute(key: str, case: Case, reduction: str) -> Array:
    """Return lossctl's answer as an array: the elements, or the reduced value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        try:
            result = lossctl.compute(key, *case.inputs, reduction=reduction, **case.options)
        finally:
            if (error := sys.exception()) is not None:
                error.add_note(f"in {key} [{case.id}] {reduction}")
    return np.asarray(result.elements if reduction == "none" else result.value)


def disagreements(
    key: str, case: Case, expected: Mapping[str, Array], relative: float = RELATIVE
) -> list[str]:
    """Say where lossctl's answers to a case differ from the expected ones."""
    found = []
    for reduction, reference in expected.items():
        actual = compute(key, case, reduction)
        allowed = tolerance(key, case, expected, reduction, relative)
        where = f"{key} [{case.id}] {reduction}"
        if actual.shape != reference.shape:
            found.append(f"{where}: shape {actual.shape}, expected {reference.shape}")
        elif actual.dtype != np.float64:
            found.append(f"{where}: dtype {actual.dtype}, expected float64")
        else:
            found += [f"{where}{text}" for text in differences(actual, reference, allowed)]
    return found


def differences(actual: Array, reference: Array, allowed: Array) -> Iterable[str]:
    """Yield a line for each number that is further from the reference than allowed."""
    with np.errstate(invalid="ignore"):
        near = np.abs(actual - reference) <= allowed
    equal = (actual == reference) | (np.isnan(actual) & np.isnan(reference))
    for place in np.argwhere(~(near | equal)):
        at = tuple(place.tolist())
        name = f" at {at}" if at else ""
        yield f"{name}: lossctl {float(actual[at])!r}, reference {float(reference[at])!r}"


def tolerance(
    key: str, case: Case, expected: Mapping[str, Array], reduction: str, relative: float
) -> Array:
    """Return what a result of the reduction may differ by: for a sum, what its terms may."""
    elements = np.asarray(expected["none"])
    size = np.broadcast_to(largest_term(key, case), elements.shape)
    each = relative * np.abs(elements) + CANCELLATION * np.nan_to_num(size, posinf=0.0)
    if reduction == "none":
        return np.asarray(each)
    total: Array = np.asarray(each[np.isfinite(each)].sum())
    # The mean is the sum divided by something, which the reference tells by giving both.
    value, summed = float(expected[reduction]), float(expected.get("sum", np.nan))
    ratio = abs(value / summed) if np.isfinite(value) and np.isfinite(summed) and summed else 1.0
    return total * ratio


def largest_term(key: str, case: Case) -> Array:
    """Return the size of each element's largest term where terms cancel, and 0 elsewhere."""
    measure = known(key).largest_term
    if measure is None:
        return np.zeros(())
    inputs = [array.astype(np.float64) for array in case.inputs]
    with np.errstate(all="ignore"):
        return np.asarray(measure(*inputs, **case.options))
