"""Gradients against differences of the fourth order, which need no reference, and --check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import mpmath
import numpy as np
import pytest

import lossctl
from lossctl.engine.gradients.result import Agreement
from lossctl.errors import LossctlWarning
from lossctl.losses.core.gradients import DeclaredGradient
from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import AWKWARD, reduce_by

RANDOM = np.random.default_rng(5)
DECLARED = [key for key, loss in registry().items() if loss.declared_gradient is not None]
LOGITS = RANDOM.normal(size=(6, 4))
STEPS = {"ctc": 3, "ntxent": 3}
"""Losses that take long: of these, only every third case where there is little time."""


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


@pytest.mark.parametrize(
    ("key", "step"),
    [
        *((key, STEPS.get(key, 1)) for key in DECLARED),
        *(pytest.param(key, 1, marks=pytest.mark.slow) for key in STEPS),
    ],
)
def test_agrees_with_differences(key: str, step: int) -> None:
    """What --check compares agrees in every case, and few elements are left out."""
    compared = left_out = 0
    for case in islice(list_cases(key), 0, None, step):
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
    honest = DeclaredGradient.differentiate

    def exaggerate(slope: DeclaredGradient, *inputs: Array, **options: Any) -> tuple[Array, ...]:
        return tuple(1.001 * one for one in honest(slope, *inputs, **options))

    monkeypatch.setattr(DeclaredGradient, "differentiate", exaggerate)
    for case in list_cases(key):
        agreement = check(key, case, reduction=reduce_by(key, case))
        if not agreement.agrees:
            assert agreement.relative == pytest.approx(1e-3, rel=0.02)
            return
    pytest.fail("no case showed the fault")


@pytest.mark.parametrize("key", ["msle", "keras.mean_squared_logarithmic_error"])
def test_amounts_far_apart_keep_their_digits(key: str) -> None:
    amounts = np.array([[3.0, 1e9, 1e15, 1e250, 2.0]]), np.array([[1e15, 0.5, 1e-3, 1e-3, 1e300]])
    x, y = (one.astype(object) for one in amounts)
    logs = [[mpmath.log1p(a) - mpmath.log1p(b) for a, b in zip(x[0], y[0], strict=True)]]
    expected = np.array(2 * np.array(logs) / (1 + x), float)
    if key.startswith("keras"):
        expected /= 5
    found = lossctl.gradient(key, *amounts, reduction="sum")[registry()[key].inputs[0].name]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_no_number_is_found(value: float) -> None:
    """Also where it hides others, or is that of half of the elements alone."""

    @lossctl.loss("squared", inputs=(lossctl.real("input", "*"),))
    def squared(input: Array) -> Array:
        """Return the square, and nothing from 0 on."""
        return np.minimum(input, 0) ** 2

    squared.gradient(lambda x: np.where(x > 0, value, 2 * x))
    agreement = lossctl.gradient(squared, RANDOM.normal(size=50), check=True).agreement
    assert agreement is not None
    assert not agreement.agrees
    assert agreement.compared == 50


@pytest.mark.parametrize("size", [1e-6, 1e-9])
def test_steps_do_not_leap_over_the_kinks_of_faint_numbers(size: float) -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 300)) * size
    y[::3] = 0
    agreement = lossctl.gradient("smape", x, y, check=True).agreement
    assert agreement is not None
    assert agreement.agrees
    assert agreement.compared > 200


def test_an_infinite_derivative_is_right_where_the_loss_is_steep() -> None:
    @lossctl.loss("root", inputs=(lossctl.not_negative("input", "*"),))
    def root(input: Array) -> Array:
        """Return the root."""
        return np.sqrt(input)

    root.gradient(lambda x: 0.5 / np.sqrt(x))
    agreement = lossctl.gradient(root, [0.0, 1.0, 4.0], check=True).agreement
    assert agreement is not None
    assert agreement.agrees
    root.gradient(lambda x: 0.51 / np.sqrt(x))  # which the infinite one does not hide
    agreement = lossctl.gradient(root, [0.0, 1.0, 4.0], check=True).agreement
    assert agreement is not None
    assert agreement.relative == pytest.approx(0.02, rel=0.02)
