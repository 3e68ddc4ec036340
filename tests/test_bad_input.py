"""Bad input: one clear message with the place and the remedy, an exit code, and no output file.

What torch computes and a person should know of is computed, with one warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.losses.registry import registry
from tests.command_line import Run, compute, read_table, run, run_process, save

USAGE, DATA, FILE = 2, 3, 4
LOGITS = np.array([[0.2, 1.5, -0.3], [2.0, 0.1, 0.4], [-1.0, 0.0, 1.0], [0.3, 0.2, 0.1]])
LABELS = np.array([1, 0, 2, 2])
VALUES = np.array([0.5, -1.25, 2.0, 0.75])
FORMATS = ("npy", "npz", "csv", "parquet")
Refuse = Callable[..., str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty directory that commands run in."""
    monkeypatch.chdir(tmp_path)
    for key, array in (("logits", LOGITS), ("labels", LABELS), ("v", VALUES), ("w", VALUES * 2)):
        save(tmp_path, key, array)
    return tmp_path


@pytest.fixture
def refuse(here: Path) -> Refuse:
    """Return a function that sees a command refused, in every way of output.

    It gives back the one message; ``words`` are what the message must contain.
    """

    def check(*command: object, code: int, words: tuple[str, ...] = ()) -> str:
        before = sorted(here.iterdir())
        messages = []
        for output in (
            (),
            ("-r", "none"),
            ("-o", "out.json"),
            ("-r", "none", "-o", "out.npy"),
            ("-r", "none", "-o", "out.csv.gz"),
        ):
            done = compute(*command, *output)
            assert done.code == code, done
            assert done.out == ""
            assert sorted(here.iterdir()) == before
            messages.append(_read_message(done))
        assert len(set(messages)) == 1, messages
        for word in words:
            assert word in messages[0]
        return messages[0]

    return check


def _read_message(done: Run) -> str:
    """Return the only message on standard error: an error with a remedy."""
    first, *remedy = done.err.rstrip("\n").split("\n")
    assert first.startswith("error: ")
    assert len(remedy) == 1, done.err
    assert re.match(r"  \S", remedy[0]), done.err
    return done.err


class TestShapes:
    def test_both_shapes_are_shown(self, here: Path, refuse: Refuse) -> None:
        matrix = save(here, "matrix", np.zeros((4, 5)))
        refuse("mse", matrix, "v.npy", code=DATA, words=("(4, 5)", "(4,)"))

    def test_a_column_against_a_vector_names_the_flag(self, here: Path, refuse: Refuse) -> None:
        column = save(here, "column", VALUES[:, np.newaxis])
        refuse("mse", column, "w.npy", code=DATA, words=("(4, 1)", "(4,)", "--squeeze"))
        assert compute("mse", column, "w.npy", "--squeeze", "-f", "value").value == float(
            np.mean(VALUES**2)
        )

    @pytest.mark.parametrize("key", ["l1", "mse", "smooth_l1", "huber", "poisson_nll"])
    def test_nothing_is_broadcast(self, here: Path, refuse: Refuse, key: str) -> None:
        row = save(here, "row", np.ones((1, 4)))
        refuse(key, row, "v.npy", code=DATA, words=("(1, 4)", "(4,)"))

    def test_classes_last_names_the_flag(self, here: Path, refuse: Refuse) -> None:
        scores = np.random.default_rng(0).normal(size=(2, 5, 3))
        logits = save(here, "x", scores)
        labels = save(here, "y", np.zeros((2, 5), int))
        refuse(
            "ce", logits, labels, code=DATA, words=("(2, 5, 3)", "(2, 5)", "--class-axis -1")
        )
        moved = compute("ce", logits, labels, "--class-axis", -1, "-f", "value").value
        assert moved == lossctl.compute("ce", np.moveaxis(scores, 2, 1), np.zeros((2, 5), int)).value

    def test_swapped_files_are_recognised(self, refuse: Refuse) -> None:
        refuse("ce", "labels.npy", "logits.npy", code=DATA, words=("the other way round",))

    def test_class_weights_of_another_length(self, refuse: Refuse) -> None:
        refuse(
            "ce", "logits.npy", "labels.npy", "--weight", "1,2",
            code=DATA, words=("weight", "(2,)", "(3,)"),
        )  # fmt: skip

    def test_element_weights_that_do_not_broadcast(self, refuse: Refuse) -> None:
        refuse(
            "bce_with_logits", "v.npy", "v.npy", "--pos-weight", "1,2,3",
            code=DATA, words=("pos_weight", "(3,)", "(4,)"),
        )  # fmt: skip

    @pytest.mark.parametrize("flag", ["--sample-weight", "--mask"])
    def test_one_weight_per_sample(self, here: Path, refuse: Refuse, flag: str) -> None:
        extra = save(here, "extra", np.ones(3))
        refuse("mse", "v.npy", "w.npy", flag, extra, code=DATA, words=("(3,)", "(4,)"))

    def test_a_variance_that_does_not_fit(self, here: Path, refuse: Refuse) -> None:
        var = save(here, "var", np.ones(3))
        refuse("gaussian_nll", "v.npy", "w.npy", var, code=DATA, words=("var", "(3,)", "(4,)"))


