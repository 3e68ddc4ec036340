"""Losses that are not sums over samples: averages of an axis, ratios, questions, whole batches."""

from __future__ import annotations

import io
import itertools
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan import blocks
from lossctl.engine.plan import match as matching
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.losses.core.registry import find
from tests.losses.cases.case import Array
from tests.support.command_line import SAMPLE_DATA, run

RANDOM = np.random.default_rng(20)
MAPS = RANDOM.random((40, 6, 5)), (RANDOM.random((40, 6, 5)) < 0.4).astype(np.float64)


def dice(y_pred: Array, y_true: Array, axis: tuple[int, ...] | None = None) -> Any:
    sizes = y_true.sum(axis) + y_pred.sum(axis) + 1e-7
    return 1 - 2 * (y_true * y_pred).sum(axis) / sizes


class TestRatios:
    @pytest.mark.parametrize("axis", [None, (0,), (1,), (0, 1), (1, 2), (0, 2), (-1, 0, 1), "0,1"])
    @pytest.mark.parametrize("size", [7, 100, 2**18])
    def test_of_any_axes_in_any_blocks(
        self, axis: Any, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", size)
        axes = (0, 1) if axis == "0,1" else axis
        expected = dice(*MAPS, axes)
        none = lossctl.compute("dice", *MAPS, axis=axis, reduction="none")
        np.testing.assert_allclose(none.elements, expected, rtol=1e-13)
        assert none.shape == np.shape(expected)
        mean = lossctl.compute("dice", *MAPS, axis=axis)
        assert mean.value == pytest.approx(np.mean(expected), rel=1e-13)
        assert mean.denominator == np.size(expected)
        total = lossctl.compute("dice", *MAPS, axis=axis, reduction="sum")
        assert total.value == pytest.approx(np.sum(expected), rel=1e-13)
        assert mean.counted == (MAPS[0].size if axes is None or 0 in axes else np.size(expected))

    @pytest.mark.parametrize("axis", [None, (0,), (0, 2), (1, 2)])
    def test_have_the_same_bits_for_threads_parts_and_streams(
        self, axis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 64)
        options: dict[str, Any] = {"axis": axis, "alpha": 0.3, "beta": 0.6}
        one = lossctl.compute("tversky", *MAPS, threads=1, **options)
        assert lossctl.compute("tversky", *MAPS, threads=4, **options).value == one.value
        for part in (1, 2, 3):
            path = tmp_path / f"{part}.json"
            lossctl.compute("tversky", *MAPS, part=(part, 3), save_state=path, **options)
        merged = lossctl.merge([tmp_path / f"{part}.json" for part in (2, 3, 1)])
        assert (merged.value, merged.denominator, merged.samples, merged.shape) == (
            one.value, one.denominator, 40, one.shape,
        )  # fmt: skip

    def test_of_a_mask_leave_places_out(self) -> None:
        mask = RANDOM.random(MAPS[0].shape) < 0.5
        result = lossctl.compute("dice", *MAPS, mask=mask)
        assert result.value == pytest.approx(dice(MAPS[0][mask], MAPS[1][mask]), rel=1e-13)
        assert result.masked == (~mask).sum()
        per_sample = lossctl.compute("dice", *MAPS, mask=mask[:, 0, 0])
        kept = mask[:, 0, 0]
        assert per_sample.value == pytest.approx(dice(MAPS[0][kept], MAPS[1][kept]), rel=1e-13)

    def test_of_nothing_is_nan(self) -> None:
        with pytest.warns(LossctlWarning, match="nothing is left"):
            result = lossctl.compute("dice", *MAPS, mask=np.zeros(40))
        assert np.isnan(result.value)

    def test_leave_nan_out_or_tell_of_it(self) -> None:
        broken = MAPS[0].copy()
        broken[3, 2, 1] = np.nan
        with pytest.warns(LossctlWarning, match="NaN"):
            assert np.isnan(lossctl.compute("dice", broken, MAPS[1]).value)
        with pytest.warns(LossctlWarning, match="left out"):
            result = lossctl.compute("dice", broken, MAPS[1], nan="omit")
        kept = ~np.isnan(broken)
        assert result.value == pytest.approx(dice(broken[kept], MAPS[1][kept]), rel=1e-13)
        assert result.omitted == 1
        with pytest.raises(DataError, match="row 3"):
            lossctl.compute("dice", broken, MAPS[1], nan="error")

    def test_weigh_as_a_whole(self) -> None:
        plain = lossctl.compute("dice", *MAPS).value
        assert lossctl.compute("dice", *MAPS, sample_weight=2.5).value == 2.5 * plain
        weight = np.arange(1.0, 6)
        columns = lossctl.compute("dice", *MAPS, axis=(0, 1), sample_weight=weight)
        assert columns.value == pytest.approx((dice(*MAPS, (0, 1)) * weight).mean(), rel=1e-13)
        with pytest.raises(DataError, match="sample weight has shape"):
            lossctl.compute("dice", *MAPS, sample_weight=np.ones(40))

    @pytest.mark.parametrize(("axis", "word"), [((3,), "names axis 3"), ((0, -3), "twice")])
    def test_refuse_axes_that_are_not_there(self, axis: tuple[int, ...], word: str) -> None:
        with pytest.raises(UsageError, match=word):
            lossctl.compute("dice", *MAPS, axis=axis)


class TestAverages:
    def test_of_an_axis_in_the_middle_are_masked(self) -> None:
        """The axes of a mask are those of the losses."""
        p, y = MAPS[0].copy(), MAPS[1].copy()
        y[[2, 3], [3, 1], 2] = 1
        losses = lossctl.compute("keras.bce", p, y, axis=1, reduction="none").elements
        mask = np.ones((40, 5))
        mask[3, 2] = mask[8, 4] = 0
        p[3, 1, 2] = 7.0  # no probability, but masked: a warning would be an error
        result = lossctl.compute("keras.bce", p, y, axis=1, mask=mask)
        assert result.value == pytest.approx(losses[mask == 1].mean(), rel=1e-13)
        p[2, 3, 2] = 7.0
        with pytest.warns(LossctlWarning, match="1 value is outside.*row 2"):
            lossctl.compute("keras.bce", p, y, axis=1, mask=mask)

    def test_of_a_vector_are_one_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        vector, target = RANDOM.normal(size=(2, 1000))
        whole = lossctl.compute("keras.mse", vector, target)
        assert whole.value == pytest.approx(((vector - target) ** 2).mean(), rel=1e-13)
        assert (whole.shape, whole.denominator, whole.samples) == ((), 1000, 1000)
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 10)
        values = {
            lossctl.compute("keras.mse", vector, target, reduction=name, threads=3).value
            for name in ("sum", "mean", "sum_over_batch_size", "mean_with_sample_weight")
        }
        assert len(values) == 1
        assert values.pop() == pytest.approx(whole.value, rel=1e-14)
        none = lossctl.compute("keras.mse", vector, target, reduction="none")
        assert none.elements is not None
        assert none.elements.shape == ()
        stream = lossctl.elements("keras.mse", vector, target)
        assert [block.shape for block in stream] == [()]

    def test_of_a_vector_merge(self, tmp_path: Path) -> None:
        vector, target = RANDOM.normal(size=(2, 600_000))
        whole = lossctl.compute("keras.mae", vector, target)
        for part in (1, 2):
            path = tmp_path / f"{part}.json"
            lossctl.compute("keras.mae", vector, target, part=(part, 2), save_state=path)
        merged = lossctl.merge([tmp_path / "1.json", tmp_path / "2.json"])
        assert (merged.value, merged.samples) == (whole.value, 600_000)

    def test_refuse_weights_within_the_one_loss(self) -> None:
        with pytest.raises(DataError, match=r"the losses are \(\)"):
            lossctl.compute("keras.mse", np.ones(3), np.zeros(3), sample_weight=np.ones(3))

    def test_axis_says_what_is_averaged(self) -> None:
        p, y = RANDOM.random((4, 3, 2)), RANDOM.integers(2, size=(4, 3, 2))
        for axis in (0, 1, 2, -1, -2, -3):
            cost = -np.where(y == 1, np.log(p), np.log1p(-p)).mean(axis)
            result = lossctl.compute("keras.bce", p, y, axis=axis, reduction="none")
            np.testing.assert_allclose(result.elements, cost, rtol=1e-13)
        with pytest.raises(UsageError, match="no axis 3"):
            lossctl.compute("keras.bce", p, y, axis=3)
        with pytest.raises(UsageError, match="--axis"):
            lossctl.compute("keras.bce", p, y, class_axis=2)

    def test_clamped_elements_are_told_with_their_place(self) -> None:
        p, y = np.full((3, 2), 0.5), np.ones((3, 2))
        p[1, 1] = 0.0
        with pytest.warns(LossctlWarning, match=r"below 1e-7; the first is at row 1, column 1"):
            result = lossctl.compute("keras.bce", p, y)
        assert (result.clamped, result.counted) == (1, 3)


