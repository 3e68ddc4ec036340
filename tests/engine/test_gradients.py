"""Gradients of the engine: blocks, threads, weights, masks, shapes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan import blocks
from lossctl.errors import LossctlWarning, UsageError
from lossctl.losses.classification import linear
from lossctl.losses.core.gradients import name_options
from lossctl.losses.core.registry import registry
from lossctl.losses.maths import ctc_posteriors as occupation
from tests.losses.golden_values import load_golden
from tests.losses.gradients import differentiate, disagreements, reduce_by

RANDOM = np.random.default_rng(5)
DECLARED = [key for key, loss in registry().items() if loss.declared_gradient is not None]
LOGITS, LABELS = RANDOM.normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])


@pytest.mark.parametrize("key", DECLARED)
def test_tiny_blocks_change_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case in blocks of five numbers, and every fifth in others."""
    wrong: list[str] = []
    for number, golden in enumerate(load_golden(key)):
        reduction = reduce_by(key, golden.case)
        whole = differentiate(key, golden.case, reduction)
        for size in (5,) if number % 5 else (1, 5, 37):
            with monkeypatch.context() as patch:
                patch.setattr(blocks, "BLOCK_NUMBERS", size)
                cut = differentiate(key, golden.case, reduction, threads=2)
            where = f"{key} [{golden.case.id}] {reduction} in blocks of {size}"
            wrong += disagreements(where, cut, whole)
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:20]])


@pytest.mark.parametrize("key", registry())
def test_every_loss_declares_a_gradient_or_why_there_is_none(key: str) -> None:
    loss = registry()[key]
    assert (loss.declared_gradient is None) == bool(loss.undifferentiable)
    if loss.declared_gradient is not None:
        names = [one.name for one in loss.inputs]
        assert set(loss.prediction_inputs) <= set(names)
        options = {one.name for one in loss.parameters} | {"cotangent"}
        options |= {loss.predicate.name} if loss.predicate else set()
        assert name_options(loss.declared_gradient.function) <= options


@pytest.mark.parametrize("key", [key for key in registry() if key not in DECLARED])
def test_a_loss_without_a_gradient_says_so(key: str) -> None:
    inputs = [LOGITS] * len(registry()[key].inputs)
    with pytest.raises(UsageError, match=f"{key} has no gradient: it counts"):
        lossctl.gradient(key, *inputs)


class TestReduction:
    def test_none_is_refused(self) -> None:
        with pytest.raises(UsageError, match="that of one number"):
            lossctl.gradient("ce", LOGITS, LABELS, reduction="none")

    def test_weights_and_masks_scale_the_samples(self) -> None:
        weight, mask = np.array([1.0, 2, 0, 0.5, 3, 1]), np.array([1, 1, 1, 0, 1, 1])
        each = lossctl.gradient("ce", LOGITS, LABELS, reduction="sum")["input"]
        found = lossctl.gradient("ce", LOGITS, LABELS, sample_weight=weight, mask=mask)["input"]
        kept = weight * mask
        np.testing.assert_allclose(found, each * (kept / kept.sum())[:, np.newaxis], rtol=1e-14)

    def test_batchmean_divides_by_samples(self) -> None:
        x = np.log(np.full((2, 3), 1 / 3))
        found = lossctl.gradient("kl_div", x, np.exp(x), reduction="batchmean")["input"]
        np.testing.assert_allclose(found, np.full((2, 3), -1 / 6))

    def test_what_is_omitted_has_no_gradient(self) -> None:
        x = np.array([1.0, np.nan, 3.0])
        with pytest.warns(LossctlWarning):
            found = lossctl.gradient("mse", x, np.zeros(3), nan="omit")
        np.testing.assert_allclose(found["input"], [1.0, 0.0, 3.0])
        with pytest.warns(LossctlWarning):
            spread = lossctl.gradient("mse", x, np.zeros(3))
        assert spread.measures[0].nan == 1
        assert spread.measures[0].norm == pytest.approx(np.hypot(2 / 3, 2))

    def test_masked_numbers_may_be_anything(self) -> None:
        x = np.array([[np.nan, 0.0], [1.0, 2.0]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            found = lossctl.gradient("ce", x, [-7, 0], mask=[0, 1])["input"]
        np.testing.assert_array_equal(found[0], [0.0, 0.0])
        assert np.isfinite(found).all()


class TestShapes:
    def test_classes_stay_where_they_are(self) -> None:
        logits, labels = RANDOM.normal(size=(2, 3, 5, 4)), RANDOM.integers(0, 4, (2, 3, 5))
        last = lossctl.gradient("ce", logits, labels, class_axis=-1)["input"]
        first = lossctl.gradient("ce", np.moveaxis(logits, -1, 1), labels)["input"]
        np.testing.assert_array_equal(last, np.moveaxis(first, 1, -1))

    def test_dropped_axes_come_back(self) -> None:
        x, y = RANDOM.normal(size=(4, 1)), RANDOM.normal(size=4)
        found = lossctl.gradient("mse", x, y, squeeze=True)["input"]
        np.testing.assert_allclose(found, (x - y[:, np.newaxis]) / 2)

    def test_a_large_sample_is_cut_along_its_further_axes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logits, labels = RANDOM.normal(size=(2, 3, 6, 5)), RANDOM.integers(0, 3, (2, 6, 5))
        whole = lossctl.gradient("ce", logits, labels)["input"]
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 12)
        np.testing.assert_allclose(lossctl.gradient("ce", logits, labels)["input"], whole)

    def test_pieces_of_few_classes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features, weight = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(7, 3))
        labels = RANDOM.integers(0, 7, 5)
        whole = lossctl.gradient("linear_ce", features, labels, weight, label_smoothing=0.1)
        monkeypatch.setattr(linear, "LARGEST_PIECE", 2)
        cut = lossctl.gradient("linear_ce", features, labels, weight, label_smoothing=0.1)
        np.testing.assert_allclose(cut["input"], whole["input"], rtol=1e-12)

    def test_alignments_in_pieces_of_samples(self, monkeypatch: pytest.MonkeyPatch) -> None:
        case = next(one.case for one in load_golden("ctc") if one.case.id.startswith("padded"))
        whole = differentiate("ctc", case, "mean")
        monkeypatch.setattr(occupation, "STATE_NUMBERS", 1)
        assert not list(disagreements("ctc", differentiate("ctc", case, "mean"), whole))


