"""Losses of predicted boxes: overlap, and what tells boxes apart that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import Option, Range, box, loss
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import at_least, open_half

Array = NDArray[Any]

BOXES = (
    box("input", "N 4", "4", help="predicted boxes"),
    box("target", "N 4", "4", help="true boxes"),
)
FILES = "boxes.npz#predicted boxes.npz#true"
EPS = Option("added to every denominator", at_least=0)
CORNERS = "boxes are corners (x1, y1, x2, y2), not centre and size, nor corner and size"
CIOU_EPS = 1e-7


@loss(
    "giou",
    library="torchvision",
    range=Range(0, 2),
    inputs=BOXES,
    aliases=("generalized_box_iou",),
    formula="1 − I / (U + ε) + (C − U) / (C + ε): intersection, union, enclosing box",
    source="Rezatofighi et al. 2019, Generalized intersection over union, arXiv:1902.09630",
    example=FILES,
    traps=(CORNERS, "from 0 to 2: boxes far apart have a higher loss than boxes that touch"),
)
def giou(input: Array, target: Array, *, eps: Annotated[float, EPS] = 1e-7) -> Array:
    """Generalized IoU loss of boxes: overlap, and the empty part of the enclosing box.

    input and target are (N, 4) or (4). A box with x1 > x2 or y1 > y2 is an error.
    """
    intersection, union = _overlap(input, target)
    width, height = _enclose(input, target)
    area = width * height
    return 1 - (intersection / (union + eps) - (area - union) / (area + eps))


@giou.gradient
def giou_gradient(input: Array, target: Array, *, eps: float) -> Array:
    """Return the gradients of both ratios."""
    _, union = _overlap(input, target)
    by_union = _union_gradient(input, target)
    sides, side_slopes = _enclose(input, target), _enclose_gradient(input, target)
    area, by_area = sides[0] * sides[1], _product_gradient(sides, side_slopes)
    outer = (by_union * (area + eps)[:, np.newaxis] - by_area * (union + eps)[:, np.newaxis]) / (
        (area + eps) ** 2
    )[:, np.newaxis]
    return -_iou_gradient(input, target, eps) - outer


def _overlap_steps(x: Array, y: Array) -> Generator[Step, None, tuple[Array, Array, Array]]:
    """Yield the boxes, what they share and cover; return intersection, union, outer sides."""
    sides = np.minimum(x[2:], y[2:]) - np.maximum(x[:2], y[:2])
    shared = np.maximum(sides, 0).prod()
    covered = (x[2:] - x[:2]).prod() + (y[2:] - y[:2]).prod() - shared
    yield Step("predicted box", "x", x)
    yield Step("true box", "y", y)
    yield Step("intersection", "I", shared)
    yield Step("union", "U = area of x + area of y − I", covered)
    return shared, covered, np.maximum(x[2:], y[2:]) - np.minimum(x[:2], y[:2])


@giou.steps
def giou_steps(x: Array, y: Array, *, eps: float) -> Steps:
    """Explain the overlap, and the part of the outer box that is empty."""
    shared, covered, outer = yield from _overlap_steps(x, y)
    area = outer.prod()
    ratio, empty = shared / (covered + eps), (area - covered) / (area + eps)
    yield Step("overlap", "IoU = I / (U + ε)", ratio)
    yield Step("outer area", "C, of the enclosing box", area)
    yield Step("empty part", "(C − U) / (C + ε)", empty)
    yield Step("loss", "1 − (overlap − empty part)", 1 - (ratio - empty))


@loss(
    "diou",
    library="torchvision",
    range=Range(0, 2),
    inputs=BOXES,
    aliases=("distance_box_iou",),
    formula="1 − I / (U + ε) + d² / (c² + ε): intersection, union, distance of the centres,"
    " diagonal of the enclosing box",
    source="Zheng et al. 2020, Distance-IoU loss, arXiv:1911.08287",
    example=FILES,
    traps=(CORNERS,),
)
def diou(input: Array, target: Array, *, eps: Annotated[float, EPS] = 1e-7) -> Array:
    """Distance IoU loss of boxes: overlap, and the distance of the centres.

    input and target are (N, 4) or (4). A box with x1 > x2 or y1 > y2 is an error.
    """
    return 1 - _iou(input, target, eps) + _apart(input, target, eps)


@diou.gradient
def diou_gradient(input: Array, target: Array, *, eps: float) -> Array:
    """Return the gradients of both ratios."""
    return _apart_gradient(input, target, eps) - _iou_gradient(input, target, eps)


def _distance_steps(
    x: Array, y: Array, eps: float, shown: str = "ε"
) -> Generator[Step, None, tuple[Array, Array]]:
    """Yield overlap and distance of the centres; return one less the overlap, and the latter."""
    shared, covered, outer = yield from _overlap_steps(x, y)
    ratio = shared / (covered + eps)
    yield Step("overlap", f"IoU = I / (U + {shown})", ratio)
    centres = ((x[2:] - y[2:]) + (x[:2] - y[:2])) / 2
    distance, diagonal = (centres**2).sum(), (outer**2).sum()
    yield Step("distance of the centres", "d²", distance)
    yield Step("diagonal of the outer box", "c²", diagonal)
    apart = distance / (diagonal + eps)
    yield Step("relative distance", f"d² / (c² + {shown})", apart)
    return 1 - ratio, apart


@diou.steps
def diou_steps(x: Array, y: Array, *, eps: float) -> Steps:
    """Explain the overlap and the distance of the centres."""
    lack, apart = yield from _distance_steps(x, y, eps)
    yield Step("loss", "1 − overlap + relative distance", lack + apart)


@loss(
    "ciou",
    library="torchvision",
    range=Range(0, 3),
    inputs=BOXES,
    aliases=("complete_box_iou",),
    formula="diou + α v,  v = 4/π² (atan(w_y/h_y) − atan(w_x/h_x))²,  α = v / (1 − IoU + v + ε)",
    source="Zheng et al. 2020, Distance-IoU loss, arXiv:1911.08287",
    example=FILES,
    traps=(
        CORNERS,
        "eps is used in α only, as in torchvision; overlap and distance use 1e-7",
        "a box without area has the angle of its one side; torchvision returns NaN for a single"
        " point",
    ),
)
def ciou(
    input: Array,
    target: Array,
    *,
    eps: Annotated[float, Option("added to the denominator of α", at_least=0)] = 1e-7,
) -> Array:
    """Complete IoU loss of boxes: overlap, distance of the centres, and aspect ratios.

    input and target are (N, 4) or (4). A box with x1 > x2 or y1 > y2 is an error.
    """
    aspect, weight = _weigh_aspect(input, target, eps)
    distance = _apart(input, target, CIOU_EPS)
    return 1 - _iou(input, target, CIOU_EPS) + distance + weight * aspect


def _weigh_aspect(input: Array, target: Array, eps: float) -> tuple[Array, Array]:
    """Return the difference of the proportions, and its weight α."""
    aspect = 4 / math.pi**2 * _turn(input, target) ** 2
    share = 1 - _iou(input, target, CIOU_EPS)
    return aspect, np.where(aspect == 0, 0, aspect / (share + aspect + eps))


def _turn(input: Array, target: Array) -> Array:
    """Return the angle between the diagonals of two boxes."""
    angles = [np.arctan2(*(one[:, 2:] - one[:, :2]).T) for one in (input, target)]
    return angles[1] - angles[0]


def _hold_weight_constant(input: Array, target: Array, *, eps: float, at: Sequence[Array]) -> Array:
    """Return what the loss would have more if α were what it is at one place."""
    aspect, weight = _weigh_aspect(input, target, eps)
    _, held = _weigh_aspect(at[0], at[1], eps)
    return (held - weight) * aspect


@ciou.gradient(
    beside=_hold_weight_constant,
    note="as in torchvision, the weight α of the aspect ratios is treated as a constant",
)
def ciou_gradient(input: Array, target: Array, *, eps: float) -> Array:
    """Return the gradients of both ratios and of the difference of the proportions."""
    width, height = (input[:, 2:] - input[:, :2]).T
    _, weight = _weigh_aspect(input, target, eps)
    square = width * width + height * height
    by_angle = weight * 8 / math.pi**2 * _turn(input, target) / np.where(square == 0, 1, square)
    by_sides = np.stack([height, -width, -height, width], axis=1)
    return diou_gradient(input, target, eps=CIOU_EPS) + by_angle[:, np.newaxis] * by_sides


@ciou.steps
def ciou_steps(x: Array, y: Array, *, eps: float) -> Steps:
    """Explain overlap and distance of the centres, and the difference of proportions."""
    lack, apart = yield from _distance_steps(x, y, CIOU_EPS, "1e-7")
    angles = [float(np.arctan2(*(one[2:] - one[:2]))) for one in (x, y)]
    aspect = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    factor = 0.0 if aspect == 0 else aspect / (lack + aspect + eps)
    yield Step("proportions", "v = 4/π² (atan(w_y/h_y) − atan(w_x/h_x))²", aspect)
    yield Step("weight", "α = v / (1 − overlap + v + ε), and 0 where v is 0", factor)
    formula = "1 − overlap + relative distance + α v"
    yield Step("loss", formula, lack + apart + factor * aspect)


def _area(boxes: Array) -> Array:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlap(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the areas that two boxes have in common, and that they cover together."""
    sides = np.minimum(x[:, 2:], y[:, 2:]) - np.maximum(x[:, :2], y[:, :2])
    intersection = at_least(sides, 0).prod(axis=1)
    return intersection, _area(x) + _area(y) - intersection


