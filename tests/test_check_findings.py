"""Every finding: the defect planted in good data is named, and its commands mend it."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl.diagnosis.catalogue import SYMPTOMS, list_symptoms
from tests.command_line import read_json, run
from tests.defects import CLASSES, DEFECTS, GOOD, LABELS, LOGITS, Defect

PYTHON = "python -c "


def check(*words: str) -> dict[str, Any]:
    """Return what a check says."""
    done = run("check", *words, "-f", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = read_json(done.out)
    return found


def find(found: dict[str, Any], code: str) -> dict[str, Any]:
    """Return the first finding of a code."""
    return next(one for one in found["findings"] if one["code"] == code)


def codes(found: dict[str, Any]) -> list[str]:
    """Return the codes of all findings."""
    return [one["code"] for one in found["findings"]]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_wrong_with_good_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words, files = GOOD[name]
    Defect("", "", words, files).save(tmp_path)
    assert codes(check(*words)) == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: f"{one.code}-{one.label}")
def test_a_planted_defect_is_named_and_mended(
    defect: Defect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    defect.save(tmp_path)
    found = check(*defect.words)
    assert defect.code in codes(found)
    finding = find(found, defect.code)
    assert finding["severity"] == defect.severity
    assert finding["message"]
    assert "\n" not in finding["message"]
    assert bool(finding["commands"]) is defect.repaired
    for command in finding["commands"]:
        mended = follow(command)
    if defect.repaired:
        assert defect.code not in codes(mended), find(mended, defect.code)["message"]


def follow(command: str) -> dict[str, Any]:
    """Do what a command says; of a computation, check what it computes."""
    words = shlex.split(command)
    if command.startswith(PYTHON):
        with contextlib.suppress(SystemExit):
            exec(words[2], {})  # noqa: S102 - the line of the finding itself
        return {}
    assert words[:2] == ["lossctl", "compute"]
    done = run("compute", *words[2:])
    assert done.code == 0, (command, done.err)
    return check(*words[2:])


def test_defects_upon_each_other_are_mended_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_hot = np.eye(CLASSES, dtype=np.int64)[LABELS][:, np.newaxis]
    Defect("", "", (), {"x.npy": LOGITS, "y.npy": one_hot}).save(tmp_path)
    found = check("nll", "x.npy", "y.npy")
    assert codes(found) == ["trailing_axis", "one_hot_labels", "positive_log_probability"]
    for finding in found["findings"]:
        for command in finding["commands"]:
            if command.startswith(PYTHON):
                follow(command)
    mended = follow(found["findings"][-1]["commands"][-1])
    assert (mended["loss"], codes(mended)) == ("ce", [])


def test_every_finding_is_planted() -> None:
    list_symptoms()
    assert {one.code for one in DEFECTS} == set(SYMPTOMS)


def test_every_finding_says_what_it_is() -> None:
    for one in list_symptoms():
        assert one.summary.strip(), one.code
        assert one.summary[0].islower() or one.summary.startswith(("(", "NaN"))
        assert not one.summary.endswith(".")
        assert set(one.hides) <= set(SYMPTOMS), one.code
