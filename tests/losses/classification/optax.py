"""The classification losses of optax, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import spread
from tests.losses.cases.case import Case, Draw, grid, label, spell
from tests.losses.cases.classes import CLASS_SHAPES_AND_NONE, class_count, label_shape
from tests.losses.classification.torch import ce
from tests.losses.declare import cases, definition, largest_term, recomputed, reference
from tests.losses.definitions.exact import TWO, Measured, Number, Vector, exactly, total
from tests.losses.definitions.points import Points, drawn, score_points
from tests.losses.ranking.optax import list_points, ranking_softmax
from tests.losses.steps.scope import log_sum_exp
from tests.losses.steps.shared import others


@reference("poly_ce", "optax.losses.poly_loss_cross_entropy", classes_last=True)
def poly_ce_of_probabilities(theirs: Any, logits: Any, labels: Any, **options: Any) -> Any:
    """Optax takes probabilities alone."""
    import jax

    if labels.ndim < logits.ndim:
        labels = jax.nn.one_hot(labels, logits.shape[-1], dtype=jax.numpy.float64)
    return theirs(logits, labels, **options)


@cases("poly_ce")
def poly_ce_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poly_ce, with class indices and with probabilities."""
    for shape in CLASS_SHAPES_AND_NONE:
        for choice in ({}, *grid(epsilon=(-1.0, 0.0, 0.5))):
            pair = (draw.normal(shape, 2.0), draw.integers(class_count(shape), label_shape(shape)))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
            spread = draw.probabilities(shape, 1 if len(shape) > 1 else 0)
            name = f"{label(shape)}-probabilities-{spell(choice)}"
            yield Case(name, (draw.normal(shape, 2.0), spread), choice)
    rows = np.array([[20.0, 0, 0], [0, 0, 0], [1e4, -1e4, 0], [-30, 30, 29]])
    for target in range(3):
        yield Case(f"sure-{target}", (rows, np.full(4, target)))


def poly_points() -> list[Points]:
    """Return the same with several epsilons, and with probabilities."""
    rows, labels = score_points()[0].inputs
    near = np.abs(rows).max(axis=1) < 1e299
    spread = (drawn(20, 3), np.tile([[0.5, 0.25, 0.25], [0, 1.0, 0]], (10, 1)))
    indices = [Points((rows[near], labels[near]), choice) for choice in grid(epsilon=(0.0, 2.0))]
    return [*indices, Points(spread)]


@definition("poly_ce", points=poly_points)
def poly_ce(x: Vector, y: Any, epsilon: Number = TWO) -> Measured:
    """Cross entropy plus epsilon times (1 - p) of what is right."""
    shares = y if isinstance(y, list) else [mpf(int(c == y)) for c in range(len(x))]
    top = max(x)
    powers = [mp.exp(max(one - top, mpf(-1e5))) for one in x]
    missing = [1 - power / total(powers) for power in powers]
    if not isinstance(y, list):  # 1 - p of what is surely right has no digits left in 1 - p
        missing[y] = total(power for c, power in enumerate(powers) if c != y) / total(powers)
    extra = total(share * lack for share, lack in zip(shares, missing, strict=True))
    return exactly(ce(x, y)[0] + epsilon * extra)


largest_term("poly_ce")(spread)

reference("safe_softmax_cross_entropy", "optax.safe_softmax_cross_entropy", classes_last=True)


@cases("safe_softmax_cross_entropy")
def safe_cases(draw: Draw) -> Iterator[Case]:
    """Yield logits with probabilities; some classes are ruled out by both."""
    for shape in CLASS_SHAPES_AND_NONE:
        axis = 1 if len(shape) > 1 else 0
        for scale in (1.0, 5.0):
            pair = (draw.normal(shape, scale), draw.probabilities(shape, axis))
            yield Case(f"{label(shape)}-{scale}", pair)
    logits = draw.normal((4, 3))
    logits[[0, 1, 2], [1, 2, 0]] = -np.inf
    target = np.array([[0.25, 0.0, 0.75], [1, 0, 0], [0, 0.5, 0.5], [0, 1, 0]])
    yield Case("ruled-out", (logits, target))
    yield Case("ruled-out-but-meant", (logits, target[::-1].copy()))


definition("safe_softmax_cross_entropy", points=list_points)(ranking_softmax)


recomputed(
    {
        ("cross entropy", "−log p_y"): lambda s: -s["log-probability"],
        ("cross entropy", "−Σ_c y_c log p_c"): lambda s: -np.dot(s.x[1], s["log-probabilities"]),
        ("missing probability", "1 − p_y"): lambda s: np.exp(
            log_sum_exp(others(s.x[0], s.y)) - log_sum_exp(s.x[0])
        ),
        ("missing probability", "Σ_c y_c (1 − p_c)"): lambda s: sum(
            y * np.exp(log_sum_exp(others(s.x[0], c)) - log_sum_exp(s.x[0]))
            for c, y in enumerate(s.x[1])
        ),
        ("classes that count", "not (x_c = −∞ and y_c = 0)"): lambda s: (
            np.isfinite(s.x[0]) | (s.x[1] != 0) | (s.x[0] == np.inf) | np.isnan(s.x[0])
        ),
        ("loss", "cross entropy + ε × missing probability"): lambda s: (
            s["cross entropy"] + s.o["epsilon"] * s["missing probability"]
        ),
    }
)