class TestQuestions:
    SCORES = RANDOM.normal(size=(500, 3))

    def expected(self, labels: Array, *, binary: bool) -> float:
        signs = 2 * labels - 1 if binary else labels
        return float(np.maximum(1 - signs * self.SCORES, 0).mean())

    def test_the_last_label_decides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 30)
        labels = RANDOM.integers(2, size=(500, 3)).astype(np.float64)
        for last in (0.0, -1.0, 0.5):
            labels[-1, -1] = last
            expected = self.expected(labels, binary=last == 0)
            assert lossctl.compute("hinge", self.SCORES, labels).value == pytest.approx(expected)

    def test_reading_ends_where_the_question_is_settled(self) -> None:
        predicate = find("hinge").predicate
        assert predicate is not None
        from lossctl.data import open_sources
        from lossctl.engine.plan.predicates import evaluate_predicate

        (source,) = open_sources([np.array([0.0, 1.0, -1.0] * 300_000)])
        read, reader = [], source.read
        source.read = lambda start, stop: read.append(stop) or reader(start, stop)  # type: ignore[method-assign, func-returns-value]
        assert evaluate_predicate(predicate, source) is False
        assert len(read) == 1

    def test_parts_ask_all_of_the_input(self, tmp_path: Path) -> None:
        scores = RANDOM.normal(size=(300_000, 2))
        labels = RANDOM.integers(2, size=scores.shape)
        labels[-1] = -1
        whole = lossctl.compute("hinge", scores, labels)
        for part in (1, 2, 3):
            path = tmp_path / f"{part}.json"
            lossctl.compute("hinge", scores, labels, part=(part, 3), save_state=path)
        merged = lossctl.merge([tmp_path / f"{part}.json" for part in (1, 2, 3)])
        assert merged.value == whole.value

    def test_states_of_different_answers_do_not_merge(self, tmp_path: Path) -> None:
        for name, labels in (("a", [[0], [1]]), ("b", [[1], [-1]])):
            lossctl.compute("hinge", [[0.5], [2.0]], labels, save_state=tmp_path / f"{name}.json")
        with pytest.raises(UsageError, match="answers"):
            lossctl.merge([tmp_path / "a.json", tmp_path / "b.json"])

    def test_of_a_table_are_read_anew(self, tmp_path: Path) -> None:
        table = tmp_path / "t.csv"
        rows = "".join(f"{score[0]!r},{n % 2}\n" for n, score in enumerate(self.SCORES.tolist()))
        table.write_text(f"score,label\n{rows}")
        labels = np.arange(500) % 2
        expected = lossctl.compute("hinge", self.SCORES[:, 0], labels).value
        assert lossctl.compute("hinge", f"{table}#score", f"{table}#label").value == expected

    @pytest.mark.parametrize("sign", [0, -1])
    def test_of_standard_input_are_asked_of_what_is_kept(
        self, sign: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        labels = np.where(RANDOM.random(5000) < 0.5, 1, sign)
        scores = RANDOM.normal(size=5000)
        rows = "".join(f"{x!r},{y}\n" for x, y in zip(scores.tolist(), labels, strict=True))
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 300)
        expected = lossctl.compute("hinge", scores, labels).value
        for order in (("score", "label"), ("label", "score")):
            stream = io.TextIOWrapper(
                io.BufferedReader(io.BytesIO(f"score,label\n{rows}".encode()))
            )
            monkeypatch.setattr(sys, "stdin", stream)
            named = {"score": "y_pred", "label": "y_true"}
            given = {named[one]: f"-#{one}" for one in order}
            assert lossctl.compute("hinge", **given).value == expected


