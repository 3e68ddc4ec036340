"""``lossctl evaluate`` and ``lossctl run`` as a person uses them."""

from __future__ import annotations

import csv
import inspect
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.cli.evaluate import EXAMPLE, list_options
from lossctl.cli.run import EXAMPLE as RUN_EXAMPLE
from lossctl.evaluation.suite import KEYS
from tests.support.command_line import (
    SAMPLE_DATA,
    Run,
    environment,
    read_json,
    run,
    run_on_terminal,
    run_process,
    run_shell,
    strip_styles,
)

DIGITS = ("digits.parquet", "--pred", "net=logit_0:logit_9", "--target", "label")
LINEAR, FOREST = ("--pred", "linear=pred_linear"), ("--pred", "forest=pred_forest")
REGRESSION = ("regression.csv", *LINEAR, *FOREST, "--target", "target")
FAILING = ("--loss", "ce", "--fail-if", "ce > 0.2")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the sample data."""
    return Path(shutil.copytree(SAMPLE_DATA, tmp_path / "sample_data"))


def evaluate(*words: object, cwd: Path = SAMPLE_DATA) -> Run:
    return run("evaluate", *words, cwd=cwd)


def read_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def digits_losses() -> np.ndarray:
    logits = np.load(SAMPLE_DATA / "preds.npy").astype(float)
    labels = np.load(SAMPLE_DATA / "labels.npy")
    top = logits.max(axis=1)
    spread = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return spread - logits[np.arange(len(labels)), labels]


class TestEvaluate:
    def test_the_value_is_that_of_compute(self) -> None:
        done = evaluate(*DIGITS, "--loss", "ce", "-f", "value")
        assert (done.code, done.err) == (0, "")
        computed = run("compute", "ce", "preds.npy", "labels.npy", "-f", "value", cwd=SAMPLE_DATA)
        assert done.value == pytest.approx(computed.value, rel=1e-14)

    def test_files_instead_of_a_dataset(self) -> None:
        done = evaluate(
            "--pred", "preds.npy", "--target", "labels.npy", "--loss", "ce", "-f", "json"
        )
        assert done.code == 0, done.err
        document = read_json(done.out)
        assert document["overall"][0]["value"] == pytest.approx(digits_losses().mean(), rel=1e-12)
        assert document["rows"] == 899

    def test_standard_input(self) -> None:
        words = "--pred '-#pred_linear' --target '-#target' --by '-#age_band'"
        line = f"lossctl evaluate {words} --loss l1 -f json < regression.csv"
        done = run_shell(line, SAMPLE_DATA)
        assert (done.code, done.err) == (0, "")
        document = read_json(done.out)
        assert document["overall"][0]["value"] == pytest.approx(44.2949, rel=1e-5)
        assert len(document["slices"]) == 3

    def test_slices(self) -> None:
        words = ("--loss", "ce", "--by", "ink_band", "-f", "csv")
        rows = [one for one in read_rows(evaluate(*DIGITS, *words).out) if one["record"] == "slice"]
        bands = pq.read_table(SAMPLE_DATA / "digits.parquet")["ink_band"].to_numpy()
        losses = digits_losses()
        assert len(rows) == 3
        for row in rows:
            inside = losses[bands == row["ink_band"]]
            assert float(row["value"]) == pytest.approx(inside.mean(), rel=1e-12)
            assert int(row["rows"]) == len(inside)
            assert float(row["share"]) == pytest.approx(inside.sum() / losses.sum(), rel=1e-12)
            assert float(row["gap"]) == pytest.approx(inside.mean() - losses.mean(), abs=1e-12)
        values = [float(row["value"]) for row in rows]
        assert values == sorted(values, reverse=True)

    def test_intervals_hold_the_value(self) -> None:
        (one,) = read_json(evaluate(*DIGITS, "--loss", "ce", "--ci", "0.9", "-f", "json").out)[
            "overall"
        ]
        losses = digits_losses()
        error = losses.std() / np.sqrt(len(losses))
        assert one["interval"]["level"] == 0.9
        assert one["interval"]["standard_error"] == pytest.approx(error, rel=2e-3)
        assert one["interval"]["low"] < one["value"] < one["interval"]["high"]

    def test_models_are_compared(self) -> None:
        done = evaluate(*REGRESSION, "--loss", "l1", "--loss", "mse", "--ci", "0.95", "-f", "json")
        document = read_json(done.out)
        assert document["models"] == ["linear", "forest"]
        table = np.genfromtxt(SAMPLE_DATA / "regression.csv", delimiter=",", names=True, dtype=None,
                              encoding="utf-8")  # fmt: skip
        linear = np.abs(table["pred_linear"] - table["target"])
        forest = np.abs(table["pred_forest"] - table["target"])
        one = next(one for one in document["comparisons"] if one["loss"] == "l1")
        assert (one["model"], one["baseline"]) == ("forest", "linear")
        assert one["difference"] == pytest.approx((forest - linear).mean(), rel=1e-9)
        assert one["wins"] == (forest < linear).sum()
        assert one["wins"] + one["ties"] + one["losses"] == 442

    def test_the_baseline_is_chosen(self) -> None:
        words = ("--loss", "l1", "--baseline", "forest", "-f", "json")
        (one,) = read_json(evaluate(*REGRESSION, *words).out)["comparisons"]
        assert (one["model"], one["baseline"]) == ("linear", "forest")

    def test_worst_rows(self) -> None:
        words = (
            "--loss",
            "ce",
            "--worst",
            "4",
            "--id",
            "id",
            "--show",
            "label,width",
            "-f",
            "json",
        )
        worst = read_json(evaluate(*DIGITS, *words).out)["worst"]
        order = np.argsort(-digits_losses())[:4]
        assert [one["row"] for one in worst] == order.tolist()
        table = pq.read_table(SAMPLE_DATA / "digits.parquet").to_pandas()
        assert [one["id"] for one in worst] == [str(table["id"][row]) for row in order]
        assert [one["shown"] for one in worst] == [
            {"label": str(table["label"][row]), "width": str(table["width"][row])} for row in order
        ]

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_every_rows_losses(self, data: Path, suffix: str) -> None:
        words = ("--loss", "ce", "--loss", "zero_one", "--id", "id", "--elements", f"rows.{suffix}")
        done = evaluate(*DIGITS, *words, cwd=data)
        assert done.code == 0, done.err
        if suffix == "csv":
            values = [float(row["ce"]) for row in read_rows((data / "rows.csv").read_text())]
        else:
            values = pq.read_table(data / "rows.parquet")["ce"].to_pylist()
        np.testing.assert_allclose(values, digits_losses(), rtol=1e-12)

    def test_rows_are_filtered(self) -> None:
        done = evaluate(*DIGITS, "--loss", "ce", "--where", "width > 5", "-f", "json")
        widths = pq.read_table(SAMPLE_DATA / "digits.parquet")["width"].to_numpy()
        document = read_json(done.out)
        assert document["rows"] == (widths > 5).sum()
        expected = digits_losses()[widths > 5].mean()
        assert document["overall"][0]["value"] == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("form", ["json", "jsonl", "csv", "tsv", "markdown", "value", "table"])
    def test_formats(self, data: Path, form: str) -> None:
        words = (*DIGITS, "--loss", "ce", "--by", "ink_band", "--ci", "0.95", "--worst", "2")
        printed = run_process("evaluate", *words, "-f", form, cwd=data)
        assert (printed.code, printed.err) == (0, "")
        assert "\x1b" not in printed.out
        if form not in ("value", "table"):
            name = f"out.{form if form != 'markdown' else 'md'}"
            written = run_process("evaluate", *words, "-o", name, cwd=data)
            assert (written.code, written.out) == (0, "")
            assert (data / name).read_text() == printed.out

    def test_parquet(self, data: Path) -> None:
        assert evaluate(*DIGITS, "--loss", "ce", "-o", "out.parquet", cwd=data).code == 0
        (value,) = pq.read_table(data / "out.parquet")["value"].to_pylist()
        assert value == pytest.approx(digits_losses().mean(), rel=1e-12)

    def test_80_columns(self) -> None:
        words = (*DIGITS, "--loss", "ce", "--by", "ink_band", "--by", "width:3", "--ci", "0.95")
        done = run_on_terminal("evaluate", *words, cwd=SAMPLE_DATA)
        assert (done.code, done.err) == (0, "")
        shown = strip_styles(done.out)
        assert max(map(len, shown.splitlines())) <= 80
        assert "█" in shown

    def test_variables_set_defaults(self) -> None:
        words = ("evaluate", *DIGITS, "--loss", "ce")
        done = run_process(*words, cwd=SAMPLE_DATA, LOSSCTL_FORMAT="json", LOSSCTL_CI="0.9")
        assert read_json(done.out)["overall"][0]["interval"]["level"] == 0.9


class TestGates:
    def test_a_failed_gate_exits_with_one_after_printing(self) -> None:
        done = run_process("evaluate", *DIGITS, *FAILING, cwd=SAMPLE_DATA)
        assert done.code == 1
        assert "0.297779" in done.out
        assert "failed" in done.out
        assert done.err.startswith("error: 1 of 1 gates failed\n  ce > 0.2: 0.297779")

    def test_verdicts_are_in_the_machine_formats(self, data: Path) -> None:
        done = evaluate(*DIGITS, *FAILING, "--fail-if", "ce > 0.4", "-o", "out.json", cwd=data)
        assert done.code == 1
        document = read_json((data / "out.json").read_text())
        assert [one["passed"] for one in document["verdicts"]] == [False, True]
        assert document["passed"] is False

    def test_a_gate_that_is_passed(self) -> None:
        assert evaluate(*DIGITS, "--loss", "ce", "--fail-if", "ce > 0.4").code == 0

    def test_a_failed_gate_stands_where_the_pipe_is_closed(self) -> None:
        words = shlex.join(["evaluate", *DIGITS, *FAILING])
        done = run_shell(f"lossctl {words} | true; echo ${{PIPESTATUS[0]}}", SAMPLE_DATA)
        assert done.out == "1\n"
        assert done.err.startswith("error: 1 of 1 gates failed")
        assert "Broken" not in done.err


class TestPipes:
    def test_a_closed_pipe_ends_quietly(self) -> None:
        words = shlex.join(["evaluate", *DIGITS, "--loss", "ce"])
        for form in ("table", "csv", "json"):
            line = f"lossctl {words} -f {form} | true; echo ${{PIPESTATUS[0]}}"
            done = run_shell(line, SAMPLE_DATA)
            assert (done.out, done.err) == ("0\n", "")


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "missing --pred and --loss"),
            (("x.csv", "--pred", "p"), "missing --loss"),
            ((*DIGITS, "--loss", "cee"), "'cee'"),
            ((*DIGITS, "--loss", "ce:label_smothing=1"), "label_smoothing"),
            ((*DIGITS, "--loss", "ce", "--by", "ink_bnd"), "ink_band"),
            ((*DIGITS, "--loss", "ce", "--fail-if", "ce >"), "ce >"),
            ((*DIGITS, "--loss", "ce", "--fail-if", "mse > 1"), "mse"),
            ((*DIGITS, "--loss", "ce", "--fail-if", "ce[region=EU] > 1"), "region"),
            ((*DIGITS, "--loss", "ce", "--ci", "95"), "95"),
            ((*DIGITS, "--loss", "ce", "--ci", "x"), "--ci must be a number, but is 'x'"),
            ((*DIGITS, "--loss", "ce", "--ci-method", "normall", "--ci", "0.9"), "normal"),
            ((*DIGITS, "--loss", "ce", "--baseline", "other"), "other"),
            ((*DIGITS, "--loss", "ce", "--where", "wdth > 5"), "wdth"),
            ((*DIGITS, "--loss", "ce", "-f", "jsn"), "Did you mean json"),
            ((*DIGITS, "--loss", "ce", "-o", "out.npy"), ".parquet"),
            ((*DIGITS, "--loss", "ce", "--elements", "out.xyz"), "out.xyz"),
            ((*DIGITS, "--loss", "ce", "-o", "digits.parquet"), "would be overwritten"),
            ((*DIGITS, "--loss", "ce", "-o", "a.csv", "--elements", "a.csv"), "written twice"),
            ((*DIGITS, "--loss", "ce", "--wrost", "3"), "--worst"),
            ((*DIGITS, "--loss", "ce", "--show", "label"), "Add --worst 20"),
            ((*DIGITS, "--loss", "ce", "--ci-method", "bootstrap"), "Add --ci 0.95"),
            ((*DIGITS, "--loss", "ce", "--worst", "-1"), "--worst must be at least 0"),
        ],
    )
    def test_is_an_error_before_any_work(
        self, data: Path, words: tuple[str, ...], said: str
    ) -> None:
        before = sorted(data.iterdir())
        done = run("evaluate", *words, cwd=data)
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.startswith("error: ")
        assert said in done.err
        assert sorted(data.iterdir()) == before

    def test_a_file_that_is_not_there(self) -> None:
        done = evaluate("none.parquet", "--pred", "a", "--target", "b", "--loss", "ce")
        assert (done.code, done.out) == (4, "")


class TestHelp:
    @pytest.mark.parametrize(("command", "example"), [("evaluate", EXAMPLE), ("run", RUN_EXAMPLE)])
    def test_the_example_runs(self, command: str, example: str) -> None:
        shown = run(command, "--help", env={"COLUMNS": "200"})
        assert (shown.code, shown.err) == (0, "")
        assert example in " ".join(shown.out.split())
        program, *words = shlex.split(example)
        done = run(*words, cwd=SAMPLE_DATA)
        assert program == "lossctl"
        assert done.code in (0, 1), done.err

    def test_options_stand_in_panels(self) -> None:
        text = run("evaluate", "--help").out
        titles = re.findall(r"^╭─ (.*?) ─", text, re.MULTILINE)
        assert titles == [
            "Arguments", "Options", "Data", "Losses and slices", "Uncertainty",
            "Comparison and gates", "Worst rows", "Performance", "Output",
        ]  # fmt: skip

    def test_flags_are_the_words_of_the_api_and_the_keys_of_suites(self) -> None:
        flags = {one.name for one in list_options()} | {"dataset"}
        shown = {"format", "output", "limit", "precision", "progress", "debug"}
        keys = {key.replace("-", "_") for key in KEYS}
        assert flags - shown == keys
        assert set(inspect.signature(lossctl.evaluate).parameters) - {"progress"} == keys


class TestStart:
    """What the evaluator needs does not make other commands start later."""

    @pytest.mark.parametrize(
        ("words", "loaded"),
        [
            (("compute", "ce", "preds.npy", "labels.npy", "-f", "value"), ""),
            (("evaluate", "--help"), "lossctl.cli.evaluate"),
            (
                ("evaluate", *DIGITS, "--loss", "ce", "--by", "label", "-o", "found.csv"),
                "lossctl.cli.evaluate lossctl.evaluation.evaluator",
            ),
        ],
    )
    def test_commands_are_loaded_when_they_are_asked_for(
        self, words: tuple[str, ...], loaded: str, tmp_path: Path
    ) -> None:
        words = tuple(word.replace("found", str(tmp_path / "found")) for word in words)
        program = (
            "import atexit, sys; from lossctl.cli import main;"
            "names = ('lossctl.cli.evaluate', 'lossctl.evaluation.evaluator', 'tomllib', 'pandas',"
            " 'pyarrow.compute', 'pydantic');"
            "atexit.register(lambda: print(*(n for n in names if n in sys.modules),"
            " file=sys.stderr)); main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=SAMPLE_DATA, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr.split() == loaded.split()


class TestRun:
    def test_the_sample_suite(self) -> None:
        done = run_process("run", "suite.toml", cwd=SAMPLE_DATA)
        assert done.code == 1
        assert "suite.toml: 2 of 3 jobs passed" in done.out
        assert done.err.startswith(
            "error: 1 of 3 gates failed\n  digits: max(zero_one by ink_band)"
        )

    def test_from_another_directory(self, tmp_path: Path) -> None:
        done = run("run", SAMPLE_DATA / "suite.toml", "-o", "out.json", cwd=tmp_path)
        assert done.code == 1
        document = read_json((tmp_path / "out.json").read_text())
        assert [job["name"] for job in document["jobs"]] == ["digits", "diabetes", "tumours"]
        value = document["jobs"][0]["evaluation"]["overall"][0]["value"]
        assert value == pytest.approx(digits_losses().mean(), rel=1e-12)

    def test_jobs_are_picked(self) -> None:
        done = run("run", "suite.toml", "--job", "tumours", "-f", "value", cwd=SAMPLE_DATA)
        assert done.value == pytest.approx(0.0964332, rel=1e-5)
        done = run("run", "suite.toml", "--job", "tumors", cwd=SAMPLE_DATA)
        assert done.code == 2
        assert "Did you mean tumours?" in done.err

    def test_check_does_no_work(self, data: Path) -> None:
        np.save(data / "broken.npy", np.full(569, np.nan))
        suite = data / "suite.toml"
        suite.write_text(suite.read_text() + 'elements = "rows.csv"\n')
        done = run("run", suite, "--check", cwd=data)
        assert done.code == 0, done.err
        assert done.out.count("valid") == 3
        assert not (data / "rows.csv").exists()

    def test_check_finds_what_is_wrong(self, data: Path) -> None:
        suite = data / "suite.toml"
        suite.write_text(suite.read_text().replace("l1 worse", "l2 worse"))
        done = run("run", suite, "--check", cwd=data)
        assert done.code == 2
        assert "error: job diabetes: " in done.err
        assert done.out.count("valid") == 2

    def test_a_job_that_fails_does_not_stop_the_others(self, data: Path) -> None:
        (data / "binary.csv").write_text("probability,target\n0.5,1\nx,0\n")
        done = run("run", "suite.toml", "-f", "json", cwd=data)
        assert done.code == 3
        assert "error: 1 of 3 gates failed" in done.err
        assert "error: job tumours: " in done.err
        jobs = read_json(done.out)["jobs"]
        assert [job["error"] is None for job in jobs] == [True, True, False]
        assert jobs[2]["error"]["exit_code"] == 3

    def test_an_unknown_key(self, data: Path) -> None:
        suite = data / "suite.toml"
        suite.write_text(suite.read_text().replace("fail-if", "fail-of"))
        done = run("run", suite, cwd=data)
        assert (done.code, done.out) == (2, "")
        assert "unknown key 'fail-of'" in done.err
        assert "Did you mean fail-if" in done.err
