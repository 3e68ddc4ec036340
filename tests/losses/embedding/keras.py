"""The embedding losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, Shape, grid, spell
from tests.losses.cases.keras import AVERAGES, pair_cases, real
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
from tests.losses.definitions.exact import Measured
from tests.losses.definitions.keras import LEAST, Row
from tests.losses.definitions.points import Points, drawn
from tests.losses.embedding.optax import neighbours
from tests.losses.steps.scope import Scope, log_sum_exp

reference(
    "keras.circle",
    "keras.losses.Circle",
    masks_itself=True,
    rounding_of_values=1e-8,
    rounding_of_gradients=1e-6,
)
"""PyTorch's softplus is its argument from 20 on, off by up to 2e-9, here times a weight.

Gradients have steep slopes behind it.
"""
without_definition("keras.circle", "a loss is of a sample among all others")


def embeddings(draw: Draw, shape: Shape) -> Array:
    """Draw vectors of length 1."""
    vectors = draw.normal(shape)
    return draw.rounded(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


@cases("keras.circle")
def circle_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of circle: batches, a label alone, other embeddings to compare with."""
    for samples, width in ((4, 3), (6, 2), (9, 4)):
        for choice in ({}, {"gamma": 2.0, "margin": 0.25}, {"remove_diagonal": False}):
            unit = embeddings(draw, (samples, width))
            labels = np.arange(samples) % 3 // 2
            yield Case(f"{samples}x{width}-{spell(choice)}", (unit, labels), choice)
    unit = embeddings(draw, (4, 3))
    yield Case("column", (unit, np.array([[0], [1], [0], [1]])))
    yield Case("alone", (unit, np.array([0, 1, 1, 2])))
    yield Case("all-alone", (unit, np.arange(4)), {}, AVERAGES)
    for count in (3, 7):
        others = {
            "ref_embeddings": embeddings(draw, (count, 3)),
            "ref_labels": np.arange(count) % 2.0,
        }
        for choice in grid(remove_diagonal=(True, False)):
            name = f"others-{count}-{spell(choice)}"
            yield Case(name, (unit, np.array([0, 1, 0, 1])), {**choice, **others})


largest_term("keras.circle")(lambda *_, **__: np.full((), 3e6))

reference("keras.cosine_similarity", "keras.losses.CosineSimilarity")


@cases("keras.cosine_similarity")
def cosine_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of cosine_similarity, with vectors of zeros."""
    yield from pair_cases(draw, real, real, list(grid(axis=(-1, 1, 0, -2))))
    zeros = np.array([[0.0, 0.0], [1e-9, 0.0], [3.0, 4.0]])
    yield Case("zeros", (zeros, real(draw, (3, 2))))


def vector_points() -> list[Points]:
    """Return vectors near and far, long and short, and at right angles."""
    pairs = drawn(40, 5), drawn(41, 5)[:40]
    tiny = np.array([[1e-9, 0.0], [0.0, 0.0], [3e-160, 4e-160], [3e160, 4e160], [1.0, 1.0]])
    return [Points(pairs), Points((tiny, drawn(5, 2))), Points((pairs[0], pairs[0] * 3))]


@definition("keras.cosine_similarity", points=vector_points)
def cosine(y_pred: Row, y_true: Row) -> Measured:
    true_lengths = [mpmath.sqrt(mpmath.fsum(x * x for x in row)) for row in (y_pred, y_true)]
    lengths = [max(length, LEAST) for length in true_lengths]
    terms = [p * y / lengths[0] / lengths[1] for p, y in zip(y_pred, y_true, strict=True)]
    size = true_lengths[0] / lengths[0] * true_lengths[1] / lengths[1]
    return -mpmath.fsum(terms), size


largest_term("keras.cosine_similarity")(ones)
kink(
    "keras.cosine_similarity", "just too short", ([[1e-7, 0.0]], [[3.0, 4.0]]), [[[-0.3e7, -0.8e7]]]
)
kink("keras.cosine_similarity", "short", ([[1e-7, 0.0]], [[0.0, 1.0]]), [[[0.0, -1e7]]])


@corrected("keras.cosine_similarity")
def finite_for_zeros(case: Case, expected: Array, actual: Array) -> Array:
    """Autograd multiplies an infinite inner derivative by 0."""
    return finite_for_nan(expected, actual) if case.id == "zeros" else expected


def circle_distances(s: Scope, places: list[int]) -> Array:
    """Return the distances of circle loss to some samples."""
    given = s.o.get("ref_embeddings")
    others = s.all[0] if given is None else given
    return np.array([max(1 - float(np.dot(s.all[0][s.row], others[n])), 0.0) for n in places])


def pull(s: Scope) -> float:
    d, gamma, m = circle_distances(s, neighbours(s)[0]), s.o["gamma"], s.o["margin"]
    return log_sum_exp(gamma * np.maximum(d + m, 0) * (d - m))


def push(s: Scope) -> float:
    d, gamma, m = circle_distances(s, neighbours(s)[1]), s.o["gamma"], s.o["margin"]
    return log_sum_exp(gamma * np.maximum(1 + m - d, 0) * (1 - m - d))


recomputed(
    {
        ("distances of the partners", "d = max(1 − x_i·x_j, 0)"): lambda s: circle_distances(
            s, neighbours(s)[0]
        ),
        ("pull", "log Σ_j exp(γ [d + m]₊ (d − m))"): pull,
        ("push", "log Σ_k exp(γ [1 + m − d]₊ (1 − m − d)) of the rivals"): push,
        ("loss", "−cosine"): lambda s: -s["cosine"],
        ("loss", "log(1 + exp(pull + push))"): lambda s: log_sum_exp([0, s["pull"] + s["push"]]),
    }
)
