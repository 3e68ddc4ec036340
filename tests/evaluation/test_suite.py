"""Suites: what a file may say, what becomes of its jobs, and how that is shown."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lossctl.errors import DataError, Exit, FileError, LossctlWarning, UsageError, warn
from lossctl.evaluation.result import Evaluation, Verdict
from lossctl.evaluation.suite import SuiteResult, read_suite, run_suite
from lossctl.output.evaluation.suite import write_suite
from tests.output.evaluation_samples import make_evaluation
from tests.support.command_line import read_json

SUITE = """
[defaults]
loss = ["ce", "zero_one"]
target = "label"
ci = 1

[job.digits]
dataset = "digits.parquet"
pred = "logit_0:logit_9"
fail-if = ["ce > 0.4"]

[job.other]
pred = ["a=a.npy", "b=b.npy"]
target = "labels.npy"
loss = "mse"
min_size = 5
squeeze = true
show = ["a,b", "c"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def refuse(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_suite(path)
    return str(caught.value).replace(str(path), "bad.toml")


class TestReading:
    def test_defaults_and_overrides(self, file: Path) -> None:
        suite = read_suite(file)
        digits, other = suite.jobs
        assert digits.name == "digits"
        assert digits.settings == {
            "loss": ["ce", "zero_one"],
            "target": "label",
            "ci": 1.0,
            "dataset": "digits.parquet",
            "pred": ["logit_0:logit_9"],
            "fail_if": ["ce > 0.4"],
        }
        assert isinstance(digits.settings["ci"], float)
        assert other.settings["loss"] == ["mse"]
        assert other.settings["target"] == "labels.npy"
        assert other.settings["show"] == ["a", "b", "c"]
        assert (other.settings["min_size"], other.settings["squeeze"]) == (5, True)

    def test_jobs_are_picked(self, file: Path) -> None:
        suite = read_suite(file)
        assert [job.name for job in suite.pick(["other"]).jobs] == ["other"]
        assert suite.pick([]) == suite
        with pytest.raises(UsageError, match="no job 'digit'\nDid you mean digits"):
            suite.pick(["digit"])

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "bad.toml has no jobs\nDescribe each under [job.NAME]."),
            ("[defaults]\nci = 0.9", "has no jobs"),
            ("job = 3", "has no jobs"),
            ("[jobs.a]\npred = 'x'", "a suite has no table 'jobs'\nDid you mean job?"),
            ("pred = 'x'", "Put keys under [defaults] or [job.NAME]."),
            ("[job.a]\npred = 'x'", "[job.a] needs loss\nAdd them"),
            ("[job.a]\nci = 0.9", "[job.a] needs pred and loss"),
            ("[job.a]\nprd = 'x'", "[job.a] has an unknown key 'prd'\nDid you mean pred"),
            ("[defaults]\nfail_iff = 'x'\n[job.a]", "[defaults] has an unknown key 'fail_iff'"),
            ("[job.a]\noutput = 'x'", "It belongs to the command: lossctl run SUITE --output"),
            ("[job.a]\nqqqqqqqqq = 1", "Available: dataset, pred"),
            ("[job.a]\nci = '0.9'", "[job.a]: ci must be a number, but is '0.9'"),
            ("[job.a]\nci = true", "ci must be a number, but is True"),
            ("[job.a]\nseed = 1.5", "seed must be an integer, but is 1.5"),
            ("[job.a]\npred = [1]", "pred must be a string or a list of strings, but is [1]"),
            ("[job.a]\ntarget = ['x']", "target must be a string, but is ['x']"),
            ("[job.a]\nsqueeze = 1", "squeeze must be true or false, but is 1"),
            ("[job.a]\nmin-size = 1\nmin_size = 2", "has the key 'min-size' twice"),
            ("[job]\na = 1", "[job.a] must be a table, but is 1"),
            ("defaults = 1\n[job.a]", "[defaults] must be a table, but is 1"),
            ("[job.a\n", "is not valid TOML: Expected ']'"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, text: str, words: str) -> None:
        assert words in refuse(tmp_path, text)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="no such file"):
            read_suite(tmp_path / "none.toml")

    def test_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match="is not valid TOML"):
            read_suite(tmp_path / "x.toml")


