"""``lossctl run`` as a process: what it writes where, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import run, run_shell

TABLE = "id,p,t\n1,0.5,1\n2,0.25,0\n"
SUITE = """
[defaults]
dataset = "rows.csv"
loss = "mse"
target = "t"

[job.good]
pred = "p"
elements = "found.csv"

[job.broken]
pred = "q"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(TABLE)
    (tmp_path / "suite.toml").write_text(SUITE)
    return tmp_path


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("suite.toml", "suite.toml is the suite itself"),
        ("./rows.csv", "rows.csv is an input, and would be overwritten"),
        ("found.csv", "found.csv would be written twice"),
    ],
)
def test_nothing_is_overwritten(here: Path, output: str, said: str) -> None:
    done = run("run", "suite.toml", "-f", "csv", "-o", output, cwd=here)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert (here / "suite.toml").read_text() == SUITE
    assert (here / "rows.csv").read_text() == TABLE
    assert not (here / "found.csv").exists()


def test_jobs_do_not_write_the_same_file(here: Path) -> None:
    suite = here / "suite.toml"
    suite.write_text(SUITE + 'elements = "../' + here.name + '/found.csv"\n')
    for words in ((), ("--check",)):
        done = run("run", suite, *words)
        assert (done.code, done.out) == (2, "")
        assert "the jobs 'good' and 'broken' both write" in done.err
    assert run("run", suite, "--job", "good").code == 0


def test_errors_stand_where_the_pipe_is_closed(here: Path) -> None:
    done = run_shell("lossctl run suite.toml | true; echo ${PIPESTATUS[0]}", here)
    assert done.out == "2\n"
    assert done.err.startswith("error: job broken: ")


def test_a_suite_that_is_not_there(here: Path) -> None:
    done = run("run", "siute.toml", cwd=here)
    assert done.code == 4
    assert "siute.toml: there is no such file\n  Did you mean suite.toml?" in done.err
