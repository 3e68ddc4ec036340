"""Losses of arrays in memory: the cases of the comparison within processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.benchmarks import arrays
from tests.benchmarks.arrays import Array, Build

ELEMENTS = 40_000_000
"""Elements of the largest input, at the largest size."""
Formula = Callable[..., Any]


@dataclass(frozen=True)
class ArrayCase:
    """One loss, on the same float32 arrays for all.

    ``torch`` is the name of the function in torch.nn.functional, ``numpy`` the formula as people
    write it, ``sklearn`` the name of the function in sklearn.metrics; both only where the loss
    has one. ``bytes_each`` is what all inputs take for each element of the largest.
    """

    name: str
    loss: str
    torch: str
    build: Build
    large: int = ELEMENTS
    bytes_each: int = 8
    numpy: Formula | None = None
    sklearn: str | None = None
    reduction: str = "mean"
    options: Mapping[str, Any] = field(default_factory=dict)

    def make_arrays(self, count: int) -> tuple[Array, ...]:
        """Return the inputs at a size."""
        return self.build(arrays.make_generator(self.name, count), count)


def huber(x: Array, y: Array) -> Any:
    """Return the Huber loss with delta 1."""
    distance = np.abs(x - y)
    return np.where(distance <= 1, 0.5 * distance**2, distance - 0.5).mean()


def cross_entropy(x: Array, y: Array) -> Any:
    """Return the cross entropy of logits, with the largest taken out before exponentials."""
    x = x - x.max(1, keepdims=True)
    return (np.log(np.exp(x).sum(1)) - x[np.arange(len(y)), y]).mean()


def cosine(a: Array, b: Array, y: Array) -> Any:
    """Return the cosine embedding loss with margin 0."""
    cosines = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.where(y == 1, 1 - cosines, np.maximum(0, cosines)).mean()


def triplet(a: Array, p: Array, n: Array) -> Any:
    """Return the triplet loss with margin 1."""
    near, far = np.linalg.norm(a - p, axis=1), np.linalg.norm(a - n, axis=1)
    return np.maximum(0, near - far + 1).mean()


def _cross_entropy_case(width: int) -> ArrayCase:
    return ArrayCase(
        f"ce-{width}", "ce", "cross_entropy", arrays.classes(width), bytes_each=6,
        numpy=cross_entropy,
    )  # fmt: skip


_ALL = (
    ArrayCase(
        "mse", "mse", "mse_loss", arrays.pairs,
        numpy=lambda x, y: ((x - y) ** 2).mean(), sklearn="mean_squared_error",
    ),
    ArrayCase(
        "l1", "l1", "l1_loss", arrays.pairs,
        numpy=lambda x, y: np.abs(x - y).mean(), sklearn="mean_absolute_error",
    ),
    ArrayCase("smooth_l1", "smooth_l1", "smooth_l1_loss", arrays.pairs, numpy=huber),
    ArrayCase("huber", "huber", "huber_loss", arrays.pairs, numpy=huber),
    ArrayCase(
        "bce", "bce", "binary_cross_entropy", arrays.probabilities_and_bits,
        numpy=lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
    ),
    ArrayCase(
        "bce_with_logits", "bce_with_logits", "binary_cross_entropy_with_logits",
        arrays.logits_and_bits, numpy=lambda x, y: (np.logaddexp(0, x) - x * y).mean(),
    ),
    ArrayCase(
        "poisson_nll", "poisson_nll", "poisson_nll_loss", arrays.rates_and_counts,
        numpy=lambda x, y: (np.exp(x) - y * x).mean(),
    ),
    ArrayCase(
        "gaussian_nll", "gaussian_nll", "gaussian_nll_loss", arrays.means_and_variances,
        bytes_each=12, numpy=lambda x, y, v: 0.5 * (np.log(v) + (x - y) ** 2 / v).mean(),
    ),
    ArrayCase(
        "kl_div", "kl_div", "kl_div", arrays.distributions, reduction="batchmean",
        numpy=lambda x, y: (y * (np.log(y) - x)).sum(-1).mean(),
    ),
    _cross_entropy_case(10),
    _cross_entropy_case(100),
    _cross_entropy_case(1000),
    _cross_entropy_case(32000),
    ArrayCase(
        "nll", "nll", "nll_loss", arrays.classes(10, log=True), bytes_each=6,
        numpy=lambda x, y: -x[np.arange(len(y)), y].mean(),
    ),
    ArrayCase(
        "margin_ranking", "margin_ranking", "margin_ranking_loss", arrays.two_scores_and_signs,
        bytes_each=12, numpy=lambda a, b, y: np.maximum(0, -y * (a - b)).mean(),
    ),
    ArrayCase(
        "hinge_embedding", "hinge_embedding", "hinge_embedding_loss", arrays.scores_and_signs,
        numpy=lambda x, y: np.where(y == 1, x, np.maximum(0, 1 - x)).mean(),
    ),
    ArrayCase(
        "soft_margin", "soft_margin", "soft_margin_loss", arrays.scores_and_signs,
        numpy=lambda x, y: np.logaddexp(0, -y * x).mean(),
    ),
    ArrayCase("multi_margin", "multi_margin", "multi_margin_loss", arrays.classes(100)),
    ArrayCase(
        "multilabel_margin", "multilabel_margin", "multilabel_margin_loss", arrays.label_lists,
        bytes_each=12,
    ),
    ArrayCase(
        "multilabel_soft_margin", "multilabel_soft_margin", "multilabel_soft_margin_loss",
        arrays.label_bits, numpy=lambda x, y: (np.logaddexp(0, x) - x * y).mean(),
    ),
    ArrayCase(
        "cosine_embedding", "cosine_embedding", "cosine_embedding_loss", arrays.embedding_pairs,
        bytes_each=9, numpy=cosine,
    ),
    ArrayCase(
        "triplet_margin", "triplet_margin", "triplet_margin_loss", arrays.triplets,
        bytes_each=12, numpy=triplet,
    ),
    ArrayCase("ctc", "ctc", "ctc_loss", arrays.alignments, large=16_000_000),
)  # fmt: skip

ARRAY_CASES = {case.name: case for case in _ALL}
