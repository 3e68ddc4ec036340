"""Names of the public API that had another one in the version before: they work, and warn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import CustomLossError, LossctlWarning
from lossctl.losses.core.declaration import Loss

X = np.array([[1.0, 2.0], [3.0, 5.0]])
PAIR = (lossctl.real("input", "N C"), lossctl.real("target", "N C"))


def declare(**keywords: Any) -> Loss:
    @lossctl.loss("mine", **{"inputs": PAIR, **keywords})
    def mine(input: Any, target: Any, *, axis: int = 1, few: bool = False) -> Any:
        return np.abs(input - target).sum(axis=1)

    return mine


def input_has(name: str, value: Any) -> Callable[[str], Any]:
    return lambda old: getattr(lossctl.real("x", "*", **{old: value}), name)


def loss_has(name: str, value: Any) -> Callable[[str], Any]:
    return lambda old: getattr(declare(**{old: value}), name)


PREDICATE = lossctl.InputPredicate("input", "few", bool)
RENAMED = {
    "fits= of real": (input_has("broadcasts", True), True),
    "picked= of real": (input_has("reads_few", True), True),
    "under= of real": (
        input_has("kind_if", (("flag", PAIR[0].form(0).kind),)),
        (("flag", PAIR[0].form(0).kind),),
    ),
    "over= of loss": (loss_has("reduce_axes", "last"), "last"),
    "along= of loss": (loss_has("class_axis_option", "axis"), "axis"),
    "whole= of loss": (loss_has("needs_all_samples", True), True),
    "fits= of Option": (lambda old: lossctl.Option("", **{old: "*"}).broadcast_to, "N *D"),
    "slope= of Transform": (
        lambda old: lossctl.Transform("none", abs, **{old: float}).derivative,
        float,
    ),
}


@pytest.mark.parametrize("name", RENAMED)
def test_an_old_keyword_means_the_new_one_and_warns(name: str) -> None:
    use, expected = RENAMED[name]
    with pytest.warns(LossctlWarning, match=f"{name} is now called") as caught:
        assert use(name.partition("=")[0]) == expected
    assert [warning.filename for warning in caught] == [__file__]


def test_old_functions_of_a_loss_are_called() -> None:
    with pytest.warns(LossctlWarning, match="finish= of loss is now called finalize="):
        assert declare(finish=lambda sums, _: sums["a"]).finalize({"a": 3.0}, {}) == 3.0
    with pytest.warns(LossctlWarning, match="scan= of loss is now called predicate="):
        found = declare(scan=PREDICATE).predicate
    assert (found.input, found.name) == ("input", "few")


def test_what_was_never_a_keyword_is_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"loss\(\) got an unexpected keyword argument 'ovr'"):
        declare(ovr="last")
    with pytest.raises(TypeError, match="unexpected keyword argument 'fit'"):
        lossctl.real("x", "*", fit=True)
    with pytest.raises(TypeError, match="needs the derivative"):
        lossctl.Transform("none", abs)


def test_old_names_are_handed_on() -> None:
    with pytest.warns(LossctlWarning, match=r"lossctl\.Scan is now called lossctl\.InputPredicate"):
        assert lossctl.Scan is lossctl.InputPredicate
    with pytest.warns(LossctlWarning, match="OwnLossError is now called CustomLossError"):
        assert lossctl.errors.OwnLossError is CustomLossError


def test_a_gradient_may_take_the_cotangent_as_upstream() -> None:
    mine = declare()
    with pytest.warns(LossctlWarning, match="upstream, .* is now called cotangent"):

        @mine.gradient
        def slope(input: Any, target: Any, *, upstream: Any) -> Any:
            return np.sign(input - target) * upstream

    found = lossctl.gradient(mine, X, np.zeros((2, 2)), check=True)
    assert found.agreement is not None
    assert found.agreement.agrees
    np.testing.assert_array_equal(found["input"], np.full((2, 2), 0.5))
