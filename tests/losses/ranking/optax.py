"""The ranking losses of optax, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.losses.cases.case import Case, Draw, label, spell
from tests.losses.cases.vectors import LIST_SHAPES
from tests.losses.declare import cases, definition, recomputed, reference
from tests.losses.definitions.exact import Measured, Vector, class_costs, exactly, total
from tests.losses.definitions.points import Points, class_logits
from tests.losses.steps.scope import read_input


def mean_of_lists(theirs: Any, losses: Any, inputs: Any, options: Any) -> Any:
    """Return the mean over the lists that have an item."""
    if not losses.size:
        return losses.mean()
    if "where" not in options:
        return theirs(*inputs, **options)
    there = np.broadcast_to(np.asarray(options["where"]) != 0, inputs[0].shape)
    return losses.sum() / there.any(axis=-1).sum()


@reference("ranking_softmax", "optax.losses.ranking_softmax_loss", mean=mean_of_lists)
def ranking_softmax_of_lists(theirs: Any, logits: Any, labels: Any, **options: Any) -> Any:
    """Return the loss of each list; a where of integers is made one of truths."""
    import jax.numpy as jnp

    if "where" in options:
        options["where"] = jnp.broadcast_to(options["where"] != 0, logits.shape)
    return theirs(jnp.asarray(logits), jnp.asarray(labels), reduce_fn=None, **options)


@cases("ranking_softmax")
def ranking_cases(draw: Draw) -> Iterator[Case]:
    """Yield lists of scores with relevances, with items missing and with weights."""
    for shape in LIST_SHAPES:
        scores, relevance = draw.normal(shape, 2.0), draw.uniform(shape, 0.0, 3.0)
        yield Case(label(shape), (scores, relevance))
        if 0 in shape:
            continue
        grades = draw.integers(4, shape)
        there = draw.integers(2, shape)
        there.reshape(-1)[0] = 1  # one list at least has an item
        weights = draw.uniform(shape, 0.0, 2.0)
        for choice in (
            {"where": there},
            {"weights": weights},
            {"where": there, "weights": weights},
        ):
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, grades), choice)
        if shape[-1] > 1:  # weights that are broadcast
            choice = {"weights": weights[..., :1]}
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, grades), choice)
    far = np.array([[1e4, -1e4, 0.0], [30, 30, 0], [0, 0, 0]])
    yield Case("far", (far, np.array([[1.0, 0, 0], [0, 1, 1], [1, 2, 3]])))


def list_points() -> list[Points]:
    """Return lists of scores with relevances."""
    rows = class_logits()
    rows = rows[np.abs(rows).max(axis=1) < 1e299]
    shares = np.tile([[1.0, 0, 0], [0.5, 0.25, 0.25], [0, 3, 1]], (len(rows), 1))
    return [Points((np.repeat(rows, 3, axis=0), shares))]


@definition("ranking_softmax", points=list_points)
def ranking_softmax(x: Vector, y: Vector) -> Measured:
    """-Σ y log softmax(x)."""
    return exactly(total(b * cost for b, cost in zip(y, class_costs(x), strict=True)))


recomputed(
    {
        ("relevance", "y"): read_input(1),
        ("items that are there", "where"): lambda s: s.option("where") != 0,
        ("weighted relevance", "w_i y_i"): lambda s: s.option("weights") * s.x[1],
    }
)
