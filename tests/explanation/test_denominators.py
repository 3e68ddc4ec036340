"""What the losses are divided by is data; the steps of an explanation read no words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.losses.core.terms import Denominator, DenominatorName, Terms

WEIGHTED = Denominator("Σ weight[target]", weighted=True)


@pytest.mark.parametrize(
    ("denominator", "name"),
    [
        (Denominator(), "elements"),
        (Denominator(DenominatorName.KEPT, sample_weighted=True), "Σ sample weight"),
        (WEIGHTED, "Σ weight[target]"),
        (
            Denominator("Σ weight[target]", weighted=True, sample_weighted=True),
            "Σ sample weight × Σ weight[target]",
        ),
        (
            Denominator(DenominatorName.SAMPLES, divisor="its target length"),
            "samples, each loss divided by its target length",
        ),
    ],
)
def test_the_names_that_machine_formats_have(denominator: Denominator, name: str) -> None:
    assert denominator.name == name


def test_words_of_a_custom_loss_stand_for_a_sum_of_weights_where_there_are_some() -> None:
    ones = np.ones(2)
    assert Terms(ones, ones, "area").divided_by == Denominator("area", weighted=True)
    assert Terms(ones, denominator="boxes").divided_by == Denominator("boxes")
    assert Terms(ones, ones).divided_by == Denominator()
    assert Terms(ones, ones, WEIGHTED).divided_by is WEIGHTED


def test_a_sample_weight_leaves_the_divisor_of_a_loss_its_name() -> None:
    log_probs = np.log(np.full((4, 2, 3), 1 / 3))
    arrays = (log_probs, np.array([[1, 2], [1, 1]]), np.array([4, 4]), np.array([2, 2]))
    found: Any = lossctl.explain("ctc", *arrays, row=1, sample_weight=np.array([1.0, 3.0]))
    steps = {step.key: step for step in found.steps}
    assert (steps["divisor"].formula, steps["divisor"].value) == ("its target length", 2)
    assert steps["denominator"].formula == "Σ sample weight"