def _iou(x: Array, y: Array, eps: float) -> Array:
    intersection, union = _overlap(x, y)
    return intersection / (union + eps)


def _enclose(x: Array, y: Array) -> Array:
    """Return width and height of the smallest box around two."""
    return (np.maximum(x[:, 2:], y[:, 2:]) - np.minimum(x[:, :2], y[:, :2])).T


def _apart(x: Array, y: Array, eps: float) -> Array:
    """Return the squared distance of the centres, relative to that of the outer corners."""
    centres = ((x[:, 2:] - y[:, 2:]) + (x[:, :2] - y[:, :2])) / 2
    width, height = _enclose(x, y)
    return (centres**2).sum(axis=1) / (width**2 + height**2 + eps)


def _overlap_gradient(x: Array, y: Array) -> Array:
    """Return the gradient of the common area by the first box's corners."""
    sides = np.minimum(x[:, 2:], y[:, 2:]) - np.maximum(x[:, :2], y[:, :2])
    gradients = np.concatenate(
        [-open_half(x[:, :2] - y[:, :2]), open_half(y[:, 2:] - x[:, 2:])], axis=1
    )
    meet = (sides > 0).all(axis=1, keepdims=True)
    return np.where(meet, _product_gradient(sides.T, gradients), 0)


def _product_gradient(sides: Array, gradients: Array) -> Array:
    """Return the gradient of an area by corners, from those of its width and height."""
    width, height = sides
    return gradients * np.stack([height, width, height, width], axis=1)


