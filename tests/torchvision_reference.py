"""What torchvision answers, by its formulas as they stand in version 0.29, in NumPy.

torchvision itself is asked where it can be imported, which takes a build for the very torch that
is installed: tests/test_torchvision.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import Array, Case

NAME, VERSION = "torchvision", "0.29.2"


def focal(x: Array, y: Array, alpha: float = 0.25, gamma: float = 2.0) -> Array:
    """Return sigmoid_focal_loss."""
    p = 1 / (1 + np.exp(-x))
    entropy = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    right = p * y + (1 - p) * (1 - y)
    loss = entropy * (1 - right) ** gamma
    return loss * (alpha * y + (1 - alpha) * (1 - y)) if alpha >= 0 else loss


def areas(a: Array, b: Array) -> tuple[Array, Array]:
    """Return intersection and union (_loss_inter_union)."""
    left, top, right, bottom = (
        np.maximum(a[0], b[0]), np.maximum(a[1], b[1]),
        np.minimum(a[2], b[2]), np.minimum(a[3], b[3]),
    )  # fmt: skip
    overlap = np.where((bottom > top) & (right > left), (right - left) * (bottom - top), 0)
    return overlap, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap


def hull(a: Array, b: Array) -> tuple[Array, Array]:
    """Return width and height of the smallest enclosing box."""
    return (
        np.maximum(a[2], b[2]) - np.minimum(a[0], b[0]),
        np.maximum(a[3], b[3]) - np.minimum(a[1], b[1]),
    )


def giou(a: Array, b: Array, eps: float = 1e-7) -> Array:
    """Return generalized_box_iou_loss."""
    overlap, union = areas(a, b)
    width, height = hull(a, b)
    area = width * height
    return 1 - (overlap / (union + eps) - (area - union) / (area + eps))


def diou(a: Array, b: Array, eps: float = 1e-7) -> Array:
    """Return distance_box_iou_loss."""
    overlap, union = areas(a, b)
    width, height = hull(a, b)
    x = (a[2] + a[0]) / 2 - (b[0] + b[2]) / 2
    y = (a[3] + a[1]) / 2 - (b[1] + b[3]) / 2
    return 1 - overlap / (union + eps) + (x**2 + y**2) / (width**2 + height**2 + eps)


def ciou(a: Array, b: Array, eps: float = 1e-7) -> Array:
    """Return complete_box_iou_loss, which gives its eps to alpha alone."""
    overlap, union = areas(a, b)
    angle = np.arctan((b[2] - b[0]) / (b[3] - b[1])) - np.arctan((a[2] - a[0]) / (a[3] - a[1]))
    v = 4 / np.pi**2 * angle**2
    return diou(a, b) + v / (1 - overlap / (union + 1e-7) + v + eps) * v


FUNCTIONS: dict[str, Callable[..., Array]] = {
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
