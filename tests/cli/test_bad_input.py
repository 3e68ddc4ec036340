"""Numbers that do not fit: one clear message with place and remedy, and no output file."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import lossctl
from lossctl.losses.core.registry import registry
from tests.support.command_line import compute, read_table, run_process, save
from tests.support.small_files import DATA, FILE, FORMATS, LABELS, LOGITS, USAGE, VALUES, Refuse


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
        refuse("ce", logits, labels, code=DATA, words=("(2, 5, 3)", "(2, 5)", "--class-axis -1"))
        moved = compute("ce", logits, labels, "--class-axis", -1, "-f", "value").value
        assert (
            moved == lossctl.compute("ce", np.moveaxis(scores, 2, 1), np.zeros((2, 5), int)).value
        )

    def test_swapped_files_are_recognised(self, refuse: Refuse) -> None:
        refuse("ce", "labels.npy", "logits.npy", code=DATA, words=("in the other order",))

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
        # The way out is one that the loss has.
        for key, way in (("ce", "--ignore-index."), ("nll", "--ignore-index."),
                         ("multi_margin", "--mask."), ("zero_one", "--mask.")):  # fmt: skip
            logits = save(here, "x", -np.abs(LOGITS), suffix)
            words = ("target: 2 ", "first is 7", place, "3 classes", way)
            refuse(key, logits, labels, code=DATA, words=words)
        refuse(
            "linear_ce", logits, labels, save(here, "weight", LOGITS[:3]),
            code=DATA, words=("target: 2 ", "first is 7", place, "3 classes"),
        )  # fmt: skip

    def test_logits_of_classes_name_a_loss_of_classes(
        self, here: Path, refuse: Refuse, suffix: str
    ) -> None:
        logits, labels = save(here, "x", LOGITS, suffix), save(here, "y", LABELS, suffix)
        refuse("log_loss", logits, labels, code=DATA, words=("takes logits (ce).",))

    def test_negative_label(self, here: Path, refuse: Refuse, suffix: str) -> None:
        labels = save(here, "y", [0, -1, 2, -100], suffix)
        logits = save(here, "x", LOGITS, suffix)
        words = ("target: 1 ", "is -1 at", self.place(labels, 1, suffix), "3 classes")
        refuse("ce", logits, labels, code=DATA, words=words)

    def test_multilabel_index_out_of_range(self, here: Path, refuse: Refuse, suffix: str) -> None:
        scores = save(here, "x", LOGITS, suffix)
        lists = save(here, "y", [[0, -1, -1], [1, 2, -1], [3, -1, -1], [-2, 5, -1]], suffix)
        words = ("target: 3 ", "first is 3", "row 2", "3 classes")
        refuse("multilabel_margin", scores, lists, code=DATA, words=words)

    def test_labels_that_are_not_whole(self, here: Path, refuse: Refuse, suffix: str) -> None:
        labels = save(here, "y", [0.0, 1.5, 2.0, 0.25], suffix)
        logits = save(here, "x", LOGITS, suffix)
        words = ("target: 2 ", "not integers", "first is 1.5", self.place(labels, 1, suffix))
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
        words = ("input_lengths", "2.5", "long.npy", "integers")
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
        for word in ("1 element is infinite", "too short", "sample 1"):
            assert word in warning
        assert " ;" not in warning
        zero = compute(*self.command(input="short"), "--zero-infinity", "-f", "value")
        assert math.isfinite(zero.value)


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
