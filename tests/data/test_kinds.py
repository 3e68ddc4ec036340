"""Kinds of inputs: checks are keyed by what a kind is, not by the words shown to users."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.data.rules.kinds import CHECKS, Context, check
from lossctl.data.rules.rules import NOT_A_NUMBER, OUT_OF_RANGE
from lossctl.kinds import Kind

EditKinds = Callable[[str, str, str], "subprocess.CompletedProcess[str]"]

BROKEN_INDEX = """
import numpy as np, lossctl
from lossctl.errors import DataError
print(lossctl.losses.ce.inputs[1].kinds)
try:
    lossctl.compute("ce", np.zeros((2, 3)), np.array([0, 9]))
except DataError as error:
    print(error)
"""


@pytest.fixture
def edit_kinds(tmp_path: Path) -> EditKinds:
    """Return a function that runs Python on a copy of the package with other kinds."""
    package = Path(lossctl.__file__).parent
    shutil.copytree(package, tmp_path / "lossctl")
    module = tmp_path / "lossctl" / "kinds.py"

    def run(old: str, new: str, code: str) -> subprocess.CompletedProcess[str]:
        source = module.read_text()
        assert source.count(old) == 1
        module.write_text(source.replace(old, new))
        return subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_reworded_kind_keeps_its_check(edit_kinds: EditKinds) -> None:
    run = edit_kinds('"class index"', '"number of a class"', BROKEN_INDEX)
    words, *message = run.stdout.splitlines()
    assert words.startswith("number of a class")
    assert "outside [0, 3)" in message[0], run.stderr


def test_a_kind_without_a_check_does_not_import(edit_kinds: EditKinds) -> None:
    length = 'LENGTH = "length", "length"'
    run = edit_kinds(length, f'{length}\n    ANGLE = "angle", "angle"', BROKEN_INDEX)
    assert run.returncode != 0
    assert "no entry in CHECKS for the kind ANGLE" in run.stderr


def test_words_are_no_part_of_identity() -> None:
    assert len({kind.value for kind in Kind}) == len(Kind)
    for kind in Kind:
        assert Kind(kind.value) is kind
        assert kind.value == kind.name.lower()
        assert kind.label


def test_every_kind_says_what_is_checked() -> None:
    assert set(CHECKS) == set(Kind)
    assert [kind for kind in Kind if not CHECKS[kind]] == [Kind.LENGTH]


def test_checks_find_what_is_broken() -> None:
    index = np.array([0, 3, 1])
    (found,) = check(Kind.INDEX, index, Context(classes=3))
    assert found[0] is OUT_OF_RANGE
    assert found[1].tolist() == [False, True, False]
    (found,) = check(Kind.REAL, np.array([0.0, np.nan]), Context())
    assert found[0] is NOT_A_NUMBER
    assert not list(check(Kind.LENGTH, np.array([-1]), Context()))
