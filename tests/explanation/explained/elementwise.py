"""The steps of single numbers, written down once more."""

from __future__ import annotations

import math

import numpy as np

from tests.explanation.explained.scope import HIGH, LOW, Formulas, clip, read, sigmoid

INPUTS = {
    ("prediction", "x"): 0, ("prediction", "p"): 0, ("probability", "p"): 0,
    ("probabilities", "p"): 0, ("logit", "x"): 0, ("logits", "x"): 0, ("score", "x"): 0,
    ("scores", "x"): 0, ("log-probability", "x"): 0, ("log-probabilities", "x"): 0,
    ("rate", "x"): 0, ("log-rate", "x"): 0, ("distance", "x"): 0, ("features", "x"): 0,
    ("predicted box", "x"): 0, ("anchor", "a"): 0, ("first score", "x₁"): 0,
    ("first embedding", "x₁"): 0, ("relevance", "y"): 1, ("target", "y"): 1,
    ("true box", "y"): 1, ("positive", "p"): 1, ("second score", "x₂"): 1,
    ("second embedding", "x₂"): 1, ("negative", "n"): 2, ("variance", "v"): 2,
    ("embedding", "x_i"): 0, ("label", "y_i"): 1,
}  # fmt: skip
"""Steps that are an input as it is, and which."""

READ: Formulas = {step: read(place) for step, place in INPUTS.items()}

