"""Steps of a user's own loss: told by nobody, told by the user, and told wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import CustomLossError, LossctlWarning
from tests.support.command_line import run
from tests.support.own_code import WING

STEPS = """
from lossctl import Step

@wing.steps
def explain_wing(x, y, *, omega, epsilon):
    distance = np.abs(x - y)
    yield Step("distance", "|x − y|", distance)
    yield Step("within", "|x − y| < ω", bool(distance < omega))
    last = distance - omega + omega * np.log1p(omega / epsilon)
    near = omega * np.log1p(distance / epsilon)
    yield Step("loss", "ω log(1 + |x − y| / ε), or its line", near if distance < omega else last)
"""
PREDICTED, TRUE = [0.0, 1.0, 40.0], [0.0, 3.0, 1.0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("p.npy", PREDICTED)
    np.save("y.npy", TRUE)
    return tmp_path


def write(folder: Path, code: str) -> None:
    (folder / "mine.py").write_text(WING + code, encoding="utf-8")


def test_inputs_options_and_loss_are_told_of_any_loss(folder: Path) -> None:
    write(folder, "")
    found = lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1, omega=5.0)
    assert [step.key for step in found.steps] == [
        "input", "target", "omega", "epsilon", "loss", "denominator", "contribution", "result",
    ]  # fmt: skip
    assert (found["input"], found["target"], found["omega"]) == (1.0, 3.0, 5.0)
    assert found["loss"] == found.value == pytest.approx(5 * np.log1p(1.0))


def test_its_own_steps(folder: Path) -> None:
    write(folder, STEPS)
    for row in range(3):
        found = lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=row)
        assert found["loss"] == pytest.approx(found.value, rel=1e-15)
        assert found["within"] is (row < 2)
    done = run("explain", "./mine.py:wing", "p.npy", "y.npy", "--row", "2")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"│ within +\|x − y\| < ω +no │", done.out)
    assert "within" in run("explain", "mine.py:wing").out


def test_a_file_that_changes_tells_its_new_steps(folder: Path) -> None:
    write(folder, STEPS)
    lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1)
    write(folder, STEPS.replace('"within"', '"near"'))
    found = lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1)
    assert "near" in [step.key for step in found.steps]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("np.abs(x - y)\n    yield", "x.no_such\n    yield"), "AttributeError"),
        (('yield Step("loss"', 'yield Step("lost"'), "its last step is not called 'loss'"),
        (('yield Step("within", "|x − y| < ω", bool(distance < omega))', "yield 3"), "yielded 3"),
        (("omega, epsilon):\n    distance", "omega, sigma):\n    distance"), "sigma"),
    ],
)
def test_faults_are_told_with_their_place(
    folder: Path, change: tuple[str, str], message: str
) -> None:
    code = STEPS.replace(*change)
    assert code != STEPS
    write(folder, code)
    with pytest.raises(CustomLossError, match=message) as caught:
        lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1)
    assert caught.value.message.startswith("mine.py")
    assert "your own code" in caught.value.remedy


def test_steps_that_end_elsewhere(folder: Path) -> None:
    write(folder, STEPS.replace("near if distance < omega else last", "near"))
    with pytest.warns(LossctlWarning, match=r"the steps of mine.py:wing end at .*, but its loss"):
        lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=2)


def test_steps_are_told_once(folder: Path) -> None:
    write(folder, STEPS + STEPS)
    with pytest.raises(CustomLossError, match=r"the steps of mine.py:wing are declared twice"):
        lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1)


def test_in_a_session() -> None:
    @lossctl.loss("gap", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
    def gap(input: Any, target: Any, *, power: int = 1) -> Any:
        return abs(input - target) ** power

    @gap.steps
    def explain_gap(x: Any, y: Any, *, power: int) -> Iterator[lossctl.Step]:
        yield lossctl.Step("distance", "|x − y|", abs(x - y))
        yield lossctl.Step("loss", "distance ** power", abs(x - y) ** power)

    assert lossctl.explain(gap, [1.0, 2.0], [1.0, 5.0], row=1, power=2)["loss"] == 9.0
    found = lossctl.explain_difference("mse", gap, [1.0, 2.0], [1.0, 5.0], row=1)
    assert found.pairs[found.divergence].key == "loss"


def test_an_option_cannot_be_called_row() -> None:
    with pytest.raises(CustomLossError, match="which every loss has already"):

        @lossctl.loss("gap", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
        def gap(input: Any, target: Any, *, row: int = 1) -> Any:
            return abs(input - target)


def test_the_old_way_to_declare_them(folder: Path) -> None:
    old = STEPS.replace("import Step", "import Step, steps").replace("@wing.steps", "@steps(wing)")
    assert old != STEPS
    write(folder, old)
    with pytest.warns(LossctlWarning, match=r"@lossctl.steps\(LOSS\) is now called @LOSS.steps"):
        found = lossctl.explain("mine.py:wing", "p.npy", "y.npy", row=1)
    assert found["within"] is True
