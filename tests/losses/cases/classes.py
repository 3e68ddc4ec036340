"""Shapes of class scores, and of the class indices that go with them."""

from __future__ import annotations

from tests.losses.cases.case import Shape


def label_shape(shape: Shape) -> Shape:
    """Return the shape of the class indices that go with scores of this shape."""
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def class_count(shape: Shape) -> int:
    """Return the number of classes of scores of this shape."""
    return shape[1] if len(shape) > 1 else shape[0]


CLASS_SHAPES: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 2), (1, 5), (2, 3, 2), (2, 4, 2, 2), (6, 4),
)  # fmt: skip
CLASS_SHAPES_AND_NONE: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 2), (1, 5), (2, 3, 2), (2, 4, 2, 2), (6, 4), (0, 3),
)  # fmt: skip