class TestAccuracy:
    def test_a_confident_answer_keeps_its_gradient(self) -> None:
        found = lossctl.gradient("ce", [[50.0, 0.0]], [0])["input"]
        np.testing.assert_allclose(found, [[-np.exp(-50), np.exp(-50)]], rtol=1e-14)

    def test_long_alignments_do_not_underflow(self) -> None:
        frames, labels = 2000, RANDOM.integers(1, 5, (1, 300))
        logits = RANDOM.normal(size=(frames, 1, 5)) * 30
        log_probs = logits - logits.max(axis=2, keepdims=True)
        log_probs -= np.log(np.exp(log_probs).sum(axis=2, keepdims=True))
        inputs = (log_probs, labels, [frames], [300])
        found = lossctl.gradient("ctc", *inputs, reduction="sum")["log_probs"]
        # All frames hold p less probabilities given the labels, and both sum to 1.
        np.testing.assert_allclose(found.sum(axis=2), 0, atol=1e-12)
        assert np.abs(found).max() > 0.5

    def test_single_precision(self) -> None:
        found = lossctl.gradient("ce", LOGITS, LABELS, dtype="float32")["input"]
        assert found.dtype == np.float32
        double = lossctl.gradient("ce", LOGITS, LABELS)["input"]
        np.testing.assert_allclose(found, double, rtol=1e-4, atol=1e-7)

    def test_any_number_of_threads_gives_the_same_bits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 40)
        logits, labels = RANDOM.normal(size=(100, 4)), RANDOM.integers(0, 4, 100)
        found: list[Any] = [
            lossctl.gradient("ce", logits, labels, threads=threads) for threads in (1, 2, 5)
        ]
        for other in found[1:]:
            np.testing.assert_array_equal(other["input"], found[0]["input"])
            assert other.measures == found[0].measures


class TestHandingOver:
    def test_the_only_gradient_is_an_array(self) -> None:
        found = lossctl.gradient("mse", [1.0, 2.0], [0.0, 0.0])
        np.testing.assert_array_equal(np.asarray(found), [1.0, 2.0])

    def test_of_several_none_is_taken_for_the_other(self) -> None:
        found = lossctl.gradient("margin_ranking", [1.0], [2.0], [1.0])
        with pytest.raises(UsageError, match=r"with respect to 2 inputs \(input1, input2\)"):
            np.asarray(found)
        with pytest.raises(UsageError, match="no gradient with respect to 'input'") as raised:
            found["input"]
        assert "input1" in raised.value.remedy

    def test_says_where_it_is_if_not_in_memory(self, tmp_path: Path) -> None:
        target = tmp_path / "grad.npy"
        written = lossctl.gradient("mse", [1.0], [0.0], output=target)
        with pytest.raises(UsageError, match="was written to"):
            np.asarray(written)
        measured = lossctl.gradient("mse", [1.0], [0.0], keep=False)
        with pytest.raises(UsageError, match="measured, but not kept"):
            measured["input"]
