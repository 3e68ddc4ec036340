"""The likelihood losses of optax, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mpmath import mp

from tests.losses.cases.case import Array, Case, Draw, label
from tests.losses.cases.vectors import LIST_SHAPES
from tests.losses.declare import cases, definition, known_findings, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, Vector, total
from tests.losses.definitions.points import Points, drawn

reference("generalized_kl", "optax.losses.generalized_kl_divergence")


@cases("generalized_kl", "optax.kl_divergence")
def divergence_cases(draw: Draw, log_target: bool = False) -> Iterator[Case]:
    """Yield log-probabilities with probabilities, or with log-probabilities."""
    draw_target = draw.log_probabilities if log_target else draw.probabilities
    for shape in LIST_SHAPES:
        yield Case(label(shape), (draw.log_probabilities(shape, -1), draw_target(shape, -1)))
        for scale in (0.1, 3.0):
            target = draw.normal(shape) if log_target else draw.uniform(shape, 0.0, scale)
            yield Case(f"{label(shape)}-amounts-{scale}", (draw.normal(shape, scale), target))
    if not log_target:
        zeros = np.array([[0.0, 1.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0]])
        yield Case("zero-targets", (draw.log_probabilities((2, 4), 1), zeros))
    pair = (draw.log_probabilities((3, 4), 1), draw_target((3, 4), 1))
    yield Case("float32", tuple(array.astype(np.float32) for array in pair))


def log_pairs() -> tuple[Array, Array]:
    """Return logarithms and amounts."""
    x = np.array([[-0.1, -2.5, -5.0], [0, -745.0, -1e4], [-1e-17, -36.0, -40.0], [-1.0, -1, -1]])
    y = np.array([[0.9, 0.08, 0.02], [1, 0, 0], [0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    return x, y


def divergence_points() -> list[Points]:
    """Return log-probabilities against probabilities, equal ones and zeros."""
    return [Points(log_pairs()), Points((drawn(20, 5), np.abs(drawn(20, 6)[:, :5])))]


def divergence_terms(x: Vector, y: Vector) -> list[Number]:
    """Return y log y and -y x of each."""
    return [part for a, b in zip(x, y, strict=True) if b for part in (b * mp.log(b), -b * a)]


@definition("generalized_kl", points=divergence_points)
def generalized_kl(x: Vector, y: Vector) -> Measured:
    """Σ y (log y - x) + exp(x) - y."""
    terms = divergence_terms(x, y) + [mp.exp(one) for one in x] + [-one for one in y]
    return total(terms), max(map(abs, terms))


reference("optax.kl_divergence", "optax.losses.kl_divergence")


@definition("optax.kl_divergence", points=divergence_points)
def kl_divergence(x: Vector, y: Vector) -> Measured:
    """Σ y (log y - x)."""
    terms = divergence_terms(x, y)
    return total(terms), max(map(abs, terms))


reference("optax.kl_divergence_with_log_targets", "optax.losses.kl_divergence_with_log_targets")
known_findings("optax.kl_divergence_with_log_targets", "identical_inputs")  # one file twice


@cases("optax.kl_divergence_with_log_targets")
def log_divergence_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.kl_divergence_with_log_targets."""
    yield from divergence_cases(draw, log_target=True)


def log_divergence_points() -> list[Points]:
    """Return log-probabilities of both."""
    x, y = log_pairs()
    return [Points((x, np.log(np.maximum(y, 1e-300)))), Points((drawn(20, 5), drawn(20, 6)[:, :5]))]


@definition("optax.kl_divergence_with_log_targets", points=log_divergence_points)
def kl_divergence_with_log_targets(x: Vector, y: Vector) -> Measured:
    """Σ exp(y) (y - x)."""
    terms = [mp.exp(b) * (b - a) for a, b in zip(x, y, strict=True)]
    return total(terms), max(map(abs, terms))


recomputed(
    {
        ("surplus", "exp(x_c) − y_c"): lambda s: np.exp(s.x[0]) - s.x[1],
        ("class terms", "exp(y_c) (y_c − x_c), and 0 where exp(y_c) is 0"): lambda s: np.where(
            np.exp(s.x[1]) == 0, 0, np.exp(s.x[1]) * (s.x[1] - s.x[0])
        ),
        ("class terms", "y_c (log y_c − x_c), and 0 where y_c is 0"): lambda s: np.where(
            s.x[1] == 0, 0, s.x[1] * (s["log of the target"] - s.x[0])
        ),
        ("class terms", "y_c (log y_c − x_c) + exp(x_c) − y_c"): lambda s: (
            np.where(s.x[1] == 0, 0, s.x[1] * (s["log of the target"] - s.x[0])) + s["surplus"]
        ),
    }
)
