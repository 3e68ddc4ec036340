"""The runner of tasks, and what names its tasks: the whole run, the hooks, the guide."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.pages import BLOCK
from tests.support.command_line import ROOT

TASKS = ["lint", "types", "test", "golden", "docs", "coverage", "bench"]


def run_task(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / ".ci" / "task"), *words],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def find_tasks(file: str) -> list[str]:
    return re.findall(r"\.ci/task (\w+)", (ROOT / file).read_text(encoding="utf-8"))


def test_help_lists_the_tasks() -> None:
    done = run_task("--help")
    assert done.returncode == 0
    assert re.findall(r"^  \.ci/task (\w+)", done.stdout, re.MULTILINE) == TASKS


@pytest.mark.parametrize("words", [(), ("nothing",)])
def test_other_words_are_a_wrong_call(words: tuple[str, ...]) -> None:
    done = run_task(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert ".ci/task lint" in done.stderr


def test_arguments_are_passed_on() -> None:
    done = run_task("test", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pytest ")


def test_failure_of_a_tool_is_that_of_the_task() -> None:
    assert run_task("docs", "no-such-page").returncode == 1


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (".ci/run", {"lint", "types", "test"}),
        (".pre-commit-config.yaml", {"lint", "types"}),
        (".github/CONTRIBUTING.md", set(TASKS)),
    ],
)
def test_tasks_that_are_named_exist(file: str, named: set[str]) -> None:
    assert set(find_tasks(file)) == named


@pytest.mark.parametrize(
    "file", [".github/CONTRIBUTING.md", "tests/README.md", "tests/benchmarks/README.md"]
)
def test_links_of_guides_lead_to_files(file: str) -> None:
    guide = ROOT / file
    prose = BLOCK.sub("", guide.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#:]+)\)", prose)
    assert targets or file == "tests/benchmarks/README.md"
    assert [target for target in targets if not (guide.parent / target).exists()] == []