def _union_gradient(x: Array, y: Array) -> Array:
    own = np.tile([-1.0, -1.0, 1.0, 1.0], (len(x), 1))
    return _product_gradient((x[:, 2:] - x[:, :2]).T, own) - _overlap_gradient(x, y)


def _iou_gradient(x: Array, y: Array, eps: float) -> Array:
    intersection, union = (one[:, np.newaxis] for one in _overlap(x, y))
    common = _overlap_gradient(x, y)
    return (common - intersection / (union + eps) * _union_gradient(x, y)) / (union + eps)


def _enclose_gradient(x: Array, y: Array) -> Array:
    """Return the gradients of the enclosing box's sides by the first box's corners."""
    return np.concatenate([-open_half(y[:, :2] - x[:, :2]), open_half(x[:, 2:] - y[:, 2:])], axis=1)


def _apart_gradient(x: Array, y: Array, eps: float) -> Array:
    centres = ((x[:, 2:] - y[:, 2:]) + (x[:, :2] - y[:, :2])) / 2
    sides = _enclose(x, y)
    diagonal = ((sides**2).sum(axis=0) + eps)[:, np.newaxis]
    by_centre = np.concatenate([centres, centres], axis=1)
    by_diagonal = 2 * np.concatenate([sides.T, sides.T], axis=1) * _enclose_gradient(x, y)
    square = (centres**2).sum(axis=1, keepdims=True)
    return (by_centre - square / diagonal * by_diagonal) / diagonal
