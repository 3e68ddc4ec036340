"""The command line as a person uses it: pipes, terminals, environment, names of files."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    ROOT,
    SAMPLE_DATA,
    Run,
    command,
    compute,
    environment,
    read_json,
    read_table,
    run,
    run_on_terminal,
    run_process,
    run_shell,
    save,
    strip_styles,
)
from tests.support.small_files import ERRORS, PREDICTED

FIRST = ("compute", "ce", "preds.npy", "labels.npy", "--ignore-index", "0")
LOSSES = sorted(registry())


class TestFirstCommand:
    """The command at the top of the README, as a person types it."""

    def test_prints_a_table_and_nothing_else(self) -> None:
        done = run_process(*FIRST, cwd=SAMPLE_DATA)
        assert (done.code, done.err) == (0, "")
        rows = read_table(done.out)
        assert next(iter(rows)) == "value"
        assert rows["value"] == "0.322843"
        assert rows["loss"] == "ce(ignore_index=0)"
        assert rows["reduction"] == "mean"
        assert (rows["counted"], rows["ignored"], rows["samples"]) == ("810", "89", "899")
        assert rows["denominator"] == "810 (targets not ignored)"
        assert rows["input"].split() == ["preds.npy", "(899,", "10)"]
        assert "\x1b" not in done.out

    def test_the_script_and_the_module_are_one(self) -> None:
        scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
        assert scripts["lossctl"] == "lossctl.cli:main"
        as_script = subprocess.run(
            [sys.executable, "-c", "from lossctl.cli import main; main()", *FIRST],
            cwd=SAMPLE_DATA, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert as_script.stdout == run_process(*FIRST, cwd=SAMPLE_DATA).out

    def test_in_a_shell_substitution(self) -> None:
        line = f'loss=$(lossctl {" ".join(FIRST)} -f value) && echo "<$loss>"'
        done = run_shell(line, SAMPLE_DATA)
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(r"<0\.3228\d{8,}>\n", done.out)

    def test_a_warning_does_not_spoil_the_substitution(self) -> None:
        line = "loss=$(lossctl compute nll preds.npy labels.npy -f value 2>/dev/null); echo $loss"
        done = run_shell(line, SAMPLE_DATA)
        assert math.isfinite(float(done.out))
        assert done.err == ""
        heard = run_process("compute", "nll", "preds.npy", "labels.npy", cwd=SAMPLE_DATA)
        assert heard.err.startswith("warning: ")
        assert "warning" not in heard.out


class TestPipes:
    @pytest.mark.parametrize("form", ["csv", "jsonl", "value", "table"])
    def test_a_closed_pipe_ends_quietly(self, here: Path, form: str) -> None:
        save(here, "big", np.zeros(200_000))
        line = f"lossctl compute l1 big.npy big.npy -r none --limit 0 -f {form} | head -n 2"
        done = run_shell(f"set -o pipefail; {line}; echo ${{PIPESTATUS[0]}}", here)
        *rows, code = done.out.splitlines()
        assert len(rows) == 2
        assert done.err == ""
        assert code == "0"

    def test_a_pipe_that_is_closed_at_the_start(self, here: Path) -> None:
        done = run_shell("lossctl compute l1 p.npy y.npy | true; echo ${PIPESTATUS[0]}", here)
        assert (done.out, done.err) == ("0\n", "")

    def test_a_table_in_a_pipe_is_never_cut(self, here: Path) -> None:
        name = save(here, "a_very_long_name_" * 10, PREDICTED)
        done = run_process("compute", "mse", name, "y.npy", "--precision", "17", cwd=here)
        assert name in done.out
        assert read_table(done.out)["value"] == f"{ERRORS.mean():.17g}"
        assert "…" not in done.out

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk")
    def test_a_full_disk(self, here: Path) -> None:
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            done = subprocess.run(
                command("compute", "l1", "p.npy", "y.npy", "-r", "none", "-f", "csv"),
                cwd=here, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
                check=False,
            )  # fmt: skip
        assert done.returncode == 4
        assert done.stderr.startswith("error: ")
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr

    def test_an_interrupt(self, here: Path) -> None:
        os.mkfifo(here / "slow.npy")
        process = subprocess.Popen(
            command("compute", "l1", "slow.npy", "y.npy", "-o", "out.json"),
            cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with (here / "slow.npy").open("wb"):
            time.sleep(0.3)  # it waits for the header
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert out == ""
        assert "Traceback" not in err
        assert not (here / "out.json").exists()


class TestTerminal:
    def test_80_columns_and_colour(self) -> None:
        done = run_on_terminal(*FIRST, cwd=SAMPLE_DATA)
        assert (done.code, done.err) == (0, "")
        assert "\x1b[" in done.out
        shown = strip_styles(done.out)
        assert max(map(len, shown.splitlines())) <= 80
        assert read_table(shown)["value"] == "0.322843"

    def test_nothing_is_lost_on_a_narrow_one(self, here: Path) -> None:
        name = save(here, "a_very_long_name_" * 8, PREDICTED)
        done = run_on_terminal("compute", "mse", name, "y.npy", cwd=here, columns=40)
        lines = strip_styles(done.out).splitlines()
        assert max(map(len, lines)) <= 40
        assert f"{ERRORS.mean():.6g}" in done.out
        cells = [re.split("[│|]", line)[2].strip() for line in lines if line.count("│") == 3]
        assert name in "".join(cells)

    @pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_no_colour(self, env: dict[str, str]) -> None:
        done = run_on_terminal(*FIRST, cwd=SAMPLE_DATA, **env)
        assert done.code == 0
        assert not re.search(r"\x1b\[[0-9;]*[34]\d", done.out), "a colour"
        assert read_table(strip_styles(done.out))["value"] == "0.322843"
        if "TERM" in env:
            assert "\x1b" not in done.out

    def test_elements(self) -> None:
        done = run_on_terminal(*FIRST, "-r", "none", "--limit", "3", cwd=SAMPLE_DATA)
        shown = strip_styles(done.out)
        assert max(map(len, shown.splitlines())) <= 80
        assert "896 more" in shown

    def test_help_fits(self) -> None:
        done = run_on_terminal("compute", "ce", "--help", cwd=SAMPLE_DATA)
        shown = strip_styles(done.out)
        assert max(map(len, shown.splitlines())) <= 80
        assert "--label-smoothing" in shown

    @pytest.mark.parametrize("words", [("list",), ("show", "ce")])
    def test_catalogue_fits(self, words: tuple[str, ...]) -> None:
        shown = strip_styles(run_on_terminal(*words, cwd=SAMPLE_DATA).out)
        assert max(map(len, shown.splitlines())) <= 80
        assert "cross_entropy" in shown

    def test_a_terminal_of_ascii(self) -> None:
        done = run_process(*FIRST, cwd=SAMPLE_DATA, PYTHONIOENCODING="ascii")
        assert (done.code, done.err) == (0, "")
        assert done.out.isascii()
        assert read_table(done.out)["value"] == "0.322843"
        for words in (("list",), ("show", "gaussian_nll"), ("compute", "gaussian_nll", "--help")):
            done = run_process(*words, cwd=SAMPLE_DATA, PYTHONIOENCODING="ascii")
            assert (done.code, done.err) == (0, ""), words
            assert done.out.isascii()


class TestEnvironment:
    """``LOSSCTL_*`` sets a default; a flag still wins."""

    def mse(self, here: Path, *words: object, **env: str) -> Run:
        return run("compute", "mse", "p.npy", "y.npy", *words, cwd=here, env=env)

    def test_format(self, here: Path) -> None:
        assert self.mse(here, LOSSCTL_FORMAT="value").value == pytest.approx(ERRORS.mean())
        assert read_json(self.mse(here, "-f", "json", LOSSCTL_FORMAT="value").out)

    def test_the_suffix_of_an_output_wins_over_it(self, here: Path) -> None:
        done = self.mse(here, "-o", "out.json", LOSSCTL_FORMAT="csv")
        assert (done.code, done.err) == (0, "")
        assert read_json((here / "out.json").read_text())["loss"] == "mse"

    def test_the_others(self, here: Path) -> None:
        plain = self.mse(here, "-f", "value").value
        assert self.mse(here, "-f", "value", LOSSCTL_REDUCTION="sum").value == 4 * plain
        assert self.mse(here, "-f", "value", "-r", "mean", LOSSCTL_REDUCTION="sum").value == plain
        assert read_table(self.mse(here, LOSSCTL_PRECISION="2").out)["value"] == f"{plain:.2g}"
        assert "3 more" in self.mse(here, "-r", "none", LOSSCTL_LIMIT="1").out
        single = self.mse(here, "-f", "value", LOSSCTL_DTYPE="float32").value
        assert plain != single == pytest.approx(plain, rel=1e-5)
        assert self.mse(here, "-f", "value", LOSSCTL_THREADS="1").value == plain
        save(here, "mask", [1, 0, 1, 1])
        masked = self.mse(here, "-f", "value", LOSSCTL_MASK="mask.npy").value
        assert masked == pytest.approx(np.delete(ERRORS, 1).mean())
        save(here, "column", PREDICTED[:, np.newaxis])
        words = ("compute", "mse", "column.npy", "y.npy", "-f", "value")
        assert run(*words, cwd=here, env={"LOSSCTL_SQUEEZE": "1"}).value == plain
        assert self.mse(here, LOSSCTL_OUTPUT="out.json").out == ""
        assert (here / "out.json").exists()

    def test_bad_values_are_usage_errors(self, here: Path) -> None:
        for name, value in (("THREADS", "many"), ("FORMAT", "jsn"), ("REDUCTION", "avg")):
            done = self.mse(here, **{f"LOSSCTL_{name}": value})
            assert (done.code, done.out) == (2, "")
            assert repr(value) in done.err

    def test_as_a_real_process(self, here: Path) -> None:
        words = ("compute", "mse", "p.npy", "y.npy")
        assert run_process(*words, cwd=here, LOSSCTL_FORMAT="value").value == pytest.approx(
            ERRORS.mean()
        )


class TestDebug:
    WORDS = ("compute", "mse", "nowhere.npy", "y.npy")

    def test_shows_the_traceback_with_the_same_exit_code(self, here: Path) -> None:
        done = run_process(*self.WORDS, "--debug", cwd=here)
        assert "Traceback (most recent call last)" in done.err
        assert "nowhere.npy: there is no such file" in done.err
        assert done.out == ""
        assert done.code == 4

    def test_without_it_there_is_none(self, here: Path) -> None:
        done = run_process(*self.WORDS, cwd=here)
        assert done.code == 4
        assert "Traceback" not in done.err

    def test_by_the_environment(self, here: Path) -> None:
        assert "Traceback" in run_process(*self.WORDS, cwd=here, LOSSCTL_DEBUG="1").err

    def test_before_the_command(self, here: Path) -> None:
        """It is a flag of ``compute LOSS``, or of all; it is never a crash of the parser."""
        done = run_process("--debug", *self.WORDS, cwd=here)
        assert "nowhere.npy: there is no such file" in done.err or (
            done.code == 2 and "error: lossctl has no option --debug" in done.err
        )

    def test_does_no_harm_to_a_good_run(self, here: Path) -> None:
        done = run_process("compute", "mse", "p.npy", "y.npy", "--debug", "-f", "value", cwd=here)
        assert (done.value, done.err) == (pytest.approx(ERRORS.mean()), "")


class TestNames:
    """File names are text, whatever stands in them."""

    @pytest.mark.parametrize(
        "name",
        ["[/x].npy", "[bold]x.npy", "a b.npy", "-dash.npy", "ü.npy", "a,b.npy", "x#y.npy",
         "{x}.npy", "[red]y[/red].npy", "%s.npy", "a:b.npy"],
    )  # fmt: skip
    def test_every_name_is_shown_as_it_is(self, here: Path, name: str) -> None:
        (here / name).parent.mkdir(exist_ok=True)
        np.save(here / name, PREDICTED)
        given = f"./{name}" if name.startswith("-") else name
        done = compute("mse", given, "y.npy")
        assert done.code == 0, done.err
        assert given in done.out
        assert (
            read_json(compute("mse", given, "y.npy", "-f", "json").out)["inputs"][0]["source"]
            == given
        )
        assert compute("mse", "p.npy", "y.npy", "-o", f"{given}.json").code == 0
        (here / name).unlink()
        missing = compute("mse", given, "y.npy")
        assert (missing.code, missing.out) == (4, "")
        assert name.partition("#")[0] in missing.err

    def test_markup_on_a_terminal(self, here: Path) -> None:
        (here / "[").mkdir()
        np.save(here / "[" / "x].npy", PREDICTED)
        np.save(here / "[bold]x.npy", PREDICTED)
        for name in ("[/x].npy", "[bold]x.npy"):
            done = run_on_terminal("compute", "mse", name, "y.npy", cwd=here)
            assert done.code == 0, done.err
            assert name in strip_styles(done.out)

    def test_markup_in_an_error_as_a_real_process(self, here: Path) -> None:
        done = run_process("compute", "mse", "[/x].npy", "y.npy", cwd=here)
        assert (done.code, done.out) == (4, "")
        assert done.err.startswith("error: [/x].npy: no such file")

    def test_control_characters_do_not_reach_the_terminal(self, here: Path) -> None:
        np.save(here / "a\x1b[31mb\nc.npy", PREDICTED)
        done = compute("mse", "a\x1b[31mb\nc.npy", "y.npy")
        assert done.code == 0
        assert "\x1b" not in done.out
        missing = compute("mse", "no\x1b[31m\nthing.npy", "y.npy")
        assert missing.code == 4
        assert "\x1b" not in missing.err