@pytest.mark.parametrize("suffix", FORMATS)
class TestLengths:
    def test_vectors(self, here: Path, refuse: Refuse, suffix: str) -> None:
        long = save(here, "long", np.arange(7.0), suffix)
        short = save(here, "short", np.arange(5.0), suffix)
        refuse("mse", long, short, code=DATA, words=(" 7 ", " 5", "same samples"))
        refuse("mse", short, long, code=DATA, words=(" 7", " 5 ", "same samples"))

    def test_a_matrix_and_labels(self, here: Path, refuse: Refuse, suffix: str) -> None:
        logits = save(here, "x", LOGITS, suffix)
        labels = save(here, "y", LABELS[:3], suffix)
        refuse("ce", logits, labels, code=DATA, words=("4", "3", "target"))


@pytest.mark.parametrize("suffix", FORMATS)
class TestContent:
    """What is wrong with the numbers: how many, the first place, its value."""

    @staticmethod
    def place(name: str, row: int, suffix: str) -> str:
        line = f" (line {row + 2})" if suffix == "csv" else ""
        column = ", column 'value'" if suffix in ("csv", "parquet") else ""
        return f"row {row}{line}{column} of {name}"

    def test_label_out_of_range(self, here: Path, refuse: Refuse, suffix: str) -> None:
        labels = save(here, "y", [0, 1, 7, 3], suffix)
        place = self.place(labels, 2, suffix)
        for key in ("ce", "nll", "multi_margin"):
            logits = save(here, "x", -np.abs(LOGITS), suffix)
            words = ("target: 2 ", "first is 7", place, "3 classes", "--ignore-index")
            refuse(key, logits, labels, code=DATA, words=words)
        refuse(
            "linear_ce", logits, labels, save(here, "weight", LOGITS[:3]),
            code=DATA, words=("target: 2 ", "first is 7", place, "3 classes"),
        )  # fmt: skip

    def test_negative_label(self, here: Path, refuse: Refuse, suffix: str) -> None:
        labels = save(here, "y", [0, -1, 2, -100], suffix)
        logits = save(here, "x", LOGITS, suffix)
        words = ("target: 1 ", "first is -1", self.place(labels, 1, suffix), "3 classes")
        refuse("ce", logits, labels, code=DATA, words=words)

    def test_multilabel_index_out_of_range(self, here: Path, refuse: Refuse, suffix: str) -> None:
        scores = save(here, "x", LOGITS, suffix)
        lists = save(here, "y", [[0, -1, -1], [1, 2, -1], [3, -1, -1], [-2, 5, -1]], suffix)
        words = ("target: 3 ", "first is 3", "row 2", "3 classes")
        refuse("multilabel_margin", scores, lists, code=DATA, words=words)

    def test_labels_that_are_not_whole(self, here: Path, refuse: Refuse, suffix: str) -> None:
        labels = save(here, "y", [0.0, 1.5, 2.0, 0.25], suffix)
        logits = save(here, "x", LOGITS, suffix)
        words = ("target: 2 ", "not whole", "first is 1.5", self.place(labels, 1, suffix))
        refuse("ce", logits, labels, code=DATA, words=words)

    def test_signs(self, here: Path, refuse: Refuse, suffix: str) -> None:
        signs = save(here, "y", [1, -1, 0, 2], suffix)
        values = save(here, "x", VALUES, suffix)
        matrix = save(here, "m", LOGITS, suffix)
        words = ("target: 2 ", "+1 or -1", "first is 0", self.place(signs, 2, suffix))
        refuse("soft_margin", values, signs, code=DATA, words=words)
        refuse("hinge_embedding", values, signs, code=DATA, words=words)
        refuse("margin_ranking", values, values, signs, code=DATA, words=words)
        refuse("cosine_embedding", matrix, matrix, signs, code=DATA, words=words)

    def test_probability_outside_0_to_1(self, here: Path, refuse: Refuse, suffix: str) -> None:
        values = save(here, "x", [0.5, 1.5, 0.25, -0.125], suffix)
        target = save(here, "y", [1.0, 0.0, 1.0, 0.0], suffix)
        words = ("input: 2 ", "[0, 1]", "first is 1.5", self.place(values, 1, suffix), "logits")
        refuse("bce", values, target, code=DATA, words=words)

    def test_negative_variance(self, here: Path, refuse: Refuse, suffix: str) -> None:
        values = save(here, "x", VALUES, suffix)
        var = save(here, "var", [1.0, 0.5, -0.5, -2.0], suffix)
        words = ("var: 2 ", "negative", "first is -0.5", self.place(var, 2, suffix))
        refuse("gaussian_nll", values, values, var, code=DATA, words=words)

    def test_one_is_told_in_the_singular(self, here: Path, refuse: Refuse, suffix: str) -> None:
        signs = save(here, "y", [1, -1, 0, 1], suffix)
        message = refuse("soft_margin", save(here, "x", VALUES, suffix), signs, code=DATA)
        assert re.search(r"\b1 (value|label|target)\b", message), message
        assert "1 values" not in message

    def test_nan_is_refused_where_asked_for(self, here: Path, refuse: Refuse, suffix: str) -> None:
        values = save(here, "x", [1.0, math.nan, 2.0, math.nan], suffix)
        words = ("input: 2 ", "NaN", self.place(values, 1, suffix), "--nan")
        refuse("mse", values, "v.npy", "--nan", "error", code=DATA, words=words)


