"""Names and values on the command line that do not exist: the nearest that do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command_line import compute, run
from tests.support.small_files import FILE, USAGE, Refuse


class TestWords:
    """Names and values on the command line that do not exist."""

    @pytest.mark.parametrize(
        ("given", "meant"), [("hubber", "huber"), ("cros_entropy", "cross_entropy"), ("bec", "bce")]
    )
    def test_unknown_loss(self, refuse: Refuse, given: str, meant: str) -> None:
        message = refuse(given, "v.npy", "w.npy", code=USAGE, words=(repr(given), "lossctl list"))
        assert re.search(rf"Did you mean .*\b{meant}\b", message)

    def test_unknown_loss_without_neighbours(self, refuse: Refuse) -> None:
        refuse("qqqqqqqq", "v.npy", "w.npy", code=USAGE, words=("lossctl list",))

    @pytest.mark.parametrize(
        ("key", "given", "meant"),
        [
            ("ce", "--wieght", "--weight"),
            ("ce", "--label-smoothin", "--label-smoothing"),
            ("huber", "--detla", "--delta"),
            ("poisson_nll", "--no-log-inputs", "--no-log-input"),
            ("mse", "--ouput", "--output"),
            ("mse", "--sample-weights", "--sample-weight"),
        ],
    )
    def test_unknown_flag(self, here: Path, key: str, given: str, meant: str) -> None:
        done = compute(key, "v.npy", "w.npy", given, "1")
        assert (done.code, done.out) == (USAGE, "")
        assert given in done.err
        assert re.search(rf"Did you mean .*{meant}\b", done.err)
        assert f"lossctl compute {key} --help" in done.err

    @pytest.mark.parametrize("flag", ["--size-average", "--no-size-average", "--reduce"])
    @pytest.mark.parametrize("key", ["ce", "mse", "triplet_margin"])
    def test_the_old_reductions(self, here: Path, flag: str, key: str) -> None:
        done = compute(key, "v.npy", "w.npy", flag)
        assert (done.code, done.out) == (USAGE, "")
        assert flag in done.err
        assert re.search(r"--reduction (mean|sum|none)\b", done.err), "in the shell's own words"

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("huber", "--delta", 0), ("delta", "above 0", "0")),
            (("huber", "--delta", -1), ("delta", "above 0", "-1")),
            (("huber", "--delta", "nan"), ("delta", "number", "nan")),
            (("huber", "--delta", "big"), ("--delta", "a number", "'big'")),
            (("smooth_l1", "--beta", -0.5), ("beta", "at least 0", "-0.5")),
            (("poisson_nll", "--eps", -1), ("eps", "at least 0", "-1")),
            (("mse", "-r", "average"), ("'average'", "mean", "sum", "none")),
            (("mse", "-r", "batch_mean"), ("'batch_mean'", "batchmean")),
            (("mse", "--nan", "drop"), ("'drop'", "propagate", "omit", "error")),
            (("mse", "--dtype", "float16"), ("'float16'", "float64", "float32")),
            (("mse", "-j", 0), ("threads", "at least 1", "0")),
            (("mse", "-j", "two"), ("--threads", "integer", "'two'")),
            (("mse", "--limit", -1), ("--limit", "at least 0", "-1")),
            (("mse", "--precision", 0), ("--precision", "at least 1", "0")),
            (("mse", "--precision", 18), ("--precision", "at most 17", "18")),
            (("mse", "--class-axis", 2), ("mse", "class axis")),
            (("mse", "-f", "jsn"), ("'jsn'", "json")),
            (("mse", "-f"), ("-f", "argument", "lossctl compute mse --help")),
        ],
    )
    def test_values_out_of_bounds(
        self, here: Path, words: tuple[object, ...], expected: tuple[str, ...]
    ) -> None:
        key, *options = words
        done = compute(key, "v.npy", "w.npy", *options)
        assert (done.code, done.out) == (USAGE, "")
        assert done.err.startswith("error: ")
        assert done.err.count("error: ") == 1
        for word in expected:
            assert word in done.err

    def test_bounds_of_class_losses(self, here: Path) -> None:
        for options, expected in (
            (("ce", "--label-smoothing", 1.5), ("label_smoothing", "at least 0, at most 1", "1.5")),
            (("ce", "--ignore-index", 1.5), ("--ignore-index", "integer", "'1.5'")),
            (("ce", "--weight", "1,two,3"), ("'two'", "1,two,3", "number")),
            (("ce", "--class-axis", 4), ("(4, 3)", "axis 4")),
            (("multi_margin", "--p", 3), ("p of multi_margin", "1, 2", "3")),
        ):
            key, *rest = options
            done = compute(key, "logits.npy", "labels.npy", *rest)
            assert (done.code, done.out) == (USAGE, ""), done
            for word in expected:
                assert word in done.err

    def test_unknown_distance(self, here: Path) -> None:
        words = ("triplet_margin_with_distance", *["logits.npy"] * 3, "--distance", "euclid")
        done = compute(*words)
        assert done.code == USAGE
        assert "Did you mean euclidean" in done.err

    def test_too_few_and_too_many_files(self, here: Path) -> None:
        few = compute("ce", "logits.npy")
        assert (few.code, few.out) == (USAGE, "")
        assert re.search(r"(?i)missing.*target", few.err)
        many = compute("ce", "logits.npy", "labels.npy", "v.npy")
        assert (many.code, many.out) == (USAGE, "")
        assert "v.npy" in many.err

    def test_unknown_family_and_command(self, here: Path) -> None:
        family = run("list", "--family", "margn")
        assert (family.code, family.out) == (USAGE, "")
        assert "'margn'" in family.err
        assert "Did you mean margin" in family.err
        command = run("comput", "mse")
        assert (command.code, command.out) == (USAGE, "")
        assert "compute" in command.err
        shown = run("show", "hubber")
        assert (shown.code, shown.out) == (USAGE, "")
        assert "Did you mean huber" in shown.err

    def test_output_that_cannot_be_written(self, here: Path) -> None:
        for target, code, word in (
            ("x.txt", USAGE, ".json"),
            ("nowhere/x.json", FILE, "nowhere"),
            (".", USAGE, "suffix"),
        ):
            done = compute("mse", "v.npy", "w.npy", "-o", target)
            assert (done.code, done.out) == (code, ""), done
            assert word in done.err
        both = compute("mse", "v.npy", "w.npy", "-o", "x.json", "-f", "csv")
        assert both.code == USAGE
        assert not (here / "x.json").exists()

    def test_a_bad_output_is_told_before_the_work(self, here: Path) -> None:
        done = compute("mse", "nowhere.npy", "w.npy", "-o", "x.txt")
        assert done.code == USAGE
        assert "x.txt" in done.err
