"""Cases of the losses that evaluators ask for, from scikit-learn, torchvision and literature.

scikit-learn gives means alone, and none of nothing: sums and empty arrays are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell
from tests.losses.cases.classification import class_count, label_shape
from tests.losses.cases.regression import EXTREME_TARGETS, EXTREMES, difference_cases

FILLED = tuple(shape for shape in SHAPES if 0 not in shape)
CLASS_SHAPES: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 2), (1, 5), (2, 3, 2), (2, 4, 2, 2), (6, 4),
)  # fmt: skip


def means_only(cases: Iterator[Case]) -> Iterator[Case]:
    """Leave out what scikit-learn has no answer to."""
    for case in cases:
        if all(array.size for array in case.inputs):
            yield replace(case, skipped=("sum",))


def log_cosh_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of log_cosh; optax subtracts log 2, so that errors stay above 1e-4."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 2.0), draw.normal(shape, 2.0)))
    yield Case("extremes", (EXTREMES, EXTREME_TARGETS))
    values = (draw.normal((5,)).astype(np.float32), draw.integers(4, (5,), np.int32))
    yield Case("float32-int32", values)


def smape_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of smape, with 0 for 0."""
    yield from difference_cases(draw, [{}])


def percentage_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mape, with true values of 0."""
    yield from means_only(difference_cases(draw, [{}]))


def amounts(draw: Draw, shape: Shape) -> tuple[Array, Array]:
    """Draw predicted and true amounts above 0."""
    return draw.uniform(shape, 0.1, 9.0), draw.uniform(shape, 0.1, 9.0)


def rmse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of rmse; its elements are squares."""
    yield from means_only(difference_cases(draw, [{}]))


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


def msle_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of msle, with amounts down to -1."""
    for shape in FILLED:
        yield Case(label(shape), amounts(draw, shape), skipped=("sum",))
        lower = tuple(draw.rounded(array - 1) for array in amounts(draw, shape))
        yield Case(f"{label(shape)}-below-0", lower, skipped=("sum",))
    edges = np.array([0.0, 1e-9, 1e9, -0.999999, 1e300, 5.0])
    yield Case("edges", (edges, edges[::-1].copy()), skipped=("sum",))
    whole = (draw.uniform((5,), 0, 9), draw.integers(9, (5,)))
    yield Case("target-int64", whole, skipped=("sum",))


def pinball_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of pinball: quantiles from 0 to 1."""
    yield from means_only(difference_cases(draw, [{}, *grid(alpha=(0.0, 0.1, 0.5, 0.95, 1.0))]))


def deviance_cases(
    draw: Draw, choices: Sequence[dict[str, Any]], zero: bool = False, negative: bool = False
) -> Iterator[Case]:
    """Yield cases of a deviance, with targets of 0 and below where they are defined."""
    for shape in FILLED:
        for choice in choices if len(shape) < 3 else choices[:1]:
            means, values = amounts(draw, shape)
            pair = (means, draw.rounded(values - 4 * negative))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    for choice in choices:
        means = np.array([1e-6, 0.5, 1.0, 7.0, 1e6, 3.0, 3.0])
        values = np.array([1e6, 0.5, 2.0, 7.0 + 1e-6, 1e-6, 30.0, 0.0 if zero else 3.0])
        yield Case(f"edges-{spell(choice)}", (means, values), choice, ("sum",))
        counts = 1 + draw.integers(9, (5,), np.int32)
        yield Case(f"int32-{spell(choice)}", (means[:5], counts), choice, ("sum",))


def poisson_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poisson_deviance, with counts of 0."""
    yield from deviance_cases(draw, [{}], zero=True)
    yield Case("zeros", (draw.uniform((4,), 0.1, 5.0), np.zeros(4)), skipped=("sum",))
    for size in (3, 7, 9):
        counts = np.asarray(draw.rng.poisson(3.0, (size,)))
        yield Case(f"counts-{size}", (draw.uniform((size,), 0.1, 5.0), counts), skipped=("sum",))


def gamma_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of gamma_deviance."""
    yield from deviance_cases(draw, [{}])
    for size in (3, 7, 9):
        yield Case(f"amounts-{size}", amounts(draw, (size,)), skipped=("sum",))


