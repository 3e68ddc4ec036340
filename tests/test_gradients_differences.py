"""Gradients against differences of the fourth order, which need no reference, and --check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.gradient_result import Agreement
from lossctl.errors import LossctlWarning
from lossctl.losses.registry import registry
from lossctl.losses.slopes import Slope
from tests.cases.case import Array, Case
from tests.golden_values import load_golden
from tests.gradients import AWKWARD, reduce_by

RANDOM = np.random.default_rng(5)
DECLARED = [key for key, loss in registry().items() if loss.slope is not None]
LOGITS = RANDOM.normal(size=(6, 4))


def list_cases(key: str) -> Iterator[Case]:
    """Yield the cases in which numbers can be moved a little."""
    for golden in load_golden(key):
        if golden.case.inputs[0].size and not golden.case.id.startswith(AWKWARD):
            yield golden.case


def check(key: str, case: Case, **settings: Any) -> Agreement:
    """Return how a gradient compares with differences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        found = lossctl.gradient(key, *case.inputs, check=True, **settings, **case.options)
    assert found.agreement is not None
    return found.agreement


@pytest.mark.parametrize("key", DECLARED)
def test_agrees_with_differences(key: str) -> None:
    """What --check compares agrees in every case, and few elements are left out."""
    compared = left_out = 0
    for case in list_cases(key):
        reduction = reduce_by(key, case)
        agreement = check(key, case, reduction=reduction)
        assert agreement.agrees, f"{key} [{case.id}] {reduction}: {agreement}"
        compared += agreement.compared
        left_out += agreement.kinks
    assert compared > 20
    assert left_out < 0.5 * compared


@pytest.mark.parametrize("key", DECLARED)
def test_a_small_fault_is_found(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in a thousand too much, in some case of every loss."""
    honest = Slope.differentiate

    def exaggerate(slope: Slope, *inputs: Array, **options: Any) -> tuple[Array, ...]:
        return tuple(1.001 * one for one in honest(slope, *inputs, **options))

    monkeypatch.setattr(Slope, "differentiate", exaggerate)
    for case in list_cases(key):
        agreement = check(key, case, reduction=reduce_by(key, case))
        if not agreement.agrees:
            assert agreement.relative == pytest.approx(1e-3, rel=0.02)
            return
    pytest.fail("no case showed the fault")


def test_the_check_finds_a_wrong_gradient() -> None:
    @lossctl.loss("halved", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
    def halved(input: Array, target: Array) -> Array:
        """Return half of the squared error."""
        return 0.5 * (input - target) ** 2

    halved.gradient(lambda x, y: 1.01 * (x - y))
    found = lossctl.gradient(halved, LOGITS[0], LOGITS[1], check=True)
    assert found.agreement is not None
    assert not found.agreement.agrees
    assert found.agreement.relative == pytest.approx(0.01, rel=0.02)
    halved.gradient(lambda x, y: x - y)
    found = lossctl.gradient(halved, LOGITS[0], LOGITS[1], check=True)
    assert found.agreement is not None
    assert found.agreement.agrees
