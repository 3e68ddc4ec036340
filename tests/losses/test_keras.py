"""Agreement with Keras itself: on the matrix with new numbers, and on Keras's own tests."""

from __future__ import annotations

import os
import unittest
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.errors import DataError
from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.comparison import differences, disagreements
from tests.losses.declare import known
from tests.losses.matrix import draw_cases, draw_seeded, keys_of, reductions

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras")

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis"),
]

SEEDS = (1, 2)
SHOWN = 20
REDUCTIONS = ("none", "sum", "sum_over_batch_size", "mean_with_sample_weight")
WITHOUT_NUMBERS = ("test_config", "test_dtype_arg", "test_session")
KEYS = keys_of("keras")
MASKING = tuple(key for key in KEYS if (how := known(key).reference) and how.masks_itself)
"""Losses that mask samples by themselves."""
RATIOS = tuple(key for key in KEYS if registry()[key].reduce_axes == "axis")
"""Losses of many samples at once, which are not masked."""


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_keras(key: str) -> None:
    """Every case of the matrix agrees, on inputs of full precision and several seeds."""
    from tests.losses.references.keras_reference import answer

    wrong = []
    for seed in SEEDS:
        for case in draw_seeded(key, seed):
            expected = {name: answer(key, case, name) for name in reductions(key, case)}
            wrong += [f"seed {seed}: {line}" for line in disagreements(key, case, expected)]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])


def weighted(key: str) -> list[Case]:
    """Return the cases of a loss that have a loss for each of several samples."""
    found = []
    for case in draw_cases(key, np.random.default_rng(5)):
        losses = np.asarray(lossctl.compute(key, *case.inputs, reduction="none", **case.options))
        if losses.size > 1 and losses.ndim < 4 and np.isfinite(losses).all():
            found.append(Case(case.id, case.inputs, case.options))
    return found[:12]


def weights_of(shape: tuple[int, ...], random: np.random.Generator) -> list[Array]:
    """Return weights for losses of a shape: one number, one per sample, one each."""
    samples = (shape[0],) + (1,) * (len(shape) - 1)
    return [np.array(2.3), random.uniform(0.1, 3, samples), random.uniform(0.1, 3, shape)]


@pytest.mark.filterwarnings("ignore::lossctl.errors.LossctlWarning")
@pytest.mark.parametrize("key", KEYS)
def test_weights_and_masks_agree_with_keras(key: str) -> None:
    """Weights multiply, and masks leave out, as Keras does in every reduction."""
    from tests.losses.references.keras_reference import answer
    from tests.losses.references.references import find_reference

    random = np.random.default_rng(11)
    compared, wrong = 0, []
    for case in weighted(key):
        shape = answer(key, case, "none").shape
        mask = random.random(shape) < 0.6
        mask.flat[0] = True
        choices: list[dict[str, Any]] = [
            {"sample_weight": one} for one in weights_of(shape, random)
        ]
        if key in MASKING:
            del choices[0]  # which Keras cannot multiply by a mask
        if key not in RATIOS and "ref_embeddings" not in case.options:
            choices += [
                {"mask": mask},
                {"mask": mask, "sample_weight": choices[-1]["sample_weight"]},
            ]
        for choice in choices:
            if "ref_embeddings" in case.options:
                continue
            spread = np.shape(choice.get("sample_weight", mask)) != shape
            for reduction in REDUCTIONS:
                if spread and reduction == "mean_with_sample_weight":
                    continue  # Keras divides by the sum of the weights before it spreads them
                expected = answer(key, case, reduction, **choice)
                result = lossctl.compute(
                    key, *case.inputs, reduction=reduction, **choice, **case.options
                )
                if result.counted == 0:
                    continue  # nothing left is NaN here, and 0 in Keras
                actual = np.asarray(result)
                allowed = 1e-12 * np.abs(expected) + 1e-15
                allowed += find_reference(key).rounding_of_values
                where = f"{key} [{case.id}] {reduction} {sorted(choice)}"
                wrong += [f"{where}{line}" for line in differences(actual, expected, allowed)]
                compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 10


def test_mean_is_weighted_for_every_loss() -> None:
    """What Keras calls mean is sum_over_batch_size; with weights ours divides by them."""
    pair = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    weight = np.array([1.0, 2.0, 3.0])
    by_weights = lossctl.compute("keras.mse", *pair, sample_weight=weight, reduction="mean")
    named = lossctl.compute(
        "keras.mse", *pair, sample_weight=weight, reduction="mean_with_sample_weight"
    )
    assert by_weights.value == named.value
    plain = lossctl.compute("keras.mse", *pair, reduction="mean")
    assert plain.value == lossctl.compute("keras.mse", *pair).value


def test_passes_the_tests_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras's numeric tests pass when lossctl answers in place of its losses."""
    import tests.losses.references.keras_reference  # noqa: F401 - chooses the backend
    from tests.losses.references.keras_suite import Answers

    losses_test = pytest.importorskip("keras.src.losses.losses_test")
    monkeypatch.setattr(losses_test, "losses", Answers())
    suite = unittest.TestSuite()
    for kind in vars(losses_test).values():
        if isinstance(kind, type) and issubclass(kind, unittest.TestCase):
            names = unittest.defaultTestLoader.getTestCaseNames(kind)
            suite.addTests(kind(name) for name in names if name not in WITHOUT_NUMBERS)
    outcome = unittest.TestResult()
    suite.run(outcome)
    problems = [text for _, text in (*outcome.failures, *outcome.errors)]
    assert not problems, "\n".join(problems)
    assert outcome.testsRun - len(outcome.skipped) > 100


@pytest.mark.parametrize("label", [3, -1, 7])
def test_a_label_out_of_range_is_an_error(label: int) -> None:
    """Keras's backends disagree here: NaN, a quiet 0, or an error."""
    with pytest.raises(DataError, match="outside"):
        lossctl.compute("keras.sparse_categorical_crossentropy", np.ones((2, 3)), [0, label])


def test_labels_with_an_axis_of_1_are_those_without() -> None:
    """Keras's generalised cross entropy makes (N, N) losses of them; lossctl says so."""
    key, scores = "keras.categorical_generalized_cross_entropy", np.array([[0.2, 0.8], [0.5, 0.5]])
    flat = lossctl.compute(key, scores, [1, 0], reduction="none")
    column = lossctl.compute(key, scores, [[1], [0]], reduction="none")
    assert np.array_equal(flat.elements, column.elements)
    assert any("(N, 1)" in trap for trap in lossctl.describe(key)["traps"])


def test_definitions_that_were_mended() -> None:
    """Tversky's alpha weighs false positives; smoothing counts classes along axis."""
    everywhere, half = np.ones((1, 4)), np.array([[1.0, 1.0, 0.0, 0.0]])
    harsh = lossctl.compute("tversky", everywhere, half, alpha=1.0, beta=0.0).value
    lenient = lossctl.compute("tversky", everywhere, half, alpha=0.0, beta=1.0).value
    assert harsh == pytest.approx(0.5)
    assert lenient == pytest.approx(0.0, abs=1e-7)
    scores, labels = np.ones((1, 2, 5)), np.zeros((1, 2, 5))
    smoothed = lossctl.compute(
        "keras.categorical_crossentropy", scores, labels, axis=1, label_smoothing=0.4
    )
    assert smoothed.value == pytest.approx(2 * 0.2 * np.log(2))
