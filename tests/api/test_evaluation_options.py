"""The options of an evaluation: declared once, and found wherever they are written."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lossctl
from lossctl.api import datasets
from lossctl.evaluation import suite
from lossctl.evaluation.request import request
from lossctl.evaluation.request.evaluation_options import (
    EvaluationOptions,
    Value,
    list_defaults,
    list_specs,
)
from lossctl.evaluation.request.request import Request, make_request
from tests.support.command_line import environment, run

PACKAGE = Path(lossctl.__file__).parent
DECLARATIONS = Path("evaluation/request/evaluation_options.py")
BEFORE = "    dtype: Annotated["
PLANTED = """    planted: Annotated[
        int, OptionSpec(Value.INTEGER, "a planted option", UNCERTAINTY, metavar="SEEDS", least=3)
    ] = 7
"""
PROGRAM = """
import inspect, json, sys
import lossctl
from lossctl.evaluation import suite
open("suite.toml", "w").write("[job.one]\\npred = 'a'\\nloss = 'mse'\\nplanted = 9\\n")
parameter = inspect.signature(lossctl.evaluate).parameters["planted"]
found = lossctl.evaluate(pred=[1.0], target=[2.0], loss="mse", planted=4)
usual = lossctl.evaluate(pred=[1.0], target=[2.0], loss="mse")
print(json.dumps({
    "file": lossctl.__file__,
    "default": parameter.default,
    "type": parameter.annotation.__name__,
    "suite": suite.read_suite("suite.toml").jobs[0].settings["planted"],
    "asked": found.settings["planted"],
    "usual": usual.settings["planted"],
    "told": found.to_dict()["settings"]["planted"],
}))
"""


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package in which one more option is declared."""
    shutil.copytree(PACKAGE, tmp_path / "lossctl", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "lossctl" / DECLARATIONS
    source = file.read_text(encoding="utf-8")
    assert source.count(BEFORE) == 1
    file.write_text(source.replace(BEFORE, PLANTED + BEFORE), encoding="utf-8")
    return tmp_path


def run_planted(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(PYTHONPATH=str(folder)),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


class TestAPlantedOption:
    def test_python_suites_and_results_have_it(self, planted: Path) -> None:
        found = json.loads(run_planted(planted, "-c", PROGRAM))
        assert Path(found.pop("file")).parent.parent == planted
        assert found == {
            "default": 7, "type": "int", "suite": 9, "asked": 4, "usual": 7, "told": 4,
        }  # fmt: skip

    def test_the_command_has_it(self, planted: Path) -> None:
        (planted / "t.csv").write_text("p,y\n1,2\n", encoding="utf-8")
        shown = run_planted(planted, "-m", "lossctl", "evaluate", "--help")
        assert "--planted" in shown
        assert "SEEDS" in shown
        assert "a planted option" in shown
        words = ("evaluate", "t.csv", "--pred", "p", "--target", "y", "--loss", "mse")
        out = run_planted(planted, "-m", "lossctl", *words, "--planted", "5", "-f", "json")
        assert json.loads(out)["settings"]["planted"] == 5
        with pytest.raises(subprocess.CalledProcessError) as refused:
            run_planted(planted, "-m", "lossctl", *words, "--planted", "2")
        assert "--planted must be at least 3, but is 2" in refused.value.stderr


def test_the_parameters_of_python_are_the_options() -> None:
    parameters = inspect.signature(lossctl.evaluate).parameters
    assert set(parameters) == {*list_specs(), "progress"}
    assert {
        name: one.default for name, one in parameters.items() if one.default is not one.empty
    } == (list_defaults())
    assert parameters["dataset"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {one.kind for name, one in parameters.items() if name != "dataset"} == {
        inspect.Parameter.KEYWORD_ONLY
    }
    assert parameters["ci"].annotation == float | None
    assert inspect.signature(datasets.plan_evaluation).parameters == parameters


def test_the_keys_of_a_suite_are_the_options() -> None:
    assert list(suite.KEYS) == [name.replace("_", "-") for name in list_specs()]
    assert suite.KEYS["show"] == Value.NAMES


def test_a_result_tells_every_option_that_changes_its_numbers() -> None:
    settings = lossctl.evaluate(pred=[1.0], target=[2.0], loss="mse").settings
    assert set(list_specs()) - set(settings) == {"elements", "threads"}
    assert set(settings) <= set(list_specs())


@pytest.mark.parametrize("words", [(), ("-o", "found.json"), ("--elements", "rows.csv")])
def test_a_command_plans_its_evaluation_once(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = []

    def count(options: EvaluationOptions) -> Request:
        planned.append(options)
        return make_request(options)

    monkeypatch.setattr(request, "make_request", count)
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("p,y\n1,2\n", encoding="utf-8")
    asked = ("evaluate", "t.csv", "--pred", "p", "--target", "y", "--loss", "mse")
    assert run(*asked, *words).code == 0
    assert [one.dataset for one in planned] == ["t.csv"]
    for file in words[1:]:
        assert Path(file).is_file()


def test_what_is_no_option_is_refused() -> None:
    with pytest.raises(TypeError, match="'preds'"):
        lossctl.evaluate(preds=[1.0], pred=[1.0], loss="mse")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'pred'"):
        lossctl.evaluate(target=[1.0], loss="mse")  # type: ignore[call-arg]
