"""The test matrix: for each loss, the calls on which it is compared with its reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.losses.cases import (
    classification,
    evaluator,
    keras_losses,
    margin,
    optax_losses,
    regression,
    sequence,
)
from tests.losses.cases.case import Case, Draw

CASES: dict[str, Callable[[Draw], Iterator[Case]]] = {
    "l1": regression.l1_cases,
    "mse": regression.mse_cases,
    "smooth_l1": regression.smooth_l1_cases,
    "huber": regression.huber_cases,
    "bce": classification.bce_cases,
    "bce_with_logits": classification.bce_with_logits_cases,
    "nll": classification.nll_cases,
    "ce": classification.ce_cases,
    "linear_ce": classification.linear_ce_cases,
    "poisson_nll": regression.poisson_nll_cases,
    "gaussian_nll": regression.gaussian_nll_cases,
    "kl_div": regression.kl_div_cases,
    "margin_ranking": margin.margin_ranking_cases,
    "hinge_embedding": margin.hinge_embedding_cases,
    "soft_margin": margin.soft_margin_cases,
    "multi_margin": margin.multi_margin_cases,
    "multilabel_margin": margin.multilabel_margin_cases,
    "multilabel_soft_margin": classification.multilabel_soft_margin_cases,
    "cosine_embedding": margin.cosine_embedding_cases,
    "triplet_margin": margin.triplet_margin_cases,
    "triplet_margin_with_distance": margin.triplet_margin_with_distance_cases,
    "ctc": sequence.ctc_cases,
}
TORCH_KEYS = tuple(CASES)
CASES |= evaluator.CASES | optax_losses.CASES | keras_losses.CASES
KEYS = tuple(CASES)


def cases(key: str, rng: np.random.Generator, digits: int | None = None) -> list[Case]:
    """Return the cases of a loss, the same for the same state of ``rng``."""
    return list(CASES[key](Draw(rng, digits)))


def reductions(key: str, case: Case) -> list[str]:
    """Return the reductions on which the reference has an answer for the case."""
    known = ["none", "mean", "sum", *(["batchmean"] if key == "kl_div" else [])]
    if key in keras_losses.KEYS:
        known += ["sum_over_batch_size", "mean_with_sample_weight"]
    return [name for name in known if name not in case.skipped]
