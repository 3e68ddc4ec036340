"""The progress bar: on a terminal, for long runs, on standard error."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.output.text.progress import show_progress
from tests.support.command_line import Run, environment, read_terminal, strip_styles

IMPATIENT = """
import sys
from lossctl.output.text import progress
progress.DELAY_S = float(sys.argv.pop(1))
from lossctl.cli import main
main()
"""


def run_with_terminal(
    patience: float, *words: str, cwd: Path, out: int | None = subprocess.PIPE, **env: str
) -> Run:
    """Run lossctl with standard error on a terminal and standard output in a pipe.

    With ``out=None``, both are on the terminal, and what it received is returned as it is.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", IMPATIENT, str(patience), *words],
        cwd=cwd,
        env=environment(TERM="xterm-256color", COLUMNS="100") | env,
        stdout=theirs if out is None else out,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = read_terminal(ours)
    printed, _ = process.communicate(timeout=60)
    return Run(process.returncode, printed or "", strip_styles(shown) if out else shown)


@pytest.fixture
def mse(tmp_path: Path) -> tuple[str, ...]:
    """Return the words of a run over ten blocks."""
    for name in ("p", "y"):
        np.save(tmp_path / name, np.zeros(1_300_000, np.float32))
    return ("compute", "mse", "p.npy", "y.npy", "-f", "value")


def test_shows_samples_and_rate(tmp_path: Path, mse: tuple[str, ...]) -> None:
    done = run_with_terminal(0, *mse, cwd=tmp_path)
    assert (done.code, done.out) == (0, "0.0\n")
    assert "samples" in done.err
    assert "/1300000" in done.err
    assert "/s" in done.err


@pytest.mark.parametrize("words", [("--no-progress",), ()])
def test_is_silent_when_told_or_quick(
    tmp_path: Path, mse: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = run_with_terminal(0 if words else 60, *mse, *words, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "0.0\n", "")


def test_is_silent_by_the_environment(tmp_path: Path, mse: tuple[str, ...]) -> None:
    done = run_with_terminal(0, *mse, cwd=tmp_path, LOSSCTL_PROGRESS="0")
    assert (done.code, done.err) == (0, "")


def test_per_element_losses_show_it_too(tmp_path: Path, mse: tuple[str, ...]) -> None:
    done = run_with_terminal(0, *mse[:4], "-r", "none", "-o", "losses.npy", cwd=tmp_path)
    assert done.code == 0
    assert "/1300000" in done.err
    assert np.load(tmp_path / "losses.npy").shape == (1_300_000,)


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("-f", "value"), "nan"),
        ((), "│ value"),
        (("-r", "none"), "│ sample"),
        (("-r", "none", "--limit", "6000"), "│ sample"),
        (("-r", "none", "-o", "losses.npy"), "warning:"),
    ],
)
def test_goes_before_anything_is_printed(
    tmp_path: Path, mse: tuple[str, ...], words: tuple[str, ...], printed: str
) -> None:
    values = np.zeros(1_300_000, np.float32)
    values[-1] = np.nan
    np.save(tmp_path / "p", values)
    done = run_with_terminal(0, *mse[:4], *words, cwd=tmp_path, out=None)
    assert done.code == 0
    assert "/1300000" in done.err
    shown = strip_styles(done.err)
    assert shown.count("warning:") == 1
    last = max(shown.rindex("samples ━"), shown.rindex("\x1b[2K"))  # drawn, and wiped out
    assert shown.rindex("\x1b[2K") == last
    assert last < min(shown.index(printed), shown.index("warning:"))


def test_lines_on_a_terminal_are_progress_enough(tmp_path: Path, mse: tuple[str, ...]) -> None:
    np.save(tmp_path / "p", np.zeros(20_000))
    np.save(tmp_path / "y", np.zeros(20_000))
    done = run_with_terminal(0, *mse[:4], "-r", "none", "-f", "value", cwd=tmp_path, out=None)
    assert (done.code, done.err) == (0, "0.0\n" * 20_000)


def test_nothing_off_a_terminal() -> None:
    with show_progress(wanted=True) as progress:
        assert progress is None


def test_a_callback_in_python_hears_of_every_block() -> None:
    heard: list[tuple[int, int | None]] = []
    values = np.zeros(300_000)
    lossctl.compute("l1", values, values, progress=lambda done, total: heard.append((done, total)))
    assert [total for _, total in heard] == [300_000] * len(heard)
    assert len(heard) > 1
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    assert heard[-1] == (300_000, 300_000)


def test_rows_of_text_are_guessed_from_the_bytes_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "x.csv", 400_000
    path.write_text("a,b\n" + "1.25,2.25\n" * rows)
    heard: list[tuple[int, int | None]] = []
    words = (f"{path}#a", f"{path}#b")
    lossctl.compute("mse", *words, threads=1, progress=lambda *told: heard.append(told))
    assert len(heard) > 1
    for _, total in heard:
        assert total == pytest.approx(rows, rel=1e-4)
    assert heard[-1] == (rows, rows)
    told: list[int | None] = []
    lossctl.evaluate(
        path, pred="a", target="b", loss="mse", progress=lambda _, total: told.append(total)
    )
    assert told[-1] == rows
