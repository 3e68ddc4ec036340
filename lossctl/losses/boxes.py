"""Losses of predicted boxes: overlap, and what tells boxes apart that do not overlap."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.declaration import Option, box, loss
from lossctl.losses.numerics import at_least

Array = NDArray[Any]

BOXES = (
    box("input", "N 4", "4", help="predicted boxes"),
    box("target", "N 4", "4", help="true boxes"),
)
FILES = "boxes.npz#predicted boxes.npz#true"
EPS = Option("added to every divisor", at_least=0)
CORNERS = "boxes are corners (x1, y1, x2, y2), not centre and size, nor corner and size"
CIOU_EPS = 1e-7


@loss(
    "giou",
    family="boxes",
    inputs=BOXES,
    library="torchvision",
    aliases=("generalized_box_iou",),
    formula="1 − I / (U + ε) + (C − U) / (C + ε): intersection, union, enclosing box",
    source="Rezatofighi et al. 2019, Generalized intersection over union, arXiv:1902.09630",
    example=FILES,
    traps=(CORNERS, "from 0 to 2: boxes far apart cost more than boxes that touch"),
)
def giou(input: Array, target: Array, *, eps: Annotated[float, EPS] = 1e-7) -> Array:
    """Overlap of boxes, and how much of the box around both is empty.

    input and target are (N, 4) or (4). A box whose sides are turned round is an error.
    """
    intersection, union = _overlap(input, target)
    width, height = _enclose(input, target)
    area = width * height
    return 1 - (intersection / (union + eps) - (area - union) / (area + eps))


@loss(
    "diou",
    family="boxes",
    inputs=BOXES,
    library="torchvision",
    aliases=("distance_box_iou",),
    formula="1 − I / (U + ε) + d² / (c² + ε): intersection, union, distance of the centres,"
    " diagonal of the enclosing box",
    source="Zheng et al. 2020, Distance-IoU loss, arXiv:1911.08287",
    example=FILES,
    traps=(CORNERS,),
)
def diou(input: Array, target: Array, *, eps: Annotated[float, EPS] = 1e-7) -> Array:
    """Overlap of boxes, and how far their centres are apart.

    input and target are (N, 4) or (4). A box whose sides are turned round is an error.
    """
    return 1 - _iou(input, target, eps) + _apart(input, target, eps)


@loss(
    "ciou",
    family="boxes",
    inputs=BOXES,
    library="torchvision",
    aliases=("complete_box_iou",),
    formula="diou + α v,  v = 4/π² (atan(w_y/h_y) − atan(w_x/h_x))²,  α = v / (1 − IoU + v + ε)",
    source="Zheng et al. 2020, Distance-IoU loss, arXiv:1911.08287",
    example=FILES,
    traps=(
        CORNERS,
        "eps reaches α alone, as in torchvision, whose overlap and distance keep 1e-7",
        "a box without any area has the angle of its one side; torchvision answers NaN for a"
        " single point",
    ),
)
def ciou(
    input: Array,
    target: Array,
    *,
    eps: Annotated[float, Option("added to the divisor of α", at_least=0)] = 1e-7,
) -> Array:
    """Overlap of boxes, distance of their centres, and difference of their proportions.

    input and target are (N, 4) or (4). A box whose sides are turned round is an error.
    """
    overlap = _iou(input, target, CIOU_EPS)
    angles = [np.arctan2(*(one[:, 2:] - one[:, :2]).T) for one in (input, target)]
    aspect = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    share = 1 - overlap
    rising = np.where(aspect == 0, 0, aspect / (share + aspect + eps))
    return share + _apart(input, target, CIOU_EPS) + rising * aspect


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
