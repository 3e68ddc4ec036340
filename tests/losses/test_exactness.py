"""Each element's loss against its definition in several hundred digits: at most 4 units off.

A unit is the gap between neighbouring float64 numbers at the loss itself, or at its largest term
where the definition takes one number from another (its definition says which). Frameworks
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
from tests.losses.declare import Definition, known
from tests.losses.definitions.points import Points
from tests.losses.matrix import KEYS

UNITS = 4
DIGITS = 400
"""So many that 1 + exp(-745), with a loss of 5e-324, keeps 70 digits of it."""
SHOWN = 20
DEFINED = {key: found for key in KEYS if (found := known(key).definition)}
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


@pytest.mark.parametrize("key", DEFINED)
def test_elements_are_right_to_four_units(key: str) -> None:
    """No element is further from the definition's value than its unit allows."""
    wrong = [line for points in DEFINED[key].points() for line in find_inexact(key, points)]
    assert not wrong, "\n".join([f"{len(wrong)} inexact elements", *wrong[:SHOWN]])


@pytest.mark.parametrize("key", [key for key in KEYS if key not in DEFINED])
def test_a_loss_without_a_definition_is_of_many_samples(key: str) -> None:
    """No sample of it has a loss by itself; its test file says where it is compared instead."""
    loss = registry()[key]
    assert known(key).undefined
    assert loss.needs_all_samples or loss.reduce_axes or key == "keras.ctc"


def test_definitions_tell_wrong_values() -> None:
    """What frameworks answer for a confident right answer does not pass."""
    with mpmath.workdps(DIGITS):
        value, size = DEFINED["ce"].function([mpmath.mpf(40), mpmath.mpf(0), mpmath.mpf(0)], 0)
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
            value, size = DEFINED[key].function(*inputs, **options)
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
    rows = rows_at(DEFINED[key], points, index)
    return [convert(row) for row in rows], {name: convert(o) for name, o in options.items()}


def rows_at(definition: Definition, points: Points, index: int) -> list[Array]:
    """Return what belongs to one sample of each input."""
    axes = definition.axes * (len(points.inputs) if len(definition.axes) == 1 else 1)
    return [
        array if axis is None else np.take(array, index, axis)
        for array, axis in zip(points.inputs, axes, strict=True)
    ]


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
    shown = ", ".join(str(row.tolist())[:90] for row in rows_at(DEFINED[key], points, index))
    return f"{key}({shown}, {options}): lossctl {actual!r}, definition {expected}"
