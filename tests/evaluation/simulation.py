"""Simulated datasets whose true means are known, and how often intervals hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.estimands import Contrast, Estimand, Ratio
from lossctl.evaluation.uncertainty.uncertainty import Method, Uncertainty
from lossctl.losses.core.terms import Transform

ROOT = Transform("square root", math.sqrt, lambda mean: 0.5 / math.sqrt(mean))
EXPONENTIAL = Transform("exponential", math.exp, math.exp)

A, B = Ratio(0, 1), Ratio(2, 3)
ROOTS = Ratio(0, 1, ROOT), Ratio(2, 3, ROOT)
EXPONENTIALS = Ratio(0, 1, EXPONENTIAL), Ratio(2, 3, EXPONENTIAL)
MEAN_A, MEAN_B = 1.0, 1.1
TRUTHS: dict[str, tuple[Estimand, float]] = {
    "mean": (A, MEAN_A),
    "rmse": (ROOTS[0], math.sqrt(MEAN_A)),
    "perplexity": (EXPONENTIALS[0], math.exp(MEAN_A)),
    "difference": (Contrast(B, A), MEAN_B - MEAN_A),
    "difference of rmse": (Contrast(*ROOTS[::-1]), math.sqrt(MEAN_B) - math.sqrt(MEAN_A)),
    "difference of perplexity": (
        Contrast(*EXPONENTIALS[::-1]),
        math.exp(MEAN_B) - math.exp(MEAN_A),
    ),
}
ESTIMANDS = [estimand for estimand, _ in TRUTHS.values()]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass
class Datasets:
    """Many datasets, one after another: each is a slice of the rows of all."""

    columns: list[Floats]
    slices: Integers
    clusters: Integers
    count: int

    @property
    def size(self) -> int:
        return self.slices.size


def simulate(count: int, rows: int, seed: int = 0, clustered: bool = False) -> Datasets:
    """Return weighted rows of two models whose losses have the means MEAN_A and MEAN_B.

    Rows of one cluster share a part of their losses, if asked to.
    """
    rng = np.random.default_rng(seed)
    size = count * rows
    clusters = rng.integers(0, size // 5, size) if not clustered else np.arange(size) // 5
    weights = rng.uniform(0.5, 2, size)
    hard = rng.gamma(2, 0.5, size)
    if clustered:
        hard = 0.5 * hard + 0.5 * rng.gamma(2, 0.5, size // 5 + 1)[clusters]
    a = hard + rng.normal(0, 0.2, size)
    b = 0.9 * hard + 0.2 + rng.normal(0, 0.2, size)
    if clustered:
        b += rng.normal(0, 0.2, size // 5 + 1)[clusters]
    slices = np.repeat(np.arange(count), rows)
    return Datasets([weights * a, weights, weights * b, weights], slices, clusters, count)


def measure_coverage(datasets: Datasets, method: Method) -> dict[str, float]:
    """Return which share of the intervals holds the truth, for each estimand."""
    collected = Uncertainty(ESTIMANDS, method)
    numbers = np.arange(datasets.size)
    clusters = datasets.clusters if method.name == "cluster" else None
    collected.add(datasets.columns, numbers, datasets.slices, clusters)
    return {
        name: float(np.mean((spread.low <= truth) & (truth <= spread.high)))
        for (name, (_, truth)), spread in zip(
            TRUTHS.items(), collected.spreads(datasets.count), strict=True
        )
    }
