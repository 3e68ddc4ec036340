"""What torchvision answers, by its formulas as they stand in version 0.29, in NumPy or torch.

torchvision itself is asked where it can be imported, which takes a build for the very torch that
is installed: tests/test_torchvision.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case

NAME, VERSION = "torchvision", "0.29.2"


def focal(x: Any, y: Any, alpha: float = 0.25, gamma: float = 2.0, xp: Any = np) -> Any:
    """Return sigmoid_focal_loss."""
    p = 1 / (1 + xp.exp(-x)) if xp is np else xp.sigmoid(x)
    zero = xp.zeros_like(x)
    entropy = xp.maximum(x, zero) - x * y + xp.log1p(xp.exp(-xp.abs(x)))
    right = p * y + (1 - p) * (1 - y)
    loss = entropy * (1 - right) ** gamma
    return loss * (alpha * y + (1 - alpha) * (1 - y)) if alpha >= 0 else loss


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


def giou(a: Any, b: Any, eps: float = 1e-7, xp: Any = np) -> Any:
    """Return generalized_box_iou_loss."""
    overlap, union = areas(a, b, xp)
    width, height = hull(a, b, xp)
    area = width * height
    return 1 - (overlap / (union + eps) - (area - union) / (area + eps))


def diou(a: Any, b: Any, eps: float = 1e-7, xp: Any = np) -> Any:
    """Return distance_box_iou_loss."""
    overlap, union = areas(a, b, xp)
    width, height = hull(a, b, xp)
    x = (a[2] + a[0]) / 2 - (b[0] + b[2]) / 2
    y = (a[3] + a[1]) / 2 - (b[1] + b[3]) / 2
    return 1 - overlap / (union + eps) + (x**2 + y**2) / (width**2 + height**2 + eps)


def ciou(
    a: Any, b: Any, eps: float = 1e-7, xp: Any = np, hold: Callable[[Any], Any] | None = None
) -> Any:
    """Return complete_box_iou_loss, which gives its eps to alpha alone and holds that constant."""
    overlap, union = areas(a, b, xp)
    angle = xp.arctan((b[2] - b[0]) / (b[3] - b[1])) - xp.arctan((a[2] - a[0]) / (a[3] - a[1]))
    v = 4 / np.pi**2 * angle**2
    alpha = v / (1 - overlap / (union + 1e-7) + v + eps)
    return diou(a, b, xp=xp) + (alpha if hold is None else hold(alpha)) * v


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "focal": focal, "giou": giou, "diou": diou, "ciou": ciou,
}  # fmt: skip


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return torchvision's answer to the case."""
    inputs: list[Any] = [array.astype(np.float64) for array in case.inputs]
    if key != "focal":
        inputs = [np.moveaxis(array, -1, 0) for array in inputs]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = np.asarray(FUNCTIONS[key](*inputs, **case.options))
        reduce = {"none": np.asarray, "mean": np.mean, "sum": np.sum}[reduction]
        return np.asarray(reduce(losses))
