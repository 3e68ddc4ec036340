"""Gradients against what JAX's automatic differentiation makes of optax's losses."""

from __future__ import annotations

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import AWKWARD, differentiate, disagreements
from tests.losses.matrix import CASES, reductions

pytest.importorskip("optax")

KEYS = tuple(key for key in CASES if registry()[key].library == "optax")
SHOWN = 20
FEW, MANY = 24, 6
"""Every how many cases: JAX compiles each shape anew, which takes its time."""


@pytest.mark.parametrize("every", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_automatic_differentiation(key: str, every: int) -> None:
    from tests.losses.references.optax_gradients import backward

    wrong: list[str] = []
    chosen = choose_cases(key, every)
    for number, case in enumerate(chosen):
        known = [name for name in reductions(key, case) if name != "none"]
        reduction = known[number % len(known)]
        expected = backward(key, case, reduction)
        actual = differentiate(key, case, reduction)
        mended = {name: mend(key, case, one, actual[name]) for name, one in expected.items()}
        wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, mended)
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert chosen


def choose_cases(key: str, every: int) -> list[Case]:
    """Return one of so many cases, and four times as many of the awkward ones."""
    found = [golden.case for golden in load_golden(key) if golden.case.inputs[0].size]
    awkward = [case for case in found if case.id.startswith(AWKWARD)]
    plain = [case for case in found if not case.id.startswith(AWKWARD)]
    return awkward[:: every // MANY] + plain[::every]


def mend(key: str, case: Case, expected: Array, actual: Array) -> Array:
    """Take our finite number for a NaN: of a distance of 0 the root's slope is infinite."""
    if key != "optax.triplet_margin" or case.options.get("eps") != 0:
        return expected
    return np.where(np.isnan(expected) & np.isfinite(actual), actual, expected)
