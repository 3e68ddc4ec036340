"""Values do not depend on where samples are cut: the whole matrix of cases in tiny blocks."""

from __future__ import annotations

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan import blocks
from lossctl.losses.classification import linear
from tests.losses.comparison import disagreements
from tests.losses.golden_values import load_golden
from tests.losses.matrix import KEYS


@pytest.mark.parametrize(
    ("size", "step"),
    [
        (1, 3),
        (5, 1),
        (37, 3),
        pytest.param(1, 1, marks=pytest.mark.slow),
        pytest.param(37, 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("key", KEYS)
def test_tiny_blocks_agree_with_golden_values(
    key: str, size: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every case in blocks of five numbers, every third in others, and all where time allows."""
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", size)
    wrong = [
        line
        for golden in load_golden(key)[::step]
        for line in disagreements(key, golden.case, golden.expected)
    ]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:10]])


@pytest.mark.parametrize("pieces", [1, 2])
def test_linear_ce_in_pieces_of_few_classes(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "LARGEST_PIECE", pieces)
    wrong = [
        line
        for golden in load_golden("linear_ce")
        for line in disagreements("linear_ce", golden.case, golden.expected)
    ]
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:10]])


@pytest.mark.parametrize("form", ["indices", "probabilities"])
def test_a_confident_answer_in_a_later_piece_keeps_its_digits(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mpmath = pytest.importorskip("mpmath")
    classes, random = 60, np.random.default_rng(3)
    features = np.ones((8, 1))
    weights = random.normal(size=(classes, 1)) * 3
    weights[45] += 43.21
    target = np.full(8, 45) if form == "indices" else np.eye(classes)[np.full(8, 45)]
    monkeypatch.setattr(linear, "LARGEST_PIECE", 7)
    elements = lossctl.compute("linear_ce", features, target, weights, reduction="none").elements
    assert elements is not None
    with mpmath.workdps(60):
        terms = [mpmath.exp(mpmath.mpf(w) - mpmath.mpf(weights[45, 0])) for w in weights[:, 0]]
        exact = mpmath.log1p(mpmath.fsum(terms[:45] + terms[46:]))
        units = max(abs(mpmath.mpf(e) - exact) / exact / mpmath.mpf(2) ** -52 for e in elements)
    assert units <= 4
