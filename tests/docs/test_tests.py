"""The page on the tests is true: every folder is in its table, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command_line import ROOT
from tests.support.duration import SECONDS, announce

TESTS = ROOT / "tests"
TEXT = (TESTS / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w/]+)/` \| .* \|(.*)\|$", TEXT, re.MULTILINE))


def test_every_folder_is_in_the_table() -> None:
    folders = {one.name for one in TESTS.iterdir() if one.is_dir() and one.name != "__pycache__"}
    assert {name.partition("/")[0] for name in ROWS} == folders


def test_every_room_of_the_package_has_its_folder() -> None:
    rooms = {one.parent.name for one in (ROOT / "lossctl").glob("*/__init__.py")}
    assert rooms <= set(ROWS)


@pytest.mark.parametrize("folder", [name for name in ROWS if name != "losses/FAMILY"])
def test_files_to_look_at_are_there(folder: str) -> None:
    for name in re.findall(r"`([^`]+)`", ROWS[folder]):
        assert (TESTS / folder / name).is_file()


def test_files_in_the_text_are_there() -> None:
    for name in re.findall(r"`(\w+/\w+\.py)`", TEXT.partition("\n## ")[2]):
        assert (TESTS / name).is_file()
    for name in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert Path(TESTS, name).exists()


def test_a_run_says_how_long_it_takes() -> None:
    assert "about 1 minute on 2 idle cores" in announce(120, 2)
    assert "about 5 minutes on 1 idle core;" in announce(250, 1)


def test_a_run_of_everything_is_as_short_as_promised() -> None:
    assert SECONDS <= 8 * 60
    assert "8 minutes of processor time" in TEXT
