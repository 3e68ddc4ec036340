"""No command writes over what it reads, or writes a file twice, however the paths are spelled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.errors import OverwriteError
from tests.support.command_line import environment, run

CUSTOM = """
import lossctl
@lossctl.loss("own", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
def own(input, target):
    "Own."
    return abs(input - target)
"""
SUITE = """
[job.first]
dataset = "t.csv"
pred = "p"
target = "y"
loss = "l1"
elements = "rows.csv"
[job.second]
pred = "x.data"
target = "y.data"
sample-weight = "w.data"
loss = "l1"
elements = "more.csv"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory of inputs whose names any format of output may have."""
    rng = np.random.default_rng(0)
    arrays = {
        "scores.data": rng.random((6, 3)),
        "labels.data": rng.integers(0, 3, 6),
        "x.data": rng.random(6),
        "y.data": rng.random(6),
        "w.data": rng.random(6) + 0.5,
        "m.data": np.ones(6),
        "k.data": np.array([1.0, 2, 3]),
        "g.data": np.arange(6) % 2,
        "x.npy": rng.random(6),
        "y.npy": rng.random(6),
    }
    for name, array in arrays.items():
        with (tmp_path / name).open("wb") as file:
            np.save(file, array)
    (tmp_path / "names.data").write_text("cat\ndog\ncow\n")
    (tmp_path / "own.py").write_text(CUSTOM)
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "t.csv").write_text(
        "p,y,w,g\n" + "".join(f"{i / 7},{i % 3},{i + 1},{i % 2}\n" for i in range(6))
    )
    done = run("compute", "l1", "x.npy", "y.npy", "--save-state", "s.data", cwd=tmp_path)
    assert done.code == 0
    return tmp_path


CE = ("scores.data", "labels.data", "--sample-weight", "w.data", "--mask", "m.data")
CE_READS = ("scores.data", "labels.data", "w.data", "m.data", "k.data", "names.data")
CE_FLAGS = ("--weight", "k.data", "--classes", "names.data")
L1 = ("x.data", "y.data", "--sample-weight", "w.data", "--mask", "m.data")
EVALUATE = (
    "evaluate", "t.csv", "--pred", "m=scores.data", "--target", "labels.data",
    "--sample-weight", "w.data", "--mask", "m.data", "--by", "g.data", "--id", "y.data",
    "--cluster-by", "x.data", "--ci", "0.9", "--ci-method", "cluster",
    "--classes", "names.data", "--loss", "ce:weight=k.data",
)  # fmt: skip
EVALUATE_READS = (*CE_READS, "t.csv", "g.data", "x.data", "y.data")
TABLE = (
    "evaluate",
    "t.csv",
    "--pred",
    "p",
    "--target",
    "y",
    "--sample-weight",
    "w",
    "--loss",
    "l1",
)
COMMANDS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "compute": (("compute", "ce", *CE, *CE_FLAGS, "-f", "json"), "-o", CE_READS),
    "state": (("compute", "ce", *CE, *CE_FLAGS), "--save-state", CE_READS),
    "elements": (
        ("compute", "l1", *L1, "-r", "none", "-f", "json"), "-o", ("x.data", "y.data", "w.data"),
    ),
    "custom": (("compute", "own.py:own", *L1[:2], "-f", "json"), "-o", ("own.py", "x.data")),
    "grad": (("grad", "l1", "x.npy", "y.npy"), "-o", ("x.npy", "y.npy")),
    "check": (("check", "ce", *CE, *CE_FLAGS, "--id", "g.data", "-f", "json"), "-o",
              (*CE_READS, "g.data")),
    "explain": (("explain", "ce", *CE, *CE_FLAGS, "--row", "1", "-f", "json"), "-o", CE_READS),
    "evaluate": ((*EVALUATE, "-f", "json"), "-o", EVALUATE_READS),
    "rows": (TABLE, "--elements", ("t.csv",)),
    "run": (("run", "suite.toml", "-f", "json"), "-o",
            ("suite.toml", "t.csv", "x.data", "y.data", "w.data")),
    "merge": (("merge", "s.data", "-f", "json"), "-o", ("s.data",)),
}  # fmt: skip
SPELLINGS = {
    "same": lambda path: path.name,
    "absolute": str,
    "dots": lambda path: f"./sub/../{path.name}",
    "link": lambda path: link(path, "link"),
    "hard": lambda path: link(path, "hard"),
    "folder": lambda path: f"folder/{path.name}",
}


CASES = [
    (name, read, spelling)
    for name, (_, _, reads) in COMMANDS.items()
    for place, read in enumerate(reads)
    for number, spelling in enumerate(SPELLINGS)
    if place == 0 or number % 3 == place % 3
]
"""Each file that each command reads; the first of them in every spelling."""


def link(path: Path, kind: str) -> str:
    made = path.with_name(f"{kind}-{path.name}")
    (made.symlink_to if kind == "link" else made.hardlink_to)(path)
    return made.name


@pytest.mark.parametrize(("name", "read", "spelling"), CASES)
def test_no_input_is_overwritten(here: Path, name: str, read: str, spelling: str) -> None:
    (here / "sub").mkdir()
    (here / "folder").symlink_to(here)
    words, flag, _ = COMMANDS[name]
    path = here / read
    if path.suffix == ".csv":  # a format of its own
        words = tuple(one for one in words if one not in ("-f", "json"))
    before = path.read_bytes()
    done = run(*words, flag, SPELLINGS[spelling](path), cwd=here)
    assert (done.code, done.out) == (2, ""), done.err
    assert "would be overwritten" in done.err or "is the suite itself" in done.err, done.err
    assert path.read_bytes() == before
    assert not (here / "rows.csv").exists()


@pytest.mark.parametrize("name", [one for one in COMMANDS if one not in ("state", "rows")])
def test_no_file_is_written_twice(here: Path, name: str) -> None:
    words, _, _ = COMMANDS[name]
    suffix = ".npy" if name == "grad" else ".json"
    (here / "sub").mkdir()
    (here / f"link{suffix}").symlink_to(here / f"a{suffix}")
    for other in (f"a{suffix}", f"sub/../a{suffix}", f"link{suffix}"):
        done = run(*words, "-o", f"a{suffix}", "-o", other, cwd=here)
        assert (done.code, done.out) == (2, "")
        assert "would be written twice" in done.err
        assert not (here / f"a{suffix}").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("compute", "l1", "x.npy", "y.npy", "-o", "a.json", "--save-state", "./a.json"),
        (*TABLE, "-o", "a.csv", "--elements", "./a.csv"),
        ("run", "suite.toml", "-o", "./rows.csv"),
        ("run", "suite.toml", "-o", "more.csv"),
    ],
    ids=lambda words: words[0],
)
def test_outputs_of_two_kinds_are_two_files(here: Path, words: tuple[str, ...]) -> None:
    done = run(*words, cwd=here)
    assert (done.code, done.out) == (2, "")
    assert "would be written twice" in done.err


@pytest.mark.parametrize(
    ("rows", "file"),
    [('"rows.csv"', "t.csv"), ('"more.csv"', "t.csv"), ('"more.csv"', "suite.toml")],
)
def test_rows_of_a_job_do_not_overwrite_what_a_job_reads(here: Path, rows: str, file: str) -> None:
    text = SUITE.replace(rows, f'"./{file}"')  # run again, the suite would read other data
    (here / "suite.toml").write_text(text)
    before = (here / file).read_bytes()
    done = run("run", "suite.toml", cwd=here)
    assert done.code == 2
    assert "would be overwritten" in done.err
    assert (here / file).read_bytes() == before


def test_a_job_may_read_what_an_earlier_one_writes(here: Path) -> None:
    reader = '[job.third]\ndataset = "rows.csv"\npred = "l1"\ntarget = "row"\nloss = "l1"\n'
    (here / "suite.toml").write_text(SUITE + reader)
    for _ in range(2):
        done = run("run", "suite.toml", cwd=here)
        assert done.code == 0, done.err


def test_standard_input_that_is_a_file(here: Path) -> None:
    before = (here / "x.npy").read_bytes()
    with (here / "x.npy").open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "lossctl", "compute", "l1", "-", "y.npy", "-o", "x.npy"],
            stdin=file, cwd=here, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "would be overwritten" in done.stderr
    assert (here / "x.npy").read_bytes() == before


def test_devices_and_other_files_are_written(here: Path) -> None:
    words = ("compute", "l1", "x.npy", "y.npy", "-f", "json")
    assert run(*words, "-o", os.devnull, "-o", os.devnull, cwd=here).code == 0
    assert run(*words, "-o", "new.json", "-o", "other.json", cwd=here).code == 0
    assert run(*words, "-o", "new.json", cwd=here).code == 0


def test_python_refuses_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    with pytest.raises(OverwriteError):
        lossctl.compute("l1", "x.npy", "y.npy", save_state="./x.npy")
    with pytest.raises(OverwriteError):
        lossctl.gradient("l1", "x.npy", "y.npy", output=["a.npy", "y.npy"])
    with pytest.raises(OverwriteError):
        lossctl.gradient("l1", "x.npy", "y.npy", output=["a.npy", "./a.npy"])
    with pytest.raises(OverwriteError):
        lossctl.evaluate("t.csv", pred="p", target="y", loss="l1", elements="./t.csv")
