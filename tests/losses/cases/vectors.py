"""Vectors and lists: their shapes, and triplets of them."""

from __future__ import annotations

import numpy as np

from tests.losses.cases.case import Array, Draw, Shape

VECTOR_SHAPES: tuple[Shape, ...] = ((4,), (1,), (3, 4), (1, 4), (3, 1), (0, 4))
TRIPLET_SHAPES: tuple[Shape, ...] = (*VECTOR_SHAPES, (2, 2, 3))


def draw_triplet(draw: Draw, shape: Shape) -> tuple[Array, ...]:
    """Draw an anchor, a near and a far vector for each sample."""
    anchor = draw.normal(shape)
    near, far = draw.rounded(anchor + draw.normal(shape, 0.7)), draw.normal(shape)
    return anchor, near, far


def awkward_triplets() -> tuple[Array, ...]:
    """Return triplets with equal vectors, great and tiny distances."""
    anchor = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1e4, -1e4], [1e-9, 0.0]])
    near = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [-1e4, 1e4], [0.0, 0.0]])
    far = np.array([[1.0, 2.0], [4.0, 6.0], [0.0, 1e-9], [0.0, 0.0], [0.0, 2e-9]])
    return anchor, near, far


LIST_SHAPES: tuple[Shape, ...] = (*VECTOR_SHAPES, (2, 2, 3), (2, 1, 3, 4))
