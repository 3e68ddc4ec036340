"""One call of a loss and all that it is given, which every verb of the API makes."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.cli.shared import SHARED
from lossctl.engine.plan.call import Call, make_call
from lossctl.engine.plan.plan import Settings
from lossctl.errors import UsageError
from lossctl.losses.core.registry import find
from tests.support.command_line import environment, run

API = Path(lossctl.__file__).parent / "api"
VERBS = ("compute", "elements", "gradient", "check", "explain", "explain_difference")
X, Y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 1.0])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_the_defaults_of_the_settings(verb: str) -> None:
    usual = {one.name: one.default for one in fields(Settings)} | {"reduction": None}
    parameters = inspect.signature(getattr(lossctl, verb)).parameters
    shared = {name: one.default for name, one in parameters.items() if name in usual}
    assert len(shared) >= 4
    assert shared == {name: usual[name] for name in shared}
    assert {parameters[name].default for name in ("sample_weight", "mask", "classes")} == {None}


@pytest.mark.parametrize(("module", "verb"), [
    ("computation", "compute"), ("computation", "elements"), ("gradients", "gradient"),
    ("checks", "check"), ("explanations", "explain"), ("explanations", "explain_difference"),
])  # fmt: skip
def test_every_verb_makes_one_call_of_all_that_it_is_given(module: str, verb: str) -> None:
    tree = ast.parse((API / f"{module}.py").read_text(encoding="utf-8"))
    function = next(
        one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == verb
    )
    made = [
        one
        for one in ast.walk(function)
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Name)
        and one.func.id == "make_call"
    ]
    assert len(made) == 1
    passed = {one.arg for one in made[0].keywords}
    settings = {one.name for one in fields(Settings)} | {"sample_weight", "mask", "classes"}
    taken = set(inspect.signature(getattr(lossctl, verb)).parameters) & settings
    assert taken <= passed


def test_the_flags_of_every_command_have_the_defaults_of_the_verbs() -> None:
    parameters = inspect.signature(lossctl.compute).parameters
    flags = {one.name: one.default for one in SHARED if one.name in parameters}
    del flags["progress"]  # a switch of the command, a function in Python
    assert flags.pop("reduction") == "mean"  # each loss puts its own there
    assert len(flags) > 8
    assert flags == {name: parameters[name].default for name in flags}


class TestCall:
    def test_the_loss_has_its_own_reduction(self) -> None:
        assert make_call("mse", [X, Y], {}).settings.reduction == "mean"
        assert make_call("keras.huber", [X, Y], {}).settings.reduction == "sum_over_batch_size"
        assert make_call("keras.huber", [X, Y], {}, reduction="sum").settings.reduction == "sum"
        assert make_call(None, [X, Y], {}).settings.reduction == "mean"
        with pytest.raises(UsageError, match="unknown reduction ''"):
            make_call("mse", [X, Y], {}, reduction="").plan()

    def test_threads_are_as_many_as_there_are_cores(self) -> None:
        assert make_call("mse", [X, Y], {}).settings.threads is None
        with pytest.raises(UsageError, match="threads must be at least 1, but is 0"):
            make_call("mse", [X, Y], {}, threads=0).plan()
        with pytest.raises(UsageError, match="threads must be an integer, but is 'all'"):
            make_call("mse", [X, Y], {}, threads="all").plan()

    def test_inputs_are_given_in_their_place_or_by_name(self) -> None:
        for inputs, options in (
            ([X, Y], {"delta": 2.0}),
            ([X], {"delta": 2.0, "target": Y}),
            ([], {"target": Y, "delta": 2.0, "input": X}),
        ):
            call = make_call("huber", inputs, options)
            given, own = call.split()
            assert call.has_inputs
            assert own == {"delta": 2.0}
            assert [one is other for one, other in zip(given, (X, Y), strict=True)] == [True, True]
        assert not make_call("huber", [], {"delta": 2.0}).has_inputs

    def test_a_call_is_planned_as_often_as_wanted(self) -> None:
        call = make_call("huber", [], {"target": Y, "delta": 2.0, "input": X}, nan="omit")
        first, second = call.plan(), call.plan()
        assert first.options == second.options == {"delta": 2.0}
        assert first.settings == second.settings == call.settings

    def test_what_is_not_as_usual_is_listed_as_it_would_be_written(self) -> None:
        assert make_call("ce", [X, Y], {"ignore_index": 1}, dtype="float32").list_changed() == {}
        call = make_call("ce", [X, Y], {}, nan="omit", mask=[1, 1, 0], classes="a,b", class_axis=-1)
        assert list(call.list_changed().items()) == [
            ("class_axis", -1), ("classes", "a,b"), ("mask", [1, 1, 0]), ("nan", "omit"),
        ]  # fmt: skip

    def test_a_call_that_names_no_loss_has_none(self) -> None:
        call = Call(None, (X, Y), {}, Settings())
        with pytest.raises(UsageError, match="neither the name of a loss"):
            _ = call.loss
        assert make_call(find("mse"), [X], {}).loss is find("mse")


class TestChecks:
    def test_inputs_may_be_given_by_name(self) -> None:
        one = lossctl.check("mse", X, Y)
        assert lossctl.check("mse", target=Y, input=X).value == one.value

    @pytest.mark.parametrize("count", [0, 1])
    def test_too_few_inputs_are_one_message(self, count: int, here: Path) -> None:
        word = "input" if count == 1 else "inputs"
        text = f"a check needs predictions and targets, but got {count} {word}"
        given: list[Any] = [X, Y][:count]
        with pytest.raises(UsageError, match=text):
            lossctl.check(None, *given)
        np.save(here / "x.npy", X)
        done = run("check", *["x.npy"][:count])
        assert done.code == 2
        assert text in done.err

    def test_a_loss_counts_its_inputs_as_compute_does(self) -> None:
        messages = []
        for verb in (lossctl.compute, lossctl.check):
            for given in ((X,), (X, Y, Y)):
                with pytest.raises(UsageError) as caught:
                    verb("mse", *given)
                messages.append(str(caught.value))
        assert messages[:2] == messages[2:]


def test_the_api_loads_nothing_that_prints() -> None:
    names = sorted(f"lossctl.api.{one.stem}" for one in API.glob("*.py") if one.stem != "__init__")
    assert len(names) > 5
    code = f"import sys, {', '.join(names)}; print(*(m for m in sys.modules if 'output' in m))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
