"""``lossctl docs``: the list of pages, a page in a pipe and on a terminal."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, read_page
from tests.support.command_line import (
    run,
    run_on_terminal,
    run_process,
    run_shell,
    strip_styles,
)

NAMES = sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")
WRITES_WHAT_IT_IS_SHOWN = "import sys; open('shown.txt', 'w').write(sys.stdin.read())"


def test_list_has_a_line_for_each_page() -> None:
    done = run("docs")
    assert (done.code, done.err) == (0, "")
    pages, _, hint = done.out.rstrip("\n").rpartition("\n\n")
    assert sorted(line.split()[0] for line in pages.splitlines()) == NAMES
    assert all(len(line) <= 80 and len(line.split()) > 3 for line in pages.splitlines())
    assert "lossctl docs PAGE" in hint


@pytest.mark.parametrize("name", NAMES)
def test_page_in_a_pipe_is_its_markdown(name: str) -> None:
    done = run("docs", name)
    assert (done.code, done.out, done.err) == (0, read_page(name), "")


def test_page_fits_a_narrow_encoding() -> None:
    done = run_process("docs", "check", PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert "$ lossctl check ce probs.npy labels.npy\n" in done.out


@pytest.mark.parametrize("name", ["evalaute", "index", "README", "../docs/check"])
def test_unknown_page_is_a_wrong_call(name: str) -> None:
    done = run("docs", name)
    assert (done.code, done.out) == (2, "")
    assert f"there is no page {name!r}" in done.err
    assert "'lossctl docs' lists all pages" in done.err


def test_nearest_name_is_proposed() -> None:
    assert "Did you mean evaluate?" in run("docs", "evalaute").err


def test_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    done = run_shell("lossctl docs losses | head -n 1; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.out, done.err) == ("# The losses\n0\n", "")


@pytest.mark.parametrize("pager", ["cat", "", "no-such-pager"])
def test_page_is_drawn_on_a_terminal(tmp_path: Path, pager: str) -> None:
    done = run_on_terminal("docs", "evaluate", cwd=tmp_path, PAGER=pager)
    assert (done.code, done.err) == (0, "")
    assert "\x1b[" in done.out
    shown = strip_styles(done.out).splitlines()
    assert "Evaluate a dataset" in shown[0].strip()
    assert "Slices" in [line.strip() for line in shown]
    assert not any(line.startswith(("#", "```")) for line in shown)
    assert max(len(line) for line in shown if not line.startswith("  ")) <= 80
    rows = [line for line in read_page("evaluate").splitlines() if line[:1] == "│"]
    assert len(rows) > 20
    assert [line[2:] for line in shown if line[2:3] == "│"] == rows


def test_tables_are_not_wrapped_on_a_terminal(tmp_path: Path) -> None:
    wide = max((line for line in read_page("compute").splitlines() if line[:1] == "│"), key=len)
    assert len(wide) > 100
    done = run_on_terminal("docs", "compute", cwd=tmp_path, PAGER="cat")
    assert f"  {wide}\n" in strip_styles(done.out)


def test_nothing_of_a_narrow_table_is_cut(tmp_path: Path) -> None:
    done = run_on_terminal("docs", "architecture", cwd=tmp_path, PAGER="cat")
    shown = re.sub(r"\s", "", strip_styles(done.out))
    assert "engine/gradients/re" in shown
    assert shown.count("…") == read_page("architecture").count("…")


def test_pager_is_the_one_of_the_environment(tmp_path: Path) -> None:
    pager = f'{sys.executable} -c "{WRITES_WHAT_IT_IS_SHOWN}"'
    done = run_on_terminal("docs", "exit-codes", cwd=tmp_path, PAGER=pager)
    assert (done.code, done.out, done.err) == (0, "", "")
    shown = strip_styles((tmp_path / "shown.txt").read_text(encoding="utf-8"))
    assert "Exit codes" in shown
    assert "(python.md)" not in shown, "a terminal cannot follow it"


def test_pager_that_is_left_early_ends_quietly(tmp_path: Path) -> None:
    done = run_on_terminal("docs", "losses", cwd=tmp_path, PAGER="true")
    assert (done.code, done.out, done.err) == (0, "", "")
