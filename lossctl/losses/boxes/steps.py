"""The steps of losses of predicted boxes."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.boxes import losses as boxes
from lossctl.losses.core.steps import Step, Steps, steps

Array = NDArray[Any]


def overlap(x: Array, y: Array) -> Generator[Step, None, tuple[Array, Array, Array]]:
    """Yield the boxes, what they share and cover; return intersection, union, outer sides."""
    sides = np.minimum(x[2:], y[2:]) - np.maximum(x[:2], y[:2])
    shared = np.maximum(sides, 0).prod()
    covered = (x[2:] - x[:2]).prod() + (y[2:] - y[:2]).prod() - shared
    yield Step("predicted box", "x", x)
    yield Step("true box", "y", y)
    yield Step("intersection", "I", shared)
    yield Step("union", "U = area of x + area of y − I", covered)
    return shared, covered, np.maximum(x[2:], y[2:]) - np.minimum(x[:2], y[:2])


@steps(boxes.giou)
def add_empty_part(x: Array, y: Array, *, eps: float) -> Steps:
    """Tell the overlap, and the part of the outer box that is empty."""
    shared, covered, outer = yield from overlap(x, y)
    area = outer.prod()
    ratio, empty = shared / (covered + eps), (area - covered) / (area + eps)
    yield Step("overlap", "IoU = I / (U + ε)", ratio)
    yield Step("outer area", "C, of the box around both", area)
    yield Step("empty part", "(C − U) / (C + ε)", empty)
    yield Step("loss", "1 − (overlap − empty part)", 1 - (ratio - empty))


def add_distance(
    x: Array, y: Array, eps: float, shown: str = "ε"
) -> Generator[Step, None, tuple[Array, Array]]:
    """Yield overlap and distance of the centres; return one less the overlap, and the latter."""
    shared, covered, outer = yield from overlap(x, y)
    ratio = shared / (covered + eps)
    yield Step("overlap", f"IoU = I / (U + {shown})", ratio)
    centres = ((x[2:] - y[2:]) + (x[:2] - y[:2])) / 2
    distance, diagonal = (centres**2).sum(), (outer**2).sum()
    yield Step("distance of the centres", "d²", distance)
    yield Step("diagonal of the outer box", "c²", diagonal)
    apart = distance / (diagonal + eps)
    yield Step("relative distance", f"d² / (c² + {shown})", apart)
    return 1 - ratio, apart


@steps(boxes.diou)
def tell_distance(x: Array, y: Array, *, eps: float) -> Steps:
    """Tell the overlap and the distance of the centres."""
    lack, apart = yield from add_distance(x, y, eps)
    yield Step("loss", "1 − overlap + relative distance", lack + apart)


@steps(boxes.ciou)
def tell_proportions(x: Array, y: Array, *, eps: float) -> Steps:
    """Tell the same, and the difference of proportions."""
    lack, apart = yield from add_distance(x, y, boxes.CIOU_EPS, "1e-7")
    angles = [float(np.arctan2(*(one[2:] - one[:2]))) for one in (x, y)]
    aspect = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    factor = 0.0 if aspect == 0 else aspect / (lack + aspect + eps)
    yield Step("proportions", "v = 4/π² (atan(w_y/h_y) − atan(w_x/h_x))²", aspect)
    yield Step("weight", "α = v / (1 − overlap + v + ε), and 0 where v is 0", factor)
    formula = "1 − overlap + relative distance + α v"
    yield Step("loss", formula, lack + apart + factor * aspect)
