"""The classification losses of the literature, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.classes import CLASS_SHAPES, class_count, label_shape
from tests.losses.classification.torch import ce
from tests.losses.declare import cases, definition, reference
from tests.losses.definitions.points import score_points


def exp_of_the_mean(losses: Array, _: Array, labels: Array, ignore_index: int = -100) -> Any:
    """Return exp of the mean over what is not ignored."""
    return np.exp(np.divide(losses.sum(), (labels != ignore_index).sum()))


@reference("perplexity", formula_of_mean=exp_of_the_mean, integers=(1,))
def cross_entropies(x: Array, y: Array, ignore_index: int = -100) -> Array:
    """Return cross entropies, 0 for what is ignored."""
    logits = np.moveaxis(x, 1, -1) if x.ndim > 1 else x
    kept = y != ignore_index
    labels = np.where(kept, y, 0).astype(int)[..., np.newaxis]
    top = logits.max(axis=-1, keepdims=True, initial=-np.inf)
    total = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    own = np.take_along_axis(logits, labels, axis=-1)
    return np.where(kept, (total - own)[..., 0], 0)


@cases("perplexity")
def perplexity_cases(draw: Draw) -> Iterator[Case]:
    """Yield logits with class indices, some of them left out; a mean has a root of no sum."""
    for shape in (*CLASS_SHAPES, (0, 3), (2, 3, 0)):
        labels = draw.integers(class_count(shape), label_shape(shape))
        for choice in ({}, *grid(ignore_index=(0, -1))):
            pair = (draw.normal(shape, 2.0), labels)
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    rows = np.array([[9.0, 0, 0], [0, 0, 0], [-3, 3, 2]])
    for target in range(3):
        yield Case(f"sure-{target}", (rows, np.full(3, target)), skipped=("sum",))


definition("perplexity", points=score_points)(ce)
