"""Losses of one's own: in a file, in a session; and whose fault an error is."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.cli.shared import NAMES
from lossctl.errors import CustomLossError, DataError, FileError, UsageError
from lossctl.losses.core import inputs as kinds
from lossctl.losses.core.inputs import Input
from lossctl.losses.custom.attribution import LOADED
from lossctl.losses.custom.validation import RESERVED
from tests.support.command_line import read_json, read_table, run, run_process
from tests.support.own_code import PREDICTED, TRUE, WING, own_loss, write


def expect_wing(omega: float = 10.0, epsilon: float = 2.0) -> np.ndarray[Any, np.dtype[Any]]:
    distance = np.abs(PREDICTED - TRUE)
    beyond = distance - omega + omega * np.log1p(omega / epsilon)
    return np.where(distance < omega, omega * np.log1p(distance / epsilon), beyond)


class TestInAFile:
    def test_is_computed_like_any_other(self, folder: Path) -> None:
        done = run_process(
            "compute", "./my_losses.py:wing", "p.npy", "y.npy", "--omega", "5", cwd=folder
        )
        assert (done.code, done.err) == (0, "")
        shown = read_table(done.out)
        assert shown["loss"] == "./my_losses.py:wing(omega=5.0)"  # as it was typed
        assert float(shown["value"]) == pytest.approx(expect_wing(5.0).mean(), rel=1e-5)

    @pytest.mark.parametrize(
        "name", ["my_losses.py:wing", "./my_losses.py:Wing", "my_losses.py:wing_distance"]
    )
    def test_is_found_by_its_names(self, folder: Path, name: str) -> None:
        assert lossctl.compute(name, PREDICTED, TRUE).value == expect_wing().mean()

    def test_is_found_by_an_absolute_path(self, folder: Path) -> None:
        name = f"{folder / 'my_losses.py'}:wing"
        assert lossctl.compute(name, PREDICTED, TRUE).name == "my_losses.py:wing"

    def test_elements_weights_and_masks(self, folder: Path) -> None:
        result = lossctl.compute(
            "my_losses.py:wing", "p.npy", "y.npy", reduction="none", epsilon=1.0
        )
        assert np.array_equal(result.elements, expect_wing(epsilon=1.0))
        weighed = lossctl.compute("my_losses.py:wing", PREDICTED, TRUE, sample_weight=[1, 0, 0, 3])
        losses = expect_wing()
        assert weighed.value == pytest.approx((losses[0] + 3 * losses[3]) / 4, rel=1e-15)

    def test_has_flags_with_types_and_bounds(self, folder: Path) -> None:
        shown = run("compute", "./my_losses.py:wing", "--help", env={"COLUMNS": "160"}).out
        for text in ("--omega", "where the logarithm ends (above 0)", "[default: 10.0]"):
            assert text in shown
        assert "--epsilon" in shown
        done = run("compute", "./my_losses.py:wing", "p.npy", "y.npy", "--omega", "0")
        assert (done.code, "omega of my_losses.py:wing must be above 0" in done.err) == (2, True)
        done = run("compute", "./my_losses.py:wing", "p.npy", "y.npy", "--epsilon", "two")
        assert (done.code, "--epsilon must be a number" in done.err) == (2, True)
        done = run("compute", "./my_losses.py:wing", "p.npy", "y.npy", "--omga", "1")
        assert (done.code, "Did you mean --omega" in done.err) == (2, True)

    def test_its_data_are_checked(self, folder: Path) -> None:
        np.save("short.npy", TRUE[:3])
        done = run("compute", "./my_losses.py:wing", "p.npy", "short.npy")
        assert (done.code, "4 samples" in done.err) == (3, True)

    def test_blocks_threads_and_states_give_the_same_bits(self, folder: Path) -> None:
        random = np.random.default_rng(4)
        big, other = random.normal(size=(2, 900_000)) * 20
        one = lossctl.compute("my_losses.py:wing", big, other, threads=1)
        for threads in (2, 5):
            many = lossctl.compute("my_losses.py:wing", big, other, threads=threads)
            assert many.value == one.value
        for part in (1, 2):
            lossctl.compute(
                "my_losses.py:wing", big, other, part=(part, 2), save_state=f"{part}.json"
            )
        assert lossctl.merge(["1.json", "2.json"]).value == one.value

    def test_found_from_many_threads_at_once(self, folder: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            work = [
                pool.submit(lossctl.compute, "my_losses.py:wing", PREDICTED, TRUE)
                for _ in range(32)
            ]
        assert {one.result().value for one in work} == {expect_wing().mean()}

    def test_results_can_be_pickled(self, folder: Path) -> None:
        result = lossctl.compute("my_losses.py:wing", PREDICTED, TRUE, omega=3)
        assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own bytes

    def test_list_and_show(self, folder: Path) -> None:
        done = run("list", "./my_losses.py")
        assert (done.code, done.err) == (0, "")
        assert "my_losses.py:wing" in done.out
        assert "1 loss." in done.out
        shown = run("show", "./my_losses.py:wing").out
        for text in ("my_losses.py:wing", "Logarithmic near zero", "--omega NUMBER", "default 2.0"):
            assert text in shown
        assert "Formula" not in shown
        document = read_json(run("show", "./my_losses.py:wing", "-f", "json").out)
        assert document["losses"][0]["library"] == "my_losses.py"
        compared = run("show", "--compare", "./my_losses.py:wing", "huber").out
        assert "--omega" in compared
        assert "--delta" in compared

    def test_is_shown_as_it_is_typed_from_here(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "further").mkdir()
        code = own_loss("return input", more=", aliases=('gap',), example='a.npy b.npy'")
        write(folder / "further", code)
        shown = run("show", "further/bad.py:mine").out
        assert "bad.py:mine  (bad.py:gap)\n" in shown
        assert "lossctl compute further/bad.py:mine a.npy b.npy\n" in shown
        helped = run("compute", "further/bad.py:mine", "--help").out
        assert "lossctl compute further/bad.py:mine a.npy b.npy" in helped

    def test_an_option_is_broadcast_to_inputs_of_any_shape(self, folder: Path) -> None:
        option = "a: Annotated[np.ndarray | None, Option('factor', broadcast_to='*')] = None"
        body = "return input if a is None else input * a"
        name = write(folder, "from typing import Annotated\n" + own_loss(body, option))
        for factor in (2.0, np.arange(4.0)):
            result = lossctl.compute(name, PREDICTED, TRUE, a=factor)
            assert result.value == (PREDICTED * factor).mean()
        matrix = np.ones((3, 2))
        assert lossctl.compute(name, matrix, matrix, a=[1.0, 3.0]).value == 2.0

    def test_what_a_file_prints_when_it_runs_is_no_result(self, folder: Path) -> None:
        name = write(folder, "print('loaded')\n" + own_loss("return input"))
        done = run_process("compute", name, "p.npy", "y.npy", "-f", "value", cwd=folder)
        assert (done.code, float(done.out), done.err) == (0, PREDICTED.mean(), "loaded\n")

    def test_is_no_loss_of_lossctl(self, folder: Path) -> None:
        write(folder, own_loss("return 0 * input + 7.0", key="mse"), "other.py")
        assert lossctl.compute("other.py:mse", PREDICTED, TRUE).value == 7.0
        assert lossctl.compute("mse", PREDICTED, TRUE).value != 7.0
        lossctl.compute("other.py:mse", PREDICTED, TRUE, save_state="a.json")
        lossctl.compute("mse", PREDICTED, TRUE, save_state="b.json")
        with pytest.raises(UsageError):
            lossctl.merge(["a.json", "b.json"])
        assert "mine" not in run("list").out

    def test_an_edit_counts_at_once(self, folder: Path) -> None:
        for number in (1, 2, 3):
            name = write(folder, own_loss(f"return 0 * input + {number}.0"))
            assert lossctl.compute(name, PREDICTED, TRUE).value == number
        assert not (folder / "__pycache__").exists()

    def test_neighbours_can_be_imported_in_either_way(self, folder: Path) -> None:
        other = folder / "other"
        other.mkdir()
        for place, number in ((folder, 1), (other, 2)):
            (place / "shared_part.py").write_text(f"NUMBER = {number}.0\n")
            for statement in ("from shared_part import NUMBER", "from .shared_part import NUMBER"):
                code = own_loss("return 0 * input + NUMBER")
                write(place, f"{statement}\n{code}", "near.py")
                assert lossctl.compute(f"{place}/near.py:mine", PREDICTED, TRUE).value == number
        assert "shared_part" not in sys.modules
        assert str(other) not in sys.path
        kept = [name for name in sys.modules if name.split(".")[-1] in ("near", "shared_part")]
        assert all(name.startswith(LOADED) for name in kept)

    def test_dataclasses_and_late_annotations_work(self, folder: Path) -> None:
        code = WING.replace("import numpy", "from dataclasses import dataclass\nimport numpy", 1)
        code = "from __future__ import annotations\n" + code
        code += "\n\n@dataclass\nclass Settings:\n    omega: float = 1.0\n"
        write(folder, code, "late.py")
        assert lossctl.compute("late.py:wing", PREDICTED, TRUE, omega=2).value > 0


class TestReferences:
    def test_a_name_that_the_file_lacks(self, folder: Path) -> None:
        done = run("compute", "./my_losses.py:wign", "p.npy", "y.npy")
        assert (done.code, "Did you mean wing?" in done.err) == (2, True)

    def test_a_file_without_a_name(self, folder: Path) -> None:
        for words in (("compute", "my_losses.py", "p.npy"), ("show", "my_losses.py:")):
            done = run(*words)
            assert (done.code, "Name one: my_losses.py:wing" in done.err) == (2, True)

    def test_a_file_that_is_not_there(self, folder: Path) -> None:
        done = run("compute", "./none.py:wing", "p.npy", "y.npy")
        assert (done.code, "./none.py: No such file" in done.err) == (4, True)
        (folder / "room.py").mkdir()
        with pytest.raises(FileError, match="directory"):
            lossctl.describe("room.py:wing")

    def test_list_of_what_is_no_python_file(self, folder: Path) -> None:
        done = run("list", "p.npy")
        assert (done.code, "is not a Python file" in done.err) == (2, True)

    @pytest.mark.parametrize("value", [3, np.abs, None])
    def test_what_is_neither_name_nor_loss(self, value: Any) -> None:
        with pytest.raises(UsageError, match="neither the name"):
            lossctl.compute(value, PREDICTED, TRUE)


class TestInASession:
    def declare(self) -> Any:
        @lossctl.loss("gap", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
        def gap(input: Any, target: Any, *, power: int = 1, sign: bool = False) -> Any:
            gap = np.abs(input - target) ** power
            return -gap if sign else gap

        return gap

    def test_is_passed_itself_or_called(self) -> None:
        gap = self.declare()
        expected = np.abs(PREDICTED - TRUE)
        assert lossctl.compute(gap, PREDICTED, TRUE).value == expected.mean()
        assert gap(PREDICTED, TRUE, power=2).value == (expected**2).mean()
        assert gap(PREDICTED, TRUE, sign=True).value == -expected.mean()
        blocks = list(lossctl.elements(gap, PREDICTED, TRUE))
        assert np.array_equal(np.concatenate(blocks), expected)

    def test_may_be_declared_again_and_again(self) -> None:
        assert self.declare() is not self.declare()
        assert lossctl.describe(self.declare())["key"] == "tests.gap"

    def test_says_little_and_that_is_enough(self) -> None:
        described = lossctl.describe(self.declare())
        assert json.loads(json.dumps(described)) == described
        assert (described["family"], described["summary"], described["formula"]) == ("own", "", "")
        assert [one["type"] for one in described["options"]] == ["int", "bool"]

    def test_errors_come_with_their_cause(self) -> None:
        @lossctl.loss("odd", inputs=(lossctl.real("input", "*"),))
        def odd(input: Any) -> Any:
            raise LookupError("lost")

        with pytest.raises(CustomLossError, match="in odd: LookupError: lost") as caught:
            odd(PREDICTED)
        assert isinstance(caught.value.__cause__, LookupError)
        assert "test_files.py, line " in caught.value.message

    def test_in_a_script_has_the_name_of_its_file(self, tmp_path: Path) -> None:
        script = tmp_path / "evaluate.py"
        script.write_text(WING + "\n\nprint(wing([1.0], [2.0]).name)\n")
        done = run_process_of_python(str(script))
        assert done == "evaluate.py:wing\n"
        assert run_process_of_python("-c", script.read_text()) == "__main__.wing\n"


def run_process_of_python(*words: str) -> str:
    import subprocess

    from tests.support.command_line import environment

    done = subprocess.run(
        [sys.executable, *words], env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_reserved_are_the_names_that_every_computation_has() -> None:
    calls = lossctl.compute, lossctl.gradient, lossctl.explain, lossctl.explain_difference
    api = {name for call in calls for name in inspect.signature(call).parameters} - {"options"}
    assert {*api, *NAMES, "why_differs", "help"} == RESERVED


class TestPublicNames:
    def test_every_kind_of_input_is_offered(self) -> None:
        makers = [
            name
            for name, value in vars(kinds).items()
            if callable(value) and getattr(value, "__module__", "") == kinds.__name__
            and not name.startswith("_") and not isinstance(value, type)
        ]  # fmt: skip
        assert len(makers) > 15
        for name in makers:
            assert getattr(lossctl, name) is getattr(kinds, name)
            assert name in lossctl.__all__

    def test_every_name_that_is_offered_is_there(self) -> None:
        for name in lossctl.__all__:
            assert getattr(lossctl, name) is not None
        assert isinstance(lossctl.real("input", "*"), Input)

    def test_none_of_them_hides_a_loss(self) -> None:
        assert set(lossctl.__all__) & {"mse", "ce", "huber"} == set()


def test_unreadable_file_is_a_file_error(tmp_path: Path) -> None:
    path = tmp_path / "closed.py"
    path.write_text(WING)
    path.chmod(0)
    if os.access(path, os.R_OK):
        path.unlink()
    with pytest.raises(FileError):
        lossctl.describe(f"{path}:wing")


def test_data_errors_are_no_usage_errors() -> None:
    assert issubclass(CustomLossError, UsageError)
    assert not issubclass(CustomLossError, DataError)
