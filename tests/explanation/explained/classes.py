"""The steps of losses over classes, and of scores, written down once more."""

from __future__ import annotations

import numpy as np

from tests.explanation.explained.scope import (
    HIGH,
    LOW,
    Array,
    Formula,
    Formulas,
    Scope,
    clip,
    log_normalise,
    log_sum_exp,
)


def own(key: str) -> Formula:
    """Return the entry of the right class."""
    return lambda s: s[key][s.y]


def shares(x: Array) -> Array:
    """Return what part each has in the sum."""
    return np.array([one / np.sum(x) for one in x])


def scores(s: Scope) -> Array:
    """Return the scores that there are, with −∞ for what is left out."""
    for key in ("items that are there", "classes that count"):
        if key in s:
            return np.where(s[key], s.x[0], -np.inf)
    return s.get("logits", s.x[0])


def layer(s: Scope, bias: Array) -> Array:
    """Return the logits of a linear layer."""
    return np.array([float(np.dot(row, s.x[0])) for row in s.x[2]]) + bias


def below(s: Scope, level: float) -> float:
    """Return Σ max(x − level, 0), which is 1 at the threshold."""
    return float(np.maximum(s.x[0] - level, 0).sum())


def find_threshold(s: Scope) -> float:
    """Return the threshold by halving where it may be."""
    low, high = float(s.x[0].min()) - 1, float(s.x[0].max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if below(s, middle) > 1 else (low, middle)
    return low


def others(x: Array, place: int) -> Array:
    """Return all entries but one."""
    return np.delete(np.asarray(x, np.float64), place)


CLASSES: Formulas = {
    ("logits", "z = W x"): lambda s: layer(s, 0.0),
    ("logits", "z = W x + b"): lambda s: layer(s, s["bias"]),
    ("bias", "b"): lambda s: s.o["linear_bias"][(slice(None), *s.place)],
    ("maximum", "m = max_c x_c"): lambda s: max(scores(s)),
    ("maximum", "max_c x_c"): lambda s: max(s.x[0]),
    ("log-sum-exp", "m + log Σ_c exp(x_c − m)"): lambda s: log_sum_exp(scores(s)),
    ("log-probability", "log p_y = x_y − log-sum-exp"): lambda s: log_normalise(scores(s))[s.y],
    ("log-probability", "x_y"): lambda s: s.x[0][s.y],
    ("log-probability", "log p_y"): lambda s: np.log(s["clipped probability"]),
    ("log-probabilities", "log p_c = x_c − log-sum-exp"): lambda s: log_normalise(scores(s)),
    ("log-probabilities", "log p_c"): lambda s: np.log(s["clipped probabilities"]),
    ("weight", "w_y"): lambda s: s.o["weight"][s.y],
    ("smoothing term", "(ε/C) Σ_c −log p_c"): lambda s: (
        -s.o["label_smoothing"] * log_normalise(scores(s)).mean()
    ),
    ("smoothing term", "(ε/C) Σ_c −w_c log p_c"): lambda s: (
        -s.o["label_smoothing"] * (s.o["weight"] * log_normalise(scores(s))).mean()
    ),
    ("smoothed target", "y (1 − ε) + ε/C"): lambda s: (
        s.x[1] + s.o["label_smoothing"] * (1 / len(s.x[1]) - s.x[1])
    ),
    ("smoothed target", "y (1 − s) + s/C"): lambda s: (
        s.x[1] + s.o["label_smoothing"] * (1 / len(s.x[1]) - s.x[1])
    ),
    ("class terms", "−y_c log p_c"): lambda s: np.where(
        s.get("classes that count", s.get("items that are there", True)),
        -s.get("weighted relevance", s.goal()) * s["log-probabilities"],
        0,
    ),
    ("class terms", "−w_c y_c log p_c"): lambda s: -s["weight"] * s.goal() * s["log-probabilities"],
    ("class terms", "−α (1 − p_c)^γ y_c log p_c"): lambda s: (
        -s.o["alpha"] * s["focusing factors"] * s.goal() * s["log-probabilities"]
    ),
    ("class terms", "(p_c − [c = y])²"): lambda s: (s.x[0] - np.eye(len(s.x[0]))[s.y]) ** 2,
    ("class terms", "exp(y_c) (y_c − x_c), and 0 where exp(y_c) is 0"): lambda s: np.where(
        np.exp(s.x[1]) == 0, 0, np.exp(s.x[1]) * (s.x[1] - s.x[0])
    ),
    ("class terms", "y_c (log y_c − x_c), and 0 where y_c is 0"): lambda s: np.where(
        s.x[1] == 0, 0, s.x[1] * (s["log of the target"] - s.x[0])
    ),
    ("class terms", "y_c (log y_c − x_c) + exp(x_c) − y_c"): lambda s: (
        np.where(s.x[1] == 0, 0, s.x[1] * (s["log of the target"] - s.x[0])) + s["surplus"]
    ),
    ("class terms", "y_c log(y_c / p_c)"): lambda s: (
        s["clipped target"] * np.log(s["clipped target"] / s["clipped probabilities"])
    ),
    ("cross entropy", "−log p_y"): lambda s: -s["log-probability"],
    ("cross entropy", "−Σ_c y_c log p_c"): lambda s: -np.dot(s.x[1], s["log-probabilities"]),
    ("missing probability", "1 − p_y"): lambda s: np.exp(
        log_sum_exp(others(s.x[0], s.y)) - log_sum_exp(s.x[0])
    ),
    ("missing probability", "Σ_c y_c (1 − p_c)"): lambda s: sum(
        y * np.exp(log_sum_exp(others(s.x[0], c)) - log_sum_exp(s.x[0]))
        for c, y in enumerate(s.x[1])
    ),
    ("classes that count", "not (x_c = −∞ and y_c = 0)"): lambda s: (
        np.isfinite(s.x[0]) | (s.x[1] != 0) | (s.x[0] == np.inf) | np.isnan(s.x[0])
    ),
    ("items that are there", "where"): lambda s: s.option("where") != 0,
    ("weighted relevance", "w_i y_i"): lambda s: s.option("weights") * s.x[1],
    ("sum", "Σ_c p_c"): lambda s: sum(s.get("exponentials", s.x[0])),
    ("shares", "p_c / Σ p"): lambda s: shares(s.get("exponentials", s.x[0])),
    ("probability", "p_y / Σ p"): lambda s: shares(s.x[0])[s.y],
    ("probability", "p_y"): lambda s: s.x[0][s.y],
    ("exponentials", "p_c = exp(x_c − m)"): lambda s: np.exp(s.x[0] - max(s.x[0])),
    ("clipped probability", "p_y between 1e-7 and 1 − 1e-7"): clip(LOW, HIGH, "probability"),
    ("clipped probabilities", "shares between 1e-7 and 1 − 1e-7"): clip(LOW, HIGH, "shares"),
    ("clipped probabilities", "p between 1e-7 and 1"): lambda s: np.clip(s.x[0], LOW, 1),
    ("focusing factors", "(1 − p_c)^γ"): lambda s: (1 - s["clipped probabilities"]) ** s.o["gamma"],
    ("power", "p_y^q"): lambda s: np.exp(s.o["q"] * np.log(s["probability"])),
}

SCORES: Formulas = {
    ("score of the target", "x_y"): lambda s: np.atleast_1d(s.x[0])[s.y],
    ("score of the target", "Σ_c y_c x_c"): lambda s: np.dot(s.x[0], s.x[1]),
    ("best other score", "max_{c≠y} x_c"): lambda s: max(others(s.x[0], s.y), default=-np.inf),
    ("best other score", "max_c (1 − y_c) x_c"): lambda s: max(
        (1 - y) * x for x, y in zip(*s.x, strict=True)
    ),
    ("rank of the target", "1 + how many classes are better"): lambda s: (
        1
        + sorted(zip(s.x[0], range(len(s.x[0])), strict=True), reverse=True).index(
            (s.x[0][s.y], s.y)
        )
    ),
    ("hinges", "max(0, margin − x_y + x_i), and 0 for y itself"): lambda s: [
        0.0 if i == s.y else max(0.0, s.o["margin"] - np.atleast_1d(s.x[0])[s.y] + x)
        for i, x in enumerate(np.atleast_1d(s.x[0]))
    ],
    ("hinges", "max(0, margin − x_y + x_i)², and 0 for y itself"): lambda s: [
        0.0 if i == s.y else max(0.0, s.o["margin"] - np.atleast_1d(s.x[0])[s.y] + x) ** 2
        for i, x in enumerate(np.atleast_1d(s.x[0]))
    ],
    ("hinges", "Σ_{i not listed} max(0, 1 − x_j + x_i) of each listed j"): lambda s: [
        sum(
            max(0.0, 1 - np.atleast_1d(s.x[0])[j] + x)
            for i, x in enumerate(np.atleast_1d(s.x[0]))
            if i not in s["listed classes"]
        )
        for j in s["listed classes"]
    ],
    ("listed classes", "y up to the first −1"): lambda s: [
        label
        for place, label in enumerate(np.atleast_1d(s.x[1]))
        if min(np.atleast_1d(s.x[1])[: place + 1]) >= 0
    ],
    ("threshold", "τ with Σ_c max(x_c − τ, 0) = 1"): find_threshold,
    ("probabilities", "p_c = max(x_c − τ, 0)"): lambda s: np.maximum(s.x[0] - s["threshold"], 0),
    ("squared distance", "‖p − e_y‖²"): lambda s: (
        np.linalg.norm(s["probabilities"] - np.eye(len(s.x[0]))[s.y]) ** 2
    ),
    ("below the threshold", "max(0, τ − x_y)"): lambda s: max(0, s["threshold"] - s.x[0][s.y]),
}

BY_KEY: dict[str, Formula] = {
    "clipped probability": lambda s: np.clip(  # log_loss, by the dtype of the file
        s["probability"], np.finfo(s.all[0].dtype).eps, 1 - np.finfo(s.all[0].dtype).eps
    ),
}
