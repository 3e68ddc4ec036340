"""Points where frameworks overflow, underflow or cancel, for losses of evaluators and of optax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.losses.cases.case import Array, grid
from tests.losses.definitions.torch_points import (
    LOGITS,
    SOFT,
    Points,
    class_logits,
    cosine_points,
    cross,
    difference_points,
    drawn,
    triplets,
)

WHOLE_BATCH = {"ntxent", "multiclass_generalized_dice"}
"""Losses of which no sample has one of its own: test_optax compares them as wholes."""


def cosh_points() -> list[Points]:
    """Return errors from 1e-160, whose squares are just numbers, to 1e300."""
    sizes = (0.0, 1e-150, 1e-17, 1e-8, 1e-4, 0.1, 0.9, 1.0, 1.5, 3.0, 7.0, 19.9, 20.0, 20.1, 710.0)
    x, y = cross((*sizes, 1e4, 1e300, -1e300, -0.3), (0.0, 1.0, -2.5))
    return [Points((x, y)), Points((drawn(200, scale=3.0), drawn(201, scale=3.0)[:200]))]


def amount_points(*choices: dict[str, float], least: float = 1e-300) -> list[Points]:
    """Return amounts of every size, and such as are nearly equal."""
    sizes = (1e-9, 0.3, 1.0, 1 + 2.0**-52, 1 + 1e-9, 1.4, 2.0, 30.0, 1e6, 1e9)
    x, y = cross((least, *sizes), sizes)
    return [Points((x, y), choice) for choice in choices]


def deviance_points() -> list[Points]:
    """Return the powers of all kinds, and rates of 0 events."""
    powers = grid(power=(-1.0, -0.3, 1.1, 1.5, 2.5, 3.0, 1.0, 2.0))
    return [*amount_points(*powers, least=1e-6), *difference_points({}, {"power": 0.0})]


def count_points() -> list[Points]:
    """Return rates with counts of 0 and of every size."""
    return [*amount_points({}), Points((np.array([1e-300, 2.0, 1e9]), np.zeros(3)))]


def probability_points() -> list[Points]:
    """Return probabilities up to both ends with both labels, and of three classes."""
    ends = (0.0, 1.0, 5e-324, 1e-300, 1e-17, 1e-10, 0.1, 0.5, 0.75, 1 - 2.0**-53, 0.999999)
    p, y = cross(ends, (0.0, 1.0))
    rows = np.array([[1.0, 0, 0], [0.25, 0.5, 0.25], [1e-9, 1 - 1e-9, 0], [1e-300, 0, 1]])
    return [
        Points((p, y.astype(int))),
        Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 4))),
    ]


def brier_points() -> list[Points]:
    """Return the same with every scale."""
    return [
        Points(points.inputs, choice)
        for points in probability_points()
        for choice in grid(scale_by_half=("auto", "true", "false"))
    ]


def score_points() -> list[Points]:
    """Return every class of rows of scores as the target."""
    rows = class_logits()
    return [Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), len(rows))))]


def rank_points() -> list[Points]:
    """Return the same with several k."""
    return [Points(score_points()[0].inputs, choice) for choice in grid(top_k=(1, 2))]


def poly_points() -> list[Points]:
    """Return the same with several epsilons, and with probabilities."""
    rows, labels = score_points()[0].inputs
    near = np.abs(rows).max(axis=1) < 1e299
    spread = (drawn(20, 3), np.tile([[0.5, 0.25, 0.25], [0, 1.0, 0]], (10, 1)))
    indices = [Points((rows[near], labels[near]), choice) for choice in grid(epsilon=(0.0, 2.0))]
    return [*indices, Points(spread)]


def focal_points(off: float | None) -> Callable[[], list[Points]]:
    """Return logits of every size with hard and soft labels, and several powers."""

    def points() -> list[Points]:
        x, y = cross(LOGITS, SOFT)
        choices = grid(gamma=(0.0, 1.0, 2.0, 3.0), alpha=(off, 0.25))
        return [
            *(Points((x, y), choice) for choice in choices),
            Points((drawn(300, scale=10.0), (drawn(301)[:300] > 0).astype(float))),
        ]

    return points


def box_points() -> list[Points]:
    """Return boxes of every relation, small, large, and far from the origin."""
    box = np.array([[0.0, 0, 2, 2]] * 7)
    others = np.array([
        [0.0, 0, 2, 2], [2, 0, 3, 2], [2, 2, 3, 3], [0.5, 0.5, 1, 1], [-9, -9, 9, 9],
        [900, 0, 901, 2], [1e-9, 0, 2, 2 + 1e-9],
    ])  # fmt: skip
    corner, size = drawn(40, 2, 2), np.abs(drawn(40, 2, 3)[:, :, :2]) + 0.01
    first, second = np.concatenate([corner, corner + size], axis=2).transpose(1, 0, 2)
    return [
        *(Points((scale * box, scale * others)) for scale in (1.0, 1e-3, 1e6)),
        Points((box + 4096.0, others + 4096.0)),
        Points((first, second)),
        Points((first, second), {"eps": 1e-3}),
    ]


def sign_points() -> list[Points]:
    """Return scores of every size with both signs."""
    return [Points(cross((*LOGITS, 1 - 2.0**-53, -1 + 2.0**-53), (-1.0, 1.0)))]


def label_points() -> list[Points]:
    """Return scores of every size with both labels."""
    x, y = cross((*LOGITS, 1 - 2.0**-53, -1 + 2.0**-53), (0.0, 1.0))
    return [Points((x, y.astype(int)))]


def sparse_points() -> list[Points]:
    """Return scores with leads below, at and above 1, and ties."""
    rows = np.array([
        [1.0, 0, 0], [0.999999, 0, 0], [0, 0, 0], [0.5, 0.5, -0.5], [3, 2.5, 2.25], [1e4, 0, 1e4],
        [1, 1 - 1e-9, 0], [0.1, 0.2, 0.3], [-1e4, 0.25, 0],
    ])  # fmt: skip
    rows = np.concatenate([rows, drawn(20, 3, scale=0.5)])
    many = (drawn(12, 40), np.arange(12))
    return [Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), len(rows)))), Points(many)]


def log_pairs() -> tuple[Array, Array]:
    """Return logarithms and amounts."""
    x = np.array([[-0.1, -2.5, -5.0], [0, -745.0, -1e4], [-1e-17, -36.0, -40.0], [-1.0, -1, -1]])
    y = np.array([[0.9, 0.08, 0.02], [1, 0, 0], [0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    return x, y


def divergence_points() -> list[Points]:
    """Return log-probabilities against probabilities, equal ones and zeros."""
    return [Points(log_pairs()), Points((drawn(20, 5), np.abs(drawn(20, 6)[:, :5])))]


def log_divergence_points() -> list[Points]:
    """Return log-probabilities of both."""
    x, y = log_pairs()
    return [Points((x, np.log(np.maximum(y, 1e-300)))), Points((drawn(20, 5), drawn(20, 6)[:, :5]))]


def list_points() -> list[Points]:
    """Return lists of scores with relevances."""
    rows = class_logits()
    rows = rows[np.abs(rows).max(axis=1) < 1e299]
    shares = np.tile([[1.0, 0, 0], [0.5, 0.25, 0.25], [0, 3, 1]], (len(rows), 1))
    return [Points((np.repeat(rows, 3, axis=0), shares))]


def angle_points() -> list[Points]:
    """Return vectors of every direction and length, but for zeros."""
    first, second, _ = cosine_points()[0].inputs
    kept = (np.abs(first).max(axis=1) > 0) & (np.abs(second).max(axis=1) > 0)
    pair = (first[kept], second[kept])
    return [Points(pair), Points((first, second), {"epsilon": 1e-8})]


def triplet_points() -> list[Points]:
    """Return triplets at several distances and degrees."""
    choices = grid(norm_degree=(1.0, 2.0, 3.0), eps=(0.0, 1e-6), margin=(0.5,))
    return [Points(triplets(scale), choice) for choice in choices for scale in (1e-3, 1.0, 1e6)]


def mask_points() -> list[Points]:
    """Return maps of logits against labels, sure and right, sure and wrong, unsure."""
    x = np.array([[40.0, -40, 50, -50], [-40, 40, 0, 0], [0.1, -0.1, 3, 2], [700, 700, 700, 700]])
    y = np.array([[1.0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
    soft = np.abs(np.sin(drawn(9, 7)))
    pairs = ((x, y), (drawn(9, 7, scale=4.0), soft))
    return [Points(pair, choice) for pair in pairs for choice in grid(smooth=(1.0, 1e-3))]


POINTS: dict[str, Callable[[], list[Points]]] = {
    "log_cosh": cosh_points,
    "rmse": lambda: difference_points({}),
    "msle": lambda: amount_points({}, least=-0.999),
    "mape": lambda: difference_points({}),
    "smape": lambda: difference_points({}),
    "pinball": lambda: difference_points(*grid(alpha=(0.0, 0.1, 0.5, 0.9, 1.0))),
    "poisson_deviance": count_points,
    "gamma_deviance": lambda: amount_points({}),
    "tweedie_deviance": deviance_points,
    "log_loss": probability_points,
    "brier": brier_points,
    "zero_one": rank_points,
    "perplexity": score_points,
    "focal": focal_points(-1.0),
    "optax.sigmoid_focal": focal_points(None),
    "poly_ce": poly_points,
    "giou": box_points,
    "diou": box_points,
    "ciou": box_points,
    "optax.l2": lambda: difference_points({}),
    "optax.hinge": sign_points,
    "perceptron": sign_points,
    "sparsemax": label_points,
    "multiclass_hinge": score_points,
    "multiclass_perceptron": score_points,
    "multiclass_sparsemax": sparse_points,
    "generalized_kl": divergence_points,
    "optax.kl_divergence": divergence_points,
    "optax.kl_divergence_with_log_targets": log_divergence_points,
    "safe_softmax_cross_entropy": list_points,
    "ranking_softmax": list_points,
    "cosine_distance": angle_points,
    "optax.triplet_margin": triplet_points,
    "binary_dice": mask_points,
    "optax.dice": score_points,
}