def tweedie_deviance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of tweedie_deviance: every kind of power, with the targets it takes."""
    yield from deviance_cases(draw, [{}, {"power": 0.0}], zero=True, negative=True)
    yield from deviance_cases(draw, list(grid(power=(-1.0, -0.3, -2.5))), True, negative=True)
    yield from deviance_cases(draw, list(grid(power=(1.0, 1.1, 1.5, 1.9))), zero=True)
    yield from deviance_cases(draw, list(grid(power=(2.0, 2.5, 3.0, 4.3))))


def probability_cases(draw: Draw, choices: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """Yield cases of probabilities: of class 1 against labels, and of classes against indices."""
    for shape in FILLED:
        for choice in choices:
            pair = (draw.uniform(shape), draw.integers(2, shape))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    for shape in CLASS_SHAPES:
        for choice in choices:
            axis = 1 if len(shape) > 1 else 0
            spread = draw.probabilities(shape, axis)
            pair = (spread, draw.integers(class_count(shape), label_shape(shape)))
            yield Case(f"classes-{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    sure = np.array([0.0, 1.0, 0.0, 1.0, 1e-300, 0.5, 0.25, 1e-10, 1e-17])
    for choice in choices:
        for dtype in (np.int64, np.float64, np.bool_):
            labels = np.array([0, 1, 1, 0, 1, 0, 1, 1, 1]).astype(dtype)
            name = f"certain-{np.dtype(dtype)}-{spell(choice)}"
            yield Case(name, (sure, labels), choice, ("sum",))
        rows = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0.75, 0.25]])
        pair = (rows, np.array([0, 1, 2, 2, 0]))
        yield Case(f"certain-classes-{spell(choice)}", pair, choice, ("sum",))


def log_loss_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of log_loss, with impossible answers."""
    yield from probability_cases(draw, [{}])


def brier_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of brier, halved or not."""
    yield from probability_cases(draw, [{}, *grid(scale_by_half=("auto", "true", "false"))])


def zero_one_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of zero_one: labels, and scores with ties; scikit-learn needs 3 classes."""
    for shape in FILLED:
        pair = (draw.integers(4, shape), draw.integers(4, shape))
        yield Case(label(shape), pair, skipped=("sum",))
    negative = (np.array([-1, 5, 70000, 2]), np.array([-1.0, 5, 3, 1]))
    yield Case("any-labels", negative, skipped=("sum",))
    for shape in ((3,), (4, 3), (7, 5), (3, 4, 2), (1, 3), (2, 3, 2, 2), (9, 6), (20, 4)):
        classes = class_count(shape)
        for choice in ({}, *grid(top_k=range(1, classes))):
            pair = (draw.normal(shape), draw.integers(classes, label_shape(shape)))
            yield Case(f"scores-{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    ties = np.array([[1.0, 1, 0], [0, 0, 0], [2, 1, 1], [0, 3, 3]])
    for choice in grid(top_k=(1, 2)):
        for target in ([0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 0, 0]):
            name = f"ties-{spell(choice)}-{target[0]}"
            yield Case(name, (ties, np.array(target)), choice, ("sum",))


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


def draw_boxes(draw: Draw, shape: Shape) -> Array:
    """Draw boxes with sides of at least 0.1."""
    corner = draw.uniform((*shape, 2), 0.0, 3.0)
    return draw.rounded(np.concatenate([corner, corner + draw.uniform((*shape, 2), 0.1, 4.0)], -1))


def box_cases(draw: Draw) -> Iterator[Case]:
    """Yield boxes that overlap, touch, contain each other, are equal, and are far apart."""
    for shape in ((), (1,), (5,), (17,), (0,)):
        for choice in ({}, {"eps": 1e-3}, {"eps": 0.0}):
            pair = (draw_boxes(draw, shape), draw_boxes(draw, shape))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
    first = np.array([[0.0, 0, 2, 2]] * 7)
    second = np.array([
        [0.0, 0, 2, 2], [2, 0, 3, 2], [2, 2, 3, 3], [0.5, 0.5, 1, 1], [-9, -9, 9, 9],
        [900, 0, 901, 2], [0, 0, 1e-3, 2],
    ])  # fmt: skip
    yield Case("relations", (first, second))
    yield Case("relations-turned", (second, first))
    yield Case("pixels", (100 * first, np.round(100 * second)))
    yield Case("integers", (first.astype(np.int64), np.round(2000 * second).astype(np.int32)))
    line = np.array([[0.0, 0, 0, 2], [1, 1, 3, 1]])  # boxes without any area
    yield Case("lines", (first[:2], line))
    narrow = tuple(draw_boxes(draw, (4,)).astype(np.float32) for _ in range(2))
    yield Case("float32", narrow)


CASES: dict[str, Callable[[Draw], Iterator[Case]]] = {
    "log_cosh": log_cosh_cases,
    "rmse": rmse_cases,
    "perplexity": perplexity_cases,
    "msle": msle_cases,
    "mape": percentage_cases,
    "smape": smape_cases,
    "pinball": pinball_cases,
    "poisson_deviance": poisson_deviance_cases,
    "gamma_deviance": gamma_deviance_cases,
    "tweedie_deviance": tweedie_deviance_cases,
    "log_loss": log_loss_cases,
    "brier": brier_cases,
    "zero_one": zero_one_cases,
    "focal": focal_cases,
    "giou": box_cases,
    "diou": box_cases,
    "ciou": box_cases,
}
