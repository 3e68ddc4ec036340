"""The steps that losses of several families tell, recomputed."""

from __future__ import annotations

import math

import numpy as np

from tests.losses.cases.case import Array
from tests.losses.declare import recomputed
from tests.losses.steps.scope import Scope, log_normalise, log_sum_exp, read_input


def others(x: Array, place: int) -> Array:
    """Return all entries but one."""
    return np.delete(np.asarray(x, np.float64), place)


def mean(x: Array) -> float:
    return math.fsum(x) / len(x) if np.isfinite(x).all() and len(x) else float(np.mean(x))


def scores_of(s: Scope) -> Array:
    """Return the scores that there are, with −∞ for what is left out."""
    for key in ("items that are there", "classes that count"):
        if key in s:
            return np.where(s[key], s.x[0], -np.inf)
    return s.get("logits", s.x[0])


recomputed(
    {
        ("prediction", "x"): read_input(0),
        ("prediction", "p"): read_input(0),
        ("probability", "p"): read_input(0),
        ("probabilities", "p"): read_input(0),
        ("logits", "x"): read_input(0),
        ("scores", "x"): read_input(0),
        ("log-probabilities", "x"): read_input(0),
        ("target", "y"): read_input(1),
        ("difference", "d = x − y"): lambda s: s.x[0] - s.x[1],
        ("sign", "y"): lambda s: s.x[2 if len(s.x) > 2 else 1],
        ("maximum", "m = max_c x_c"): lambda s: max(scores_of(s)),
        ("log-sum-exp", "m + log Σ_c exp(x_c − m)"): lambda s: log_sum_exp(scores_of(s)),
        ("log-probability", "log p_y"): lambda s: np.log(s["clipped probability"]),
        ("log-probabilities", "log p_c = x_c − log-sum-exp"): lambda s: log_normalise(scores_of(s)),
        ("weight", "w_y"): lambda s: s.o["weight"][s.y],
        ("class terms", "−y_c log p_c"): lambda s: np.where(
            s.get("classes that count", s.get("items that are there", True)),
            -s.get("weighted relevance", s.goal()) * s["log-probabilities"],
            0,
        ),
        ("probability", "p_y"): lambda s: s.x[0][s.y],
        ("score of the target", "x_y"): lambda s: np.atleast_1d(s.x[0])[s.y],
        ("weight", "w_c"): lambda s: s.class_weight(),
        ("loss", "−log p_y"): lambda s: -s["log-probability"],
        ("loss", "Σ_c of the class terms"): lambda s: sum(s["class terms"]),
        ("loss", "max(0, lack)"): lambda s: np.where(s["lack"] < 0, 0, s["lack"]),
    }
)
