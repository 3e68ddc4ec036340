"""The README is true: what it shows is what is printed, and its lines install and run."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lossctl.errors import Exit
from tests.docs.readme import (
    BLOCK,
    FINDINGS,
    TABLE,
    Block,
    agree,
    find_blocks,
    read_commands,
    read_findings,
    read_readme,
    read_table,
    run_commands,
)
from tests.support.command_line import ROOT, SAMPLE_DATA, environment

TEXT = read_readme()
CONSOLE = find_blocks(TEXT, "console")
PYTHON = find_blocks(TEXT, "python")
SHELL = find_blocks(TEXT, "sh")
LONGEST_LINE = 100
INSTALL_SECONDS = 600


def name_block(block: Block) -> str:
    return f"line {block.line}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample data, in which commands may write."""
    return Path(shutil.copytree(SAMPLE_DATA, tmp_path / "sample_data"))


@pytest.mark.parametrize("block", CONSOLE, ids=name_block)
def test_commands_print_what_is_shown(block: Block, folder: Path) -> None:
    commands = read_commands(block.text)
    outputs = run_commands([one.line for one in commands], folder)
    for one, output in zip(commands, outputs, strict=True):
        assert agree(output, one.shown), f"$ {one.line}\n{output}\n--- shown:\n{one.shown}"


def test_python_blocks_print_what_is_shown(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The blocks are one session, in the order of the page."""
    monkeypatch.chdir(folder)
    session = "\n".join(block.text for block in PYTHON)
    test = doctest.DocTestParser().get_doctest(
        session, {"__name__": "__main__"}, "README.md", "README.md", 0
    )
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert results.failed == 0, "".join(report)
    assert results.attempted >= 8


def test_table_of_losses_is_the_registry() -> None:
    found = TABLE.findall(TEXT)
    assert found == [read_table()], "python -m tests.docs.readme writes the table anew"


def test_table_of_findings_is_the_catalogue() -> None:
    found = FINDINGS.findall(TEXT)
    assert found == [read_findings()], "python -m tests.docs.readme writes the table anew"


def test_exit_codes_are_listed() -> None:
    section = TEXT.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [*Exit]


def test_every_block_is_of_a_language_that_is_tested() -> None:
    assert {found[1] for found in BLOCK.finditer(TEXT)} == {"console", "python", "sh"}
    assert TEXT.count("```") == 2 * len([*CONSOLE, *PYTHON, *SHELL])
    assert len(CONSOLE) >= 8
    assert len(SHELL) == 2


def test_first_screen_shows_a_command_and_its_output() -> None:
    assert CONSOLE[0].line < 10
    assert read_commands(CONSOLE[0].text)[0].shown.startswith("╭")


def test_prose_fits_the_line() -> None:
    prose = BLOCK.sub("", FINDINGS.sub("", TABLE.sub("", TEXT))).splitlines()
    assert [line for line in prose if len(line) > LONGEST_LINE] == []


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_ci_runs_the_command_for_the_tests() -> None:
    pytest_line = SHELL[1].text.strip().rpartition(".venv/bin/")[2]
    assert pytest_line.startswith("pytest ")
    assert pytest_line in (ROOT / ".ci" / "task").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("actual", "shown"),
    [
        ("value 0.29777940063086994\n", "value 0.29777940063086994\n"),
        ("value 0.29777940063086994\n", "value 0.2977794006308699\n"),
        ("value 2561.3721000000014\n", "value 2561.3721\n"),
    ],
)
def test_numbers_may_differ_in_their_last_digits(actual: str, shown: str) -> None:
    assert agree(actual, shown)


@pytest.mark.parametrize(
    ("actual", "shown"),
    [
        ("value 0.29777940063086994\n", "value 0.29777940163086994\n"),
        ("value 0.297779\n", "value 0.297780\n"),
        ("value 0.297779\n", "value 0.297779"),
        ("value 0.297779\n", "loss 0.297779\n"),
        ("899\n", "898\n"),
        ("", "0.297779\n"),
    ],
)
def test_other_texts_do_not_agree(actual: str, shown: str) -> None:
    assert not agree(actual, shown)


def test_shell_keeps_exit_codes_variables_and_both_streams(tmp_path: Path) -> None:
    lines = ["false", "echo $?", "word=kept", "echo $word; echo $word >&2", "lossctl --version"]
    *outputs, version = run_commands(lines, tmp_path)
    assert outputs == ["", "1\n", "", "kept\nkept\n"]
    assert version.startswith("lossctl ")


@pytest.mark.slow
def test_install_line_installs_and_computes(tmp_path: Path) -> None:
    """The line works in a fresh checkout, with nothing but what it installs."""
    checkout = copy_checkout(tmp_path / "checkout")
    done = run_line(SHELL[0].text, checkout)
    first = read_commands(CONSOLE[0].text)[0].shown
    assert done.returncode == 0, done.stderr
    assert read_cells(done.stdout) == read_cells(
        first.replace(" preds", " sample_data/preds").replace(" labels", " sample_data/labels")
    )
    bare = checkout / ".venv" / "bin" / "lossctl"
    for words in (["list"], ["show", "ce"], ["compute", "ce", "--help"], ["--version"]):
        other = run_line(f"{bare} {' '.join(words)}", tmp_path)
        assert (other.returncode, other.stderr) == (0, ""), words


def copy_checkout(folder: Path) -> Path:
    """Copy what belongs to the project, without what tools have left in it."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    left_out = shutil.ignore_patterns(".git", *(name.rstrip("/") for name in ignored))
    return Path(shutil.copytree(ROOT, folder, ignore=left_out))


def run_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell with nothing of this process's Python in its environment."""
    outside = {key: value for key, value in environment().items() if not key.startswith("PYTHON")}
    base = Path(sys.base_prefix, "bin")
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**outside, "PATH": os.pathsep.join([str(base), outside["PATH"]]), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )


def read_cells(table: str) -> list[list[str]]:
    """Return the words of each row of a printed table, whatever its width."""
    rows = [line.strip("│ \n").split("│") for line in table.splitlines() if "│" in line]
    return [[" ".join(cell.split()) for cell in row] for row in rows]