SIMPLE: Formulas = {
    ("difference", "d = x − y"): lambda s: s.x[0] - s.x[1],
    ("difference", "x − y"): lambda s: s.x[0] - s.x[1],
    ("difference", "p − y"): lambda s: s.x[0] - s.x[1],
    ("difference", "x₁ − x₂"): lambda s: s.x[0] - s.x[1],
    ("distance", "|d|"): lambda s: np.abs(s["difference"]),
    ("clipped distance", "q = min(|d|, δ)"): lambda s: np.minimum(s["distance"], s.o["delta"]),
    ("clipped distance", "q = min(|d|, β)"): lambda s: np.minimum(s["distance"], s.o["beta"]),
    ("clipped prediction", "max(x, 1e-7)"): lambda s: np.maximum(s["prediction"], 1e-7),
    ("clipped target", "max(y, 1e-7)"): lambda s: np.maximum(s["target"], 1e-7),
    ("clipped target", "y between 1e-7 and 1"): clip(LOW, 1, "target"),
    ("clipped size", "s = max(|y|, 1e-7)"): lambda s: np.maximum(np.abs(s.x[1]), 1e-7),
    ("clipped size", "s = max(|y|, 2.2e-16)"): lambda s: np.maximum(np.abs(s.x[1]), 2.0**-52),
    ("clipped variance", "v̂ = max(v, ε)"): lambda s: np.maximum(s.x[2], s.o["eps"]),
    ("size", "|y|"): lambda s: np.abs(s.x[1]),
    ("size", "|x| + |y|"): lambda s: np.abs(s.x[0]) + np.abs(s.x[1]),
    ("below the target", "max(y − x, 0)"): lambda s: np.clip(s.x[1] - s.x[0], 0, None),
    ("above the target", "max(x − y, 0)"): lambda s: np.clip(s.x[0] - s.x[1], 0, None),
    ("log of the variance", "log v̂"): lambda s: np.log(s["clipped variance"]),
    ("scaled square", "d² / v̂"): lambda s: s["difference"] ** 2 / s["clipped variance"],
    ("constant", "½ log 2π"): lambda s: 0.9189385332046727,
    ("log of the target", "log y"): lambda s: np.log(s.x[1]),
    ("log of the target", "log(1 + y)"): lambda s: np.log1p(s.get("clipped target", s.x[1])),
    ("log of the prediction", "log(1 + x)"): lambda s: np.log1p(
        s.get("clipped prediction", s.x[0])
    ),
    ("difference of logarithms", "e = log(1 + x) − log(1 + y)"): lambda s: (
        s["log of the prediction"] - s["log of the target"]
    ),
    ("agreement", "y x"): lambda s: s.x[0] * s.get("sign", s.x[1]),
    ("sign", "2 y − 1, for all labels are 0 or 1"): lambda s: np.where(s.x[1] == 1, 1, -1),
    ("sign", "y"): lambda s: s.x[2 if len(s.x) > 2 else 1],
    ("lack", "1 − y x"): lambda s: 1 - s["agreement"],
    ("lack", "−y x"): lambda s: -s["agreement"],
    ("lack", "margin − x"): lambda s: s.o["margin"] - s.x[0],
    ("lack", "margin − y (x₁ − x₂)"): lambda s: s.o["margin"] - s.x[2] * (s.x[0] - s.x[1]),
    ("lack", "1 + best other score − score of the target"): lambda s: (
        1 + s["best other score"] - s["score of the target"]
    ),
    ("lack", "margin + distance to p − distance to n"): lambda s: (
        s.o["margin"]
        + s["distance to the positive"]
        - s.get("nearer distance", s["distance to the negative"])
    ),
    ("lag", "l = −x for 1, x for 0"): lambda s: s.x[0] * (1 - 2 * s.x[1]),
    ("log-ratio", "log(y / x)"): lambda s: np.log(s.x[1] / s.x[0]),
    ("scaled log-ratio", "y log(y / x), and 0 where y is 0"): lambda s: (
        s.x[1] * s["log-ratio"] if s.x[1] else 0.0
    ),
    ("relative difference", "y / x − 1"): lambda s: s.x[1] / s.x[0] - 1,
    ("term of the target", "max(y, 0)^(2 − p) / ((1 − p) (2 − p))"): lambda s: (
        max(float(s.x[1]), 0.0) ** (2 - s.o["power"]) / (1 - s.o["power"]) / (2 - s.o["power"])
    ),
    ("term of both", "y x^(1 − p) / (1 − p)"): lambda s: (
        s.x[1] * s.x[0] ** (1 - s.o["power"]) / (1 - s.o["power"])
    ),
    ("term of the prediction", "x^(2 − p) / (2 − p)"): lambda s: (
        s.x[0] ** (2 - s.o["power"]) / (2 - s.o["power"])
    ),
    ("rate", "exp(x)"): lambda s: np.exp(s.x[0]),
    ("log-rate", "log(x + ε)"): lambda s: np.log(s.x[0] + s.o["eps"]),
    ("log-rate", "log(x + 1e-7)"): lambda s: np.log(s.x[0] + 1e-7),
    ("likelihood term", "exp(x) − y x"): lambda s: np.exp(s.x[0]) - s.x[1] * s.x[0],
    ("likelihood term", "x − y log(x + ε)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
    ("Stirling term", "y log y − y + ½ log(2πy) where y > 1"): lambda s: (
        s.x[1] * math.log(s.x[1]) - s.x[1] + math.log(2 * math.pi * s.x[1]) / 2
        if s.x[1] > 1
        else 0.0
    ),
    ("surplus", "exp(x_c) − y_c"): lambda s: np.exp(s.x[0]) - s.x[1],
    ("probability of the target", "exp(y)"): lambda s: np.exp(s.x[1]),
}

BINARY: Formulas = {
    ("probability", "p = 1 / (1 + exp(−x))"): lambda s: sigmoid(s.x[0]),
    ("log-probability", "log p = −log(1 + exp(−x))"): lambda s: -np.logaddexp(0, -s.x[0]),
    ("log-complement", "log(1 − p) = −log(1 + exp(x))"): lambda s: -np.logaddexp(0, s.x[0]),
    ("log-probability", "log p"): lambda s: np.log(s.get("clipped probability", s.x[0])),
    ("log-complement", "log(1 − p)"): lambda s: np.log1p(-s.get("clipped probability", s.x[0])),
    ("log-probability", "log p for 1, log(1 − p) for 0"): lambda s: (
        np.log(s["clipped probability"]) if s.x[1] == 1 else np.log1p(-s["clipped probability"])
    ),
    ("clipped log-probability", "max(log p, −100)"): lambda s: max(np.log(s.x[0]), -100.0),
    ("clipped log-complement", "max(log(1 − p), −100)"): lambda s: max(np.log1p(-s.x[0]), -100.0),
    ("clipped probability", "p between 1e-7 and 1 − 1e-7"): clip(LOW, HIGH, "probability"),
    ("smoothed target", "y (1 − s) + s/2"): lambda s: (
        s.x[1] + (0.5 - s.x[1]) * s.o["label_smoothing"]
    ),
    ("positive weight", "w₊"): lambda s: s.option("pos_weight"),
    ("positive term", "−y log p"): lambda s: -s.goal() * s.clipped("log-probability"),
    ("positive term", "−w₊ y log p"): lambda s: (
        -s["positive weight"] * s.goal() * s["log-probability"]
    ),
    ("negative term", "−(1 − y) log(1 − p)"): lambda s: (
        (s.goal() - 1) * s.clipped("log-complement")
    ),
    ("cross entropy", "positive term + negative term"): lambda s: (
        s["positive term"] + s["negative term"]
    ),
    ("unweighted loss", "positive term + negative term"): lambda s: (
        s["positive term"] + s["negative term"]
    ),
    ("weight", "w"): lambda s: s.option("weight"),
    ("missing probability", "1 − p_t = y (1 − p) + (1 − y) p"): lambda s: (
        s.goal() * (sigmoid(-s.x[0]) if "logit" in s.values else 1 - s.x[0])
        + (1 - s.goal()) * s["probability"]
    ),
    ("focusing factor", "(1 − p_t)^γ"): lambda s: s["missing probability"] ** s.o["gamma"],
    ("weight", "α_y = α y + (1 − α) (1 − y)"): lambda s: (
        s.o["alpha"] * s.goal() + (1 - s.o["alpha"]) * (1 - s.goal())
    ),
    ("class terms", "−y_c log p_c − (1 − y_c) log(1 − p_c)"): lambda s: (
        s.x[1] * np.logaddexp(0, -s.x[0]) + (1 - s.x[1]) * np.logaddexp(0, s.x[0])
    ),
    ("class terms", "w_c (−y_c log p_c − (1 − y_c) log(1 − p_c))"): lambda s: (
        s["weight"] * (s.x[1] * np.logaddexp(0, -s.x[0]) + (1 - s.x[1]) * np.logaddexp(0, s.x[0]))
    ),
}