class TestWholeBatches:
    def embeddings(self, samples: int) -> Array:
        vectors = RANDOM.normal(size=(samples, 4))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def test_do_not_depend_on_the_cutting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from lossctl.losses.embedding import keras as keras_pairs

        unit, labels = self.embeddings(90), RANDOM.integers(4, size=90)
        whole = lossctl.compute("circle", unit, labels, reduction="none").elements
        for size, pairs in itertools.product((1, 37), (1, 200, 10**6)):
            monkeypatch.setattr(blocks, "BLOCK_NUMBERS", size)
            monkeypatch.setattr(keras_pairs, "PAIRS", pairs)
            again = lossctl.compute("circle", unit, labels, reduction="none").elements
            np.testing.assert_allclose(again, whole, rtol=1e-13)

    def test_say_how_much_memory_they_take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(matching, "MUCH_MEMORY", 1000)
        with pytest.warns(LossctlWarning, match="held in memory"):
            lossctl.compute("circle", self.embeddings(90), RANDOM.integers(4, size=90))

    def test_are_read_from_tables(self, tmp_path: Path) -> None:
        unit, labels = self.embeddings(50), RANDOM.integers(3, size=50)
        table = tmp_path / "t.csv"
        rows = [
            [*map(repr, row), str(label)] for row, label in zip(unit.tolist(), labels, strict=True)
        ]
        table.write_text("a,b,c,d,label\n" + "".join(",".join(row) + "\n" for row in rows))
        result = lossctl.compute("circle", f"{table}#a:d", f"{table}#label")
        assert result.value == lossctl.compute("circle", unit, labels).value

    def test_need_one_label_each(self) -> None:
        with pytest.raises(DataError, match="y_true has 4"):
            lossctl.compute("circle", self.embeddings(5), [0, 1, 0, 1])
        with pytest.raises(DataError, match="3 embeddings, but 5 labels"):
            others = self.embeddings(3)
            lossctl.compute("circle", self.embeddings(5), [0, 1, 0, 1, 1], ref_embeddings=others)


