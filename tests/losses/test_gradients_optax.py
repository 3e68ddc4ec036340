"""Gradients against what JAX's automatic differentiation makes of optax's losses."""

from __future__ import annotations

import pytest

from tests.losses.cases.case import Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import AWKWARD, correct, differentiate, disagreements
from tests.losses.matrix import keys_of, reductions

pytest.importorskip("optax")

KEYS = keys_of("optax")
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
        expected = correct(key, case, expected, actual)
        wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, expected)
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert chosen


def choose_cases(key: str, every: int) -> list[Case]:
    """Return one of so many cases, and four times as many of the awkward ones."""
    found = [golden.case for golden in load_golden(key) if golden.case.inputs[0].size]
    awkward = [case for case in found if case.id.startswith(AWKWARD)]
    plain = [case for case in found if not case.id.startswith(AWKWARD)]
    return awkward[:: every // MANY] + plain[::every]
