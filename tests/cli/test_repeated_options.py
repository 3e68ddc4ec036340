"""An option that is given twice is accumulated or refused: no value is dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer

import lossctl
from lossctl.cli import app
from lossctl.cli.check import build_command as build_check
from lossctl.errors import UsageError
from lossctl.losses.core.registry import list_losses
from tests.support.command_line import SAMPLE_DATA, read_json, run

ACCUMULATED = {
    "--pred", "--loss", "--by", "--fail-if", "--where", "--show", "--output", "--job",
}  # fmt: skip
"""The options whose documented meaning is to be repeated."""
LOSSES = [loss.key for loss in list_losses()]
ROOT: Any = typer.main.get_command(app)
GROUPS = ("compute", "grad", "explain")
COMMANDS = [(name,) for name in ROOT.list_commands(None) if name not in (*GROUPS, "check", "help")]
COMMANDS += [("check",), *((group, loss) for group in (*GROUPS, "check") for loss in LOSSES)]


def find_command(path: tuple[str, ...]) -> Any:
    name, *rest = path
    if name == "check":
        return build_check(rest)
    command = ROOT.get_command(None, name)
    return command.get_command(None, rest[0]) if rest else command


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_accumulated_or_refused(path: tuple[str, ...]) -> None:
    command = find_command(path)
    options = [one for one in command.params if one.param_type_name == "option"]
    assert options or path[0] == "docs"
    for option in options:
        flag = max(option.opts, key=len)
        if option.multiple:
            assert flag in ACCUMULATED
            continue
        words = [flag, *([] if option.is_flag else ["first"])]
        others = [max(option.secondary_opts, key=len)] if option.secondary_opts else []
        if option.is_flag and not others:  # given once or twice, it means the same
            continue
        others = others or [option.opts[0], "second"]
        with pytest.raises(UsageError) as refused:
            command.make_context("lossctl", [*words, *others])
        for value in [flag, *others] if option.is_flag else ["first", "second"]:
            assert value in refused.value.message
        assert "given" in refused.value.message


def test_the_root_refuses_too() -> None:
    with pytest.raises(UsageError, match="--style"):
        probe = typer.Typer()

        @probe.command()
        def main(style: str = "") -> None:
            pass

        from lossctl.cli.values import take_plain_values

        command: Any = take_plain_values(typer.main.get_command(probe))
        command.make_context("probe", ["--style", "a", "--style", "b"])


def test_two_values_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", [[1.0, 2], [0.5, 0.1], [2, 0]])
    np.save(tmp_path / "y.npy", [0, -1, 1])
    done = run(
        *("compute", "ce", "x.npy", "y.npy", "--ignore-index", 0, "--ignore-index", -1),
        cwd=tmp_path,
    )
    assert done.code == 2
    assert "--ignore-index was given twice: '0' and '-1'" in done.err
    thrice = run("compute", "ce", "x.npy", "y.npy", *(["--ignore-index", 0] * 3), cwd=tmp_path)
    assert "given 3 times" in thrice.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--target", "a", "--target", "b"),
        ("--mask", "a", "--mask", "b"),
        ("--id", "a", "--id", "b"),
        ("--cluster-by", "a", "--cluster-by", "b"),
        ("--on", "a", "--on", "b"),
        ("--ci", "0.9", "--ci", "0.95"),
    ],
    ids=lambda flags: flags[0],
)
def test_evaluate_takes_one_of_each(flags: tuple[str, ...]) -> None:
    done = run("evaluate", "d.csv", "--pred", "p", "--loss", "l1", *flags)
    assert done.code == 2
    assert f"{flags[0]} was given twice: {flags[1]!r} and {flags[3]!r}" in done.err


def test_every_condition_of_where_must_hold(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("p,y\n0.1,0\n0.2,0\n0.3,0\n0.6,0\n")
    words = ["evaluate", path, "--pred", "p", "--target", "y", "--loss", "l1"]
    both = ["--where", "p > 0.15", "--where", "p < 0.5"]
    found = read_json(run(*words, *both, "-f", "json").out)
    assert found["rows"] == 2
    assert found["settings"]["where"] == ["p > 0.15", "p < 0.5"]
    assert read_json(run(*words, *both[:2], "-f", "json").out)["settings"]["where"] == "p > 0.15"
    asked: dict[str, Any] = {"pred": "p", "target": "y", "loss": "l1"}
    assert lossctl.evaluate(path, **asked, where=["p > 0.15", "p < 0.5 or p > 9"]).rows == 2
    refused = run(*words, *both, "--where", "q > 1")
    assert "--where 'q > 1': there is no column 'q'" in refused.err
    suite = tmp_path / "suite.toml"
    suite.write_text(
        "[job.a]\ndataset = 'r.csv'\npred = 'p'\ntarget = 'y'\nloss = 'l1'\n"
        "where = ['p > 0.15', 'p < 0.5']\n"
    )
    assert lossctl.run_suite(suite).jobs[0].evaluation.rows == 2  # type: ignore[union-attr]


def test_show_is_accumulated() -> None:
    words = ["evaluate", "regression.csv", "--pred", "pred_linear", "--target", "target"]
    words += ["--loss", "mse", "--worst", "1", "--show", "age_band,sex", "--show", "target"]
    done = run(*words, "-f", "json", cwd=SAMPLE_DATA)
    assert list(read_json(done.out)["worst"][0]["shown"]) == ["age_band", "sex", "target"]


PAIR = ("regression.csv#pred_linear", "regression.csv#target")
SCORES = ("logit_0:logit_9", "--target", "label")
OUTPUTS: dict[str, tuple[list[str], list[str]]] = {
    "compute": (
        ["compute", "mse", *PAIR],
        ["a.json", "b.csv.gz", "c.parquet", "d.npy", "e.arrow", "f.jsonl"],
    ),
    "elements": (
        ["compute", "ce", "preds.npy", "labels.npy", "-r", "none"],
        ["a.json", "b.csv.gz", "c.parquet", "d.npy", "e.arrow", "f.jsonl"],
    ),
    "grad": (["grad", "ce", "preds.npy", "labels.npy"], ["a.npy", "b.csv", "c.parquet"]),
    "check": (["check", "ce", "preds.npy", "labels.npy"], ["a.json", "b.md", "c.csv"]),
    "explain": (["explain", "ce", "preds.npy", "labels.npy", "--row", "1"], ["a.json", "b.md"]),
    "difference": (
        ["explain", "huber", *PAIR, "--why-differs", "keras.huber:delta=2"],
        ["a.json", "b.md"],
    ),
    "evaluate": (
        ["evaluate", "digits.parquet", "--pred", *SCORES, "--loss", "ce"],
        ["a.json", "b.md", "c.csv", "d.parquet"],
    ),
    "run": (["run", "suite.toml"], ["a.json", "b.md", "c.parquet"]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_several_outputs_are_all_whole(name: str, tmp_path: Path) -> None:
    words, files = OUTPUTS[name]
    several = [word for file in files for word in ("-o", tmp_path / file)]
    done = run(*words, *several, cwd=SAMPLE_DATA)
    single = tmp_path / "single"
    single.mkdir()
    for file in files:
        alone = run(*words, "-o", single / file, cwd=SAMPLE_DATA)
        assert alone.code == done.code, done.err
        written = (tmp_path / file).read_bytes()
        if file.endswith("parquet"):
            assert pq.read_table(tmp_path / file).equals(pq.read_table(single / file))
        else:
            assert written == (single / file).read_bytes()
    assert not list(tmp_path.glob(".lossctl-*"))


def test_outputs_beside_standard_output(tmp_path: Path) -> None:
    words = ["compute", "mse", *PAIR]
    done = run(*words, "-o", "-", "-o", tmp_path / "a.json", cwd=SAMPLE_DATA)
    assert "mse" in done.out
    assert json.loads((tmp_path / "a.json").read_text())["loss"] == "mse"
    done = run("grad", *words[1:], "-o", "-", "-o", tmp_path / "g.npy", cwd=SAMPLE_DATA)
    assert "gradient" in done.out
    assert np.load(tmp_path / "g.npy").shape == (442,)


def test_states_are_merged_into_several_files(tmp_path: Path) -> None:
    words = ["compute", "mse", *PAIR]
    run(*words, "--save-state", tmp_path / "s.state", cwd=SAMPLE_DATA)
    done = run("merge", tmp_path / "s.state", "-o", tmp_path / "a.json", "-o", tmp_path / "b.csv")
    assert done.code == 0, done.err
    assert (tmp_path / "a.json").exists()
    assert (tmp_path / "b.csv").exists()


def test_no_file_is_written_where_one_cannot_be(tmp_path: Path) -> None:
    words = ["compute", "mse", *PAIR]
    done = run(*words, "-o", tmp_path / "a.json", "-o", tmp_path / "b.what", cwd=SAMPLE_DATA)
    assert done.code == 2
    assert not list(tmp_path.iterdir())
