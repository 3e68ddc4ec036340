"""Corners where a quiet wrong number, or an exit code that means something else, would hide."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.cli import root, stopping
from lossctl.errors import DataError, LossctlWarning
from tests.support.command_line import SAMPLE_DATA, command, environment, run, run_shell, save

RANDOM = np.random.default_rng(11)


def test_labels_beyond_every_index_are_never_the_ignored_one() -> None:
    logits, labels = RANDOM.normal(size=(3, 3)), np.array([0, 2**64 - 1, 2], np.uint64)
    for ignored in (-1, 2**64 - 1):
        with pytest.raises(DataError, match=r"target: 1 .* the first is 18446744073709551615 at"):
            lossctl.compute("ce", logits, labels, ignore_index=ignored)


def test_an_order_of_inputs_that_is_in_doubt_is_told() -> None:
    square, target = RANDOM.normal(size=(4, 4)), RANDOM.dirichlet(np.ones(4), 4)
    with pytest.warns(LossctlWarning, match="taken as input, target, linear_weight"):
        first = lossctl.compute("linear_ce", square, target, square.T)
    named = {"input": square, "target": target, "linear_weight": square.T}
    with pytest.warns(LossctlWarning, match="more than one order"):
        assert lossctl.compute("linear_ce", **named).value == first.value
    wide = RANDOM.normal(size=(5, 4))
    labels = np.array([0, 1, 2, 4])
    assert (
        lossctl.compute("linear_ce", square, wide, labels).value
        == lossctl.compute("linear_ce", square, labels, wide).value
    )


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_in_the_shape_of_probabilities(dtype: type) -> None:
    for shape in ((5,), (5, 3), (2, 3, 4)):
        with pytest.raises(DataError, match="probabilities of the classes, but contains"):
            lossctl.compute("ce", RANDOM.normal(size=shape), np.zeros(shape, dtype))


def test_numbers_that_are_not_finite_in_options() -> None:
    logits, labels = RANDOM.normal(size=(4, 3)), np.array([0, 1, 2, 0])
    with pytest.warns(LossctlWarning, match="weight: 2 of the numbers are NaN or infinite"):
        lossctl.compute("ce", logits, labels, weight=[np.nan, 1, np.inf])


def test_a_result_that_is_odd_without_an_odd_input() -> None:
    with pytest.warns(LossctlWarning, match="poisson_nll: 1 result is NaN; the first is at row 1"):
        result = lossctl.compute("poisson_nll", [1.0, -2.0], [1.0, 1.0], log_input=False)
    assert result.nan == 1
    with pytest.warns(LossctlWarning, match="mse: 1 result is infinite; the first is inf at row 0"):
        lossctl.compute("mse", [1e300, 1.0], [0.0, 0.0])
    with pytest.raises(DataError, match="mse: 1 result is NaN"):
        lossctl.compute("mse", [np.inf, 1.0], [np.inf, 2.0], nan="error")


def test_what_is_masked_may_be_anything() -> None:
    logits, labels = RANDOM.normal(size=(4, 3, 5)), RANDOM.integers(0, 3, (4, 5))
    expected = lossctl.compute("ce", logits[:2], labels[:2])
    labels[2:] = -77
    logits[3] = np.nan
    masked = lossctl.compute("ce", logits, labels, mask=[1, 1, 0, 0], nan="error")
    assert masked.value == pytest.approx(expected.value, rel=1e-15)
    assert masked.masked == 10
    elementwise = np.ones((4, 5))
    elementwise[2:] = 0
    again = lossctl.compute("ce", logits, labels, mask=elementwise, nan="error")
    assert again.value == masked.value
    with pytest.raises(DataError, match="target: 5 "):
        lossctl.compute("ce", logits, labels, mask=[1, 1, 1, 0])


def test_squeeze_keeps_a_single_sample_and_its_weight() -> None:
    one = lossctl.compute("mse", [[3.0]], [1.0], sample_weight=[[2.0]], squeeze=True)
    assert (one.value, one.shape, one.denominator) == (4.0, (1,), 2.0)
    column = lossctl.compute(
        "mse", np.ones((4, 1)), np.zeros(4), sample_weight=np.ones((4, 1)), squeeze=True
    )
    assert (column.value, column.shape) == (1.0, (4,))
    assert lossctl.compute("l1", np.ones((1, 1, 3)), np.zeros(3), squeeze=True).value == 1.0


def test_classes_of_which_there_are_none() -> None:
    with pytest.raises(DataError, match=r"\(3, 0\): it has no classes"):
        lossctl.compute("ce", np.ones((3, 0)), np.zeros(3, int), ignore_index=0)


def test_distributions_are_known_only_in_two_axes() -> None:
    probabilities = RANDOM.dirichlet(np.ones(5), (3, 4))
    lossctl.compute("kl_div", np.log(probabilities), probabilities, reduction="batchmean")


def test_float32_elements_stay_float32() -> None:
    values = RANDOM.normal(size=6).astype(np.float32)
    weighted = lossctl.compute(
        "l1", values, values + 1, dtype="float32", reduction="none", sample_weight=np.ones(6)
    )
    assert weighted.elements is not None
    assert weighted.elements.dtype == np.float32


class TestLeaving:
    """How a run ends when it is not its own doing."""

    @pytest.mark.parametrize(
        "line",
        ["lossctl --help", "lossctl compute ce --help", "lossctl list", "lossctl --version"],
    )
    def test_help_into_a_closed_pipe(self, line: str) -> None:
        done = run_shell(f"set -o pipefail; {line} | true; echo $?", SAMPLE_DATA)
        assert (done.out, done.err) == ("0\n", "")

    def test_closed_streams(self, tmp_path: Path) -> None:
        words = "lossctl compute ce preds.npy labels.npy"
        assert run_shell(f"{words} -f value 1>&-", SAMPLE_DATA).err == ""
        kept = run_shell(f"{words} -o {tmp_path}/x.json -f json 1>&-; echo $?", SAMPLE_DATA)
        assert (kept.out, kept.err) == ("0\n", "")
        warned = "lossctl compute kl_div log_probs.npy digits_other_probs.npy -f value"
        assert float(run_shell(f"{warned} 2>&-", SAMPLE_DATA).out) == pytest.approx(
            0.0104537, rel=1e-5
        )
        assert (
            run_shell("lossctl compute ce nowhere.npy labels.npy 2>&-; echo $?", tmp_path).out
            == "4\n"
        )

    def test_what_fails_for_a_signal_is_not_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(stopping, "_received", [signal.SIGINT])
        with pytest.raises(SystemExit) as leaving:
            root.app(["compute", "no_such_loss"])
        assert leaving.value.code == 130
        assert capsys.readouterr() == ("", "")

    def test_a_hangup_is_ignored_where_it_was(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "slow.npy")
        save(tmp_path, "x", np.ones(3))
        save(tmp_path, "y", np.zeros(3))
        with subprocess.Popen(
            ["nohup", *command("compute", "l1", "slow.npy", "y.npy", "-f", "value")],
            cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            with (tmp_path / "slow.npy").open("wb") as slow:
                time.sleep(0.3)  # it waits for the header
                process.send_signal(signal.SIGHUP)
                slow.write((tmp_path / "x.npy").read_bytes())
            assert process.communicate(timeout=20)[0] == b"1.0\n"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_a_signal_leaves_no_file(self, tmp_path: Path, number: signal.Signals) -> None:
        name = save(tmp_path, "x", np.zeros(20_000_000, np.float32))
        words = ("compute", "l1", name, name, "-r", "none", "-o", "losses.csv")
        with subprocess.Popen(
            command(*words), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
        ) as process:
            deadline = time.monotonic() + 30
            while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(number)
            assert process.communicate(timeout=30) == (None, b"")
        assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_a_defect_of_ours_is_told_as_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise ValueError("boom")

        monkeypatch.setattr(root, "take_plain_values", fail)
        done = run("list")
        assert (done.code, done.out) == (70, "")
        assert "internal error: ValueError: boom" in done.err
        assert "Traceback" not in done.err


class TestFiles:
    """Files that are wrong in ways that would pass for right."""

    def test_a_stored_archive_is_checked(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", a=np.arange(1000.0))
        content = bytearray((tmp_path / "x.npz").read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(DataError, match="Bad CRC-32"):
            lossctl.compute("l1", tmp_path / "x.npz", np.zeros(1000))

    def test_lines_that_end_in_carriage_returns(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_bytes(b"a,b\r1,2\r3,4\r")
        with pytest.raises(DataError, match="carriage returns only"):
            lossctl.compute("l1", tmp_path / "x.csv#a", [0.0, 0.0])

    @pytest.mark.parametrize("number", ["-Inf", "INF", "NAN", "infinity", "1e5"])
    def test_the_cell_that_is_no_number_is_named(self, tmp_path: Path, number: str) -> None:
        (tmp_path / "x.csv").write_text(f"a\n{number}\nNA\n")
        with pytest.raises(DataError, match=r"row 1 \(line 3\): 'NA'"):
            lossctl.compute("l1", tmp_path / "x.csv#a", [0.0, 0.0])


class TestStreams:
    """Standard input with columns, and standard output by its name."""

    @pytest.mark.parametrize("suffix", ["npz", "tsv"])
    def test_columns_of_standard_input(self, tmp_path: Path, suffix: str) -> None:
        if suffix == "npz":
            np.savez(tmp_path / "t.npz", a=np.arange(4.0), b=np.zeros(4))
        else:
            (tmp_path / "t.tsv").write_text("a\tb\n0\t0\n1\t0\n2\t0\n3\t0\n")
        for words in ("-#a -#b", "-#a -#b --sample-weight -#b --reduction sum"):
            line = f"cat t.{suffix} | lossctl compute l1 {words} -f value"
            done = run_shell(line, tmp_path)
            assert (done.err, float(done.out)) == ("", 1.5 if words == "-#a -#b" else 0.0)

    def test_standard_output_by_its_name(self, tmp_path: Path) -> None:
        name = save(tmp_path, "x", np.arange(3.0))
        for words in (("-r", "none", "-f", "csv"), ("-f", "value"), ()):
            named = run("compute", "l1", name, name, *words, "-o", "-", cwd=tmp_path)
            plain = run("compute", "l1", name, name, *words, cwd=tmp_path)
            assert (named.code, named.out, named.err) == (0, plain.out, "")
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_a_mask_in_memory_has_its_own_name(self) -> None:
        with pytest.warns(
            LossctlWarning, match="mask: 1 value is NaN; the first is at row 1 of mask"
        ):
            lossctl.compute("l1", [1.0, 2.0], [0.0, 0.0], mask=[1.0, np.nan])
