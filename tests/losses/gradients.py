"""Gradients of the cases of the matrix, and where they differ from others."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import lossctl
from lossctl.errors import LossctlWarning
from tests.losses.cases.case import Array, Case
from tests.losses.declare import known
from tests.losses.matrix import reductions

RELATIVE = 1e-9
CANCELLATION = 1e-14
"""What the terms of a gradient may lose, relative to the largest number of the gradient."""
AWKWARD = ("extreme", "awkward", "zero-parallel", "minus-infinity", "ties", "ends")
"""Cases at kinks, and with numbers too small to be moved by differences."""


def reduce_by(key: str, case: Case) -> str:
    """Return a reduction that weighs the losses, if the loss has one."""
    return next((name for name in reductions(key, case) if name != "none"), "sum")


def differentiate(key: str, case: Case, reduction: str, **settings: Any) -> Mapping[str, Array]:
    """Return lossctl's gradient of a case by each prediction input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        try:
            found = lossctl.gradient(
                key, *case.inputs, reduction=reduction, **case.options, **settings
            )
        finally:
            if (error := sys.exception()) is not None:
                error.add_note(f"in {key} [{case.id}] {reduction}")
    return found.arrays


def correct(
    key: str, case: Case, expected: Mapping[str, Array], actual: Mapping[str, Array]
) -> Mapping[str, Array]:
    """Return what is expected, put right where the reference is known to be wrong."""
    put_right = known(key).corrected
    if put_right is None:
        return expected
    return {name: put_right(case, one, actual[name]) for name, one in expected.items()}


def disagreements(
    where: str, actual: Mapping[str, Array], expected: Mapping[str, Array], allowed: float = 0.0
) -> Iterator[str]:
    """Say where a gradient differs from the expected one, by more than is allowed beside."""
    assert list(actual) == list(expected), where
    for name, reference in expected.items():
        mine = actual[name]
        if mine.shape != reference.shape:
            yield f"{where} by {name}: shape {mine.shape}, expected {reference.shape}"
            continue
        assert mine.dtype == np.float64
        finite = np.abs(reference[np.isfinite(reference)])
        with np.errstate(invalid="ignore"):
            margin = RELATIVE * np.abs(reference) + CANCELLATION * finite.max(initial=1.0)
            near = np.abs(mine - reference) <= margin + allowed
        same = near | (mine == reference) | (np.isnan(mine) & np.isnan(reference))
        for place in np.argwhere(~same):
            at = tuple(place.tolist())
            yield f"{where} by {name} at {at}: {mine[at]!r}, expected {reference[at]!r}"
