"""The likelihood losses of PyTorch, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, exactly, log, total
from tests.losses.definitions.points import Points, cross
from tests.losses.steps.scope import read_input

reference("poisson_nll", "torch.nn.functional.poisson_nll_loss", class_name="PoissonNLLLoss")


def poisson_pair(draw: Draw, shape: Shape, choice: dict[str, Any]) -> tuple[Array, Array]:
    """Draw log rates or rates, with counts."""
    predicted = draw.normal(shape) if choice["log_input"] else draw.uniform(shape, 0.0, 5.0)
    return predicted, np.asarray(draw.rng.poisson(2.0, shape)).astype(np.float64)


@cases("poisson_nll")
def poisson_nll_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poisson_nll: log rates or rates, with Stirling's term or without."""
    choices = list(grid(log_input=(True, False), full=(False, True)))
    for shape in SHAPES:
        for choice in choices if len(shape) < 3 else choices[1:3]:
            yield Case(f"{label(shape)}-{spell(choice)}", poisson_pair(draw, shape, choice), choice)
    for choice in choices:
        for eps in (1e-3, 1.0):
            chosen = {**choice, "eps": eps}
            yield Case(spell(chosen), poisson_pair(draw, (4,), choice), chosen)
        counts = np.array([0.0, 1.0, 1.5, 2.0, 100.0, 12345.0, 0.5, 1.0])
        logs = np.array([0.0, -0.0, -1e4, 12.0, 5.0, 9.0, 50.0, 1e3])
        rates = logs if choice["log_input"] else np.array([0, 0, 1e-9, 1e4, 99, 1e-300, 1e-8, 1.0])
        yield Case(f"awkward-{spell(choice)}", (rates, counts), choice)
        integers = draw.integers(6, (4,), np.int32)
        pair = (draw.uniform((4,), 0.1, 3.0).astype(np.float32), integers)
        yield Case(f"float32-int32-{spell(choice)}", pair, choice)


def poisson_points() -> list[Points]:
    """Return rates and counts from nothing to what just fits."""
    counts = (0.0, 0.5, 1.0, 1 + 2.0**-52, 2.0, 100.0, 1e6)
    logs = (0.0, -0.0, 1e-300, -745.0, -1e4, 700.0, 709.0, 710.0, 1e4, 0.7, 4.6, 13.8)
    rates = (0.0, 1e-300, 1e-9, 0.5, 2.0, 3.7, 100.0, 1e6, 1e300)
    return [
        Points(cross(logs if choice["log_input"] else rates, counts), choice)
        for choice in grid(log_input=(True, False), full=(False, True))
    ]


POISSON_EPS = mpf(1e-8)


@definition("poisson_nll", points=poisson_points)
def poisson_nll(
    x: Number, y: Number, log_input: bool = True, full: bool = False, eps: Number = POISSON_EPS
) -> Measured:
    """exp(x) - y x, or x - y log(x + eps), with Stirling's term for counts above 1."""
    rate, log_rate = (mp.exp(x), x) if log_input else (x, log(x + eps))
    terms = [rate, -y * log_rate]
    if full and y > 1:
        terms += [y * mp.log(y), -y, mp.log(2 * mp.pi * y) / 2]
    return total(terms), max(map(abs, terms))


@largest_term("poisson_nll")
def poisson_term(
    x: Array, y: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8
) -> Array:
    """Return the rate, count times log rate, and count times its logarithm."""
    rate, log_rate = (np.exp(x), x) if log_input else (x, np.log(x + eps))
    return np.asarray(rate + np.abs(y * log_rate) + full * y * np.log(np.maximum(y, 1)))


@reference("gaussian_nll", "torch.nn.functional.gaussian_nll_loss", class_name="GaussianNLLLoss")
def gaussian_nll_of_one_variance(
    theirs: Any, prediction: Any, target: Any, var: Any, **options: Any
) -> Any:
    """Torch takes one variance for all as a float, by which it does not differentiate."""
    if not var.shape:
        spread = var * prediction.new_ones(prediction.shape)
        var = spread if var.requires_grad else float(var)
    return theirs(prediction, target, var, **options)


def variance_shapes(shape: Shape) -> list[Shape]:
    """Return the shapes of ``var`` that torch takes with an input of this shape."""
    shapes = [shape]
    if shape:
        shapes += [shape[:-1], (*shape[:-1], 1), ()]
    if len(shape) == 2:
        shapes.append((1, shape[1]))
    if len(shape) == 3:
        shapes.append((shape[0], 1, shape[2]))
    return list(dict.fromkeys(shapes))


