"""The steps of scores of predicted classes and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.steps import Step, Steps, steps
from lossctl.losses.scoring import losses as scoring

Array = NDArray[Any]


@steps(scoring.log_loss)
def take_logarithm(p: Array, y: Array) -> Steps:
    """Tell the logarithm of the probability of what was right, clipped by the file's dtype."""
    floor = float(np.finfo(p.dtype).eps)
    between = f"between {floor:.2g} and 1 − {floor:.2g}"
    if p.ndim:
        own = p[int(y)].astype(np.float64)
        kept = np.clip(own, floor, 1 - floor)
        yield Step("probabilities", "p", p, mark=int(y))
        yield Step("target", "y", y)
        yield Step("probability", "p_y", own)
        yield Step("clipped probability", f"p_y {between}", kept, before=own)
        yield Step("log-probability", "log p_y", np.log(kept))
        yield Step("loss", "−log p_y", -np.log(kept))
        return
    given = p.astype(np.float64)
    kept = np.clip(given, floor, 1 - floor)
    log = np.where(y == 1, np.log(kept), np.log1p(-kept))
    yield Step("probability", "p", given)
    yield Step("target", "y", y)
    yield Step("clipped probability", f"p {between}", kept, before=given)
    yield Step("log-probability", "log p for 1, log(1 − p) for 0", log)
    yield Step("loss", "−log-probability", -log)


@steps(scoring.brier)
def square_distances(p: Array, y: Array, *, scale_by_half: str) -> Steps:
    """Tell the squared distance of probabilities from what happened."""
    if p.ndim == 0:
        yield Step("probability", "p", p)
        yield Step("target", "y", y)
        yield Step("difference", "p − y", p - y)
        doubled = scale_by_half == "false"
        squares = (p - y) * (p - y)
        yield Step("loss", "2 (p − y)²" if doubled else "(p − y)²", squares * (1 + doubled))
        return
    happened = np.arange(len(p)) == int(y)
    yield Step("probabilities", "p", p, mark=int(y))
    yield Step("target", "y", y)
    yield Step("class terms", "(p_c − [c = y])²", (p - happened) * (p - happened))
    total = ((p - happened) * (p - happened)).sum()
    halved = scale_by_half == "true" or (scale_by_half == "auto" and len(p) < 3)
    yield Step(
        "loss",
        "½ Σ_c of the class terms" if halved else "Σ_c of the class terms",
        total * (0.5 if halved else 1),
    )


@steps(scoring.zero_one)
def compare_labels(x: Array, y: Array, *, top_k: int) -> Steps:
    """Tell whether the answer is wrong."""
    if x.ndim == 0:
        yield Step("prediction", "x", x)
        yield Step("target", "y", y)
        yield Step("loss", "0 where x = y, 1 elsewhere", (x != y).astype(np.float64))
        return
    own = int(y)
    later = np.arange(len(x)) > own
    rank = 1 + int(((x > x[own]) | ((x == x[own]) & later)).sum())
    yield Step("scores", "x", x, mark=own)
    yield Step("target", "y", y)
    yield Step("score of the target", "x_y", x[own])
    yield Step("rank of the target", "1 + how many classes are better", rank)
    wrong = np.nan if np.isnan(x).any() else float(rank > top_k)
    yield Step("loss", "0 where the rank is at most k, 1 elsewhere", wrong)