class TestRunning:
    def test_paths_are_relative_to_the_file(self, file: Path) -> None:
        before = Path.cwd()
        seen: list[Path] = []

        def work(**settings: Any) -> Evaluation:
            seen.append(Path.cwd())
            return make_evaluation()

        result = run_suite(read_suite(file), work)
        assert seen == [file.parent] * 2
        assert Path.cwd() == before
        assert [job.name for job in result.jobs] == ["digits", "other"]

    def test_settings_reach_the_work(self, file: Path) -> None:
        seen: list[dict[str, Any]] = []

        def work(**settings: Any) -> Evaluation:
            seen.append(settings)
            return make_evaluation()

        suite = read_suite(file)
        run_suite(suite, work, threads=3)
        assert seen == [job.settings | {"threads": 3} for job in suite.jobs]

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (DataError("broken", "Mend it."), Exit.DATA, "broken"),
            (UsageError("no column 'x'"), Exit.USAGE, "no column 'x'"),
            (MemoryError(), Exit.FILE, "not enough memory"),
            (PermissionError(13, "Permission denied", "x.npy"), Exit.FILE, "x.npy: Permission"),
        ],
    )
    def test_a_job_that_fails_does_not_stop_the_others(
        self, file: Path, error: Exception, code: Exit, message: str
    ) -> None:
        def work(**settings: Any) -> Evaluation:
            if settings["loss"] == ["mse"]:
                return make_evaluation()
            raise error

        result = run_suite(read_suite(file), work)
        first, second = result.jobs
        assert first.error is not None
        assert message in first.error.message
        assert second.evaluation is not None
        assert (result.passed, result.exit_code) == (False, code)

    def test_a_defect_of_the_program_is_not_hidden(self, file: Path) -> None:
        def work(**settings: Any) -> Evaluation:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_suite(read_suite(file), work)

    def test_a_gate_that_fails_exits_with_one(self, file: Path) -> None:
        result = run_suite(read_suite(file), lambda **_: make_evaluation())
        assert (result.passed, result.exit_code) == (False, Exit.CHECK_FAILED)
        passed = make_evaluation(verdicts=(Verdict("ce > 9", True, 1.0, 9.0),))
        result = run_suite(read_suite(file), lambda **_: passed)
        assert (result.passed, result.exit_code) == (True, Exit.DONE)

    def test_warnings_name_their_job(self, file: Path) -> None:
        def work(**settings: Any) -> Evaluation:
            warn("3 NaN")
            return make_evaluation()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run_suite(read_suite(file), work)
        assert [(one.category, str(one.message)) for one in caught] == [
            (LossctlWarning, "job digits: 3 NaN"),
            (LossctlWarning, "job other: 3 NaN"),
        ]


@pytest.fixture
def result(file: Path) -> SuiteResult:
    def work(**settings: Any) -> Evaluation:
        if settings["loss"] == ["mse"]:
            raise DataError("broken | file", "Mend it.")
        return make_evaluation()

    return run_suite(read_suite(file), work)


def show(result: SuiteResult, name: str, **settings: Any) -> str:
    stream = io.StringIO()
    write_suite(result, name, stream, **settings)
    return stream.getvalue()


class TestOutput:
    def test_table(self, result: SuiteResult) -> None:
        text = show(result, "table")
        lines = text.splitlines()
        assert lines[0].endswith("suite.toml: 0 of 2 jobs passed")
        assert next(line.split()[1] for line in lines if "network" in line) == "digits"
        assert "1 of 2 failed" in text
        assert "│ other " in text
        assert "error" in text
        assert "max(ce by ink_band) > 0.4" in text

    def test_json(self, result: SuiteResult) -> None:
        document = read_json(show(result, "json"))
        assert document["format"] == "lossctl.suite/1"
        digits, other = document["jobs"]
        assert digits["evaluation"]["format"] == "lossctl.evaluation/1"
        assert digits["evaluation"]["overall"][0]["value"] == 0.29777940063086994
        assert digits["error"] is None
        assert other["error"] == {
            "message": "broken | file",
            "remedy": "Mend it.",
            "exit_code": 3,
        }
        assert other["evaluation"] is None
        assert (digits["passed"], other["passed"], document["passed"]) == (False,) * 3

    def test_records(self, result: SuiteResult, tmp_path: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(show(result, "csv"))))
        assert [row["job"] for row in rows] == ["digits"] * 14 + ["other"]
        assert (rows[-1]["record"], rows[-1]["detail"]) == ("error", "broken | file")
        assert float(rows[0]["value"]) == 0.29777940063086994
        lines = [read_json(line) for line in show(result, "jsonl").splitlines()]
        assert [line["record"] for line in lines] == [row["record"] for row in rows]
        write_suite(result, None, tmp_path / "out.parquet")
        assert pq.read_table(tmp_path / "out.parquet").num_rows == len(rows)

    def test_markdown(self, result: SuiteResult) -> None:
        text = show(result, "markdown")
        assert "| digits | network | ce | 0.297779 |" in text.replace("**", "")

    def test_values(self, result: SuiteResult) -> None:
        assert show(result, "value").splitlines()[0] == "0.29777940063086994"

    def test_jobs_that_were_only_checked(self, file: Path) -> None:
        result = run_suite(read_suite(file), lambda **_: None)
        assert result.exit_code == Exit.DONE
        assert show(result, "table").count("valid") == 2
        assert [job["evaluation"] for job in read_json(show(result, "json"))["jobs"]] == [None] * 2