@cases("gaussian_nll")
def gaussian_nll_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of gaussian_nll, with a variance in every accepted shape."""
    for shape in (*SHAPES, (2, 2, 2)):
        for var_shape in variance_shapes(shape):
            for full in (False, True) if len(shape) < 3 else (True,):
                pair = (draw.normal(shape), draw.normal(shape))
                var = draw.uniform(var_shape, 0.1, 3.0)
                name = f"{label(shape)}-var={label(var_shape)}-full={full}"
                yield Case(name, (*pair, var), {"full": full})
    # Variances below eps are raised to it.
    small = np.array([[0.0, 1e-7, 1e-6], [1e-5, 1.0, 1e8]])
    for choice in [{}, *grid(full=(False, True), eps=(1e-6, 0.5, 1e-12))]:
        values = (draw.normal((2, 3)), draw.normal((2, 3)), small)
        yield Case(f"small-var-{spell(choice)}", values, choice)
    pair = (draw.normal((3, 2)).astype(np.float32), draw.normal((3, 2)).astype(np.float32))
    yield Case("float32", (*pair, draw.uniform((3, 1), 0.2, 2.0).astype(np.float32)))
    values = (np.array([1e4, -1e4, 0.0]), np.array([-1e4, -1e4, 0.0]), np.array([1.0, 2.0, 1.0]))
    yield Case("far-and-exact", values)


def gaussian_points() -> list[Points]:
    """Return variances far below eps and huge, differences whose squares do not fit."""
    variances = (0.0, 5e-324, 1e-7, 1e-6, 0.5, 1.0, 1 + 2.0**-52, 3.0, 1e150, 1e300, 1.7e308)
    x, y, var = cross((0.0, 1e-200, 0.3, 1.0, 1e4, 1e150, -1e200), (0.0, 1 + 2.0**-52), variances)
    return [Points((x, y, var), choice) for choice in grid(full=(False, True), eps=(1e-6, 1e-300))]


GAUSSIAN_EPS = mpf(1e-6)


@definition("gaussian_nll", points=gaussian_points)
def gaussian_nll(
    x: Number, y: Number, var: Number, full: bool = False, eps: Number = GAUSSIAN_EPS
) -> Measured:
    """½ (log v + (x - y)² / v), v at least eps, plus ½ log 2π."""
    v = max(var, eps)
    terms = [mp.log(v) / 2, (x - y) ** 2 / v / 2, mp.log(2 * mp.pi) / 2 if full else mpf(0)]
    return total(terms), max(map(abs, terms))


@largest_term("gaussian_nll")
def gaussian_term(x: Array, y: Array, var: Array, full: bool = False, eps: float = 1e-6) -> Array:
    """Return the logarithm of the variance and the square relative to it."""
    if var.ndim == x.ndim - 1:
        var = var[..., np.newaxis]
    var = np.maximum(var, eps)
    return 1 + np.abs(np.log(var)) + (x - y) ** 2 / var


kink("gaussian_nll", "raised variance", ([1.0], [0.0], [0.25]), [[1.0], [0.0]], eps=1.0)

reference(
    "kl_div",
    "torch.nn.functional.kl_div",
    class_name="KLDivLoss",
    reductions=("batchmean",),
)


def kl_pair(draw: Draw, shape: Shape, log_target: bool) -> tuple[Array, Array]:
    """Draw log-probabilities of predictions, with targets."""
    full = shape or (1,)
    draw_target = draw.log_probabilities if log_target else draw.probabilities
    pair = (draw.log_probabilities(full, -1), draw_target(full, -1))
    return pair if shape else (pair[0].reshape(()), pair[1].reshape(()))


@cases("kl_div")
def kl_div_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of kl_div, with probabilities or log-probabilities as targets.

    A log-probability of minus infinity is left out: torch answers NaN even where the target
    is 0 and contributes nothing.
    """
    for shape in SHAPES:
        for choice in ({}, {"log_target": False}, {"log_target": True}):
            pair = kl_pair(draw, shape, bool(choice.get("log_target")))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
    inputs = draw.log_probabilities((2, 4), 1)
    zeros = np.array([[0.0, 1.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0]])
    yield Case("zero-targets", (inputs, zeros))
    yield Case("equal", (np.log(np.array([[0.5, 0.25, 0.25]])), np.array([[0.5, 0.25, 0.25]])))
    yield Case("far", (np.array([-1e4, -745.0, -1e-9]), np.array([0.5, 1e-300, 1.0])))
    yield Case("far-logs", (np.array([-1e4, -1.0]), np.array([-1.0, -1e4])), {"log_target": True})
    # Not probabilities at all, as in a well-known tutorial.
    yield Case("not-logs", (draw.uniform((2, 3)), draw.probabilities((2, 3), 1)))
    single = kl_pair(draw, (3, 4), log_target=False)
    yield Case("float32", tuple(array.astype(np.float32) for array in single))
    yield Case("int-target", (inputs, np.eye(4, dtype=np.int64)[:2]))


