"""The steps of embeddings, boxes, maps and sequences, written down once more."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from tests.explanation.explained.scope import (
    Array,
    Formula,
    Formulas,
    Scope,
    log_normalise,
    log_sum_exp,
    sigmoid,
)


def norm(x: Array, degree: float = 2.0) -> float:
    """Return a p-norm, scaled so that nothing overflows."""
    size = np.abs(np.asarray(x, np.float64))
    largest = size.max(initial=0.0)
    if degree == 0:
        return float(np.count_nonzero(size))
    if not np.isfinite(largest) or largest == 0 or degree == np.inf:
        return float(largest)
    return float(largest * ((size / largest) ** degree).sum() ** (1 / degree))


def cosine(x: Array, y: Array, floor: float) -> float:
    """Return the cosine of an angle; vectors count as no shorter than the floor."""
    return float(np.dot(x / max(norm(x), floor), y / max(norm(y), floor)))


PLAIN = {
    "euclidean": lambda x, y: norm(x - y + 1e-6),
    "cosine": lambda x, y: 1 - cosine(x, y, 1e-8),
    "manhattan": lambda x, y: norm(x - y, 1),
    "chebyshev": lambda x, y: norm(x - y, np.inf),
    "squared_euclidean": lambda x, y: float(np.dot(x - y, x - y)),
}


def measure(s: Scope, x: Array, y: Array) -> float:
    """Return the distance that the options ask for."""
    if "distance" in s.o:
        return PLAIN[s.o["distance"]](x, y)
    if "norm_degree" in s.o:
        degree = s.o["norm_degree"]
        return norm(np.append(x - y, s.o["eps"] ** (1 / degree)), degree)
    return norm(x - y + s.o["eps"], s.o["p"])


def length(place: int) -> Formula:
    """Return the length of a vector as it is clipped."""
    return lambda s: max(norm(s.x[place]), math.sqrt(s.o["epsilon"]) if "epsilon" in s.o else 1e-7)


def unit(s: Scope) -> Array:
    """Return all embeddings with length 1."""
    return np.array([one / max(norm(one), 2.0**-26) for one in s.all[0]])


def labels(s: Scope) -> Array:
    """Return the labels of all samples."""
    return np.reshape(s.all[1], -1)


def neighbours(s: Scope) -> tuple[list[int], list[int]]:
    """Return the partners and the rivals of the row."""
    mine = labels(s)[s.row]
    known = labels(s) if s.o.get("ref_labels") is None else s.o["ref_labels"]
    itself = s.o.get("remove_diagonal", True)
    partners = [n for n, one in enumerate(known) if one == mine and not (itself and n == s.row)]
    return partners, [n for n, one in enumerate(known) if one != mine]


def distances(s: Scope, places: list[int]) -> Array:
    """Return the distances of circle loss to some samples."""
    given = s.o.get("ref_embeddings")
    others = s.all[0] if given is None else given
    return np.array([max(1 - float(np.dot(s.all[0][s.row], others[n])), 0.0) for n in places])


def pull(s: Scope) -> float:
    d, gamma, m = distances(s, neighbours(s)[0]), s.o["gamma"], s.o["margin"]
    return log_sum_exp(gamma * np.maximum(d + m, 0) * (d - m))


def push(s: Scope) -> float:
    d, gamma, m = distances(s, neighbours(s)[1]), s.o["gamma"], s.o["margin"]
    return log_sum_exp(gamma * np.maximum(1 + m - d, 0) * (1 - m - d))


EMBEDDINGS: Formulas = {
    ("product", "x₁·x₂"): lambda s: math.fsum(a * b for a, b in zip(s.x[0], s.x[1], strict=True)),
    ("norms", "√(‖x₁‖² + 1e-12) √(‖x₂‖² + 1e-12)"): lambda s: (
        math.hypot(*s.x[0], 1e-6) * math.hypot(*s.x[1], 1e-6)
    ),
    ("cosine", "product / norms"): lambda s: s["product"] / s["norms"],
    ("cosine", "x·y / (length of x × length of y)"): lambda s: np.dot(
        s.x[0] / s["clipped length of the prediction"], s.x[1] / s["clipped length of the target"]
    ),
    ("length of the prediction", "‖x‖"): lambda s: norm(s.x[0]),
    ("length of the target", "‖y‖"): lambda s: norm(s.x[1]),
    ("nearer distance", "the lesser of the last two"): lambda s: min(
        s["distance to the negative"], s["distance between both"]
    ),
    ("partners", "others j of the label"): lambda s: len(neighbours(s)[0]),
    ("rivals", "samples k of other labels"): lambda s: len(neighbours(s)[1]),
    ("scaled cosines", "cos(x_i, x_j) / temperature of the partners"): lambda s: [
        float(np.dot(unit(s)[s.row], unit(s)[n])) / s.o["temperature"] for n in neighbours(s)[0]
    ],
    ("log-sum-exp", "log Σ_k exp(cos(x_i, x_k) / temperature) of the rivals"): lambda s: (
        log_sum_exp(unit(s)[neighbours(s)[1]] @ unit(s)[s.row] / s.o["temperature"])
    ),
    ("pair losses", "log(1 + exp(log-sum-exp − scaled cosine))"): lambda s: np.logaddexp(
        0, s["log-sum-exp"] - s["scaled cosines"]
    ),
    ("distances of the partners", "d = max(1 − x_i·x_j, 0)"): lambda s: distances(
        s, neighbours(s)[0]
    ),
    ("pull", "log Σ_j exp(γ [d + m]₊ (d − m))"): pull,
    ("push", "log Σ_k exp(γ [1 + m − d]₊ (1 − m − d)) of the rivals"): push,
}


def area(box: Array) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def outer(s: Scope) -> tuple[float, float]:
    """Return width and height of the box around both."""
    x, y = s.x
    return max(x[2], y[2]) - min(x[0], y[0]), max(x[3], y[3]) - min(x[1], y[1])


def angle(box: Array) -> float:
    return math.atan2(box[2] - box[0], box[3] - box[1])


BOXES: Formulas = {
    ("intersection", "I"): lambda s: (
        max(0.0, min(s.x[0][2], s.x[1][2]) - max(s.x[0][0], s.x[1][0]))
        * max(0.0, min(s.x[0][3], s.x[1][3]) - max(s.x[0][1], s.x[1][1]))
    ),
    ("union", "U = area of x + area of y − I"): lambda s: (
        area(s.x[0]) + area(s.x[1]) - s["intersection"]
    ),
    ("overlap", "IoU = I / (U + ε)"): lambda s: s["intersection"] / (s["union"] + s.o["eps"]),
    ("outer area", "C, of the box around both"): lambda s: outer(s)[0] * outer(s)[1],
    ("empty part", "(C − U) / (C + ε)"): lambda s: (
        (s["outer area"] - s["union"]) / (s["outer area"] + s.o["eps"])
    ),
    ("distance of the centres", "d²"): lambda s: sum(
        ((s.x[0][n] + s.x[0][n + 2]) / 2 - (s.x[1][n] + s.x[1][n + 2]) / 2) ** 2 for n in (0, 1)
    ),
    ("diagonal of the outer box", "c²"): lambda s: outer(s)[0] ** 2 + outer(s)[1] ** 2,
    ("proportions", "v = 4/π² (atan(w_y/h_y) − atan(w_x/h_x))²"): lambda s: (
        (2 / math.pi * (angle(s.x[1]) - angle(s.x[0]))) ** 2
    ),
    ("weight", "α = v / (1 − overlap + v + ε), and 0 where v is 0"): lambda s: (
        s["proportions"] / (1 - s["overlap"] + s["proportions"] + s.o["eps"])
        if s["proportions"]
        else 0.0
    ),
}


def claimed(s: Scope) -> Array:
    """Return the maps (C, places) of what is claimed."""
    p = np.asarray(s["probabilities"], np.float64)
    return p.reshape(1 if "apply_sigmoid" in s.o else len(p), -1)


def absent(s: Scope) -> Array:
    """Return what is not claimed; of logits, without taking 1 from 1."""
    if "logits" not in s:
        return 1 - claimed(s)
    x = np.reshape(s["logits"], claimed(s).shape)
    if len(x) == 1:
        return sigmoid(-x)
    return np.array([np.delete(claimed(s), n, axis=0).sum(axis=0) for n in range(len(x))])


def true(s: Scope, target: Array | None = None) -> Array:
    """Return the maps of what is true, made of class indices if need be."""
    p, y = np.asarray(s["probabilities"]), s["target"] if target is None else target
    if np.ndim(y) < np.ndim(p):
        y = np.stack([y == place for place in range(len(p))]).astype(float)
    return np.reshape(y, claimed(s).shape)


def count_classes(s: Scope) -> Array:
    """Return how often each class is in all samples."""
    return sum(true(s, one).sum(axis=1) for one in s.all[1])


def flat(maps: Array) -> Array:
    """Return maps of classes with their places in one axis."""
    return np.reshape(maps, (len(maps), -1))


def softmax(s: Scope) -> Array:
    x = flat(s["logits"])
    columns = [np.exp(log_normalise(column)) for column in x.T]
    return np.array(columns).T.reshape(np.shape(s["logits"]))


MAPS: Formulas = {
    ("probabilities", "p = softmax(x)"): softmax,
    ("probabilities", "p = 1 / (1 + exp(−x))"): lambda s: sigmoid(s["logits"]),
    ("intersection", "I = Σ p t over the places"): lambda s: (claimed(s) * true(s)).sum(axis=1),
    ("false positives", "F = Σ p (1 − t)"): lambda s: (claimed(s) * (1 - true(s))).sum(axis=1),
    ("false negatives", "M = Σ (1 − p) t"): lambda s: (absent(s) * true(s)).sum(axis=1),
    ("frequencies", "places of each class in all samples"): count_classes,
    ("weight", "w_c ∝ 1 / (frequency² + 1e-7), Σ w = C"): lambda s: (
        len(s["frequencies"])
        / (s["frequencies"] ** 2 + 1e-7)
        / (1 / (s["frequencies"] ** 2 + 1e-7)).sum()
    ),
    ("weight", "w_c"): lambda s: s.class_weight(),
    ("class terms", "w_c × class loss"): lambda s: s["weight"] * s["class losses"],
    ("classes that count", "without class 0"): lambda s: s.get("class terms", s["class losses"])[
        1:
    ],
    ("intersection", "y p"): lambda s: s.x[0] * s.x[1],
    ("false positives", "(1 − y) p"): lambda s: s.x[0] - s.x[0] * s.x[1],
    ("false negatives", "y (1 − p)"): lambda s: s.x[1] - s.x[0] * s.x[1],
}


def lose(s: Scope) -> Array:
    """Return the class losses, with the weights of both errors and the smoothing."""
    alpha, beta = s.o.get("alpha", 0.5), s.o.get("beta", 0.5)
    lack = alpha * s["false positives"] + beta * s["false negatives"]
    return lack / (s["intersection"] + lack + s.o["smooth"])


def spell(alignment: Array, blank: int) -> list[int]:
    """Return the labels that an alignment stands for."""
    return [label for label, _ in itertools.groupby(alignment) if label != blank]


def follow(s: Scope, join: Callable[[list[float]], float]) -> float:
    """Join the scores of all alignments: their prefixes by labels begun and the last label."""
    wanted, blank = list(s["labels"]), s.o.get("blank", 0)
    known: dict[tuple[int, int], float] = {(0, blank): 0.0}
    for scores in s["log-probabilities"]:
        coming: dict[tuple[int, int], list[float]] = {}
        for (begun, last), score in known.items():
            for label in {blank, last, *wanted[begun : begun + 1]}:
                if label in (blank, last):
                    coming.setdefault((begun, label), []).append(score + scores[label])
                if label != blank and wanted[begun : begun + 1] == [label] != [last]:
                    coming.setdefault((begun + 1, label), []).append(score + scores[label])
        known = {prefix: join(several) for prefix, several in coming.items()}
    ends = [score for (begun, _), score in known.items() if begun == len(wanted)]
    return join(ends) if ends else -np.inf


def judge_alignment(s: Scope) -> Array:
    """Return the alignment that is told, if it is one, and no other is likelier."""
    told, best = s.told, follow(s, max)
    if best == -np.inf:
        return np.empty(0)
    score = sum(scores[label] for scores, label in zip(s["log-probabilities"], told, strict=True))
    right = spell(told, s.o.get("blank", 0)) == list(s["labels"])
    return told if right and math.isclose(score, best, rel_tol=1e-12) else np.full(len(told), -1)


SEQUENCES: Formulas = {
    ("frames", "T, the input length"): lambda s: s.x[2],
    ("frames", "T, all steps of time"): lambda s: len(s.x[0]),
    ("log-probabilities", "log p_t"): lambda s: (
        np.array([log_normalise(one) for one in s.x[0]])
        if "logits" in s
        else s.x[0][: int(s["frames"])]
    ),
    ("labels", "y"): lambda s: s.labels(),
    ("extended labels", "a blank before, between and behind the labels"): lambda s: [
        s["labels"][place // 2] if place % 2 else s.o.get("blank", 0)
        for place in range(2 * len(s["labels"]) + 1)
    ],
    ("log-likelihood", "log Σ over all alignments of Π_t p_t"): lambda s: follow(s, log_sum_exp),
    ("best alignment", "label of each frame, in the likeliest alignment"): judge_alignment,
    ("best log-probability", "Σ_t log p_t of the best alignment"): lambda s: follow(s, max),
    ("share of the best", "exp(best log-probability − log-likelihood)"): lambda s: np.exp(
        s["best log-probability"] - s["log-likelihood"]
    ),
}

BY_KEY: dict[str, Formula] = {
    "distance to the positive": lambda s: measure(s, s.x[0], s.x[1]),
    "distance to the negative": lambda s: measure(s, s.x[0], s.x[2]),
    "distance between both": lambda s: measure(s, s.x[1], s.x[2]),
    "clipped length of the prediction": length(0),
    "clipped length of the target": length(1),
    "class losses": lose,
    "overlap": lambda s: s["intersection"] / (s["union"] + s.box_eps()),
    "relative distance": lambda s: (
        s["distance of the centres"] / (s["diagonal of the outer box"] + s.box_eps())
    ),
}
