"""The embedding losses of optax, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.vectors import LIST_SHAPES, TRIPLET_SHAPES, awkward_triplets, draw_triplet
from tests.losses.declare import (
    cases,
    corrected,
    definition,
    finite_for_nan,
    kink,
    largest_term,
    recomputed,
    reference,
    without_definition,
)
from tests.losses.definitions.exact import ONE, TWO, Measured, Number, Vector, total
from tests.losses.definitions.points import Points
from tests.losses.embedding.torch import cosine_points, norm, p_norm, triplet, triplets
from tests.losses.steps.scope import Formula, Scope, log_sum_exp, read_input

reference("cosine_distance", "optax.cosine_distance")


@cases("cosine_distance")
def cosine_distance_cases(draw: Draw) -> Iterator[Case]:
    """Yield vectors, with lengths under epsilon and of 0."""
    for shape in LIST_SHAPES:
        for choice in ({}, *grid(epsilon=(0.0, 1e-8, 0.5))):
            yield Case(
                f"{label(shape)}-{spell(choice)}", (draw.normal(shape), draw.normal(shape)), choice
            )
    first = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 0.0], [1e-7, 0], [1e4, -1e4]])
    second = np.array([[2.0, 4.0], [-1.0, -2.0], [0.0, 2.0], [1e-7, 1e-7], [1e4, 1e4]])
    for choice in grid(epsilon=(0.0, 1e-8)):
        yield Case(f"parallel-{spell(choice)}", (first, second), choice)
    yield Case("zero", (np.zeros((2, 3)), np.array([[0.0, 0, 0], [1, 2, 3]])), {"epsilon": 1e-8})


def angle_points() -> list[Points]:
    """Return vectors of every direction and length, but for zeros."""
    first, second, _ = cosine_points()[0].inputs
    kept = (np.abs(first).max(axis=1) > 0) & (np.abs(second).max(axis=1) > 0)
    pair = (first[kept], second[kept])
    return [Points(pair), Points((first, second), {"epsilon": 1e-8})]


@definition("cosine_distance", points=angle_points)
def cosine_distance(x: Vector, y: Vector, epsilon: Number = ONE * 0) -> Measured:
    """1 - cos, no square of a length being taken as less than epsilon."""
    lengths = [max(p_norm(one, TWO), mp.sqrt(epsilon)) for one in (x, y)]
    return 1 - total(a * b for a, b in zip(x, y, strict=True)) / (lengths[0] * lengths[1]), ONE


largest_term("cosine_distance")(ones)


def mean_of_pairs(theirs: Any, losses: Any, inputs: Any, options: Any) -> Any:
    """Return the mean over all pairs, which is all that optax has."""
    return theirs(*inputs, **options)


def count_pairs(_: Any, labels: Any) -> int:
    """Return how many pairs of samples have one label."""
    labels = np.asarray(labels)
    return int((labels[:, np.newaxis] == labels).sum() - len(labels))


@reference("ntxent", "optax.losses.ntxent", mean=mean_of_pairs, count=count_pairs)
def sums_of_pairs(_: Any, embeddings: Any, labels: Any, temperature: float = 0.07) -> Any:
    """Return the summed losses of each sample's pairs, as optax adds them."""
    embeddings, labels = np.asarray(embeddings), np.asarray(labels)
    lengths = np.sqrt(np.maximum((embeddings**2).sum(axis=1), np.finfo(float).eps))
    unit = embeddings / lengths[:, np.newaxis]
    powers = np.exp(unit @ unit.T / temperature)
    same = labels[:, np.newaxis] == labels
    others = np.where(same, 0, powers).sum(axis=1, keepdims=True)
    positive = same & ~np.eye(len(labels), dtype=bool)
    return np.where(positive, -np.log(powers / (others + powers)), 0).sum(axis=1)


without_definition("ntxent", "its losses are of pairs: test_optax compares whole batches")


def groups(draw: Draw, samples: int, labels: int) -> Array:
    """Draw labels of which the first stands twice, so that there is a pair."""
    drawn = draw.integers(labels, (samples,))
    drawn[1] = drawn[0]
    return drawn


@cases("ntxent")
def ntxent_cases(draw: Draw) -> Iterator[Case]:
    """Yield embeddings in groups: many, few, all in one, short and long ones."""
    for samples, features in ((2, 3), (4, 2), (9, 5), (30, 4)):
        for labels in (1, 2, 4):
            for choice in ({}, *grid(temperature=(0.5, 2.0))):
                pair = (draw.normal((samples, features)), groups(draw, samples, labels))
                yield Case(f"{samples}x{features}-{labels}-{spell(choice)}", pair, choice)
    embeddings = draw.normal((6, 3))
    sizes = np.array([[1e-3], [1e3], [1.0], [0.0], [1.0], [1e-9]])
    yield Case("lengths", (embeddings * sizes, np.array([0, 0, 1, 1, 2, 2])))
    yield Case("text-like-labels", (embeddings, np.array([-5, 70000, -5, 9, 70000, 9])))


