"""What test files declare of losses: a lack is said with the page to read, a double refused."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lossctl.losses.core.registry import registry
from tests.losses.declare import (
    GUIDE,
    cases,
    declared_keys,
    definition,
    find_formula,
    home,
    missing,
    recomputed,
    reference,
)
from tests.support.guide import find_page

ROOT = Path(__file__).parents[2]
FAILING = """\
import pytest

@pytest.mark.parametrize("key", ["huber"])
def test_a_loss(key):
    assert not key

def test_something_else():
    assert not 1
"""


@pytest.mark.parametrize("key", registry())
def test_its_test_file_declares_what_is_tested(key: str) -> None:
    assert missing(registry()[key]) == []
    assert (ROOT / home(registry()[key])).is_file()


def test_no_test_file_declares_what_is_no_loss() -> None:
    assert set(declared_keys()) == set(registry())


def test_what_a_test_file_lacks_is_said_with_the_page_to_read() -> None:
    """Of a loss that no test file knows, each thing is named with its place and the guide."""
    planted = dataclasses.replace(registry()["l1"], key="planted", family="boxes")
    told = missing(planted)
    lacks = [re.findall(r"planted has no @?(\w+)", line) for line in told]
    assert lacks == [["cases"], ["reference"], ["definition"]]
    for line in told:
        assert f"tests/losses/boxes/torch.py declares it. Read {GUIDE}." in line


def test_nothing_is_declared_twice() -> None:
    with pytest.raises(ValueError, match="cases of huber is declared twice"):
        cases("huber")(lambda _: iter(()))
    with pytest.raises(ValueError, match="reference of huber is declared twice"):
        reference("huber", "torch.nn.functional.l1_loss")
    with pytest.raises(ValueError, match="definition of huber is declared twice"):
        definition("huber", points=list)(lambda *_: (0, 0))
    with pytest.raises(ValueError, match="is recomputed twice"):
        recomputed({("distance", "|d|"): lambda _: 0})


def test_a_step_is_found_by_name_and_formula_or_by_name_alone() -> None:
    assert find_formula("distance", "|d|") is not None
    assert find_formula("element losses", "d²") is find_formula("loss", "d²")
    assert find_formula("overlap", "IoU = I / (U + 1e-7)") is not None
    assert find_formula("distance", "no such formula") is None


def test_the_page_of_a_test() -> None:
    page = find_page("tests/cli/test_help.py::test_show[pinball]", {"key": "pinball"})
    assert GUIDE in page
    assert "tests/losses/regression/sklearn.py" in page
    assert ".ci/task golden pinball" in page
    assert GUIDE in find_page("tests/losses/test_registry.py::test_no_name_means_two_losses", {})
    table = find_page("tests/docs/test_sample_data.py::test_first_table", {})
    assert GUIDE in table
    assert ".ci/task docs losses sample_data" in table
    assert find_page("tests/docs/test_pages.py::test_prose_fits_the_line[evaluate]", {}) == ""
    assert find_page("tests/data/test_csv.py::test_rows", {"key": "a key of another kind"}) == ""


def test_the_report_of_a_failing_test_names_the_page(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.support.guide import *", encoding="utf-8")
    (tmp_path / "test_planted.py").write_text(FAILING, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path,
         "-c", "/dev/null", tmp_path],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    first, second = done.stdout.split("test_something_else", 1)
    assert first.count(GUIDE) == 1, done.stdout
    assert "tests/losses/regression/torch.py" in first
    assert GUIDE not in second
