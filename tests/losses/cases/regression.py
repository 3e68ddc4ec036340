"""Cases of the losses between two arrays of real numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell

EXTREMES = np.array([0.0, -0.0, 1e4, -1e4, 1e-8, -1e-8, 1e-100, 1e150, 3.5, 3.5])
EXTREME_TARGETS = np.array([0.0, 0.0, -1e4, 1e4, 0.0, 1e-8, 0.0, -1e150, 3.5, 2.5])


def difference_cases(draw: Draw, options: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """Yield cases for losses of ``input - target``: l1, mse, smooth_l1, huber."""
    for shape in SHAPES:
        for choice in options if len(shape) < 3 else options[:1]:
            pair = (draw.normal(shape, 2.0), draw.normal(shape, 2.0))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
    for choice in options:
        yield Case(f"extremes-{spell(choice)}", (EXTREMES, EXTREME_TARGETS), choice)
        # Differences that fall exactly on beta or delta, where the formula changes.
        ties = np.array([0.5, 1.0, 2.0, 2.5, -0.5, -1.0, -2.0, -2.5])
        yield Case(f"ties-{spell(choice)}", (ties, np.zeros(8)), choice)
    yield from dtype_cases(draw, options[0])


def dtype_cases(draw: Draw, options: dict[str, Any]) -> Iterator[Case]:
    """Yield one pair in every dtype that predictions and targets are stored in."""
    pairs: Iterable[tuple[Any, Any]] = (
        (np.float32, np.float32),
        (np.float32, np.float64),
        (np.float64, np.float32),
        (np.float16, np.float16),
        (np.float64, np.int64),
        (np.float32, np.int32),
        (np.float64, np.uint8),
    )
    for first, second in pairs:
        name = f"{np.dtype(first)}-{np.dtype(second)}"
        target = draw.uniform((3, 2), 0, 9).astype(second)
        yield Case(name, (draw.normal((3, 2), 2.0).astype(first), target), options)


def l1_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of l1."""
    yield from difference_cases(draw, [{}])
    yield Case("infinite", (np.array([np.inf, -np.inf, 1.0]), np.array([0.0, 1.0, 1.0])))


def mse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mse."""
    yield from difference_cases(draw, [{}])


def smooth_l1_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of smooth_l1; beta 0 is l1."""
    yield from difference_cases(draw, [{}, *grid(beta=(0.0, 0.5, 2.0, 1e-9))])


def huber_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of huber."""
    yield from difference_cases(draw, [{}, *grid(delta=(0.5, 2.0, 1e-9, 100.0))])


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


def poisson_pair(draw: Draw, shape: Shape, choice: dict[str, Any]) -> tuple[Array, Array]:
    """Draw log rates or rates, with counts."""
    predicted = draw.normal(shape) if choice["log_input"] else draw.uniform(shape, 0.0, 5.0)
    return predicted, np.asarray(draw.rng.poisson(2.0, shape)).astype(np.float64)


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


def kl_pair(draw: Draw, shape: Shape, log_target: bool) -> tuple[Array, Array]:
    """Draw log-probabilities of predictions, with targets."""
    full = shape or (1,)
    draw_target = draw.log_probabilities if log_target else draw.probabilities
    pair = (draw.log_probabilities(full, -1), draw_target(full, -1))
    return pair if shape else (pair[0].reshape(()), pair[1].reshape(()))
