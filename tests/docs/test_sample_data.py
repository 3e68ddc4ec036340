"""The sample data: every command of its README runs clean and gives the value shown."""

from __future__ import annotations

import re
import shlex

import pytest

import lossctl
from tests.docs.pages import ROW, is_shown_as
from tests.support.command_line import SAMPLE_DATA, run

README = (SAMPLE_DATA / "README.md").read_text(encoding="utf-8")
ROWS = ROW.findall(README)
EXAMPLES = {one["key"]: one["example"] for one in lossctl.describe_all()}
LARGEST_TOTAL = 2_000_000


@pytest.mark.parametrize(("what", "line", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_command_gives_the_value_shown(what: str, line: str, shown: str) -> None:
    done = run(*shlex.split(line), "-f", "value", cwd=SAMPLE_DATA)
    assert done.err == ""
    assert is_shown_as(done.value, shown), (done.value, shown)


def test_first_table_has_the_example_of_every_loss() -> None:
    """So that the examples of the declarations run without warnings too."""
    keys = set(EXAMPLES)
    shown = {what: f"lossctl {line}" for what, line, _ in ROWS if what in keys}
    assert shown == EXAMPLES, ".ci/task docs sample_data writes the table anew"


def test_every_command_is_tested() -> None:
    assert README.count("`lossctl ") == len(ROWS) >= len(EXAMPLES)


def test_every_file_is_described_and_no_other() -> None:
    files = {path.name for path in SAMPLE_DATA.iterdir() if path.is_file()} - {"README.md"}
    described = set(re.findall(r"`([\w-]+\.(?:npy|npz|csv|parquet|toml|py))`", README))
    assert described == files


def test_files_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in SAMPLE_DATA.iterdir() if path.is_file()}
    assert sum(sizes.values()) < LARGEST_TOTAL, sizes


@pytest.mark.parametrize(
    ("value", "shown", "same"),
    [
        (0.3228429, "0.322843", True),
        (0.3228436, "0.322843", False),
        (3310.0064, "3310.01", True),
        (3310.02, "3310.01", False),
        (-44.2949, "44.2949", False),
        (1337.5991, "1337.6", True),
    ],
)
def test_values_are_compared_to_the_digits_shown(value: float, shown: str, same: bool) -> None:
    assert is_shown_as(value, shown) is same