class TestTransforms:
    def test_are_applied_to_the_mean_at_the_end(self, tmp_path: Path) -> None:
        pair = RANDOM.normal(size=(2, 300_000))
        mean = lossctl.compute("mse", *pair).value
        whole = lossctl.compute("rmse", *pair)
        assert whole.value == np.sqrt(mean)
        assert (whole.transform, whole.total / whole.denominator) == ("square root", mean)
        for part in (1, 2):
            path = tmp_path / f"{part}.json"
            lossctl.compute("rmse", *pair, part=(part, 2), save_state=path)
        merged = lossctl.merge([tmp_path / "1.json", tmp_path / "2.json"])
        assert (merged.value, merged.transform) == (whole.value, "square root")

    def test_are_shown_with_the_result(self) -> None:
        words = ("compute", "rmse", "regression.csv#pred_forest", "regression.csv#target")
        shown = run(*words, cwd=SAMPLE_DATA).out
        assert "square root of the quotient" in shown
        record = json.loads(run(*words, "-f", "json", cwd=SAMPLE_DATA).out)
        assert record["transform"] == "square root"
        plain = json.loads(run("compute", "mse", *words[2:], "-f", "json", cwd=SAMPLE_DATA).out)
        assert "transform" not in plain

    def test_leave_elements_as_they_are(self) -> None:
        pair = RANDOM.normal(size=(2, 30))
        none = lossctl.compute("rmse", *pair, reduction="none")
        np.testing.assert_array_equal(
            none.elements, lossctl.compute("mse", *pair, reduction="none").elements
        )
        assert none.transform == ""

    def test_have_no_sum(self) -> None:
        with pytest.raises(UsageError, match="no sum"):
            lossctl.compute("rmse", [1.0], [2.0], reduction="sum")


class TestReductions:
    def test_of_keras_are_the_default_of_its_losses(self) -> None:
        pair = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
        assert lossctl.compute("keras.mse", *pair).reduction == "sum_over_batch_size"
        assert lossctl.compute("mse", *pair).reduction == "mean"

    def test_leave_out_what_keras_ignores(self) -> None:
        scores = RANDOM.random((4, 3))
        labels = [0, 2, 255, 1]
        result = lossctl.compute(
            "sparse_categorical_crossentropy", scores, labels, ignore_class=255
        )
        assert (result.ignored, result.denominator) == (1, 3)
        kept = [0, 1, 3]
        plain = lossctl.compute(
            "sparse_categorical_crossentropy", scores[kept], np.array(labels)[kept]
        )
        assert result.value == plain.value

    def test_take_one_weight_for_all(self) -> None:
        pair = RANDOM.normal(size=(2, 4, 3))
        plain = lossctl.compute("keras.mse", *pair).value
        assert lossctl.compute("keras.mse", *pair, sample_weight=2.3).value == pytest.approx(
            2.3 * plain
        )


def test_trailing_axes_of_one_are_squeezed() -> None:
    vector, column = RANDOM.normal(size=5), RANDOM.normal(size=(5, 1))
    expected = (vector - column[:, 0]) ** 2
    for pair in ((vector, column[:, 0:1]), (vector[:, np.newaxis], column[:, 0])):
        losses = lossctl.compute("keras.mse", *pair, reduction="none").elements
        np.testing.assert_array_equal(losses, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        weighted = lossctl.compute("keras.mse", column, vector, sample_weight=np.ones((5, 1)))
    assert weighted.denominator == 5
    with pytest.raises(DataError, match="do not fit"):
        lossctl.compute("mse", vector, column)
    table = np.zeros((4, 3, 1))
    with pytest.raises(DataError, match=r"row 2, position \(1, 0\)"):
        lossctl.compute(
            "sparse_categorical_crossentropy", np.ones((4, 3, 5)), put(table, (2, 1, 0), 9)
        )


def put(array: Array, place: tuple[int, ...], value: float) -> Array:
    """Return an array with one number changed."""
    array[place] = value
    return array
