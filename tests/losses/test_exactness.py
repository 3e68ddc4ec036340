"""Each element's loss against its definition in several hundred digits: at most 4 units off.

A unit is the gap between neighbouring float64 numbers at the loss itself, or at its largest term
where the definition takes one number from another (tests/definitions.py says which). Frameworks
are wrong at many of these points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.comparison import compute
from tests.losses.definitions import evaluator_losses as evaluator_definitions
from tests.losses.definitions import evaluator_points, keras_points
from tests.losses.definitions import keras_losses as keras_definitions
from tests.losses.definitions import torch_losses as definitions
from tests.losses.definitions import torch_points as exact_points
from tests.losses.definitions.torch_points import Points

UNITS = 4
DIGITS = 400
"""So many that 1 + exp(-745), with a loss of 5e-324, keeps 70 digits of it."""
SHOWN = 20
POINTS = exact_points.POINTS | evaluator_points.POINTS | keras_points.POINTS
DEFINITIONS = (
    definitions.DEFINITIONS | evaluator_definitions.DEFINITIONS | keras_definitions.DEFINITIONS
)
EVALUATOR = ("scikit-learn", "torchvision", "optax", "literature")
REPEATED = ("exp", "log", "log1p")
"""Functions that take most of the time, and are asked for the same numbers again and again."""


def remember(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of numbers that computes each value once, for every precision."""

    @cache
    def find(x: Any, precision: int) -> Any:
        return function(x)

    return lambda x: find(x, mpmath.mp.prec)


REMEMBERING = {name: remember(getattr(mpmath.mp, name)) for name in REPEATED}


@pytest.fixture(autouse=True)
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in REMEMBERING.items():
        monkeypatch.setattr(mpmath.mp, name, function)


@pytest.mark.parametrize("key", POINTS)
def test_elements_are_right_to_four_units(key: str) -> None:
    """No element is further from the definition's value than its unit allows."""
    wrong = [line for points in POINTS[key]() for line in find_inexact(key, points)]
    assert not wrong, "\n".join([f"{len(wrong)} inexact elements", *wrong[:SHOWN]])


def test_every_torch_loss_has_points() -> None:
    """A loss of torch.nn that is declared is compared with its definition."""
    declared = {key for key, loss in registry().items() if loss.library == "torch"}
    assert set(exact_points.POINTS) == set(definitions.DEFINITIONS) == declared


def test_every_loss_of_evaluators_and_of_optax_has_points() -> None:
    """One that is declared is compared with its definition, unless no sample has one of its own."""
    declared = {key for key, loss in registry().items() if loss.library in EVALUATOR}
    assert set(evaluator_points.POINTS) == set(evaluator_definitions.DEFINITIONS)
    assert declared == set(evaluator_points.POINTS) | evaluator_points.WHOLE_BATCH
    assert all(registry()[key].whole for key in evaluator_points.WHOLE_BATCH)


def test_every_loss_of_keras_has_points() -> None:
    """One that is declared is compared with its definition, unless no sample has one of its own."""
    declared = {key for key, loss in registry().items() if loss.library == "keras"}
    assert set(keras_points.POINTS) == set(keras_definitions.DEFINITIONS)
    assert declared == {*keras_points.POINTS, *keras_points.ELSEWHERE}


def test_definitions_tell_wrong_values() -> None:
    """What frameworks answer for a confident right answer does not pass."""
    with mpmath.workdps(DIGITS):
        value, size = DEFINITIONS["ce"]([mpmath.mpf(40), mpmath.mpf(0), mpmath.mpf(0)], 0)
        assert off(8.496708510583178e-18, value, size) <= UNITS
        assert off(0.0, value, size) > UNITS
        assert off(math.inf, value, size) > UNITS
        assert off(math.nan, value, size) > UNITS


def find_inexact(key: str, points: Points) -> Iterator[str]:
    """Yield a line for each element that is too far from the definition's value."""
    elements = compute(key, Case(key, points.inputs, points.options), "none")
    with mpmath.workdps(DIGITS):
        for index, actual in enumerate(elements.tolist()):
            inputs, options = sample(key, points, index)
            value, size = DEFINITIONS[key](*inputs, **options)
            distance = off(actual, value, size)
            if not distance <= UNITS:
                answer = f"{float(value)!r}, {distance:.3g} units"
                yield describe(key, points, index, actual, answer)


def off(actual: float, value: Any, size: Any) -> float:
    """Return how many units lie between a float and the definition's value."""
    nearest = float(value)
    if math.isnan(actual) or math.isinf(actual) or math.isinf(nearest):
        return 0.0 if actual == nearest else math.inf
    unit = math.ulp(min(float(size), np.finfo(float).max))
    return float(abs(mpmath.mpf(actual) - value) / unit)


def sample(key: str, points: Points, index: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the inputs and options of one sample as the definitions take them."""
    options = dict(points.options)
    if points.elementwise:
        options = {name: value[index] for name, value in options.items()}
    rows = rows_at(key, points, index)
    return [convert(row) for row in rows], {name: convert(o) for name, o in options.items()}


def rows_at(key: str, points: Points, index: int) -> list[Array]:
    """Return what belongs to one sample of each input."""
    if key == "ctc":
        return [points.inputs[0][:, index], *(array[index] for array in points.inputs[1:])]
    if key == "linear_ce":
        return [*(array[index] for array in points.inputs[:2]), points.inputs[2]]
    return [array[index] for array in points.inputs]


def convert(value: Any) -> Any:
    """Return arrays as lists, floats as exact numbers of many digits, all else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [convert(item) for item in value]
    return mpmath.mpf(value) if isinstance(value, float) else value


def describe(key: str, points: Points, index: int, actual: float, expected: str) -> str:
    """Say what was computed from what."""
    options = dict(points.options)
    if points.elementwise:
        options = {name: float(value[index]) for name, value in options.items()}
    shown = ", ".join(str(row.tolist())[:90] for row in rows_at(key, points, index))
    return f"{key}({shown}, {options}): lossctl {actual!r}, definition {expected}"
