"""Help, listings and versions, and what a run imports."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    SAMPLE_DATA,
    command,
    compute,
    environment,
    read_json,
    read_table,
    run,
    run_process,
    save,
)
from tests.support.small_files import PREDICTED, TRUE

FIRST = ("compute", "ce", "preds.npy", "labels.npy", "--ignore-index", "0")
LOSSES = sorted(registry())


class TestHelp:
    @pytest.mark.parametrize(
        "words",
        [
            (),
            ("compute",),
            ("explain",),
            ("evaluate",),
            ("run",),
            ("list",),
            ("show",),
            ("docs",),
            ("help",),
        ],
    )
    @pytest.mark.parametrize("flag", ["--help", "-h"])
    def test_of_every_command(self, words: tuple[str, ...], flag: str) -> None:
        done = run(*words, flag)
        assert (done.code, done.err) == (0, "")
        assert f"Usage: {' '.join(['lossctl', *words])}" in done.out
        assert "lossctl " in done.out.split("Usage", 1)[1], "an example"

    @pytest.mark.parametrize(
        "words",
        [(), ("compute",), ("compute", "ce"), ("grad",), ("grad", "ce"), ("explain", "ce"),
         ("evaluate",), ("run",), ("check",), ("check", "ce"), ("list",), ("show",), ("merge",),
         ("docs",)],
    )  # fmt: skip
    def test_help_before_a_command_is_help_behind_it(self, words: tuple[str, ...]) -> None:
        done = run("help", *words)
        assert (done.code, done.err) == (0, "")
        assert done.out == run(*words, "--help").out

    @pytest.mark.parametrize(
        "words",
        [(), ("compute",), ("compute", "ce"), ("compute", "keras.dice"), ("grad",), ("grad", "ce"),
         ("explain",), ("explain", "ce"), ("evaluate",), ("run",), ("check",), ("check", "ce"),
         ("list",), ("show",), ("merge",), ("docs",), ("help",)],
    )  # fmt: skip
    def test_has_names_where_typer_shows_types(self, words: tuple[str, ...]) -> None:
        text = run(*words, "--help", env={"COLUMNS": "80"}).out
        assert max(map(len, text.splitlines())) <= 80
        assert text.count("[OPTIONS]") == 1
        for tag in (r"<[a-z]+[ >\[]", r"\[[\d<=]*x[<>=]", r"\(all cores\)", r"\[\[", r"\{[A-Z]"):
            assert not re.search(tag, text), tag

    def test_help_of_what_there_is_not(self) -> None:
        for words in (("nothing",), ("compute", "nix"), ("help",)):
            asked, plain = run("help", *words), run(*words, "--help")
            assert asked.out == plain.out
            assert (asked.code, asked.err) == (plain.code, plain.err)

    def test_lists_every_command_and_loss(self) -> None:
        root = run("--help").out
        for name in ("compute", "explain", "evaluate", "run", "list", "show", "docs", "--version"):
            assert name in root
        losses = run("compute", "--help").out
        for key in LOSSES:
            assert re.search(rf"\b{key}\b", losses)

    @pytest.mark.parametrize("key", LOSSES)
    def test_of_every_loss(self, key: str) -> None:
        loss = registry()[key]
        done = run("compute", key, "--help", env={"COLUMNS": "200"})
        assert (done.code, done.err) == (0, "")
        text = " ".join(re.sub("[│╭╮╰╯─]", " ", done.out).split())
        assert loss.summary in text
        assert " ".join(loss.formula.split()) in text
        for one in loss.inputs:
            assert one.name.upper() in text
            assert one.help in text
            assert one.shapes in text
        flags = re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", text.split("For example")[0])
        for parameter in loss.parameters:
            assert parameter.flag in flags
            assert parameter.option.help in text
            if parameter.default is not None and parameter.type is not bool:
                assert f"[default: {parameter.default}]" in text
        for shared in (
            "reduction",
            "format",
            "output",
            "sample-weight",
            "mask",
            "class-axis",
            "squeeze",
            "nan",
            "dtype",
            "threads",
            "limit",
            "precision",
            "debug",
        ):
            assert f"--{shared}" in flags  # fmt: skip
        own = {parameter.flag for parameter in loss.parameters}
        others = {p.flag for other in registry().values() for p in other.parameters} - own
        assert not others & set(flags), "flags of other losses"
        assert f"lossctl compute {key} {loss.example}" in text

    @pytest.mark.parametrize("key", LOSSES)
    def test_ends_with_a_command_that_runs(self, key: str) -> None:
        done = run("compute", key, *registry()[key].example.split(), cwd=SAMPLE_DATA)
        assert done.code == 0, done.err
        assert math.isfinite(float(read_table(done.out)["value"]))

    @pytest.mark.parametrize("key", LOSSES)
    def test_show(self, key: str) -> None:
        loss = registry()[key]
        done = run("show", key)
        assert (done.code, done.err) == (0, "")
        for part in (
            loss.summary,
            loss.source,
            loss.example,
            *loss.traps,
            *loss.aliases,
            *loss.formula.split(";  "),
            *(p.flag for p in loss.parameters),
        ):
            assert part in done.out  # fmt: skip
        (described,) = read_json(run("show", key, "--json").out)["losses"]
        assert described == json.loads(json.dumps(lossctl.describe(key)))

    def test_list(self) -> None:
        done = run("list")
        assert (done.code, done.err) == (0, "")
        for key, loss in registry().items():
            assert re.search(rf"^    {re.escape(key)}  ", done.out, re.MULTILINE)
            assert loss.summary in done.out
        document = read_json(run("list", "--json").out)
        assert document["format"] == "lossctl.losses/1"
        assert [one["key"] for one in document["losses"]] == list(registry())
        one = run("list", "--family", "margin").out
        assert "soft_margin" in one
        assert "huber" not in one

    def test_a_loss_by_its_other_names(self, here: Path) -> None:
        expected = compute("mse", "p.npy", "y.npy", "-f", "value").out
        for name in ("MSELoss", "nn.MSELoss", "F.mse_loss", "torch.nn.functional.mse_loss", "MSE"):
            assert compute(name, "p.npy", "y.npy", "-f", "value").out == expected

    def test_version(self) -> None:
        assert run("--version").out == f"lossctl {lossctl.__version__}\n"
        done = run_process("--version")
        assert (done.code, done.out, done.err) == (0, f"lossctl {lossctl.__version__}\n", "")

    def test_no_command(self) -> None:
        for words in ((), ("compute",)):
            done = run_process(*words)
            assert done.code == 2
            assert "Usage: lossctl" in done.out + done.err


LAZY = """
import sys
sys.argv = ["lossctl", *sys.argv[1:]]
import atexit
heavy = ("pyarrow", "pandas", "torch", "matplotlib", "scipy", "rich", "lossctl.checks",
         "lossctl.evaluation", "lossctl.explanation", "lossctl.api.gradients")
