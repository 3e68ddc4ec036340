"""The regression losses of PyTorch, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.losses.cases.case import Array, Case, Draw, grid
from tests.losses.cases.differences import difference_cases
from tests.losses.declare import cases, definition, kink, no_pitfalls, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, exactly
from tests.losses.definitions.points import difference_points
from tests.losses.steps.scope import Scope

reference("l1", "torch.nn.functional.l1_loss", class_name="L1Loss")
no_pitfalls("l1", "the same in every library, with no option and no case to mind")


@cases("l1")
def l1_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of l1."""
    yield from difference_cases(draw, [{}])
    yield Case("infinite", (np.array([np.inf, -np.inf, 1.0]), np.array([0.0, 1.0, 1.0])))


@definition("l1", points=lambda: difference_points({}))
def l1(x: Number, y: Number) -> Measured:
    """|x - y|."""
    return exactly(abs(x - y))


kink("l1", "no error", ([1.0, 2.0], [1.0, 1.0]), [[0.0, 1.0]])
kink("l1", "NaN", ([np.nan, np.nan, np.inf], [1.0, np.inf, 1.0]), [[0.0, 0.0, 1.0]])

reference("mse", "torch.nn.functional.mse_loss", class_name="MSELoss")


@cases("mse")
def mse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mse."""
    yield from difference_cases(draw, [{}])


@definition("mse", points=lambda: difference_points({}))
def mse(x: Number, y: Number) -> Measured:
    """(x - y)²."""
    return exactly((x - y) ** 2)


reference("smooth_l1", "torch.nn.functional.smooth_l1_loss", class_name="SmoothL1Loss")


@cases("smooth_l1")
def smooth_l1_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of smooth_l1; beta 0 is l1."""
    yield from difference_cases(draw, [{}, *grid(beta=(0.0, 0.5, 2.0, 1e-9))])


@definition(
    "smooth_l1", points=lambda: difference_points({}, *grid(beta=(0.0, 1e-9, 1e-200, 0.3, 1e300)))
)
def smooth_l1(x: Number, y: Number, beta: Number = 1) -> Measured:
    """½ d² / beta below beta, d - ½ beta from there on."""
    d = abs(x - y)
    return exactly(d * d / (2 * beta) if d < beta else d - beta / 2)


kink("smooth_l1", "at beta", ([2.0, -2.0], [0.0, 0.0]), [[1.0, -1.0]], beta=2.0)
kink("smooth_l1", "without beta", ([0.0], [0.0]), [[0.0]], beta=0.0)
kink("smooth_l1", "NaN without beta", ([np.nan], [0.0]), [[0.0]], beta=0.0)

reference("huber", "torch.nn.functional.huber_loss", class_name="HuberLoss")


@cases("huber")
def huber_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of huber."""
    yield from difference_cases(draw, [{}, *grid(delta=(0.5, 2.0, 1e-9, 100.0))])


@definition(
    "huber", points=lambda: difference_points({}, *grid(delta=(1e-9, 1e-200, 0.3, 1e150, 1e300)))
)
def huber(x: Number, y: Number, delta: Number = 1) -> Measured:
    """½ d² up to delta, delta (d - ½ delta) beyond."""
    d = abs(x - y)
    return exactly(d * d / 2 if d <= delta else delta * (d - delta / 2))


kink("huber", "at delta", ([2.0, -2.0], [0.0, 0.0]), [[2.0, -2.0]], delta=2.0)
kink("huber", "NaN", ([np.nan, np.inf], [0.0, 0.0]), [[np.nan, 1.0]])


def bend(s: Scope, bound: float) -> Array:
    """Return the Huber loss by its two branches."""
    d = np.abs(s["difference"])
    with np.errstate(all="ignore"):
        return np.where(d <= bound, d / 2 * d, bound * (d - bound / 2))


recomputed(
    {
        ("distance", "|d|"): lambda s: np.abs(s["difference"]),
        ("clipped distance", "q = min(|d|, δ)"): lambda s: np.minimum(s["distance"], s.o["delta"]),
        ("clipped distance", "q = min(|d|, β)"): lambda s: np.minimum(s["distance"], s.o["beta"]),
        ("loss", "|d|"): lambda s: np.abs(s["difference"]),
        ("loss", "d²"): lambda s: s["difference"] ** 2,
        ("loss", "|d|, because β is 0"): lambda s: np.abs(s["difference"]),
        ("loss", "½ d² where |d| ≤ δ; δ (|d| − ½ δ) elsewhere: q (|d| − ½ q)"): lambda s: bend(
            s, s.o["delta"]
        ),
        ("loss", "½ d² / β where |d| < β; |d| − ½ β elsewhere: q/β (|d| − ½ q)"): lambda s: (
            bend(s, s.o["beta"]) / s.o["beta"]
        ),
    }
)
