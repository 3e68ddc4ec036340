"""lossctl grad in pipelines: any input files, summaries in any format, standard output, memory."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.engine.plan import blocks
from lossctl.losses.core.registry import registry
from tests.support.command_line import (
    SAMPLE_DATA,
    read_json,
    read_table,
    run,
    run_on_terminal,
    run_process,
    run_shell,
    save,
    strip_styles,
)
from tests.support.peak_memory import measure_peak

DIGITS = ["preds.npy", "labels.npy"]
TRIPLETS = [f"triplets.npz#{name}" for name in ("anchor", "positive", "negative")]
DIFFERENTIABLE = [key for key, one in registry().items() if not one.undifferentiable]
ALLOWED = 120 << 20
"""What a run over large files may hold beyond one that does nothing."""
WRONG = """\
import lossctl
@lossctl.loss("square", inputs=(lossctl.real("input", "*"),))
def square(input):
    return input * input
@square.gradient
def slope(input):
    return 3 * input
"""


@pytest.mark.parametrize(
    "key", [key for key, one in registry().items() if not one.undifferentiable]
)
def test_the_example_of_every_loss_runs(key: str) -> None:
    words = shlex.split(registry()[key].example)
    done = run("grad", key, *words, "-f", "json", cwd=SAMPLE_DATA)
    assert done.code == 0, done.err
    for one in read_json(done.out)["gradients"]:
        assert one["elements"] > one["zeros"]
        assert one["nan"] == one["infinite"] == 0
        assert 0 < one["largest"] <= one["norm"]


class TestInputs:
    @pytest.mark.parametrize("threads", [1, 3])
    def test_every_kind_of_file_gives_the_same_bits(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
    ) -> None:
        """Also streams whose length only their end tells, in any cutting of the files."""
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 700)
        logits, labels = (np.load(SAMPLE_DATA / name) for name in DIGITS)
        frame = pd.DataFrame(logits.astype(float), columns=[f"c{at}" for at in range(10)])
        frame.to_csv(tmp_path / "p.csv", index=False, float_format="%.17g")
        frame.to_csv(tmp_path / "p.tsv.gz", index=False, float_format="%.17g", sep="\t")
        frame.to_parquet(tmp_path / "p.parquet")
        (tmp_path / "shards").mkdir()
        for number, start in enumerate((0, 100, 550)):
            stop = (100, 550, 899)[number]
            np.save(tmp_path / f"shards/part-{number}.npy", logits[start:stop])
        np.save(tmp_path / "labels.npy", labels)
        expected = lossctl.gradient("ce", logits, labels)
        for name in ("p.csv", "p.tsv.gz", "p.parquet", "shards"):
            done = run(
                "grad", "ce", name, "labels.npy", "-o", "grad.npy", "-j", threads, "-f", "json",
                cwd=tmp_path,
            )  # fmt: skip
            assert done.code == 0, done.err
            np.testing.assert_array_equal(np.load(tmp_path / "grad.npy"), expected["input"])
            (measured,) = read_json(done.out)["gradients"]
            assert measured["norm"] == expected.measures[0].norm

    def test_labels_may_be_names(self, tmp_path: Path) -> None:
        logits, labels = np.load(SAMPLE_DATA / "preds.npy"), np.load(SAMPLE_DATA / "labels.npy")
        names = list("abcdefghij")
        pd.DataFrame({"label": [names[at] for at in labels]}).to_csv(tmp_path / "y.csv")
        found = lossctl.gradient(
            "ce", logits, str(tmp_path / "y.csv") + "#label", classes=",".join(names)
        )
        np.testing.assert_array_equal(
            found["input"], lossctl.gradient("ce", logits, labels)["input"]
        )

    def test_whole_numbers_have_gradients_that_are_not(self, tmp_path: Path) -> None:
        files = save(tmp_path, "x", np.array([1, 2, 3])), save(tmp_path, "y", np.array([1, 2, 5]))
        assert run("grad", "mse", *files, "-o", "g.npy", cwd=tmp_path).code == 0
        found = np.load(tmp_path / "g.npy")
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [0, 0, -4 / 3])

    def test_files_that_change_between_readings_are_told(self, tmp_path: Path) -> None:
        target = tmp_path / "y.npy"
        files = save(tmp_path, "x", np.zeros((3, 2))), save(tmp_path, "y", np.array([0, 1, 1]))

        def spoil(done: int, _: int | None) -> None:
            np.save(target, np.array([0, 7, 1]))

        paths = [str(tmp_path / name) for name in files]
        with pytest.raises(lossctl.errors.DataError, match="changed between the two passes"):
            lossctl.gradient("ce", *paths, progress=spoil)


class TestSummary:
    def test_delimited_formats_have_a_row_for_each_input(self) -> None:
        for form, delimiter in (("csv", ","), ("tsv", "\t")):
            done = run("grad", "triplet_margin", *TRIPLETS, "-f", form, cwd=SAMPLE_DATA)
            rows = list(csv.DictReader(io.StringIO(done.out), delimiter=delimiter))
            assert [one["input"] for one in rows] == ["anchor", "positive", "negative"]
            assert {one["shape"] for one in rows} == {"300 9"}
            assert {one["name"] for one in rows} == {"triplet_margin"}
            assert all(len(one["largest_at"].split()) == 2 for one in rows)

    def test_json_lines_hold_the_json_object(self) -> None:
        words = ("grad", "ce", *DIGITS, "--check", "-f")
        line = run(*words, "jsonl", cwd=SAMPLE_DATA).out
        assert line.count("\n") == 1
        assert json.loads(line) == read_json(run(*words, "json", cwd=SAMPLE_DATA).out)
        assert json.loads(line)["check"]["agrees"] is True

    def test_what_is_odd_is_counted(self, tmp_path: Path) -> None:
        files = (
            save(tmp_path, "x", np.array([1.0, np.nan, np.inf, 0.0])),
            save(tmp_path, "y", np.zeros(4)),
        )
        printed = run("grad", "mse", *files, cwd=tmp_path).out
        gradient = read_table(printed.partition("├")[0])
        assert [gradient[name] for name in ("zero", "NaN", "infinite")] == ["1 of 4 (25 %)"] * 3
        assert gradient["largest"] == "inf at (2,)"

    def test_it_fits_a_terminal(self) -> None:
        ctc = [f"ctc.npz#{n}" for n in ("log_probs", "targets", "input_lengths", "target_lengths")]
        done = run_on_terminal("grad", "ctc", *ctc, "--check", cwd=SAMPLE_DATA, columns=80)
        lines = strip_styles(done.out).splitlines()
        assert max(map(len, lines)) <= 80
        assert "log-softmax" in done.out

    def test_a_default_of_the_environment_is_taken_if_it_can_be(self) -> None:
        words = ("grad", "ce", *DIGITS)
        printed = run(*words, cwd=SAMPLE_DATA, env={"LOSSCTL_FORMAT": "json"}).out
        assert json.loads(printed)["format"] == "lossctl.gradient/1"
        done = run(*words, cwd=SAMPLE_DATA, env={"LOSSCTL_FORMAT": "value"})
        assert done.code == 0
        assert read_table(done.out)["loss"] == "ce"


class TestStandardOutput:
    @pytest.mark.parametrize("form", ["csv", "jsonl", "value", "json"])
    def test_prints_the_gradient_in_formats_of_losses(self, form: str) -> None:
        done = run("grad", "ce", *DIGITS, "-o", "-", "-f", form, cwd=SAMPLE_DATA)
        assert done.code == 0, done.err
        expected = lossctl.gradient("ce", *(SAMPLE_DATA / name for name in DIGITS))["input"]
        if form == "csv":
            found = pd.read_csv(io.StringIO(done.out))
            assert list(found) == ["sample", "d1", "gradient"]
            numbers = found["gradient"].to_numpy()
        elif form == "jsonl":
            numbers = np.array([json.loads(line)["gradient"] for line in done.out.splitlines()])
        elif form == "json":
            numbers = np.array(json.loads(done.out)["elements"]).ravel()
        else:
            numbers = np.array(done.out.split(), dtype=float)
        np.testing.assert_array_equal(numbers, expected.ravel())

    def test_binary_formats_go_into_pipes(self) -> None:
        code = "import numpy, sys, io; print(numpy.load(io.BytesIO(sys.stdin.buffer.read())).shape)"
        line = f"lossctl grad ce {shlex.join(DIGITS)} -o - -f npy | python -c {shlex.quote(code)}"
        done = run_shell(line, SAMPLE_DATA)
        assert (done.out, done.err) == ("(899, 10)\n", "")

    def test_a_table_shows_the_first(self) -> None:
        done = run("grad", "ce", *DIGITS, "-o", "-", "--limit", 3, cwd=SAMPLE_DATA)
        assert "gradient" in done.out.splitlines()[1]
        assert "8987 more rows" in done.out

    @pytest.mark.parametrize("more", ["-f json", "-f table", "-o - -f csv", "-o - -f parquet"])
    def test_a_closed_pipe_ends_quietly(self, more: str) -> None:
        line = f"lossctl grad ce {shlex.join(DIGITS)} {more} | true; echo ${{PIPESTATUS[0]}}"
        done = run_shell(line, SAMPLE_DATA)
        assert (done.out, done.err) == ("0\n", "")

    def test_a_failed_check_stands_where_the_pipe_is_closed(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text(WRONG)
        save(tmp_path, "x", np.array([1.0, 2.0]))
        line = "lossctl grad mine.py:square x.npy --check | true; echo ${PIPESTATUS[0]}"
        done = run_shell(line, tmp_path)
        assert done.out == "1\n"
        assert done.err.startswith("error: the gradient of mine.py:square differs")

    def test_nothing_is_left_in_the_temporary_directory(self, tmp_path: Path) -> None:
        run_process(
            "grad", "ce", *DIGITS, "-o", "-", "-f", "csv", cwd=SAMPLE_DATA, TMPDIR=str(tmp_path)
        )
        assert list(tmp_path.iterdir()) == []


def test_large_files_take_little_memory(tmp_path: Path) -> None:
    """Two files of 64 MB, and a gradient of 64 MB."""
    random = np.random.default_rng(0)
    files = [tmp_path / save(tmp_path, name, random.normal(size=8_000_000)) for name in "xy"]
    least = measure_peak("--version")
    for target in ("grad.npy", "grad.parquet"):
        peak = measure_peak("grad", "huber", *files, "-o", tmp_path / target, "-j", 2)
        assert peak - least < ALLOWED, f"{(peak - least) >> 20} MiB"
