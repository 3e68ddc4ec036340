"""Points where frameworks overflow, underflow or cancel, for each loss of torch.nn.

A set of points is one call: inputs whose first axis is the samples, and options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, grid

SEED = 7
LOGITS = (
    0.0, -0.0, 1e-300, 5e-324, 1e-17, -1e-17, 1e-9, 0.5, -0.5, 1.0, -1.0, 17.0, 30.0, -36.7, 36.7,
    40.0, -40.0, 50.0, -50.0, 700.0, -700.0, 744.0, 745.0, -745.0, 746.0, 1e4, -1e4, 1e300, -1e300,
)  # fmt: skip
SOFT = (0.0, 1.0, 0.5, 0.25, 1e-17, 1e-300, 1 - 2.0**-53, 0.9999, 1 / 3)
DISTANCES = ("euclidean", "cosine", "manhattan", "chebyshev", "squared_euclidean")


@dataclass(frozen=True)
class Points:
    """One call on many points; ``elementwise`` options have one number for each point."""

    inputs: tuple[Array, ...]
    options: dict[str, Any] = field(default_factory=dict)
    elementwise: bool = False


def cross(*axes: Sequence[float]) -> tuple[Array, ...]:
    """Return every combination of the numbers given, as vectors."""
    return tuple(part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij"))


def drawn(*shape: int, scale: float = 1.0) -> Array:
    """Return real numbers around 0, the same in every run."""
    return scale * np.random.default_rng([SEED, *shape]).standard_normal(shape)


def difference_points(*options: dict[str, Any]) -> list[Points]:
    """Return differences of all sizes, and such as cancel to their last bit."""
    sizes = (0.0, 5e-324, 1e-200, 1e-160, 1e-9, 0.3, 0.9999999, 1.0, 1.0000001, 7.5, 1e4, 1e150)
    x, y = cross((*sizes, 1e200, -1e200, -0.3), (0.0, 1e-200, 1.0, -1e150, 1 + 2.0**-52, 0.3))
    ordinary = (drawn(60, scale=3.0), drawn(61, scale=3.0)[:60])
    return [Points(pair, choice) for choice in options for pair in ((x, y), ordinary)]


def binary_points() -> list[Points]:
    """Return logits of every size against hard and soft targets."""
    x, y = cross(LOGITS, SOFT)
    weights = {"weight": np.linspace(0.1, 3, x.size), "pos_weight": np.linspace(7, 0.01, x.size)}
    spread = (drawn(80, scale=10.0), np.abs(np.sin(drawn(81)[:80])))
    return [Points((x, y)), Points((x, y), weights, elementwise=True), Points(spread)]


def probability_points() -> list[Points]:
    """Return probabilities up to both ends."""
    ends = (0.0, 1.0, 5e-324, 1e-300, 1e-44, 1e-17, 0.1, 0.5, 1 - 2.0**-53, 0.999999)
    p, y = cross(ends, SOFT)
    return [Points((p, y)), Points((p, y), {"weight": np.linspace(0.1, 3, p.size)}, True)]


def class_logits() -> Array:
    """Return rows of three logits: sure, tied, far, near, overflowing."""
    rows = [
        [40, 0, 0], [36.7, 0, 0], [17, 0, 0], [100, 0, 0], [700, 0, 0], [745, 0, 0], [1e4, 0, -1e4],
        [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [-745, 745, 0], [1e300, 0, 0], [-1e300, 0, 0],
        [0, 0, 0], [1, 1 + 2.0**-52, 1], [1e-300, 0, 0], [5e-324, 0, 0], [3, 2.9999999, 3],
        [1e4 + 1, 1e4, 1e4 - 1], [-30, 30, 29], [0.1, 0.2, 0.3], [50, 49, -50], [2, -1, -40],
    ]  # fmt: skip
    # Gaps that are not float64 numbers themselves: x - max is rounded, and exp multiplies that.
    gaps = [drawn(6, 3) + np.array([gap, 0, 0]) for gap in (8, 20, 40, 100, 700)]
    return np.concatenate([np.array(rows, dtype=float), drawn(20, 3, scale=5.0), *gaps])


def class_points() -> list[Points]:
    """Return every class of these rows as the target, with smoothing and weights."""
    logits, weight = class_logits(), np.array([0.3, 1.7, 2.0])
    rows, label = np.repeat(logits, 3, axis=0), np.tile(np.arange(3), len(logits))
    finite = np.abs(rows).max(axis=1) < 1e299
    points = [Points((rows, label)), Points((rows, label), {"weight": weight})]
    points += [
        Points((rows[finite], label[finite]), {"label_smoothing": smoothing, **choice})
        for smoothing in (0.1, 1.0)
        for choice in ({}, {"weight": weight})
    ]
    soft = np.tile([[1.0, 0, 0], [0.5, 0.25, 0.25], [1e-17, 0, 1 - 1e-16]], (len(logits), 1))
    points += [Points((rows[finite], soft[finite]), choice) for choice in ({}, {"weight": weight})]
    many = drawn(5, 1000, scale=3.0)
    return [*points, Points((many, np.array([0, 999, 5, int(many[3].argmax()), 7])))]


def linear_points() -> list[Points]:
    """Return features and weights whose products are exact, and such as round."""
    exact = np.array([[40.0, 0], [36.0, 0], [0, 64.0], [1e4, -1e4], [745.0, 1], [0, 0], [1, -1]])
    corners = np.array([[1.0, 0], [0, 1], [0, 0], [-1, 1]])
    label = np.tile(np.arange(4), len(exact))
    pair = (np.repeat(exact, 4, axis=0), label, corners)
    rounded = (drawn(30, 3, scale=3.0), np.arange(30) % 5, drawn(5, 3, scale=2.0))
    options = {"linear_bias": drawn(5), "weight": np.linspace(0.5, 2.5, 5), "label_smoothing": 0.1}
    return [Points(pair), Points(rounded), Points(rounded, options)]


def label_points() -> list[Points]:
    """Return log-probabilities of every size."""
    rows = np.array([[0.0, -745.0, -1e4], [-1e-17, -5e-324, -1e300], [-0.1, -1.2, -36.0]])
    pair = (np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 3))
    return [Points(pair), Points(pair, {"weight": np.array([0.3, 1.7, 2.0]), "ignore_index": 1})]


def multilabel_points() -> list[Points]:
    """Return rows of logits of every size."""
    x, y, z = cross(LOGITS, (0.0, 40.0, -745.0), (-1e4, 0.3))
    logits = np.stack([x, y, z], axis=1)
    target = np.tile([[1, 0, 0], [0, 1, 1], [1, 1, 0]], (len(x) // 3, 1))
    sets = [Points((logits, target)), Points((logits, target), {"weight": np.array([2, 0.1, 7])})]
    return [*sets, Points((drawn(20, 50, scale=5.0), (drawn(20, 51)[:, :50] > 0).astype(int)))]


def poisson_points() -> list[Points]:
    """Return rates and counts from nothing to what just fits."""
    counts = (0.0, 0.5, 1.0, 1 + 2.0**-52, 2.0, 100.0, 1e6)
    logs = (0.0, -0.0, 1e-300, -745.0, -1e4, 700.0, 709.0, 710.0, 1e4, 0.7, 4.6, 13.8)
    rates = (0.0, 1e-300, 1e-9, 0.5, 2.0, 3.7, 100.0, 1e6, 1e300)
    return [
        Points(cross(logs if choice["log_input"] else rates, counts), choice)
        for choice in grid(log_input=(True, False), full=(False, True))
    ]


def gaussian_points() -> list[Points]:
    """Return variances far below eps and huge, differences whose squares do not fit."""
    variances = (0.0, 5e-324, 1e-7, 1e-6, 0.5, 1.0, 1 + 2.0**-52, 3.0, 1e150, 1e300, 1.7e308)
    x, y, var = cross((0.0, 1e-200, 0.3, 1.0, 1e4, 1e150, -1e200), (0.0, 1 + 2.0**-52), variances)
    return [Points((x, y, var), choice) for choice in grid(full=(False, True), eps=(1e-6, 1e-300))]


def divergence_points() -> list[Points]:
    """Return probabilities and logarithms of every size, and probabilities of 0."""
    x, y = cross((0.0, -1e-17, -0.7, -36.7, -745.0, -1e4, -1e300), (0.0, 5e-324, 1e-300, 0.5, 1.0))
    never = (np.array([-np.inf, -np.inf, -1.0]), np.array([0.0, 0.5, 0.0]))
    equal = (np.log(np.linspace(0.01, 1, 50)), np.linspace(0.01, 1, 50))
    logs = cross((0.0, -1e-17, -0.7, -744.0, -1e4), (0.0, -1e-300, -0.7000001, -745.0, -1e4))
    return [Points((x, y)), Points(never), Points(equal), Points(logs, {"log_target": True})]


def ranking_points() -> list[Points]:
    """Return scores of every size in both orders."""
    x1, x2, y = cross((0.0, 1e-200, 1.0, 1 + 2.0**-52, 1e4, -1e300), (0.0, 1.0, -1e4), (-1.0, 1.0))
    return [Points((x1, x2, y), {"margin": margin}) for margin in (0.0, 0.5, 1e-300, -2.0)]


def hinge_points() -> list[Points]:
    """Return distances around the margin and of every size."""
    x, y = cross((0.0, 5e-324, 1e-200, 1 - 2.0**-53, 1.0, 1e4, -1e4, 1e300, 0.3), (-1.0, 1.0))
    return [Points((x, y), {"margin": margin}) for margin in (1.0, 0.1, -2.0)]


def multi_margin_points() -> list[Points]:
    """Return ties, tiny and huge scores, both powers."""
    rows = np.array([[1.0, 1, 1], [0, 1e-300, 5], [1e4, -1e4, 1e4], [1e150, 0, -1e150], [0.1] * 3])
    pair = (np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 5))
    weight = np.array([0.3, 1.7, 2.0])
    more = (drawn(30, 3), np.arange(30) % 3)
    return [
        Points(inputs, {**choice, **weighted})
        for inputs in (pair, more)
        for choice in grid(p=(1, 2), margin=(1.0, 0.25))
        for weighted in ({}, {"weight": weight})
    ]


def multilabel_margin_points() -> list[Points]:
    """Return ties and huge scores with none, some and all labels."""
    rows = np.array([[1.0, 1, 1, 0.5], [0, 1e-300, 5, 5], [1e4, -1e4, 1e4, 0], [1e300, 0, -1, 2]])
    lists = np.array([[-1, 0, 1, 2], [0, -1, 1, 2], [2, 3, -1, -1], [3, 1, 0, 2]])
    return [
        Points((np.repeat(rows, 4, axis=0), np.tile(lists, (4, 1)))),
        Points((drawn(16, 4), np.tile(lists, (4, 1)))),
    ]


def cosine_points() -> list[Points]:
    """Return parallel, opposite, orthogonal, zero, tiny and huge vectors."""
    shapes = np.array([[0.0, 0, 0], [1, 2, 3], [-1, -2, -3], [3, 0, -1], [1, 2, 3 + 2.0**-50]])
    vectors = np.concatenate([scale * shapes for scale in (1.0, 1e-7, 1e-200, 1e150, 1e200)])
    first, second = np.repeat(vectors, len(vectors), axis=0), np.tile(vectors, (len(vectors), 1))
    return [
        Points((first, second, np.full(len(first), sign)), {"margin": margin})
        for sign in (1.0, -1.0)
        for margin in (0.0, 0.3, -0.5)
    ]


def triplets(scale: float) -> tuple[Array, ...]:
    """Return triplets at distances of about this size."""
    anchor = np.array([[0.0, 0, 0], [1, 2, 3], [1, 2, 3], [5, 1, 1], [0, 0, 0], [3, 4, 0]])
    near = np.array([[3.0, 4, 0], [1, 2, 3], [4, 6, 3], [5, 1, 2], [1, 1, 1], [0, 0, 0]])
    far = np.array([[0.0, 0, 1], [1, 2, 5], [1, 2, 3], [1, 1, 9], [2, 2, 2], [3, 4, 1e-9]])
    return scale * anchor, scale * near, scale * far


def triplet_points() -> list[Points]:
    """Return distances of 1e-200, 1 and 1e200, in several norms."""
    chosen = [
        Points(triplets(scale), {"p": p, "eps": 0.0, "margin": scale * 0.5, "swap": swap})
        for scale in (1e-200, 1e-9, 1.0, 1e200)
        for p in (1.0, 2.0, 3.0, 0.5, float("inf"))
        for swap in (False, True)
    ]
    chosen += [Points(triplets(scale), {"p": p}) for scale in (1e-200, 1.0) for p in (1.0, 2.0)]
    return [*chosen, Points((drawn(9, 4), drawn(9, 5)[:, :4], drawn(9, 6)[:, :4]))]


def distance_points() -> list[Points]:
    """Return small, ordinary and great distances of every name."""
    return [
        Points(triplets(scale), {"distance": distance, "margin": margin, "swap": swap})
        for distance in DISTANCES
        for scale, margin in ((1e-150, 1e-150), (1.0, 0.5), (1e150, 1e150))
        for swap in (False, True)
    ]


def alignment(frames: int, classes: int, labels: int, scale: float) -> Points:
    """Return two samples of random log-probabilities, ``scale`` times as sharp as normal."""
    raw = scale * drawn(frames, 2, classes)
    raw -= raw.max(axis=2, keepdims=True)
    logs = raw - np.log(np.exp(raw).sum(axis=2, keepdims=True))
    targets = np.random.default_rng([SEED, labels]).integers(1, classes, (2, max(labels, 1)))
    lengths = (np.array([frames, frames - 1]), np.array([labels, labels // 2]))
    return Points((logs, targets, *lengths))


def ctc_points() -> list[Points]:
    """Return short and long sequences, sure and nearly impossible ones."""
    points = [
        alignment(frames, classes, labels, scale)
        for frames, classes, labels in ((2, 2, 1), (12, 5, 4), (60, 4, 20), (300, 6, 25))
        for scale in (0.1, 1.0, 8.0, 100.0)
    ]
    # Every frame is sure of its label, so that the loss is about 1e-15, 1e-17, and 5e-324.
    spelled = np.array([0, 1, 1, 0, 2, 1, 0])
    for doubt in (1e-15, 1e-17, 1e-100, 5e-324):
        logs = np.where(spelled[:, None] == np.arange(3), -doubt, np.log(doubt))[:, None]
        lengths = (np.array([7]), np.array([3]))
        points.append(Points((logs, np.array([[1, 2, 1]]), *lengths)))
    faint = np.full((300, 1, 3), -1e4) + drawn(300, 1, 3)
    points.append(Points((faint, np.array([[1, 1, 2]]), np.array([300]), np.array([3]))))
    never = np.where(np.arange(3) == 2, -np.inf, np.zeros((4, 1, 3)))
    for zero_infinity in (False, True):
        impossible = (never, np.array([[2, 1]]), np.array([4]), np.array([2]))
        points.append(Points(impossible, {"zero_infinity": zero_infinity}))
    return points


POINTS = {
    "l1": lambda: difference_points({}),
    "mse": lambda: difference_points({}),
    "smooth_l1": lambda: difference_points({}, *grid(beta=(0.0, 1e-9, 1e-200, 0.3, 1e300))),
    "huber": lambda: difference_points({}, *grid(delta=(1e-9, 1e-200, 0.3, 1e150, 1e300))),
    "bce": probability_points,
    "bce_with_logits": binary_points,
    "soft_margin": lambda: [Points(cross(LOGITS, (-1.0, 1.0)))],
    "multilabel_soft_margin": multilabel_points,
    "nll": label_points,
    "ce": class_points,
    "linear_ce": linear_points,
    "poisson_nll": poisson_points,
    "gaussian_nll": gaussian_points,
    "kl_div": divergence_points,
    "margin_ranking": ranking_points,
    "hinge_embedding": hinge_points,
    "multi_margin": multi_margin_points,
    "multilabel_margin": multilabel_margin_points,
    "cosine_embedding": cosine_points,
    "triplet_margin": triplet_points,
    "triplet_margin_with_distance": distance_points,
    "ctc": ctc_points,
}
