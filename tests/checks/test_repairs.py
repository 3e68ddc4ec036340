"""A repair keeps what is missing, and makes nothing worse."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checks.defects import DEFECTS, Defect
from tests.support.command_line import read_json, run

LATE = -10
"""The row in which a NaN is planted: behind those that a check looks at first."""


def check(*words: str) -> dict[str, Any]:
    done = run("check", *words, "-f", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = read_json(done.out)
    return found


def list_programs(found: dict[str, Any]) -> list[str]:
    commands = [one for finding in found["findings"] for one in finding["commands"]]
    return [one for one in commands if one.startswith("python -c ")]


def execute(program: str) -> None:
    with contextlib.suppress(SystemExit):
        exec(shlex.split(program)[2], {})  # noqa: S102 - the line of the finding itself


PLANTED = [one for one in DEFECTS if one.repaired and one.code != "nan"]


@pytest.mark.parametrize("defect", PLANTED, ids=lambda one: f"{one.code}-{one.label}")
def test_no_repair_makes_a_number_of_what_is_missing(
    defect: Defect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in defect.files.items():
        if not isinstance(content, np.ndarray) or name not in defect.words or content.ndim == 0:
            continue
        defect.save(tmp_path)
        lost = content.astype(np.float64)
        lost[max(LATE, -len(lost))] = np.nan
        np.save(name, lost)
        for program in list_programs(check(*defect.words)):
            execute(program)
            fixed = tmp_path / f"{Path(name).stem}-fixed.npy"
            if f'np.save("{fixed.name}"' in program:
                assert np.isnan(np.load(fixed)).any(), program


def test_logits_as_targets_get_their_softmax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    base = 3 * rng.normal(size=(60, 5))
    np.save("base.npy", base)
    np.save("quant.npy", base + 0.1 * rng.normal(size=base.shape))
    found = check("kl_div", "quant.npy", "base.npy")
    targets = [one for one in found["findings"] if one["input"] == "target"]
    assert targets
    for one in targets:
        assert "softmax" in one["repair"], one
        execute(one["commands"][0])
        expected = np.exp(base) / np.exp(base).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.load("base-fixed.npy"), expected, rtol=1e-12)


def test_percentages_are_divided_and_not_clipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.arange(60) % 2
    shares = np.where(labels, 0.8, 0.3)
    np.save("x.npy", 100 * shares)
    np.save("y.npy", labels)
    (finding,) = [one for one in check("bce", "x.npy", "y.npy")["findings"] if one["commands"]]
    execute(finding["commands"][0])
    np.testing.assert_allclose(np.load("x-fixed.npy"), shares)


def test_a_clamp_of_what_is_no_probability_is_not_clipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.linspace(1, 40, 60))
    np.save("y.npy", np.where(np.arange(60) == 3, 0.0, np.linspace(1, 41, 60)))
    found = check("keras.mean_absolute_percentage_error", "x.npy", "y.npy")
    (finding,) = [one for one in found["findings"] if one["code"] == "clamped"]
    assert "1 denominator was clamped" in finding["message"]
    assert finding["commands"] == []


def test_255_is_a_label_to_ignore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.arange(60, dtype=np.uint8) % 4
    np.save("x.npy", np.eye(4)[labels] * 5)
    np.save("y.npy", np.where(np.arange(60) == 3, np.uint8(255), labels))
    (finding,) = [
        one for one in check("ce", "x.npy", "y.npy")["findings"] if one["code"] == "integer_wrap"
    ]
    assert finding["message"].endswith("255, no class: usually a label to ignore")
    assert finding["commands"][-1].endswith("--ignore-index 255")