@largest_term("ntxent")
def similarity(x: Array, *_: Array, temperature: float = 0.07) -> Array:
    """Return the size of similarities, for each pair."""
    return np.asarray(len(x) * (1 + 1 / temperature))


reference("optax.triplet_margin", "optax.losses.triplet_margin_loss")


@cases("optax.triplet_margin")
def triplet_cases(draw: Draw) -> Iterator[Case]:
    """Yield triplets; only even degrees, because optax takes powers of signed differences."""
    for shape in TRIPLET_SHAPES:
        for choice in ({}, *grid(norm_degree=(2.0, 4.0), margin=(0.2, 1.0), eps=(1e-6, 0.0, 0.5))):
            yield Case(f"{label(shape)}-{spell(choice)}", draw_triplet(draw, shape), choice)
    for choice in grid(norm_degree=(2.0, 4.0), eps=(0.0, 1e-6)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)


def triplet_points() -> list[Points]:
    """Return triplets at several distances and degrees."""
    choices = grid(norm_degree=(1.0, 2.0, 3.0), eps=(0.0, 1e-6), margin=(0.5,))
    return [Points(triplets(scale), choice) for choice in choices for scale in (1e-3, 1.0, 1e6)]


TRIPLET_EPS = mpf(1e-6)


@definition("optax.triplet_margin", points=triplet_points)
def triplet_margin(
    anchor: Vector, positive: Vector, negative: Vector, norm_degree: Number = TWO,
    margin: Number = ONE, eps: Number = TRIPLET_EPS,
) -> Measured:  # fmt: skip
    """Triplet loss of (Σ |d|^p + eps)^(1/p)."""

    def distance(u: Sequence[Number], v: Sequence[Number]) -> Number:
        powers = total(abs(s - t) ** norm_degree for s, t in zip(u, v, strict=True))
        return (powers + eps) ** (1 / norm_degree)

    return triplet(distance, (anchor, positive, negative), margin, swap=False)


kink(
    "optax.triplet_margin",
    "at 0",
    ([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]),
    [[[-0.5, 0.5]], [[0.5, 0.0]], [[0.0, -0.5]]],
    eps=0.0,
)


@corrected("optax.triplet_margin")
def finite_for_no_distance(case: Case, expected: Array, actual: Array) -> Array:
    """Of a distance of 0 the root's slope is infinite."""
    return finite_for_nan(expected, actual) if case.options.get("eps") == 0 else expected


def labels_of(s: Scope) -> Array:
    """Return the labels of all samples."""
    return np.reshape(s.all[1], -1)


def neighbours(s: Scope) -> tuple[list[int], list[int]]:
    """Return the partners and the rivals of the row."""
    mine = labels_of(s)[s.row]
    known = labels_of(s) if s.o.get("ref_labels") is None else s.o["ref_labels"]
    itself = s.o.get("remove_diagonal", True)
    partners = [n for n, one in enumerate(known) if one == mine and not (itself and n == s.row)]
    return partners, [n for n, one in enumerate(known) if one != mine]


def unit(s: Scope) -> Array:
    """Return all embeddings with length 1."""
    return np.array([one / max(norm(one), 2.0**-26) for one in s.all[0]])


def clipped_length(place: int) -> Formula:
    """Return the length of a vector as it is clipped."""
    return lambda s: max(norm(s.x[place]), math.sqrt(s.o["epsilon"]) if "epsilon" in s.o else 1e-7)


recomputed(
    {
        ("embedding", "x_i"): read_input(0),
        ("label", "y_i"): read_input(1),
        ("cosine", "x·y / (length of x × length of y)"): lambda s: np.dot(
            s.x[0] / s["clipped length of the prediction"],
            s.x[1] / s["clipped length of the target"],
        ),
        ("length of the prediction", "‖x‖"): lambda s: norm(s.x[0]),
        ("length of the target", "‖y‖"): lambda s: norm(s.x[1]),
        ("partners", "other samples j of the label"): lambda s: len(neighbours(s)[0]),
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
        "clipped length of the prediction": clipped_length(0),
        "clipped length of the target": clipped_length(1),
        ("loss", "1 − cosine"): lambda s: 1 - s["cosine"],
        ("loss", "Σ of the pair losses"): lambda s: sum(s["pair losses"]),
    }
)