def divergence_points() -> list[Points]:
    """Return probabilities and logarithms of every size, and probabilities of 0."""
    x, y = cross((0.0, -1e-17, -0.7, -36.7, -745.0, -1e4, -1e300), (0.0, 5e-324, 1e-300, 0.5, 1.0))
    never = (np.array([-np.inf, -np.inf, -1.0]), np.array([0.0, 0.5, 0.0]))
    equal = (np.log(np.linspace(0.01, 1, 50)), np.linspace(0.01, 1, 50))
    logs = cross((0.0, -1e-17, -0.7, -744.0, -1e4), (0.0, -1e-300, -0.7000001, -745.0, -1e4))
    return [Points((x, y)), Points(never), Points(equal), Points(logs, {"log_target": True})]


LEAST_NORMAL = mpf(2) ** -1022


@definition("kl_div", points=divergence_points)
def kl_div(x: Number, y: Number, log_target: bool = False) -> Measured:
    """y (log y - x), 0 where y is 0."""
    probability, log_y = (mp.exp(y), y) if log_target else (y, log(y))
    if probability == 0:
        return exactly(mpf(0))
    terms = [probability * log_y, -probability * x]
    # exp(y) below the least normal number has fewer digits, and the loss with it.
    underflow = LEAST_NORMAL * abs(log_y - x) if log_target else mpf(0)
    return total(terms), max(underflow, *map(abs, terms))


@largest_term("kl_div")
def divergence_term(x: Array, y: Array, log_target: bool = False) -> Array:
    """Return target times both logarithms."""
    probability, log_y = (np.exp(y), y) if log_target else (y, np.log(np.where(y > 0, y, 1)))
    return np.asarray(probability * (np.abs(log_y) + np.abs(x)))


kink("kl_div", "nothing expected", ([-1.0], [0.0]), [[0.0]])


recomputed(
    {
        ("log-probability", "x"): read_input(0),
        ("rate", "x"): read_input(0),
        ("log-rate", "x"): read_input(0),
        ("variance", "v"): read_input(2),
        ("clipped variance", "v̂ = max(v, ε)"): lambda s: np.maximum(s.x[2], s.o["eps"]),
        ("log of the variance", "log v̂"): lambda s: np.log(s["clipped variance"]),
        ("scaled square", "d² / v̂"): lambda s: s["difference"] ** 2 / s["clipped variance"],
        ("constant", "½ log 2π"): lambda s: 0.9189385332046727,
        ("log of the target", "log y"): lambda s: np.log(s.x[1]),
        ("rate", "exp(x)"): lambda s: np.exp(s.x[0]),
        ("log-rate", "log(x + ε)"): lambda s: np.log(s.x[0] + s.o["eps"]),
        ("likelihood term", "exp(x) − y x"): lambda s: np.exp(s.x[0]) - s.x[1] * s.x[0],
        ("likelihood term", "x − y log(x + ε)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
        ("Stirling term", "y log y − y + ½ log(2πy) where y > 1"): lambda s: (
            s.x[1] * math.log(s.x[1]) - s.x[1] + math.log(2 * math.pi * s.x[1]) / 2
            if s.x[1] > 1
            else 0.0
        ),
        ("probability of the target", "exp(y)"): lambda s: np.exp(s.x[1]),
        ("loss", "exp(x) − y x"): lambda s: s["rate"] - s.x[1] * s.x[0],
        ("loss", "x − y log(x + ε)"): lambda s: s.x[0] - s.x[1] * s["log-rate"],
        ("loss", "likelihood term + Stirling term"): lambda s: (
            s["likelihood term"] + s["Stirling term"]
        ),
        ("loss", "½ (log v̂ + d² / v̂)"): lambda s: (
            s["log of the variance"] / 2 + s["scaled square"] / 2
        ),
        ("loss", "½ (log v̂ + d² / v̂) + ½ log 2π"): lambda s: (
            s["log of the variance"] / 2 + s["scaled square"] / 2 + s["constant"]
        ),
        ("loss", "y (log y − x), and 0 where y is 0"): lambda s: (
            s.x[1] * (s["log of the target"] - s.x[0]) if s.x[1] else 0 * s.x[0]
        ),
        ("loss", "exp(y) (y − x), and 0 where exp(y) is 0"): lambda s: (
            s["probability of the target"] * (s.x[1] - s.x[0])
            if s["probability of the target"]
            else 0.0
        ),
    }
)
