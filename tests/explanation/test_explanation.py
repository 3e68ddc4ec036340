"""``lossctl.explain``: rows and places, weights and masks, files of every kind, listings."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan.blocks import BLOCK_NUMBERS
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.losses.core.registry import registry
from lossctl.losses.core.steps import LEFT_OUT
from tests.support.command_line import save
from tests.support.standard_input import standard_input

RANDOM = np.random.default_rng(20261121)
LOGITS = RANDOM.normal(size=(6, 4))
LABELS = np.array([0, 1, 2, 3, 1, 2])
WEIGHTS = np.array([1.0, 0.5, 2.0, 3.0, 0.25, 1.5])
IMAGES = RANDOM.normal(size=(3, 4, 5, 2))
MAPS = RANDOM.integers(0, 4, size=(3, 5, 2))
KEYS = tuple(registry())


def keys(found: lossctl.Explanation) -> list[str]:
    return [step.key for step in found.steps]


class TestRows:
    @pytest.mark.parametrize("row", range(6))
    def test_the_loss_is_that_of_the_row(self, row: int) -> None:
        losses = lossctl.compute("ce", LOGITS, LABELS, reduction="none").elements
        found = lossctl.explain("ce", LOGITS, LABELS, row=row)
        assert found.value == losses[row]
        assert found["loss"] == pytest.approx(losses[row], rel=1e-14)
        assert found.contribution == pytest.approx(losses[row] / 6, rel=1e-14)
        assert found.result.value == losses.mean()
        assert np.array_equal(found["logits"], LOGITS[row])

    def test_a_place_in_a_row(self) -> None:
        losses = lossctl.compute("ce", IMAGES, MAPS, reduction="none").elements
        found = lossctl.explain("ce", IMAGES, MAPS, row=(2, 4, 1))
        assert (found.row, found.position, found.positions) == (2, (4, 1), (5, 2))
        assert not found.chosen
        assert found.value == losses[2, 4, 1]
        assert [one.index for one in found.inputs] == ["[2, :, 4, 1]", "[2, 4, 1]"]

    def test_a_row_alone_means_its_largest_loss(self) -> None:
        losses = lossctl.compute("ce", IMAGES, MAPS, reduction="none").elements
        for row in range(3):
            found = lossctl.explain("ce", IMAGES, MAPS, row=row)
            assert found.value == losses[row].max()
            assert losses[row][found.position] == found.value
            assert found.chosen

    def test_a_nan_is_what_is_looked_for(self) -> None:
        spoiled = IMAGES.copy()
        spoiled[1, 2, 3, 0] = np.nan
        with pytest.warns(LossctlWarning, match="NaN"):
            found = lossctl.explain("ce", spoiled, MAPS, row=1)
        assert found.position == (3, 0)
        assert math.isnan(found.value)
        assert math.isnan(found["loss"])

    def test_an_array_without_samples_is_one_row(self) -> None:
        found = lossctl.explain("ce", LOGITS[0], LABELS[0], row=0)
        assert found["loss"] == pytest.approx(found.result.value, rel=1e-14)
        assert [one.index for one in found.inputs] == ["", ""]
        with pytest.raises(UsageError, match="there is no row 1: input has 1 row"):
            lossctl.explain("ce", LOGITS[0], LABELS[0], row=1)

    @pytest.mark.parametrize("row", [6, -1, 10**9])
    def test_there_is_no_such_row(self, row: int) -> None:
        with pytest.raises(UsageError, match=f"there is no row {row}") as caught:
            lossctl.explain("ce", LOGITS, LABELS, row=row)
        assert "Rows are counted from 0" in caught.value.remedy

    @pytest.mark.parametrize("row", [(0, 5, 0), (0, 4), (0, -1, 0), (0, 0, 0, 0)])
    def test_there_is_no_such_place(self, row: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match=r"losses of shape \(5, 2\), and none at") as caught:
            lossctl.explain("ce", IMAGES, MAPS, row=row)
        assert "0,0,0" in caught.value.remedy

    @pytest.mark.parametrize("row", ["x", "1,", "1.5", 1.5, [1.0], [[1]], {3}, (1, None), ()])
    def test_what_is_no_row(self, row: Any) -> None:
        with pytest.raises(UsageError, match="is not a row"):
            lossctl.explain("ce", LOGITS, LABELS, row=row)

    @pytest.mark.parametrize("row", ["3", 3, (3,), [np.int64(3)], np.array([3]), np.uint8(3)])
    def test_what_is_a_row(self, row: Any) -> None:
        assert lossctl.explain("ce", LOGITS, LABELS, row=row).row == 3

    def test_a_row_must_be_named(self) -> None:
        with pytest.raises(UsageError, match="missing row"):
            lossctl.explain("ce", LOGITS, LABELS)
        with pytest.raises(UsageError, match="row 3 was given without inputs"):
            lossctl.explain("ce", row=3)

    def test_a_row_without_losses(self) -> None:
        with pytest.warns(LossctlWarning), pytest.raises(UsageError, match="has no losses"):
            lossctl.explain("mse", np.zeros((2, 0)), np.zeros((2, 0)), row=1)

    def test_a_sample_larger_than_a_block(self) -> None:
        side = 2 * math.isqrt(BLOCK_NUMBERS)
        image = RANDOM.normal(size=(2, 1, side, side))
        image[1, 0, 3, 7] = 99.0
        found = lossctl.explain("mse", image, np.zeros_like(image), row=1)
        assert (found.position, found.value) == ((0, 3, 7), 99.0**2)
        found = lossctl.explain("mse", image, np.zeros_like(image), row=(0, 0, side - 1, 1))
        assert found.value == image[0, 0, side - 1, 1] ** 2


class TestWeights:
    def test_sample_weight(self) -> None:
        losses = lossctl.compute("ce", LOGITS, LABELS, reduction="none").elements
        found = lossctl.explain("ce", LOGITS, LABELS, row=3, sample_weight=WEIGHTS)
        assert found["sample weight"] == 3.0
        assert found["weighted loss"] == pytest.approx(3 * losses[3], rel=1e-14)
        assert found["share of the denominator"] == 3.0
        assert found["denominator"] == WEIGHTS.sum()
        assert found["contribution"] == pytest.approx(3 * losses[3] / WEIGHTS.sum(), rel=1e-14)
        assert found.inputs[2].index == "[3]"

    def test_class_weight_and_sample_weight(self) -> None:
        classes = [1.0, 2.0, 3.0, 4.0]
        each = [
            lossctl.explain("ce", LOGITS, LABELS, row=n, sample_weight=WEIGHTS, weight=classes)
            for n in range(6)
        ]
        assert each[2]["weight"] == 3.0
        assert each[2]["share of the denominator"] == 2.0 * 3.0
        total = math.fsum(one.contribution for one in each)
        assert total == pytest.approx(each[0].result.value, rel=1e-14)
        shares = math.fsum(one["share of the denominator"] for one in each)
        assert shares == pytest.approx(each[0]["denominator"], rel=1e-14)

    def test_mask(self) -> None:
        labels = LABELS.copy()
        labels[2] = 77  # which is no class, and masked
        mask = np.array([1, 1, 0, 1, 1, 1])
        found = lossctl.explain("ce", LOGITS, labels, row=2, mask=mask)
        assert keys(found)[:3] == ["input", "target", LEFT_OUT]
        assert (found["target"], found.contribution) == (77, 0.0)
        assert "masked" in next(step.formula for step in found.steps if step.key == LEFT_OUT)
        other = lossctl.explain("ce", LOGITS, labels, row=1, mask=mask)
        assert other["denominator"] == 5

    @pytest.mark.parametrize(("key", "axis"), [("keras.bce", 1), ("keras.tversky", (1,))])
    def test_of_losses_over_an_axis_in_the_middle(self, key: str, axis: object) -> None:
        p, y = RANDOM.random((2, 3, 2, 4)), RANDOM.integers(0, 2, size=(2, 3, 2, 4))
        weights = np.arange(16.0).reshape(2, 2, 4)
        losses = lossctl.compute(key, p, y, axis=axis, reduction="none").elements
        for place in np.ndindex(2, 2, 4):
            found = lossctl.explain(
                key, p, y, axis=axis, row=place, mask=weights % 3, sample_weight=weights,
                reduction="sum",
            )  # fmt: skip
            assert (LEFT_OUT in keys(found)) == (weights[place] % 3 == 0)
            assert found.value == pytest.approx(losses[place], rel=1e-14)
            expected = losses[place] * weights[place] * (weights[place] % 3 > 0)
            assert found.contribution == pytest.approx(expected, rel=1e-14)

    def test_ignored(self) -> None:
        found = lossctl.explain("ce", LOGITS, LABELS, row=0, ignore_index=0)
        assert keys(found) == [
            "input", "target", LEFT_OUT, "denominator", "contribution", "result",
        ]  # fmt: skip
        assert (found.contribution, found["denominator"]) == (0.0, 5.0)

    def test_omitted(self) -> None:
        spoiled = LOGITS.copy()
        spoiled[4, 1] = np.nan
        with pytest.warns(LossctlWarning, match="left out"):
            found = lossctl.explain("ce", spoiled, LABELS, row=4, nan="omit")
        assert math.isnan(found["loss"])
        assert (LEFT_OUT in keys(found), found.contribution) == (True, 0.0)

    @pytest.mark.parametrize(
        ("reduction", "denominator"), [("mean", 30), ("batchmean", 3), ("sum", None)]
    )
    def test_reductions(self, reduction: str, denominator: float | None) -> None:
        places = [(n, *place) for n in range(3) for place in np.ndindex(5, 2)]
        each = [lossctl.explain("ce", IMAGES, MAPS, row=p, reduction=reduction) for p in places]
        total = math.fsum(one.contribution for one in each)
        assert total == pytest.approx(
            lossctl.compute("ce", IMAGES, MAPS, reduction=reduction).value
        )
        assert ("denominator" in keys(each[0])) is (denominator is not None)
        if denominator is not None:
            assert each[0]["denominator"] == denominator

    def test_no_reduction(self) -> None:
        with pytest.raises(UsageError, match="the reduction is none"):
            lossctl.explain("ce", LOGITS, LABELS, row=0, reduction="none")

    def test_a_mean_that_is_transformed(self) -> None:
        found = lossctl.explain("rmse", [1.0, 5.0], [1.0, 2.0], row=1)
        assert (found["loss"], found["mean"], found["result"]) == (9.0, 4.5, math.sqrt(4.5))


class TestShapes:
    def test_class_axis(self) -> None:
        last = np.moveaxis(IMAGES, 1, -1)
        found = lossctl.explain("ce", last, MAPS, row=(1, 2, 0), class_axis=-1)
        other = lossctl.explain("ce", IMAGES, MAPS, row=(1, 2, 0))
        assert found["loss"] == other["loss"]
        assert found.inputs[0].index == "[1, 2, 0, :]"

    def test_squeeze(self) -> None:
        found = lossctl.explain("mse", LOGITS[:, :1], LABELS, row=2, squeeze=True)
        assert found["prediction"] == LOGITS[2, 0]
        assert (found.inputs[0].shape, found.inputs[0].given) == ((6,), (6, 1))

    def test_names_of_classes(self) -> None:
        labels = np.array(["ant", "bee", "cat", "dog", "bee", "cat"])
        found = lossctl.explain("ce", LOGITS, labels, row=3, classes="ant,bee,cat,dog")
        assert found["target"] == 3
        assert found.classes == ("ant", "bee", "cat", "dog")

    def test_many_classes(self) -> None:
        logits = RANDOM.normal(size=(3, 32_000))
        found = lossctl.explain("ce", logits, [5, 31_999, 0], row=1)
        assert found["loss"] == pytest.approx(found.value, rel=1e-14)
        assert found.steps[0].mark == 31_999

    def test_labels_one_after_another(self) -> None:
        log_probs = np.log(np.full((5, 2, 3), 1 / 3))
        lengths = np.array([5, 4]), np.array([2, 1])
        found = lossctl.explain("ctc", log_probs, np.array([1, 2, 2]), *lengths, row=1)
        assert found["labels"].tolist() == [2]
        assert (found["frames"], found.inputs[1].index) == (4, "")

    def test_a_whole_axis_averaged(self) -> None:
        found = lossctl.explain("keras.mean_squared_error", LOGITS, LOGITS + 2.0, row=1)
        assert found["element losses"] == pytest.approx([4.0] * 4)
        assert found["loss"] == pytest.approx(4.0)

    def test_sums_over_everything(self) -> None:
        p, y = np.array([[0.5, 1.0], [0.25, 0.0]]), np.array([[1, 1], [0, 1]])
        found = lossctl.explain("keras.dice", p, y, row=1)
        assert (found["intersection of the row"], found["intersection of all"]) == (0.0, 1.5)
        assert found["loss"] == pytest.approx(1 - 3 / (3 + 1.75 + 1e-7))
        assert found["loss without the row"] == pytest.approx(1 - 3 / (2 + 1.5 + 1e-7))
        assert (found.value, found.contribution) == (None, None)


class TestFiles:
    @pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "tsv", "parquet"])
    def test_of_every_format(self, tmp_path: Path, suffix: str) -> None:
        pred, target = (
            str(tmp_path / save(tmp_path, name, array, suffix))
            for name, array in (("p", LOGITS), ("y", LABELS))
        )
        found = lossctl.explain("ce", pred, target, row=4)
        assert found["loss"] == lossctl.explain("ce", LOGITS, LABELS, row=4)["loss"]

    def test_a_pipe_is_read_once(self, tmp_path: Path) -> None:
        lines = "".join(f"{n},{n % 7}\n" for n in range(300_000))
        with standard_input(b"p,y\n" + lines.encode()):
            found = lossctl.explain("mse", "-#p", "-#y", row=250_001)
        assert (found["prediction"], found["target"]) == (250_001, 250_001 % 7)
        assert found["denominator"] == 300_000

    def test_a_row_behind_the_end_of_a_pipe(self) -> None:
        with standard_input(b"p,y\n1,2\n3,4\n"), pytest.raises(UsageError, match="has 2 rows"):
            lossctl.explain("mse", "-#p", "-#y", row=2)

    def test_a_loss_that_asks_the_whole_of_a_pipe(self) -> None:
        lines = "".join(f"{n / 7},{n % 2}\n" for n in range(50))
        with standard_input(b"p,y\n" + lines.encode()):
            found = lossctl.explain("keras.hinge", "-#p", "-#y", row=8)
        assert (found["target"], found["sign"]) == (0, -1)

    def test_shards(self, tmp_path: Path) -> None:
        for number, part in enumerate((slice(0, 2), slice(2, 6))):
            np.save(tmp_path / f"p-{number}.npy", LOGITS[part])
        np.save(tmp_path / "y.npy", LABELS)
        found = lossctl.explain("ce", str(tmp_path / "p-*.npy"), str(tmp_path / "y.npy"), row=5)
        assert np.array_equal(found["logits"], LOGITS[5])

    def test_bad_data_are_told_as_ever(self) -> None:
        with pytest.raises(DataError, match="outside \\[0, 4\\)"):
            lossctl.explain("ce", LOGITS, LABELS + 1, row=0)


class TestListing:
    @pytest.mark.parametrize("key", KEYS)
    def test_steps_without_values(self, key: str) -> None:
        found = lossctl.explain(key)
        assert found.row is None
        assert found.result is None
        assert all(step.value is None for step in found.steps)
        assert {"loss", "result"} <= set(keys(found))
        assert not found.steps[0].note

    @pytest.mark.parametrize(
        ("key", "option", "step"),
        [
            ("ce", "--weight", "weight"),
            ("ce", "--label-smoothing", "smoothing term"),
            ("ce", "--ignore-index", LEFT_OUT),
            ("bce_with_logits", "--pos-weight", "positive weight"),
            ("poisson_nll", "--full", "Stirling term"),
            ("triplet_margin", "--swap", "nearer distance"),
            ("keras.binary_crossentropy", "--from-logits", "logit"),
            ("ranking_softmax", "--where", "items that are there"),
        ],
    )
    def test_options_bring_steps(self, key: str, option: str, step: str) -> None:
        notes = {one.key: one.note for one in lossctl.explain(key).steps}
        assert notes[step] == f"with {option}"

    def test_an_option_that_is_given_is_no_case(self) -> None:
        found = lossctl.explain("ce", label_smoothing=0.1)
        notes = [one.note for one in found.steps if one.key == "smoothing term"]
        assert notes == ["", "with --weight"]

    def test_other_forms_bring_steps(self) -> None:
        notes = {one.key: one.note for one in lossctl.explain("ce").steps}
        assert notes["class terms"] == "target (N, C, *D)"

    def test_a_wrong_option(self) -> None:
        with pytest.raises(UsageError, match="label_smoothing of ce must be at least 0"):
            lossctl.explain("ce", label_smoothing=2)
        with pytest.raises(UsageError, match="no option 'smoothing'"):
            lossctl.explain("ce", smoothing=2)


def test_nothing_is_warned_of_without_data() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lossctl.explain("kl_div")


def test_steps_that_end_elsewhere_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are not those of their loss do not go unnoticed."""
    others = registry()["l1"].declared_steps
    assert others is not None
    monkeypatch.setattr(registry()["mse"], "declared_steps", others)
    with pytest.warns(LossctlWarning, match=r"the steps of mse end at 3.0, but its loss is 9.0"):
        lossctl.explain("mse", [5.0], [2.0], row=0)


def test_what_is_no_step() -> None:
    found = lossctl.explain("huber", [1.0, 5.0], [1.0, 2.0], row=1)
    with pytest.raises(KeyError, match="no such step"):
        found["no such step"]
