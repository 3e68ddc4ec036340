"""The published worked examples, each reached with ``lossctl compute`` on files.

Values with four digits are those that the tutorials print. Those with more come from PyTorch
2.13 in float64, on the arrays that the functions here make.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.command_line import Array, Run, compute, save

LAST_DIGIT = 0.5001e-4
EIGHT_CLASSES = [
    [1.3712, 0.4903, -1.3202, 0.1297, -1.6004, -0.1809, -2.8812, -0.3088],
    [0.5855, -0.4926, 0.7647, -0.1717, -1.0418, -0.0381, -0.1307, -0.6390],
]
TWO_CLASSES = [[-1.1011, 0.6231], [0.2384, -0.3223]]
IGNORED = [[-0.9390, -0.6169], [-0.7700, 0.3602]]
IMAGE = [
    [
        [[0.8859, -2.0889, -0.6026], [-1.6448, 0.7807, 0.9609], [-0.0646, 0.2204, -0.7471]],
        [[0.7075, -0.7013, -0.9280], [-0.6913, 2.1507, -0.0758], [0.2139, 0.8387, 0.3743]],
    ]
]
PIXELS = [[[0, 0, 1], [0, 0, 0], [1, 0, 1]]]
PIXEL_LOSSES = [[[0.6079, 1.6105, 0.8690], [1.2795, 1.5964, 0.3035], [0.5636, 1.0493, 0.2820]]]
ROW, OTHER_ROW = [[[[1.0, 2.0, 3.0]]]], [[[[1.0, 2.0, 5.0]]]]
PAIRS = [[0.3, 0.7], [0.5, 0.5]]

Example = tuple[str, list[Any], list[object], Any]
EXAMPLES: dict[str, Example] = {
    "ce": ("ce", [EIGHT_CLASSES, [5, 0]], [], 1.9324),
    "ce of each": ("ce", [TWO_CLASSES, [0, 1]], ["-r", "none"], [1.8883, 1.0123]),
    "weighted ce of each": (
        "ce", [TWO_CLASSES, [0, 1]], ["-r", "none", "--weight", "0.5,1.5"], [0.9441, 1.5184],
    ),
    "weighted ce": ("ce", [TWO_CLASSES, [0, 1]], ["--weight", "0.5,1.5"], 1.2313),
    "ignoring ce of each": (
        "ce", [IGNORED, [0, 1]], ["-r", "none", "--ignore-index", 0], [0, 0.2799],
    ),
    "ignoring ce": ("ce", [IGNORED, [0, 1]], ["--ignore-index", 0], 0.2799),
    "ce of each pixel": ("ce", [IMAGE, PIXELS], ["-r", "none"], PIXEL_LOSSES),
    "ce of an image": ("ce", [IMAGE, PIXELS], [], 0.9069),
    "ce of one sample": ("ce", [[[0.1, 0.2, 0.3]], [1]], [], 1.1019),
    "l1": ("l1", [ROW, OTHER_ROW], [], 0.6667),
    "l1 sum": ("l1", [ROW, OTHER_ROW], ["-r", "sum"], 2),
    "mse": ("mse", [ROW, OTHER_ROW], [], 1.3333),
    "mse sum": ("mse", [ROW, OTHER_ROW], ["-r", "sum"], 4),
    "multilabel_margin": (
        "multilabel_margin", [[[0.9, 0.2, 0.4, 0.8]], [[3, 0, -1, -1]]], [], 0.45,
    ),
    "soft_margin": ("soft_margin", [PAIRS, [[-1, 1], [1, -1]]], [], 0.6764),
    "multi_margin": ("multi_margin", [PAIRS, [0, 1]], [], 0.6),
    "hinge_embedding": ("hinge_embedding", [[[1, 0.8, 0.5]], [[1, 1, -1]]], [], 0.7667),
    "cosine_embedding": (
        "cosine_embedding", [[[0.3, 0.5, 0.7]] * 2, [[0.1, 0.3, 0.5]] * 2, [1, -1]], [], 0.5,
    ),
}  # fmt: skip


def compute_on_files(
    directory: Path, key: str, arrays: list[Any], options: list[object], suffix: str = "npy"
) -> tuple[Array, Run]:
    """Write the arrays, run the command with an output file, and return what is in that."""
    names = [save(directory, f"input{at}", array, suffix) for at, array in enumerate(arrays)]
    done = compute(key, *names, *options, "-o", "result.npy", cwd=directory)
    assert done.code == 0, done.err
    return np.load(directory / "result.npy"), done


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_value(tmp_path: Path, name: str) -> None:
    key, arrays, options, expected = EXAMPLES[name]
    result, done = compute_on_files(tmp_path, key, arrays, options)
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result, expected, rtol=0, atol=LAST_DIGIT)
    assert done.err == ""


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "npz"])
@pytest.mark.parametrize("name", ["ce", "weighted ce", "ignoring ce", "multi_margin"])
def test_published_value_from_tables(tmp_path: Path, name: str, suffix: str) -> None:
    key, arrays, options, expected = EXAMPLES[name]
    result, _ = compute_on_files(tmp_path, key, arrays, options, suffix)
    np.testing.assert_allclose(result, expected, rtol=0, atol=LAST_DIGIT)


def test_kl_div_of_probabilities_is_computed_with_a_warning(tmp_path: Path) -> None:
    predicted = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    target = [[0.9, 0.05, 0.05], [0.1, 0.7, 0.2]]
    published, done = compute_on_files(tmp_path, "kl_div", [predicted, target], [])
    assert float(published) == pytest.approx(-0.3335, abs=LAST_DIGIT)
    assert any("not log-probabilities" in warning for warning in done.warnings)
    meant = [np.log(predicted), target]
    right, done = compute_on_files(tmp_path, "kl_div", meant, ["-r", "batchmean"])
    assert float(right) == pytest.approx(0.3553, abs=LAST_DIGIT)
    assert done.err == ""


def make_alignments() -> tuple[Array, Array, Array, Array]:
    """Return log-probabilities (50, 16, 20), padded targets, and both lengths."""
    random = np.random.default_rng(2013)
    scores = random.normal(size=(50, 16, 20))
    log_probs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    target_lengths = random.integers(10, 31, 16)
    return log_probs, random.integers(1, 20, (16, 30)), np.full(16, 50), target_lengths


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 5.728857302264463),
                                                     ("sum", 1822.2252593338535)])  # fmt: skip
def test_ctc_padded_and_concatenated(tmp_path: Path, reduction: str, expected: float) -> None:
    log_probs, targets, input_lengths, target_lengths = make_alignments()
    used = np.arange(30) < target_lengths[:, np.newaxis]
    for form in (targets, targets[used]):
        arrays = [log_probs, form, input_lengths, target_lengths]
        result, done = compute_on_files(tmp_path, "ctc", arrays, ["-r", reduction])
        assert float(result) == pytest.approx(expected, rel=1e-12)
        assert done.err == ""


def test_smooth_l1_against_l1(tmp_path: Path) -> None:
    points, zeros = np.linspace(-10, 10, 5000), np.zeros(5000)
    smooth, _ = compute_on_files(tmp_path, "smooth_l1", [points, zeros], ["-r", "none"])
    plain, _ = compute_on_files(tmp_path, "l1", [points, zeros], ["-r", "none"])
    np.testing.assert_array_equal(plain, np.abs(points))
    expected = np.where(np.abs(points) < 1, points**2 / 2, np.abs(points) - 0.5)
    np.testing.assert_allclose(smooth, expected, rtol=1e-14)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 1.2449716970298583),
                                                     ("sum", 124.49716970298584)])  # fmt: skip
def test_triplet_margin(tmp_path: Path, reduction: str, expected: float) -> None:
    triplets = list(np.random.default_rng(128).normal(size=(3, 100, 128)))
    options: list[object] = ["--margin", 1, "--p", 2, "-r", reduction]
    result, _ = compute_on_files(tmp_path, "triplet_margin", triplets, options)
    assert float(result) == pytest.approx(expected, rel=1e-12)


def test_token_scores_with_padding(tmp_path: Path) -> None:
    random = np.random.default_rng(39)
    scores, lengths = random.normal(size=(8, 50, 39)), random.integers(20, 51, 8)
    tokens = random.integers(1, 39, (8, 50))
    tokens[np.arange(50) >= lengths[:, np.newaxis]] = 0
    kept = tokens != 0
    ignoring: list[object] = ["--ignore-index", 0]
    forms: list[tuple[list[Any], list[object]]] = [
        ([scores.reshape(400, 39), tokens.reshape(400)], ignoring),
        ([scores[kept], tokens[kept]], []),
        ([scores, tokens], [*ignoring, "--class-axis", -1]),
    ]
    for arrays, options in forms:
        result, done = compute_on_files(tmp_path, "ce", arrays, options)
        assert float(result) == pytest.approx(4.241166055379925, rel=1e-12)
        assert done.err == ""
    mask: list[object] = ["--mask", save(tmp_path, "kept", kept.reshape(400))]
    result, _ = compute_on_files(tmp_path, "ce", forms[0][0], mask)
    assert float(result) == pytest.approx(4.241166055379925, rel=1e-12)
