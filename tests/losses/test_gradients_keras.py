"""Gradients against Keras on its PyTorch backend: every case, option and reduction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossctl
from tests.losses.cases.case import Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import correct, differentiate, disagreements
from tests.losses.matrix import keys_of, reductions
from tests.losses.test_keras import MASKING, RATIOS, weighted, weights_of

pytest.importorskip("torch")

SHOWN = 20
KEYS = keys_of("keras")


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_autograd(key: str) -> None:
    from tests.losses.references.keras_gradients import backward
    from tests.losses.references.references import find_reference

    wrong: list[str] = []
    compared = refused = 0
    for golden in load_golden(key):
        case = golden.case
        for reduction in reductions(key, case):
            if reduction == "none" or not case.inputs[0].size:
                continue  # of nothing, Keras makes an array that has no gradient
            try:
                expected = backward(key, case, reduction)
            except RuntimeError as error:
                if str(error) != find_reference(key).refuses:
                    raise
                refused += 1
                continue
            actual = differentiate(key, case, reduction)
            expected = correct(key, case, expected, actual)
            wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, expected)
            compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 10
    assert refused < compared / 4


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.filterwarnings("ignore::lossctl.errors.LossctlWarning")
@pytest.mark.parametrize("key", KEYS)
def test_weights_and_masks_agree_with_autograd(key: str) -> None:
    from tests.losses.references.keras_gradients import backward
    from tests.losses.references.references import find_reference

    random = np.random.default_rng(11)
    compared, wrong = 0, []
    allowed = find_reference(key).rounding_of_gradients
    for case in weighted(key)[:4]:
        shape = lossctl.compute(key, *case.inputs, reduction="none", **case.options).shape
        for choice in choose(key, case, shape, random):
            for reduction in ("sum", "sum_over_batch_size", "mean_with_sample_weight"):
                if spreads(choice, shape) and reduction == "mean_with_sample_weight":
                    continue  # Keras divides by the sum of the weights before it spreads them
                expected = backward(key, case, reduction, **choice)
                actual = differentiate(key, case, reduction, **choice)
                where = f"{key} [{case.id}] {reduction} {sorted(choice)}"
                wrong += disagreements(where, actual, expected, allowed=allowed)
                compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 5


def choose(
    key: str, case: Case, shape: tuple[int, ...], random: np.random.Generator
) -> list[dict[str, Any]]:
    """Return weights and masks that Keras takes for losses of this shape."""
    if "ref_embeddings" in case.options:
        return []
    weights = weights_of(shape, random)
    found: list[dict[str, Any]] = [{"sample_weight": one} for one in weights]
    if key in MASKING:
        del found[0]  # which Keras cannot multiply by a mask
    if key not in RATIOS:
        mask = random.random(shape) < 0.6
        mask.flat[:2] = True
        found += [{"mask": mask}, {"mask": mask, "sample_weight": weights[-1]}]
    return found


def spreads(choice: dict[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether a weight has fewer numbers than there are losses."""
    return "sample_weight" in choice and np.shape(choice["sample_weight"]) != shape
