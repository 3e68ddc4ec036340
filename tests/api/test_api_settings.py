"""The settings that every loss has: reductions, weights, masks, axes, NaN, dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError, LossctlWarning, UsageError
from tests.support.small_arrays import LABELS, LOGITS, PREDICTED, RANDOM, TRUE, cross_entropies


class TestSettings:
    def test_class_axis(self) -> None:
        scores, labels = RANDOM.normal(size=(2, 4, 3, 5)), RANDOM.integers(0, 4, (2, 3, 5))
        expected = lossctl.compute("ce", scores, labels, reduction="none").elements
        for axis in (0, 1, 2, 3, -1, -2, -3, -4):
            moved = np.moveaxis(scores, 1, axis)
            result = lossctl.compute("ce", moved, labels, class_axis=axis, reduction="none")
            assert np.array_equal(result.elements, expected), axis
        spread = np.moveaxis(np.full(scores.shape, 0.25), 1, -1)
        last = lossctl.compute("ce", np.moveaxis(scores, 1, -1), spread, class_axis=-1)
        first = lossctl.compute("ce", scores, np.full(scores.shape, 0.25))
        assert last.value == pytest.approx(first.value, rel=1e-15)

    def test_squeeze(self) -> None:
        column = PREDICTED[:, np.newaxis]
        with pytest.raises(DataError, match="shapes"):
            lossctl.compute("mse", column, TRUE)
        squeezed = lossctl.compute("mse", column, TRUE, squeeze=True)
        assert squeezed.value == lossctl.compute("mse", PREDICTED, TRUE).value
        assert squeezed.shape == (6,)
        labels = LABELS[:, np.newaxis]
        assert lossctl.compute("ce", LOGITS, labels, squeeze=True).value == (
            lossctl.compute("ce", LOGITS, LABELS).value
        )

    def test_sample_weight(self) -> None:
        weight = np.array([1.0, 0.5, 2.0, 0.0, 1.5, 3.0])
        errors = np.abs(PREDICTED - TRUE)
        for reduction, expected in (
            ("mean", (weight * errors).sum() / weight.sum()),
            ("mean_with_sample_weight", (weight * errors).sum() / weight.sum()),
            ("sum_over_batch_size", (weight * errors).sum() / 6),
            ("sum", (weight * errors).sum()),
        ):
            result = lossctl.compute(
                "l1", PREDICTED, TRUE, sample_weight=weight, reduction=reduction
            )
            assert result.value == pytest.approx(expected, rel=1e-14)
        each = lossctl.compute("l1", PREDICTED, TRUE, sample_weight=weight, reduction="none")
        np.testing.assert_allclose(each.elements, weight * errors, rtol=1e-15)
        mean = lossctl.compute("l1", PREDICTED, TRUE, sample_weight=weight)
        assert mean.denominator == 8.0
        assert mean.denominator_name == "Σ sample weight"

    def test_sample_weight_beside_class_weights(self) -> None:
        weight, classes = np.arange(1.0, 7), np.array([1.0, 2.0, 0.5, 3.0])
        result = lossctl.compute("ce", LOGITS, LABELS, weight=classes, sample_weight=weight)
        shares = weight * classes[LABELS]
        assert result.value == pytest.approx(
            (shares * cross_entropies()).sum() / shares.sum(), rel=1e-14
        )
        assert result.denominator_name == "Σ sample weight × Σ weight[target]"

    @pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 4), (2, 1), (2, 1, 4)])
    def test_weights_broadcast_from_the_sample_axis(self, shape: tuple[int, ...]) -> None:
        scores, labels = RANDOM.normal(size=(2, 5, 3, 4)), RANDOM.integers(0, 5, (2, 3, 4))
        weight, mask = RANDOM.uniform(size=shape), RANDOM.integers(0, 2, shape)
        mask.flat[0], mask.flat[-1] = 1, 0
        spread = weight.reshape(shape + (1,) * (3 - len(shape)))
        kept = np.broadcast_to(mask.reshape(spread.shape), (2, 3, 4))
        losses = lossctl.compute("ce", scores, labels, reduction="none").elements
        assert losses is not None
        weighted = lossctl.compute("ce", scores, labels, sample_weight=weight)
        shares = np.broadcast_to(spread, losses.shape)
        assert weighted.value == pytest.approx((losses * shares).sum() / shares.sum(), rel=1e-13)
        masked = lossctl.compute("ce", scores, labels, mask=mask)
        assert masked.value == pytest.approx(losses[kept == 1].mean(), rel=1e-13)
        assert masked.masked == np.count_nonzero(kept == 0)
        assert masked.counted == np.count_nonzero(kept)

    def test_mask(self) -> None:
        mask = np.array([True, False, True, True, False, True])
        result = lossctl.compute("ce", LOGITS, LABELS, mask=mask, ignore_index=1)
        kept = mask & (LABELS != 1)
        assert result.value == pytest.approx(cross_entropies()[kept].mean(), rel=1e-14)
        assert (result.counted, result.ignored, result.masked) == (2, 2, 2)
        each = lossctl.compute("l1", PREDICTED, TRUE, mask=mask, reduction="none")
        assert np.array_equal(each.elements, np.where(mask, np.abs(PREDICTED - TRUE), 0))

    def test_what_is_left_out_and_the_denominators(self) -> None:
        options: dict[str, Any] = {"mask": [1, 0, 1, 1, 0, 1], "ignore_index": 1}
        total = cross_entropies()[[0, 5]].sum()
        for reduction, denominator in (
            ("mean", 2),
            ("mean_with_sample_weight", 2),
            ("sum_over_batch_size", 4),  # Keras, too, leaves masked losses out
            ("batchmean", 6),
            ("sum", 1),
        ):
            result = lossctl.compute("ce", LOGITS, LABELS, reduction=reduction, **options)
            assert result.denominator == denominator
            assert result.value == pytest.approx(total / denominator, rel=1e-14)

    def test_a_mask_hides_nan(self) -> None:
        values = PREDICTED.copy()
        values[2] = np.nan
        result = lossctl.compute("l1", values, TRUE, mask=[1, 1, 0, 1, 1, 1], nan="error")
        assert result.value == pytest.approx(np.delete(np.abs(PREDICTED - TRUE), 2).mean())

    def test_a_mask_of_elements_that_share_an_input(self) -> None:
        """A variance for each row counts unless all elements of the row are masked."""
        values, zeros, variances = np.ones((3, 4)), np.zeros((3, 4)), np.array([1.0, -1.0, 2.0])
        mask = np.ones((3, 4))
        mask[1] = 0
        for shape in ((3,), (3, 1)):
            result = lossctl.compute(
                "gaussian_nll", values, zeros, variances.reshape(shape), mask=mask
            )
            assert result.value == pytest.approx((0.5 + 0.5 * math.log(2) + 0.25) / 2, rel=1e-14)
        mask[1, 2] = 1
        with pytest.raises(DataError, match="var: 1 value is negative"):
            lossctl.compute("gaussian_nll", values, zeros, variances, mask=mask)
        alone = lossctl.compute("gaussian_nll", values, zeros, 2.0, mask=[0, 1, 1])
        assert alone.value == pytest.approx(0.5 * math.log(2) + 0.25, rel=1e-14)

    def test_nan_policies(self) -> None:
        values = PREDICTED.copy()
        values[[1, 4]] = np.nan
        with pytest.warns(LossctlWarning, match="2 values are NaN"):
            propagated = lossctl.compute("l1", values, TRUE)
        assert math.isnan(float(propagated))
        assert (propagated.counted, propagated.omitted) == (6, 0)
        with pytest.warns(LossctlWarning, match="2 values are NaN"):
            omitted = lossctl.compute("l1", values, TRUE, nan="omit")
        expected = np.delete(np.abs(PREDICTED - TRUE), [1, 4]).mean()
        assert omitted.value == pytest.approx(expected, rel=1e-14)
        assert (omitted.counted, omitted.omitted) == (4, 2)
        with pytest.raises(DataError, match="2 values are NaN"):
            lossctl.compute("l1", values, TRUE, nan="error")
        with pytest.raises(UsageError, match="'skip'"):
            lossctl.compute("l1", values, TRUE, nan="skip")

    def test_omitting_in_the_weighted_mean(self) -> None:
        logits, weight = LOGITS.copy(), np.array([1.0, 2.0, 0.5, 3.0])
        logits[1] = np.nan
        with pytest.warns(LossctlWarning, match="NaN"):
            result = lossctl.compute("ce", logits, LABELS, weight=weight, nan="omit")
        rest = np.arange(6) != 1
        shares = weight[LABELS][rest]
        expected = (shares * cross_entropies()[rest]).sum() / shares.sum()
        assert result.value == pytest.approx(expected, rel=1e-14)
        assert result.denominator == pytest.approx(shares.sum())

    @pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean", "none"])
    def test_dtype_float32(self, reduction: str) -> None:
        single = lossctl.compute("mse", PREDICTED, TRUE, dtype="float32", reduction=reduction)
        double = lossctl.compute("mse", PREDICTED, TRUE, reduction=reduction)
        np.testing.assert_allclose(single, double, rtol=1e-5)
        assert not np.array_equal(single, double)
        if single.elements is not None:
            assert single.elements.dtype == np.float32

    def test_arithmetic_is_in_float64_whatever_the_inputs(self) -> None:
        half = PREDICTED.astype(np.float16), TRUE.astype(np.float16)
        exact = tuple(one.astype(np.float64) for one in half)
        assert lossctl.compute("mse", *half).value == lossctl.compute("mse", *exact).value

    def test_reductions(self) -> None:
        matrix, other = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(3, 4))
        errors = (matrix - other) ** 2
        for reduction, expected, denominator, name in (
            ("mean", errors.mean(), 12, "elements"),
            ("sum", errors.sum(), 1, "a sum"),
            ("batchmean", errors.sum() / 3, 3, "samples"),
            ("sum_over_batch_size", errors.mean(), 12, "elements"),
            ("mean_with_sample_weight", errors.mean(), 12, "elements"),
        ):
            result = lossctl.compute("mse", matrix, other, reduction=reduction)
            assert result.value == pytest.approx(expected, rel=1e-14)
            assert (result.denominator, result.denominator_name) == (denominator, name)
            assert result.value == result.total / result.denominator
        with pytest.raises(UsageError, match="'average'"):
            lossctl.compute("mse", matrix, other, reduction="average")
