"""What torch computes and a person should know of: a value, and one warning with its place."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import lossctl
from tests.support.command_line import Run, compute, read_table, save
from tests.support.small_files import FORMATS, LABELS, LOGITS, VALUES


@pytest.mark.parametrize("suffix", FORMATS)
class TestWarnings:
    """What torch computes: a value, and one warning that counts and names the first place."""

    def only(self, done: Run, *words: str) -> str:
        assert done.code == 0, done
        assert "warning" not in done.out
        (warning,) = done.warnings
        assert done.err.count("\n") in (1, 2), "one warning, perhaps with a line of advice"
        for word in words:
            assert word in done.err
        return warning

    def test_positive_log_probabilities(self, here: Path, suffix: str) -> None:
        logits = np.array([[-0.5, 0.25, -1], [-1, -1, 1.5], [-1, -1, -1], [-2, -1, -1]])
        done = compute(
            "nll", save(here, "x", logits, suffix), save(here, "y", LABELS, suffix), "-f", "value"
        )
        words = ("nll: 1 element", "positive", "row 0", "x.", "log_softmax")
        self.only(done, *words)
        assert done.value == -np.mean(logits[range(4), LABELS])

    def test_targets_that_are_negative(self, here: Path, suffix: str) -> None:
        spread = np.array([[0.5, 0.5, 0], [1.5, -0.25, -0.25], [1, 0, 0], [0, 1, 0]])
        names = save(here, "x", LOGITS, suffix), save(here, "y", spread, suffix)
        done = compute("ce", *names, "-f", "value")
        self.only(done, "target: 2 values", "negative", "-0.25", "row 1", "y.")
        assert math.isfinite(done.value)

    def test_targets_that_do_not_sum_to_1(self, here: Path, suffix: str) -> None:
        spread = np.array([[0.5, 0.5, 0], [0.25, 0.125, 0.125], [1, 0, 0], [0.5, 1, 0]])
        names = save(here, "x", LOGITS, suffix), save(here, "y", spread, suffix)
        done = compute("ce", *names, "-f", "value")
        words = ("target: 2 ", "do not sum to 1", "first sums to 0.5", "row 1", "y.")
        assert "column" not in self.only(done, *words)
        assert math.isfinite(done.value)

    def test_the_same_for_kl_div(self, here: Path, suffix: str) -> None:
        spread = np.array([[0.5, 0.5, 0], [0.25, 0.125, 0.125], [1, 0, 0], [0, 1, 0]])
        names = save(here, "x", -np.abs(LOGITS), suffix), save(here, "y", spread, suffix)
        done = compute("kl_div", *names, "-r", "batchmean", "-f", "value")
        self.only(done, "target: 1 ", "not sum to 1", "row 1")

    def test_nan(self, here: Path, suffix: str) -> None:
        values = save(here, "x", [1.0, math.nan, 2.0, math.nan], suffix)
        done = compute("mse", values, save(here, "y", VALUES, suffix), "-f", "value")
        self.only(done, "input: 2 values", "NaN", "row 1", "x.")
        assert math.isnan(done.value)

    def test_infinity(self, here: Path, suffix: str) -> None:
        values = save(here, "x", [1.0, 2.0, -math.inf, 3.0], suffix)
        done = compute("l1", save(here, "y", VALUES, suffix), values, "-f", "value")
        self.only(done, "target: 1 ", "infinite", "-inf", "row 2", "x.")
        assert done.value == math.inf

    def test_nan_left_out(self, here: Path, suffix: str) -> None:
        values = save(here, "x", [1.0, math.nan, 2.0, 3.0], suffix)
        names = values, save(here, "y", VALUES, suffix)
        done = compute("l1", *names, "--nan", "omit")
        self.only(done, "input: 1 ", "NaN", "row 1")
        rows = read_table(done.out)
        assert rows["omitted"].startswith("1")
        assert rows["counted"] == "3"
        expected = np.abs(np.array([1, 2, 3]) - VALUES[[0, 2, 3]]).mean()
        assert float(rows["value"]) == pytest.approx(expected, abs=1e-6)

    def test_clamped_logarithms(self, here: Path, suffix: str) -> None:
        values = save(here, "x", [0.5, 0.0, 1.0, 0.0], suffix)
        target = save(here, "y", [1.0, 1.0, 0.0, 0.0], suffix)
        done = compute("bce", values, target)
        self.only(done, "2 ", "clamped", "row 1")
        rows = read_table(done.out)
        assert rows["clamped"] == "2"
        assert float(rows["value"]) == pytest.approx((200 + math.log(2)) / 4, rel=1e-5)

    def test_no_samples(self, here: Path, suffix: str) -> None:
        names = save(here, "x", np.zeros(0), suffix), save(here, "y", np.zeros(0), suffix)
        done = compute("mse", *names, "-f", "value")
        self.only(done, "no elements", "NaN")
        assert math.isnan(done.value)

    def test_everything_ignored(self, here: Path, suffix: str) -> None:
        names = save(here, "x", LOGITS, suffix), save(here, "y", [-100] * 4, suffix)
        done = compute("ce", *names, "-f", "value")
        self.only(done, "4 ignored")
        assert math.isnan(done.value)
        assert compute("ce", *names, "-r", "sum", "-f", "value").value == 0

    def test_whole_floats_as_indices(self, here: Path, suffix: str) -> None:
        names = save(here, "x", LOGITS, suffix), save(here, "y", LABELS.astype(float), suffix)
        done = compute("ce", *names, "-f", "value")
        self.only(done, "target", "read as class indices")
        assert done.value == lossctl.compute("ce", LOGITS, LABELS).value

    def test_labels_outside_0_to_1(self, here: Path, suffix: str) -> None:
        names = save(here, "x", VALUES, suffix), save(here, "y", [0.0, 1.0, 2.0, -1.0], suffix)
        done = compute("bce_with_logits", *names, "-f", "value")
        self.only(done, "target: 2 values", "[0, 1]", "first is 2", "row 2", "y.")


def test_everything_masked(here: Path) -> None:
    mask = save(here, "mask", np.zeros(4))
    done = compute("mse", "v.npy", "w.npy", "--mask", mask)
    (warning,) = done.warnings
    assert "4 masked" in warning
    assert "NaN" in warning
    assert read_table(done.out)["value"] == "nan"


def test_weights_that_are_zero_or_nan(here: Path) -> None:
    zero = compute("mse", "v.npy", "w.npy", "--sample-weight", save(here, "zero", np.zeros(4)))
    assert any("all weights are 0" in warning for warning in zero.warnings)
    name = save(here, "odd", [1.0, math.nan, 1.0, 1.0])
    odd = compute("mse", "v.npy", "w.npy", "--sample-weight", name)
    assert read_table(odd.out)["value"] == "nan"
    assert any("sample weight: 1 " in warning and "NaN" in warning for warning in odd.warnings)
    assert "weights are 0" not in odd.err


def test_a_sum_beyond_the_largest_number(here: Path) -> None:
    huge, zero = save(here, "huge", np.full(300_000, 1e303)), save(here, "zero", np.zeros(300_000))
    assert compute("l1", huge, zero, "-r", "sum", "-f", "value").value == math.inf


def test_a_warning_counts_over_all_blocks(here: Path) -> None:
    values = np.zeros(300_000)
    values[[140_000, 140_001, 299_999]] = np.nan
    name = save(here, "x", values)
    for reduction in ("mean", "none"):
        done = compute("l1", name, name, "-r", reduction, "--limit", 1)
        warnings = [one for one in done.warnings if one.startswith("input")]
        assert len(warnings) == 1
        assert "3 values" in warnings[0]
        assert "row 140000 of x.npy" in warnings[0]


def test_one_is_warned_of_in_the_singular(here: Path) -> None:
    name = save(here, "x", [1.0, math.nan, 2.0, 3.0])
    (warning,) = compute("l1", name, "w.npy").warnings
    assert "1 value is NaN" in warning
    (warning,) = compute("bce", save(here, "p", [0.0]), save(here, "y", [1.0])).warnings
    assert "1 logarithm was clamped" in warning


def test_kl_div_warns_of_its_mean(here: Path) -> None:
    save(here, "p", np.full((2, 2), 0.5))
    save(here, "log", np.log(np.full((2, 2), 0.5)))
    mean = compute("kl_div", "log.npy", "p.npy", "-f", "value")
    (warning,) = mean.warnings
    assert "batchmean" in warning
    assert compute("kl_div", "log.npy", "p.npy", "-r", "batchmean", "-f", "value").err == ""


def test_warnings_are_in_the_json(here: Path) -> None:
    name = save(here, "x", [1.0, math.nan, 2.0, 3.0])
    done = compute("mse", name, "v.npy", "-f", "json")
    assert done.warnings[0] in done.out
