"""Names of losses as users type them: with options, in any spelling, in tables and gates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import UsageError
from lossctl.losses.core.names import spell
from lossctl.losses.core.options import split_options
from lossctl.losses.core.registry import registry
from tests.support.command_line import read_json, run, save

LOGITS = np.array([[2.0, 0.5, 0.1], [0.1, 1.5, 0.2], [0.3, 0.2, 0.1], [0.0, 1.0, 2.0]])
LABELS = np.array([0, 1, 2, 0])


@pytest.fixture
def files(here: Path) -> list[str]:
    return [save(here, "a", LOGITS, "npy"), save(here, "b", LABELS, "npy")]


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("ce", "ce", []),
        ("ce()", "ce", []),
        ("ce:x=1,y=2", "ce", ["x=1", "y=2"]),
        ("ce(x=1, y=2)", "ce", ["x=1", "y=2"]),
        ("ce(weight=1,2,3, y=2)", "ce", ["weight=1,2,3", "y=2"]),
        ("./f.py:wing:omega=1", "./f.py:wing", ["omega=1"]),
        ("./f.py:wing(omega=1)", "./f.py:wing", ["omega=1"]),
        ("C:/f (1).py:wing", "C:/f (1).py:wing", []),
    ],
)
def test_options_are_split_from_the_name(text: str, name: str, parts: list[str]) -> None:
    found, options = split_options(text)
    assert (found, [one.replace(" ", "") for one in options]) == (name, parts)


FORMS = ("ce:ignore_index=0", "ce(ignore_index=0)", "ce:ignore-index=0", "ce(ignore-index = 0)")


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_mean_the_flag_in_compute_and_check(self, files: list[str], form: str) -> None:
        for flag in ("--ignore-index", "--ignore_index"):
            expected = run("compute", "ce", *files, flag, "0", "-f", "value")
            assert run("compute", form, *files, "-f", "value") == expected
            checked = run("check", "ce", *files, flag, "0", "-f", "json")
            assert run("check", form, *files, "-f", "json") == checked
        assert expected.value != run("compute", "ce", *files, "-f", "value").value

    @pytest.mark.parametrize("form", FORMS)
    def test_mean_the_flag_in_grad_and_explain(self, files: list[str], form: str) -> None:
        for command, more in (("grad", ["-o", "-", "-f", "csv"]), ("explain", ["--row", "1"])):
            expected = run(command, "ce", *files, "--ignore-index", "0", *more)
            assert expected.code == 0
            assert run(command, form, *files, *more).out == expected.out

    @pytest.mark.parametrize("form", FORMS)
    def test_mean_the_option_in_evaluate_and_python(self, files: list[str], form: str) -> None:
        words = ["evaluate", "--pred", files[0], "--target", files[1], "-f", "value"]
        expected = float(lossctl.compute("ce", LOGITS, LABELS, ignore_index=0).value)
        assert run(*words, "--loss", form).value == expected
        assert float(lossctl.compute(form, LOGITS, LABELS).value) == expected
        dataset = lossctl.evaluate(pred=LOGITS, target=LABELS, loss=[("ce", {"ignore-index": 0})])
        assert dataset.overall[0].value == expected

    def test_an_option_given_twice_is_refused(self, files: list[str]) -> None:
        done = run("compute", "ce:ignore_index=0", *files, "--ignore-index", "1")
        assert (done.code, "given twice" in done.err) == (2, True)
        with pytest.raises(UsageError, match="given twice"):
            lossctl.compute("ce:ignore_index=0", LOGITS, LABELS, ignore_index=1)


class TestTables:
    def test_keep_the_typed_name_and_json_the_key(self, here: Path) -> None:
        files = [save(here, name, [1.0, 2.0, 4.0], "npy") for name in ("a", "b")]
        assert "mean_absolute_error" in run("compute", "mean_absolute_error", *files).out
        document = read_json(run("compute", "mean_absolute_error", *files, "-f", "json").out)
        assert document["loss"] == "l1"
        save(here, "r", [1, 2, 1], "npy")
        words = ["evaluate", "--pred", files[0], "--pred", "r.npy", "--target", files[1]]
        words += ["--loss", "mean_absolute_error", "--loss", "huber(delta=2)"]
        shown = run(*words, "--worst", "1")
        assert shown.code == 0
        for typed in ("mean_absolute_error", "huber(delta=2)"):
            assert shown.out.count(typed) >= 4  # overall, compared, and the worst rows of both
        assert "l1" not in shown.out
        document = read_json(run(*words, "-f", "json").out)
        assert document["losses"] == ["l1", "huber:delta=2"]
        assert "typed" not in document


class TestGates:
    @pytest.mark.parametrize("key", ["l1", "keras.mean_absolute_error", "optax.l2", "mse"])
    def test_match_any_name(self, key: str) -> None:
        loss = registry()[key]
        for name in (*spell(loss), *loss.spellings, key.upper()):
            found = lossctl.evaluate(
                pred=LOGITS, target=LOGITS, loss=key, fail_if=[f"{name} > 0.5"]
            )
            assert [one.passed for one in found.verdicts] == [True]
            assert found.verdicts[0].condition == f"{name} > 0.5"

    @pytest.mark.parametrize(
        "gate", ["ce(ignore_index=0) > 9", "ce:ignore-index=0 > 9", "CrossEntropyLoss > 9"]
    )
    def test_match_options_in_any_form(self, gate: str) -> None:
        found = lossctl.evaluate(
            pred=LOGITS, target=LABELS, loss="cross_entropy:ignore_index=0", fail_if=[gate]
        )
        assert found.passed

    @pytest.mark.parametrize("gate", ["ce(ignore_index=1) > 9", "mse > 9"])
    def test_refuse_what_is_not_evaluated(self, gate: str) -> None:
        with pytest.raises(UsageError, match="is not one of the losses"):
            lossctl.evaluate(pred=LOGITS, target=LABELS, loss="ce:ignore_index=0", fail_if=[gate])

    def test_a_name_of_two_losses_is_refused(self) -> None:
        losses = ["ce:ignore_index=0", "ce:ignore_index=1"]
        with pytest.raises(UsageError, match="is not one of the losses"):
            lossctl.evaluate(
                pred=LOGITS, target=LABELS, loss=losses, fail_if=["CrossEntropyLoss > 9"]
            )
