"""The README and the pages are true: what they show is printed, and their lines install and run."""

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
from tests.docs.pages import (
    BLOCK,
    DOCS,
    FINDINGS,
    PAGES,
    PLAIN,
    TABLE,
    Block,
    agree,
    find_blocks,
    read_commands,
    read_findings,
    read_page,
    read_table,
    run_commands,
    run_in_shell,
)
from tests.support.command_line import ROOT, SAMPLE_DATA, environment

TEXTS = {name: read_page(name) for name in PAGES}
CONSOLE = [(name, block) for name, text in TEXTS.items() for block in find_blocks(text, "console")]
WITH_PYTHON = [name for name, text in TEXTS.items() if find_blocks(text, "python")]
FIRST = find_blocks(TEXTS["README"], "console")[0]
SHELL = find_blocks(TEXTS["README"], "sh")
LANGUAGES = {"console", "python", "sh", "text"}
ONLY_SHOWN = {"text": {"architecture"}, "sh": {"README"}}
"""On which pages there are blocks that the tests of all pages do not run."""
LONGEST_LINE = 100
LARGEST_README = 10_240
INSTALL_SECONDS = 600
AGAIN = ".ci/task docs writes it anew"


def name_block(value: object) -> str:
    return f"line {value.line}" if isinstance(value, Block) else str(value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample data, in which commands may write."""
    return Path(shutil.copytree(SAMPLE_DATA, tmp_path / "sample_data"))


@pytest.mark.parametrize(("name", "block"), CONSOLE, ids=name_block)
def test_commands_print_what_is_shown(name: str, block: Block, folder: Path) -> None:
    commands = read_commands(block.text)
    outputs = run_commands([one.line for one in commands], folder)
    for one, output in zip(commands, outputs, strict=True):
        shown = f"$ {one.line}\n{output}\n--- shown:\n{one.shown}\n--- {AGAIN}"
        assert agree(output, one.shown), shown


@pytest.mark.slow
@pytest.mark.parametrize(("name", "block"), CONSOLE, ids=name_block)
def test_commands_print_what_is_shown_in_a_shell(name: str, block: Block, folder: Path) -> None:
    """Those of plain words too, each in a process that is started anew."""
    commands = read_commands(block.text)
    outputs = run_in_shell([one.line for one in commands], folder)
    assert [agree(output, one.shown) for one, output in zip(commands, outputs, strict=True)] == [
        True
    ] * len(commands)


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_print_what_is_shown(
    name: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The blocks of a page are one session, in their order."""
    monkeypatch.chdir(folder)
    session = "\n".join(block.text for block in find_blocks(TEXTS[name], "python"))
    test = doctest.DocTestParser().get_doctest(session, {"__name__": "__main__"}, name, name, 0)
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert results.failed == 0, "".join(report)
    assert results.attempted >= 3


def test_table_of_losses_is_the_registry() -> None:
    found = {name: TABLE.findall(text) for name, text in TEXTS.items() if TABLE.search(text)}
    assert found == {"losses": [read_table()]}, AGAIN


def test_table_of_findings_is_the_catalogue() -> None:
    found = {name: FINDINGS.findall(text) for name, text in TEXTS.items() if FINDINGS.search(text)}
    assert found == {"check": [read_findings()]}, AGAIN


def test_exit_codes_are_listed() -> None:
    codes = re.findall(r"^\| (\d+) \|", TEXTS["exit-codes"], re.MULTILINE)
    assert [int(code) for code in codes] == [*Exit]


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_of_a_language_that_is_tested(name: str) -> None:
    languages = [found[1] for found in BLOCK.finditer(TEXTS[name])]
    assert set(languages) <= LANGUAGES
    assert TEXTS[name].count("```") == 2 * len(languages)
    for language, pages in ONLY_SHOWN.items():
        assert language not in languages or name in pages


def test_there_are_blocks_to_run() -> None:
    assert len(CONSOLE) >= 30
    assert {"README", "custom-losses", "python"} >= set(WITH_PYTHON) >= {"custom-losses", "python"}
    assert len(SHELL) == 2


def test_readme_shows_each_command_once() -> None:
    lines = [one.line for name, block in CONSOLE if name == "README"
             for one in read_commands(block.text)]  # fmt: skip
    for word in ("compute", "evaluate", "check", "grad", "explain"):
        assert any(line.startswith(f"lossctl {word} ") for line in lines), word


def test_readme_is_short() -> None:
    assert len(TEXTS["README"].encode()) <= LARGEST_README


def test_first_screen_shows_a_command_and_its_output() -> None:
    assert FIRST.line < 10
    assert read_commands(FIRST.text)[0].shown.startswith("╭")


@pytest.mark.parametrize("name", PAGES)
def test_prose_fits_the_line(name: str) -> None:
    prose = BLOCK.sub("", FINDINGS.sub("", TABLE.sub("", TEXTS[name]))).splitlines()
    long = [line for line in prose if len(line) > LONGEST_LINE and line[:1] not in {"|", "!"}]
    assert long == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    prose = BLOCK.sub("", TEXTS[name])
    targets = re.findall(r"\]\(([^)#:]+)\)", prose)
    assert targets or name not in {"README", "index"}
    assert [target for target in targets if not (PAGES[name].parent / target).exists()] == []


def test_index_lists_every_page() -> None:
    listed = re.findall(r"^- \[([\w-]+)\]\(\1\.md\): ", TEXTS["index"], re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")
    assert all(f"(lossctl/docs/{name}.md)" in TEXTS["README"] for name in listed)


def test_task_runs_the_command_for_the_tests() -> None:
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


def test_a_command_may_go_on_below() -> None:
    block = "$ echo a \\\n    b\na b\n$ true\n$ echo c\nc\n"
    commands = read_commands(block)
    assert [one.line for one in commands] == ["echo a \\\n    b", "true", "echo c"]
    assert [one.shown for one in commands] == ["a b\n", "", "c\n"]


def test_shell_keeps_exit_codes_variables_and_both_streams(tmp_path: Path) -> None:
    lines = ["false", "echo $?", "word=kept", "echo $word; echo $word >&2", "lossctl --version"]
    *outputs, version = run_commands(lines, tmp_path)
    assert outputs == ["", "1\n", "", "kept\nkept\n"]
    assert version.startswith("lossctl ")


def test_plain_words_mean_the_same_without_a_shell(tmp_path: Path) -> None:
    lines = ["lossctl show --compare \\\n    ce 'bce'", "lossctl show nothing", "lossctl --version"]
    assert all(PLAIN.fullmatch(line) for line in lines)
    assert run_commands(lines, tmp_path) == run_in_shell(lines, tmp_path)
    for line in (
        "lossctl list | head",
        "lossctl show $x",
        "lossctl check *.npy",
        "lossctl list # all",
    ):
        assert not PLAIN.fullmatch(line)


@pytest.mark.slow
def test_install_line_installs_and_computes(tmp_path: Path) -> None:
    """The line works in a fresh checkout, with nothing but what it installs."""
    checkout = copy_checkout(tmp_path / "checkout")
    done = run_line(SHELL[0].text, checkout)
    first = read_commands(FIRST.text)[0].shown
    assert done.returncode == 0, done.stderr
    assert read_cells(done.stdout) == read_cells(
        first.replace(" preds", " sample_data/preds").replace(" labels", " sample_data/labels")
    )
    bare = checkout / ".venv" / "bin" / "lossctl"
    for words in (
        ["list"],
        ["show", "ce"],
        ["compute", "ce", "--help"],
        ["docs", "losses"],
        ["--version"],
    ):
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
