"""The likelihood losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import mpmath
import numpy as np

from tests.losses.cases.case import Case, Draw
from tests.losses.cases.keras import amount, pair_cases, simplex
from tests.losses.declare import cases, definition, kink, recomputed, reference
from tests.losses.definitions.exact import ONE, ZERO, Measured
from tests.losses.definitions.keras import AMOUNTS, LEAST, Row, clip, column, simplex_rows
from tests.losses.definitions.points import Points, cross
from tests.losses.steps.scope import LOW, clip_step

reference("keras.kl_divergence", "keras.losses.KLDivergence")


@cases("keras.kl_divergence")
def divergence_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of kl_divergence, with probabilities of 0 and above 1."""
    yield from pair_cases(draw, simplex, simplex)
    ends = np.array([[0.0, 1.0, 0.5], [1e-8, 1e-7, 1.5]])
    yield Case("ends", (ends, simplex(draw, (2, 3))))
    yield Case("ends-of-truth", (simplex(draw, (2, 3)), ends))


@definition(
    "keras.kl_divergence", points=lambda: [Points((simplex_rows(40, 3), simplex_rows(41, 3)[:40]))]
)
def divergence(y_pred: Row, y_true: Row) -> Measured:
    terms, size = [], ZERO
    for p, y in zip(y_pred, y_true, strict=True):
        p, y = clip(p, high=ONE), clip(y, high=ONE)  # noqa: PLW2901
        terms.append(y * mpmath.log(y / p))
        size = max(size, y * max(1, abs(mpmath.log(y / p))))
    return mpmath.fsum(terms), size


kink(
    "keras.kl_divergence",
    "where clipping begins",
    ([[1e-7, 1e-8, 1.0]], [[0.5, 0.5, 0.5]]),
    [[[-0.5e7, 0.0, -0.5]]],
)

reference("keras.poisson", "keras.losses.Poisson")


@cases("keras.poisson")
def poisson_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poisson."""
    yield from pair_cases(draw, amount, amount)
    yield Case("small", (np.array([[0.0, 1e-9, 1e-7, 1e-3]]), np.array([[0.0, 1.0, 2.0, 0.0]])))


@definition(
    "keras.poisson", points=lambda: [Points(column(*cross(AMOUNTS[:-2], (0.0, 0.5, 1.0, 300.0))))]
)
def poisson(y_pred: Row, y_true: Row) -> Measured:
    terms, size = [], ZERO
    for p, y in zip(y_pred, y_true, strict=True):
        log = mpmath.log(p + LEAST)
        terms.append(p - y * log)
        size = max(size, p, abs(y) * max(1, abs(log)))
    return mpmath.fsum(terms) / len(terms), size / len(terms)


recomputed(
    {
        ("clipped target", "y between 1e-7 and 1"): clip_step(LOW, 1, "target"),
        ("log-rate", "log(x + 1e-7)"): lambda s: np.log(s.x[0] + 1e-7),
        ("class terms", "y_c log(y_c / p_c)"): lambda s: (
            s["clipped target"] * np.log(s["clipped target"] / s["clipped probabilities"])
        ),
        ("clipped probabilities", "p between 1e-7 and 1"): lambda s: np.clip(s.x[0], LOW, 1),
        ("loss", "x − y log(x + 1e-7)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
    }
)
