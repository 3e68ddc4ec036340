"""The box losses of torchvision, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, Shape, label, spell
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import ONE, Measured, Number, Vector, total
from tests.losses.definitions.points import Points, drawn
from tests.losses.steps.scope import Scope, read_input


def areas(a: Any, b: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return intersection and union (_loss_inter_union)."""
    left, top, right, bottom = (
        xp.maximum(a[0], b[0]), xp.maximum(a[1], b[1]),
        xp.minimum(a[2], b[2]), xp.minimum(a[3], b[3]),
    )  # fmt: skip
    overlap = xp.where((bottom > top) & (right > left), (right - left) * (bottom - top), 0)
    return overlap, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap


def hull(a: Any, b: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return width and height of the smallest enclosing box."""
    return (
        xp.maximum(a[2], b[2]) - xp.minimum(a[0], b[0]),
        xp.maximum(a[3], b[3]) - xp.minimum(a[1], b[1]),
    )


@reference("giou", "torchvision.ops.generalized_box_iou_loss", last_axis_first=True)
def generalized_box_iou_loss(a: Any, b: Any, eps: float = 1e-7, xp: Any = np) -> Any:
    """Return the loss as torchvision 0.29 writes it."""
    overlap, union = areas(a, b, xp)
    width, height = hull(a, b, xp)
    area = width * height
    return 1 - (overlap / (union + eps) - (area - union) / (area + eps))


def draw_boxes(draw: Draw, shape: Shape) -> Array:
    """Draw boxes with sides of at least 0.1."""
    corner = draw.uniform((*shape, 2), 0.0, 3.0)
    return draw.rounded(np.concatenate([corner, corner + draw.uniform((*shape, 2), 0.1, 4.0)], -1))


@cases("giou", "diou", "ciou")
def box_cases(draw: Draw) -> Iterator[Case]:
    """Yield boxes that overlap, touch, contain each other, are equal, and are far apart."""
    for shape in ((), (1,), (5,), (17,), (0,)):
        for choice in ({}, {"eps": 1e-3}, {"eps": 0.0}):
            pair = (draw_boxes(draw, shape), draw_boxes(draw, shape))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
    first = np.array([[0.0, 0, 2, 2]] * 7)
    second = np.array([
        [0.0, 0, 2, 2], [2, 0, 3, 2], [2, 2, 3, 3], [0.5, 0.5, 1, 1], [-9, -9, 9, 9],
        [900, 0, 901, 2], [0, 0, 1e-3, 2],
    ])  # fmt: skip
    yield Case("relations", (first, second))
    yield Case("relations-turned", (second, first))
    yield Case("pixels", (100 * first, np.round(100 * second)))
    yield Case("integers", (first.astype(np.int64), np.round(2000 * second).astype(np.int32)))
    line = np.array([[0.0, 0, 0, 2], [1, 1, 3, 1]])  # boxes with zero area
    yield Case("lines", (first[:2], line))
    narrow = tuple(draw_boxes(draw, (4,)).astype(np.float32) for _ in range(2))
    yield Case("float32", narrow)


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


BOX_EPS = mpf(1e-7)


def box_terms(a: Vector, b: Vector) -> tuple[Number, Number, Number, Number]:
    """Return intersection, union, and the sides of the enclosing box."""
    width = max(mpf(0), min(a[2], b[2]) - max(a[0], b[0]))
    height = max(mpf(0), min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
    outer = [max(a[i + 2], b[i + 2]) - min(a[i], b[i]) for i in (0, 1)]
    return width * height, areas[0] + areas[1] - width * height, outer[0], outer[1]


@definition("giou", points=box_points)
def giou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """1 - IoU + the empty share of the enclosing box."""
    shared, union, width, height = box_terms(a, b)
    area = width * height
    return 1 - (shared / (union + eps) - (area - union) / (area + eps)), ONE


largest_term("giou")(ones)
kink(
    "giou",
    "the same box",
    ([[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]),
    [[[0.0, 0.0, 0.0, 0.0]]],
    eps=0.0,
)


@reference("diou", "torchvision.ops.distance_box_iou_loss", last_axis_first=True)
def distance_box_iou_loss(a: Any, b: Any, eps: float = 1e-7, xp: Any = np) -> Any:
    """Return the loss as torchvision 0.29 writes it."""
    overlap, union = areas(a, b, xp)
    width, height = hull(a, b, xp)
    x = (a[2] + a[0]) / 2 - (b[0] + b[2]) / 2
    y = (a[3] + a[1]) / 2 - (b[1] + b[3]) / 2
    return 1 - overlap / (union + eps) + (x**2 + y**2) / (width**2 + height**2 + eps)


@definition("diou", points=box_points)
def diou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """1 - IoU + the squared distance of the centres, relative to the diagonal's."""
    shared, union, width, height = box_terms(a, b)
    apart = total((a[i] + a[i + 2] - b[i] - b[i + 2]) ** 2 for i in (0, 1)) / 4
    return 1 - shared / (union + eps) + apart / (width**2 + height**2 + eps), ONE


largest_term("diou")(ones)


@reference("ciou", "torchvision.ops.complete_box_iou_loss", last_axis_first=True)
def complete_box_iou_loss(
    a: Any, b: Any, eps: float = 1e-7, xp: Any = np, hold: Callable[[Any], Any] | None = None
) -> Any:
    """Return the loss, whose alpha is a constant, and alone in getting eps."""
    overlap, union = areas(a, b, xp)
    angle = xp.arctan((b[2] - b[0]) / (b[3] - b[1])) - xp.arctan((a[2] - a[0]) / (a[3] - a[1]))
    v = 4 / np.pi**2 * angle**2
    alpha = v / (1 - overlap / (union + 1e-7) + v + eps)
    return distance_box_iou_loss(a, b, xp=xp) + (alpha if hold is None else hold(alpha)) * v


@definition("ciou", points=box_points)
def ciou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """Diou + alpha v."""
    shared, union, _, _ = box_terms(a, b)
    angles = [mp.atan2(one[2] - one[0], one[3] - one[1]) for one in (a, b)]
    v = 4 / mp.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = v / (1 - shared / (union + BOX_EPS) + v + eps) if v else v
    return diou(a, b)[0] + alpha * v, ONE


largest_term("ciou")(ones)


def box_eps(s: Scope) -> float:
    """Return what is added to the divisors of boxes: ciou does not hand its eps on."""
    return 1e-7 if s.key == "ciou" else float(s.o["eps"])


def area(box: Array) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def outer(s: Scope) -> tuple[float, float]:
    """Return width and height of the box around both."""
    x, y = s.x
    return max(x[2], y[2]) - min(x[0], y[0]), max(x[3], y[3]) - min(x[1], y[1])


def angle(box: Array) -> float:
    return math.atan2(box[2] - box[0], box[3] - box[1])


recomputed(
    {
        ("predicted box", "x"): read_input(0),
        ("true box", "y"): read_input(1),
        ("intersection", "I"): lambda s: (
            max(0.0, min(s.x[0][2], s.x[1][2]) - max(s.x[0][0], s.x[1][0]))
            * max(0.0, min(s.x[0][3], s.x[1][3]) - max(s.x[0][1], s.x[1][1]))
        ),
        ("union", "U = area of x + area of y − I"): lambda s: (
            area(s.x[0]) + area(s.x[1]) - s["intersection"]
        ),
        ("overlap", "IoU = I / (U + ε)"): lambda s: s["intersection"] / (s["union"] + s.o["eps"]),
        ("outer area", "C, of the enclosing box"): lambda s: outer(s)[0] * outer(s)[1],
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
        "overlap": lambda s: s["intersection"] / (s["union"] + box_eps(s)),
        "relative distance": lambda s: (
            s["distance of the centres"] / (s["diagonal of the outer box"] + box_eps(s))
        ),
        ("loss", "1 − (overlap − empty part)"): lambda s: 1 - s["overlap"] + s["empty part"],
        ("loss", "1 − overlap + relative distance"): lambda s: (
            1 - s["overlap"] + s["relative distance"]
        ),
        ("loss", "1 − overlap + relative distance + α v"): lambda s: (
            1 - s["overlap"] + s["relative distance"] + s["weight"] * s["proportions"]
        ),
    }
)