atexit.register(lambda: print(*(name for name in heavy if name in sys.modules), file=sys.stderr))
from lossctl.cli import main
main()
"""


class TestImports:
    """What a run loads is what it needs."""

    def loaded(self, here: Path, *words: object) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", LAZY, *map(str, words)],
            cwd=here, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return set(done.stderr.split())

    def test_npy_files(self, here: Path) -> None:
        assert self.loaded(here, "compute", "mse", "p.npy", "y.npy") <= {"rich"}
        words = ("compute", "mse", "p.npy", "y.npy", "-f", "json")
        assert self.loaded(here, *words) == set()
        assert self.loaded(here, *words[:-2], "-r", "none", "-o", "out.npy") == set()
        assert self.loaded(here, "compute", "mse", "p.npy", "y.npy", "-r", "none") <= {"rich"}

    def test_npz_files(self, here: Path) -> None:
        save(here, "both", PREDICTED, "npz")
        words = ("compute", "l1", "both.npz#both", "p.npy", "-f", "value")
        assert self.loaded(here, *words) == set()

    def test_tables_load_pyarrow_alone(self, here: Path) -> None:
        for suffix in ("csv", "parquet"):
            name = save(here, "t", np.column_stack([PREDICTED, TRUE]), suffix)
            words = ("compute", "l1", f"{name}#c0", f"{name}#c1", "-f", "value")
            assert self.loaded(here, *words) == {"pyarrow"}

    def test_the_package_itself_loads_nothing(self) -> None:
        program = "import sys, lossctl; print({'numpy', 'pyarrow', 'pandas'} & set(sys.modules))"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "set()\n"

    def test_importtime_agrees(self, here: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command("compute", "mse", "p.npy", "y.npy")[1:]],
            cwd=here, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert {"numpy", "lossctl.engine.sums.reduce"} <= names
        assert not {"pandas", "pyarrow", "torch"} & names
