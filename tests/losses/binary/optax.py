"""The binary losses of optax, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.losses.binary.torchvision import focal, focal_points
from tests.losses.cases.case import SHAPES, Case, Draw, grid, label, spell
from tests.losses.declare import cases, definition, reference
from tests.losses.definitions.exact import ONE, TWO, Measured, Number

reference("optax.sigmoid_focal", "optax.sigmoid_focal_loss")


@cases("optax.sigmoid_focal")
def sigmoid_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.sigmoid_focal: no alpha unless given."""
    for shape in SHAPES:
        for choice in ({}, *grid(alpha=(0.0, 0.25), gamma=(0.0, 1.0, 2.0, 3.5))):
            pair = (draw.normal(shape, 2.0), draw.integers(2, shape).astype(np.float64))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
        soft = (draw.normal(shape, 2.0), draw.uniform(shape))
        yield Case(f"{label(shape)}-soft", soft)
    logits = np.array([50.0, -50.0, 1e4, -1e4, 0.0, -0.0, 20.0, -20.0])
    target = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.25])
    yield Case("extremes", (logits, target))


@definition("optax.sigmoid_focal", points=focal_points(None))
def sigmoid_focal(
    x: Number, y: Number, alpha: Number | None = None, gamma: Number = TWO
) -> Measured:
    """The same without alpha."""
    return focal(x, y, -ONE if alpha is None else alpha, gamma)
