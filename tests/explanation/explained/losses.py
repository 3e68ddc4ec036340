"""The last steps of the losses, written down once more."""

from __future__ import annotations

import math

import numpy as np

from tests.explanation.explained.scope import Array, Formulas, Scope, log_sum_exp

HALF = 0.5


def log_cosh(s: Scope) -> Array:
    """Return log cosh d = log(exp(d) + exp(−d)) − log 2, by its series near 0."""
    d = np.abs(np.atleast_1d(s["difference"]).astype(np.float64))
    near = np.minimum(d, 0.01)
    series = near**2 / 2 - near**4 / 12 + near**6 / 45 - 17 * near**8 / 2520
    return np.where(d < 0.01, series, np.logaddexp(d, -d) - math.log(2)).reshape(
        np.shape(s["difference"])
    )


def bend(s: Scope, bound: float) -> Array:
    """Return the Huber loss by its two branches."""
    d = np.abs(s["difference"])
    with np.errstate(all="ignore"):
        return np.where(d <= bound, d / 2 * d, bound * (d - bound / 2))


def mean(x: Array) -> float:
    return math.fsum(x) / len(x) if np.isfinite(x).all() and len(x) else float(np.mean(x))


LOSSES: Formulas = {
    ("loss", "|d|"): lambda s: np.abs(s["difference"]),
    ("loss", "d²"): lambda s: s["difference"] ** 2,
    ("loss", "½ d²"): lambda s: s["difference"] ** 2 / 2,
    ("loss", "|d|, because β is 0"): lambda s: np.abs(s["difference"]),
    ("loss", "½ d² where |d| ≤ δ; δ (|d| − ½ δ) elsewhere: q (|d| − ½ q)"): lambda s: bend(
        s, s.o["delta"]
    ),
    ("loss", "½ d² / β where |d| < β; |d| − ½ β elsewhere: q/β (|d| − ½ q)"): lambda s: (
        bend(s, s.o["beta"]) / s.o["beta"]
    ),
    ("loss", "log cosh d: log(1 + 2 sinh²(d/2)), or |d| − log 2 beyond 20"): log_cosh,
    ("loss", "e²"): lambda s: s["difference of logarithms"] ** 2,
    ("loss", "|d| / s"): lambda s: s["distance"] / s["clipped size"],
    ("loss", "100 |d| / s"): lambda s: 100 * s["distance"] / s["clipped size"],
    ("loss", "2 |d| / (|x| + |y|), and 0 where both are 0"): lambda s: (
        2 * s["distance"] / s["size"] if s["size"] else 0.0
    ),
    ("loss", "α × below + (1 − α) × above"): lambda s: (
        s.o["alpha"] * s["below the target"] + (1 - s.o["alpha"]) * s["above the target"]
    ),
    ("loss", "positive term + negative term"): lambda s: s["positive term"] + s["negative term"],
    ("loss", "w × unweighted loss"): lambda s: s["weight"] * s["unweighted loss"],
    ("loss", "mean of the class terms"): lambda s: mean(s["class terms"]),
    ("loss", "focusing factor × cross entropy"): lambda s: (
        s["focusing factor"] * s["cross entropy"]
    ),
    ("loss", "α_y × focusing factor × cross entropy"): lambda s: (
        s["weight"] * s["focusing factor"] * s["cross entropy"]
    ),
    ("loss", "−x_y"): lambda s: -s["log-probability"],
    ("loss", "−w_y x_y"): lambda s: -s["weight"] * s["log-probability"],
    ("loss", "−log p_y"): lambda s: -s["log-probability"],
    ("loss", "−log-probability"): lambda s: -s["log-probability"],
    ("loss", "−w_y log p_y"): lambda s: -s["weight"] * s["log-probability"],
    ("loss", "(1 − ε) × −log p_y + smoothing term"): lambda s: (
        (s.o["label_smoothing"] - 1) * s["log-probability"] + s["smoothing term"]
    ),
    ("loss", "(1 − ε) × −w_y log p_y + smoothing term"): lambda s: (
        (s.o["label_smoothing"] - 1) * s["weight"] * s["log-probability"] + s["smoothing term"]
    ),
    ("loss", "Σ_c of the class terms"): lambda s: sum(s["class terms"]),
    ("loss", "½ Σ_c of the class terms"): lambda s: sum(s["class terms"]) / 2,
    ("loss", "cross entropy + ε × missing probability"): lambda s: (
        s["cross entropy"] + s.o["epsilon"] * s["missing probability"]
    ),
    ("loss", "(1 − p_y^q) / q"): lambda s: (
        -math.expm1(s.o["q"] * math.log(s["probability"])) / s.o["q"]
        if s["probability"] > 0
        else (1 - s["power"]) / s.o["q"]
    ),
    ("loss", "(p − y)²"): lambda s: s["difference"] ** 2,
    ("loss", "2 (p − y)²"): lambda s: 2 * s["difference"] ** 2,
    ("loss", "0 where x = y, 1 elsewhere"): lambda s: 0 if s.x[0] == s.x[1] else 1,
    ("loss", "0 where the rank is at most k, 1 elsewhere"): lambda s: (
        math.nan if np.isnan(s.x[0]).any() else int(s["rank of the target"] > s.o["top_k"])
    ),
    ("loss", "exp(x) − y x"): lambda s: s["rate"] - s.x[1] * s.x[0],
    ("loss", "x − y log(x + ε)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
    ("loss", "x − y log(x + 1e-7)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
    ("loss", "likelihood term + Stirling term"): lambda s: (
        s["likelihood term"] + s["Stirling term"]
    ),
    ("loss", "½ (log v̂ + d² / v̂)"): lambda s: s["log of the variance"] / 2 + s["scaled square"] / 2,
    ("loss", "½ (log v̂ + d² / v̂) + ½ log 2π"): lambda s: (
        s["log of the variance"] / 2 + s["scaled square"] / 2 + s["constant"]
    ),
    ("loss", "y (log y − x), and 0 where y is 0"): lambda s: (
        s.x[1] * (s["log of the target"] - s.x[0]) if s.x[1] else 0 * s.x[0]
    ),
    ("loss", "exp(y) (y − x), and 0 where exp(y) is 0"): lambda s: (
        s["probability of the target"] * (s.x[1] - s.x[0])
        if s["probability of the target"]
        else 0.0
    ),
    ("loss", "2 (y log(y / x) + x − y)"): lambda s: 2 * s["scaled log-ratio"] + 2 * s["difference"],
    ("loss", "2 (y / x − 1 − log(y / x))"): lambda s: (
        2 * s["relative difference"] - 2 * s["log-ratio"]
    ),
    ("loss", "(x − y)², because p is 0"): lambda s: s["difference"] ** 2,
    ("loss", "2 (term of the target − term of both + term of the prediction)"): lambda s: (
        2 * s["term of the target"] - 2 * s["term of both"] + 2 * s["term of the prediction"]
    ),
    ("loss", "max(0, lack)"): lambda s: np.where(s["lack"] < 0, 0, s["lack"]),
    ("loss", "max(0, lack)²"): lambda s: np.where(s["lack"] < 0, 0, s["lack"] ** 2),
    ("loss", "x where y = 1; max(0, lack) where y = −1"): lambda s: (
        s.x[0] if s.x[1] > 0 else max(0, s["lack"])
    ),
    ("loss", "log(1 + exp(−y x))"): lambda s: np.logaddexp(0, -s["agreement"]),
    ("loss", "Σ of the hinges / C"): lambda s: sum(s["hinges"]) / np.size(s.x[0]),
    ("loss", "w_y Σ of the hinges / C"): lambda s: s["weight"] * sum(s["hinges"]) / np.size(s.x[0]),
    ("loss", "max_c x_c − x_y"): lambda s: s["maximum"] - s["score of the target"],
    ("loss", "0 to l = −1; ¼ (l + 1)² to 1; l beyond"): lambda s: (
        0 if s["lag"] <= -1 else s["lag"] if s["lag"] >= 1 else ((s["lag"] + 1) / 2) ** 2
    ),
    ("loss", "½ squared distance + below the threshold"): lambda s: (
        s["squared distance"] / 2 + s["below the threshold"]
    ),
    ("loss", "1 − cosine"): lambda s: 1 - s["cosine"],
    ("loss", "−cosine"): lambda s: -s["cosine"],
    ("loss", "1 − cosine where y = 1; max(0, cosine − margin) where y = −1"): lambda s: (
        1 - s["cosine"] if s.x[2] > 0 else max(0, s["cosine"] - s.o["margin"])
    ),
    ("loss", "Σ of the pair losses"): lambda s: sum(s["pair losses"]),
    ("loss", "log(1 + exp(pull + push))"): lambda s: log_sum_exp([0, s["pull"] + s["push"]]),
    ("loss", "1 − (overlap − empty part)"): lambda s: 1 - s["overlap"] + s["empty part"],
    ("loss", "1 − overlap + relative distance"): lambda s: (
        1 - s["overlap"] + s["relative distance"]
    ),
    ("loss", "1 − overlap + relative distance + α v"): lambda s: (
        1 - s["overlap"] + s["relative distance"] + s["weight"] * s["proportions"]
    ),
    ("loss", "mean over the classes"): lambda s: mean(
        s.get("classes that count", s.get("class terms", s["class losses"]))
    ),
    ("loss", "Σ over the classes"): lambda s: math.fsum(
        s.get("classes that count", s.get("class terms", s["class losses"]))
    ),
    ("loss", "that of the one class"): lambda s: s["class losses"][0],
    ("loss", "−log-likelihood"): lambda s: -s["log-likelihood"],
    ("loss", "−log-likelihood, and 0 where there is no alignment"): lambda s: (
        0.0 if s["log-likelihood"] == -np.inf else -s["log-likelihood"]
    ),
}
LOSSES |= {("element losses", formula): made for (_, formula), made in LOSSES.items()}
