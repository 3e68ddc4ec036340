"""The binary losses of torchvision, as the tests know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp

from tests.losses.cancellation import ones
from tests.losses.cases.case import SHAPES, Case, Draw, grid, label, spell
from tests.losses.declare import cases, definition, largest_term, recomputed, reference
from tests.losses.definitions.exact import ONE, QUARTER, TWO, Measured, Number, softplus
from tests.losses.definitions.points import LOGITS, SOFT, Points, cross, drawn
from tests.losses.steps.scope import sigmoid


@reference("focal", "torchvision.ops.sigmoid_focal_loss")
def sigmoid_focal_loss(
    x: Any, y: Any, alpha: float = 0.25, gamma: float = 2.0, xp: Any = np
) -> Any:
    """Return the loss as torchvision 0.29 writes it."""
    p = 1 / (1 + xp.exp(-x)) if xp is np else xp.sigmoid(x)
    zero = xp.zeros_like(x)
    entropy = xp.maximum(x, zero) - x * y + xp.log1p(xp.exp(-xp.abs(x)))
    right = p * y + (1 - p) * (1 - y)
    loss = entropy * (1 - right) ** gamma
    return loss * (alpha * y + (1 - alpha) * (1 - y)) if alpha >= 0 else loss


@cases("focal")
def focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of focal; torchvision's sigmoid of sure answers is not exact."""
    for shape in SHAPES:
        for choice in ({}, *grid(alpha=(-1.0, 0.0, 0.7), gamma=(0.0, 1.0, 2.0, 3.5))):
            pair = (draw.normal(shape, 2.0), draw.integers(2, shape).astype(np.float64))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
        soft = (draw.normal(shape, 2.0), draw.uniform(shape))
        yield Case(f"{label(shape)}-soft", soft)
    logits = np.array([1e4, -1e4, 1e4, -1e4, 0.0, -0.0, 20.0, -20.0])
    target = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.25])
    yield Case("extremes", (logits, target))
    for dtype in (np.int64, np.uint8, np.bool_):
        pair = (draw.normal((3, 2)).astype(np.float32), draw.integers(2, (3, 2), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", pair)


def focal_points(off: float | None) -> Callable[[], list[Points]]:
    """Return logits of every size with hard and soft labels, and several powers."""

    def points() -> list[Points]:
        x, y = cross(LOGITS, SOFT)
        choices = grid(gamma=(0.0, 1.0, 2.0, 3.0), alpha=(off, 0.25))
        return [
            *(Points((x, y), choice) for choice in choices),
            Points((drawn(300, scale=10.0), (drawn(301)[:300] > 0).astype(float))),
        ]

    return points


@definition("focal", points=focal_points(-1.0))
def focal(x: Number, y: Number, alpha: Number = QUARTER, gamma: Number = TWO) -> Measured:
    """Cross entropy times (1 - p)^gamma, whose error counts gamma times."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    missing = y * q + (1 - y) * p
    value = (y * softplus(-x) + (1 - y) * softplus(x)) * missing**gamma
    if alpha >= 0:
        value *= alpha * y + (1 - alpha) * (1 - y)
    return value, value * max(ONE, gamma / 2)


largest_term("focal")(ones)


recomputed(
    {
        ("probability", "p = 1 / (1 + exp(−x))"): lambda s: sigmoid(s.x[0]),
        ("cross entropy", "positive term + negative term"): lambda s: (
            s["positive term"] + s["negative term"]
        ),
        ("missing probability", "1 − p_t = y (1 − p) + (1 − y) p"): lambda s: (
            s.goal() * (sigmoid(-s.x[0]) if "logit" in s.values else 1 - s.x[0])
            + (1 - s.goal()) * s["probability"]
        ),
        ("focusing factor", "(1 − p_t)^γ"): lambda s: s["missing probability"] ** s.o["gamma"],
        ("weight", "α_y = α y + (1 − α) (1 − y)"): lambda s: (
            s.o["alpha"] * s.goal() + (1 - s.o["alpha"]) * (1 - s.goal())
        ),
        ("loss", "focusing factor × cross entropy"): lambda s: (
            s["focusing factor"] * s["cross entropy"]
        ),
        ("loss", "α_y × focusing factor × cross entropy"): lambda s: (
            s["weight"] * s["focusing factor"] * s["cross entropy"]
        ),
    }
)