def test_a_count_runs_over_all_blocks(here: Path, refuse: Refuse) -> None:
    labels = np.zeros(300_000, int)
    labels[[150_001, 299_999]] = 4
    logits = save(here, "x", np.zeros((300_000, 2), np.float32))
    words = ("target: 2 ", "first is 4", "row 150001 of y.npy", "2 classes")
    refuse("ce", logits, save(here, "y", labels), code=DATA, words=words)


def test_the_first_place_has_all_axes(here: Path, refuse: Refuse) -> None:
    labels = np.zeros((2, 5, 6), int)
    labels[1, 2, 3] = labels[1, 4, 0] = 9
    logits = save(here, "x", np.zeros((2, 3, 5, 6)))
    words = ("target: 2 ", "first is 9", "row 1, position (2, 3) of y.npy")
    refuse("ce", logits, save(here, "y", labels), code=DATA, words=words)


class TestFiles:
    @pytest.mark.parametrize("suffix", ["npy", "npz#x", "csv", "tsv", "parquet#a"])
    def test_missing(self, refuse: Refuse, suffix: str) -> None:
        name = f"nowhere.{suffix.partition('#')[0]}"
        refuse("mse", f"nowhere.{suffix}", "v.npy", code=FILE, words=(name, "no such file"))

    def test_missing_names_the_nearest(self, refuse: Refuse) -> None:
        refuse("ce", "logit.npy", "labels.npy", code=FILE, words=("Did you mean logits.npy",))

    def test_missing_file_of_an_option(self, refuse: Refuse) -> None:
        command = ("ce", "logits.npy", "labels.npy", "--weight", "nowhere.npy")
        refuse(*command, code=FILE, words=("nowhere.npy",))

    def test_a_directory(self, here: Path, refuse: Refuse) -> None:
        (here / "shards").mkdir()
        refuse("mse", "shards", "v.npy", code=FILE, words=("shards", "directory"))

    @pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
    def test_missing_column(self, here: Path, refuse: Refuse, suffix: str) -> None:
        name = save(here, "table", LOGITS, suffix)
        refuse(
            "mse", f"{name}#c9", f"{name}#c1",
            code=USAGE, words=(name, "'c9'", "Did you mean"),
        )  # fmt: skip
        refuse("mse", f"{name}#c0:zzz", f"{name}#c1", code=USAGE, words=(name, "'zzz'", "c0"))

    def test_missing_array_of_an_archive(self, here: Path, refuse: Refuse) -> None:
        np.savez(here / "run.npz", logits=LOGITS, labels=LABELS)
        refuse(
            "ce", "run.npz#logit", "run.npz#labels",
            code=USAGE, words=("run.npz", "'logit'", "Did you mean logits"),
        )  # fmt: skip
        refuse("ce", "run.npz", "run.npz#labels", code=USAGE, words=("logits, labels", "#"))

    def test_columns_of_a_file_that_has_none(self, refuse: Refuse) -> None:
        refuse("mse", "v.npy#x", "w.npy", code=USAGE, words=("v.npy", "#x"))

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_empty(self, here: Path, refuse: Refuse, suffix: str) -> None:
        (here / f"x.{suffix}").touch()
        refuse("mse", f"x.{suffix}", "v.npy", code=DATA, words=(f"x.{suffix}", "empty"))

    @pytest.mark.parametrize("suffix", ["csv", "tsv"])
    def test_cell_that_is_no_number(self, here: Path, refuse: Refuse, suffix: str) -> None:
        delimiter = "," if suffix == "csv" else "\t"
        rows = ["a,b", "1,2", "3,4", "5,six"]
        (here / f"x.{suffix}").write_text("\n".join(rows).replace(",", delimiter) + "\n")
        words = (f"x.{suffix}", "'b'", "row 2", "line 4", "'six'")
        refuse("mse", f"x.{suffix}#a", f"x.{suffix}#b", code=DATA, words=words)

    def test_a_row_that_is_too_short(self, here: Path, refuse: Refuse) -> None:
        (here / "x.csv").write_text("a,b\n1,2\n3\n")
        refuse("mse", "x.csv#a", "x.csv#b", code=DATA, words=("x.csv", "line 3"))

    @pytest.mark.parametrize("keep", [-1, 100, 20, 3])
    def test_truncated_npy(self, here: Path, refuse: Refuse, keep: int) -> None:
        whole = (here / "logits.npy").read_bytes()
        (here / "x.npy").write_bytes(whole[:keep])
        refuse("ce", "x.npy", "labels.npy", code=DATA, words=("x.npy",))

    def test_truncated_npy_says_what_is_missing(self, here: Path, refuse: Refuse) -> None:
        whole = (here / "logits.npy").read_bytes()
        (here / "x.npy").write_bytes(whole[:-8])
        words = ("x.npy", "cut off", "(4, 3)", "96 bytes", "88")
        refuse("ce", "x.npy", "labels.npy", code=DATA, words=words)

    @pytest.mark.parametrize("at", [0, 7, 12, 40])
    def test_corrupt_npy(self, here: Path, refuse: Refuse, at: int) -> None:
        broken = bytearray((here / "v.npy").read_bytes())
        broken[at : at + 4] = b"\xff\xfe\xff\xff"
        (here / "x.npy").write_bytes(broken)
        refuse("mse", "x.npy", "w.npy", code=DATA, words=("x.npy",))

    @pytest.mark.parametrize("compressed", [False, True])
    def test_truncated_and_corrupt_npz(
        self, here: Path, refuse: Refuse, *, compressed: bool
    ) -> None:
        write = np.savez_compressed if compressed else np.savez
        write(here / "whole.npz", x=np.random.default_rng(0).normal(size=200))
        whole = (here / "whole.npz").read_bytes()
        (here / "x.npz").write_bytes(whole[: len(whole) // 2])
        refuse("l1", "x.npz", "whole.npz", code=DATA, words=("x.npz", "cut off"))
        if compressed:
            middle = len(whole) // 2
            (here / "x.npz").write_bytes(whole[:middle] + b"\0" * 30 + whole[middle + 30 :])
            refuse("l1", "x.npz", "whole.npz", code=DATA, words=("x.npz", "broken"))

    @pytest.mark.parametrize("part", [slice(0, -6), slice(0, 300), slice(0, 10)])
    def test_truncated_parquet(self, here: Path, refuse: Refuse, part: slice) -> None:
        save(here, "whole", LOGITS, "parquet")
        (here / "x.parquet").write_bytes((here / "whole.parquet").read_bytes()[part])
        words = ("x.parquet", "broken or cut off")
        refuse("mse", "x.parquet#c0", "v.npy", code=DATA, words=words)

    def test_corrupt_parquet(self, here: Path, refuse: Refuse) -> None:
        save(here, "whole", np.random.default_rng(0).normal(size=(500, 2)), "parquet")
        broken = bytearray((here / "whole.parquet").read_bytes())
        broken[4:60] = b"\xff" * 56
        (here / "x.parquet").write_bytes(broken)
        refuse("mse", "x.parquet#c0", "x.parquet#c1", code=DATA, words=("x.parquet", "broken"))

    def test_text_that_calls_itself_npy(self, here: Path, refuse: Refuse) -> None:
        (here / "x.npy").write_text("1\n2\n")
        refuse("mse", "x.npy", "v.npy", code=DATA, words=("x.npy", "NPY", ".csv"))

    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_pickled_objects(self, here: Path, refuse: Refuse, suffix: str) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return Path.mkdir, (here / "sprung",)

        objects = np.array([Trap(), 1], object)
        if suffix == "npy":
            np.save(here / "x.npy", objects, allow_pickle=True)
        else:
            np.savez(here / "x.npz", x=objects)
        words = (f"x.{suffix}", "never unpickled", "dtype=float")
        refuse("mse", f"x.{suffix}", "v.npy", code=DATA, words=words)
        assert not (here / "sprung").exists()

    @pytest.mark.parametrize(
        ("array", "kind"), [([1 + 2j] * 4, "complex"), (list("abcd"), "text"), ([b"a"] * 4, "text")]
    )
    @pytest.mark.parametrize("suffix", ["npy", "npz"])
    def test_dtypes_that_are_no_numbers(
        self, here: Path, refuse: Refuse, array: Any, kind: str, suffix: str
    ) -> None:
        name = save(here, "x", array, suffix)
        refuse("mse", name, "v.npy", code=DATA, words=(f"x.{suffix}", kind))

    def test_text_columns_of_parquet(self, here: Path, refuse: Refuse) -> None:
        pq.write_table(pa.table({"a": [1.0, 2.0], "name": ["x", "y"]}), here / "x.parquet")
        words = ("x.parquet", "'name'", "string")
        refuse("mse", "x.parquet#name", "x.parquet#a", code=DATA, words=words)
        refuse("mse", "x.parquet", "x.parquet#a", code=USAGE, words=(*words, "x.parquet#a"))

    def test_lists_of_different_lengths_in_parquet(self, here: Path, refuse: Refuse) -> None:
        ragged = pa.table({"x": [[1.0, 2.0], [1.0]], "y": [0, 1]})
        pq.write_table(ragged, here / "x.parquet")
        refuse("ce", "x.parquet#x", "x.parquet#y", code=DATA, words=("x.parquet", "'x'", "row 1"))


class TestCtc:
    """The lengths are checked before the work."""

    @pytest.fixture(autouse=True)
    def _files(self, here: Path) -> None:
        save(here, "log_probs", np.log(np.full((5, 2, 3), 1 / 3)))
        save(here, "targets", [[1, 2], [1, 1]])
        save(here, "concatenated", [1, 2, 1])
        save(here, "il", [5, 5])
        save(here, "tl", [2, 1])

    @staticmethod
    def command(**files: str) -> list[str]:
        names = {"log_probs": "log_probs", "targets": "targets", "input": "il", "target": "tl"}
        return ["ctc", *(f"{name}.npy" for name in (names | files).values())]

    def test_the_files_are_good(self) -> None:
        padded = compute(*self.command(), "-f", "value").value
        joined = compute(*self.command(targets="concatenated"), "-f", "value").value
        assert padded == joined > 0

    def test_input_length_longer_than_the_input(self, here: Path, refuse: Refuse) -> None:
        save(here, "long", [5, 9])
        words = ("input_lengths", "long.npy", "9", "5 time steps", "sample 1")
        refuse(*self.command(input="long"), code=DATA, words=words)

    def test_target_length_longer_than_the_targets(self, here: Path, refuse: Refuse) -> None:
        save(here, "long", [2, 3])
        words = ("target_lengths", "long.npy", "3", "2 columns", "sample 1")
        refuse(*self.command(target="long"), code=DATA, words=words)

    def test_negative_length(self, here: Path, refuse: Refuse) -> None:
        save(here, "long", [-1, 5])
        words = ("input_lengths", "-1", "sample 0")
        refuse(*self.command(input="long"), code=DATA, words=words)

    def test_lengths_that_are_not_whole(self, here: Path, refuse: Refuse) -> None:
        save(here, "long", [2.5, 5])
        words = ("input_lengths", "2.5", "long.npy", "whole")
        refuse(*self.command(input="long"), code=DATA, words=words)

    def test_concatenated_targets_of_another_length(self, here: Path, refuse: Refuse) -> None:
        save(here, "short", [1, 1])
        words = ("target_lengths", " 2,", " 3 ")
        refuse(*self.command(targets="concatenated", target="short"), code=DATA, words=words)

    def test_label_out_of_range(self, here: Path, refuse: Refuse) -> None:
        save(here, "wrong", [[1, 7], [1, 9]])
        words = ("targets", "wrong.npy", "7", "3", "sample 0", "label 1")
        refuse(*self.command(targets="wrong"), code=DATA, words=words)

    def test_what_stands_in_the_padding_does_not_matter(self, here: Path) -> None:
        save(here, "padded", [[1, 2], [1, -1]])
        padded = compute(*self.command(targets="padded"), "-f", "value")
        assert padded.value == compute(*self.command(), "-f", "value").value
        assert padded.err == ""

    def test_blank_beyond_the_classes(self, refuse: Refuse) -> None:
        refuse(*self.command(), "--blank", 3, code=DATA, words=("blank", "3", "--blank"))

    def test_impossible_alignments_are_counted(self, here: Path) -> None:
        save(here, "short", [5, 0])
        done = compute(*self.command(input="short"))
        assert done.code == 0
        assert read_table(done.out)["value"] == "inf"
        (warning,) = done.warnings
        for word in ("1 impossible alignment", "too short", "row 1"):
            assert word in warning
        assert " ;" not in warning
        assert "1 impossible alignments" not in warning
        zero = compute(*self.command(input="short"), "--zero-infinity", "-f", "value")
        assert math.isfinite(zero.value)


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
            (("mse", "-j", "two"), ("--threads", "whole number", "'two'")),
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
            (("ce", "--ignore-index", 1.5), ("--ignore-index", "whole number", "'1.5'")),
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
        words = ("input: 2 values", "positive", "0.25", "row 0", "x.", "log_softmax")
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
        words = ("target: 2 distributions", "do not sum to 1", "first sums to 0.5", "row 1", "y.")
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
        self.only(done, "target", "taken as indices")
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


REAL_RUNS = [
    (("ce", "labels.npy", "logits.npy"), DATA, "error"),
    (("mse", "nowhere.npy", "v.npy"), FILE, "error"),
    (("hubber", "v.npy", "w.npy"), USAGE, "error"),
    (("nll", "logits.npy", "labels.npy"), 0, "warning"),
]


@pytest.mark.parametrize(("words", "code", "kind"), REAL_RUNS)
def test_as_a_real_process(here: Path, words: tuple[str, ...], code: int, kind: str) -> None:
    done = run_process("compute", *words, "-o", "out.json", cwd=here)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"{kind}: ")
    assert "Traceback" not in done.err
    assert (here / "out.json").exists() == (code == 0)


def test_every_loss_refuses_a_missing_file(here: Path) -> None:
    for key, loss in registry().items():
        done = compute(key, *["nowhere.npy"] * len(loss.inputs))
        assert (done.code, done.out) == (FILE, ""), key
        assert "nowhere.npy" in done.err
