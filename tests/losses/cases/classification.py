"""Cases of the losses on logits, probabilities and log-probabilities of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell

CLASS_SHAPES: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 1), (1,), (2, 3, 2), (2, 4, 2, 2), (2, 2, 1, 2, 2),
    (0, 3), (2, 3, 0), (0, 3, 2),
)  # fmt: skip
"""Shapes of class scores: unbatched, one sample, one class, images, volumes, nothing."""


def label_shape(shape: Shape) -> Shape:
    """Return the shape of the class indices that go with scores of this shape."""
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def class_count(shape: Shape) -> int:
    """Return the number of classes of scores of this shape."""
    return shape[1] if len(shape) > 1 else shape[0]


def with_ignored(labels: Array, value: int) -> Array:
    """Return labels of which every second is ``value``."""
    flat = labels.reshape(-1).copy()
    flat[::2] = value
    return flat.reshape(labels.shape)


def broadcast_shapes(shape: Shape) -> list[Shape]:
    """Return shapes of a weight that torch broadcasts to this shape."""
    shapes: list[Shape] = [shape, (), (1,)] if shape else [()]
    shapes += [shape[axis:] for axis in range(1, len(shape))]
    for axis in range(len(shape)):
        shapes.append((*shape[:axis], 1, *shape[axis + 1 :]))
    return list(dict.fromkeys(shapes))


def bce_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of bce: soft and hard targets, weights, logarithms of 0."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.uniform(shape), draw.uniform(shape)))
        if 0 in shape:
            continue
        for weight in broadcast_shapes(shape):
            hard = draw.integers(2, shape).astype(np.float64)
            choice = {"weight": draw.uniform(weight, 0.1, 2.0)}
            yield Case(f"{label(shape)}-{spell(choice)}", (draw.uniform(shape), hard), choice)
    sure = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1e-45, 1e-300, 1 - 1e-16, 0.5])
    target = np.array([0.0, 1.0, 1.0, 0.0, 0.3, 0.3, 1.0, 0.25, 0.0, 0.5])
    yield Case("certain", (sure, target))
    yield Case("certain-weight", (sure, target), {"weight": np.linspace(0.0, 1.8, 10)})
    narrow = draw.uniform((3, 2)).astype(np.float32)
    yield Case("float32", (narrow, draw.uniform((3, 2)).astype(np.float32)))
    for dtype in (np.int64, np.uint8, np.bool_):
        values = (draw.uniform((3, 2)), draw.integers(2, (3, 2), dtype))
        yield Case(f"target-{np.dtype(dtype)}", values)


def bce_with_logits_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of bce_with_logits, with both weights in every broadcast shape."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 3.0), draw.uniform(shape)))
        if 0 in shape:
            continue
        shapes = broadcast_shapes(shape)
        for index, weight in enumerate(shapes):
            other = shapes[(index + 1) % len(shapes)]
            for choice in (
                {"weight": draw.uniform(weight, 0.1, 2.0)},
                {"pos_weight": draw.uniform(weight, 0.1, 5.0)},
                {
                    "weight": draw.uniform(weight, 0.1, 2.0),
                    "pos_weight": draw.uniform(other, 0.1, 5.0),
                },
            ):
                hard = draw.integers(2, shape).astype(np.float64)
                values = (draw.normal(shape, 3.0), hard)
                yield Case(f"{label(shape)}-{spell(choice)}", values, choice)
    logits = np.array([1e4, -1e4, 1e4, -1e4, 0.0, -0.0, 50.0, -50.0, 800.0, -800.0, np.inf])
    target = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.25, 1.0, 0.0, 0.0])
    yield Case("extremes", (logits, target))
    finite = (logits[:-1], target[:-1])
    yield Case("extremes-pos_weight", finite, {"pos_weight": np.array(3.0)})
    yield Case("pos_weight-0", finite, {"pos_weight": np.array(0.0)})
    for dtype in (np.int64, np.uint8, np.bool_):
        values = (draw.normal((3, 2)).astype(np.float32), draw.integers(2, (3, 2), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)


def multilabel_soft_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of multilabel_soft_margin, which averages over the classes."""
    for shape in ((3,), (1,), (4, 3), (1, 3), (4, 1), (0, 3), (2, 2, 3)):
        yield Case(label(shape), (draw.normal(shape, 3.0), draw.integers(2, shape)))
        soft = (draw.normal(shape, 3.0), draw.uniform(shape))
        yield Case(f"{label(shape)}-soft", soft)
        weights = broadcast_shapes(shape) if 0 not in shape else [shape[-1:]]
        for weight in weights:
            choice = {"weight": draw.uniform(weight, 0.1, 2.0)}
            hard = draw.integers(2, shape).astype(np.float64)
            values = (draw.normal(shape, 3.0), hard)
            yield Case(f"{label(shape)}-{spell(choice)}", values, choice)
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 50.0]])
    yield Case("extremes", (logits, np.array([[1, 1, 0], [0, 0, 1]])))
    pair = (draw.normal((2, 3)).astype(np.float32), draw.integers(2, (2, 3), np.int32))
    yield Case("float32-int32", pair)


def class_weights(draw: Draw, count: int) -> list[dict[str, Any]]:
    """Return no weight, and one that leaves a class out."""
    weight = draw.uniform((count,), 0.2, 2.0)
    if count > 2:
        weight[1] = 0.0
    return [{}, {"weight": weight}]


def ignored_cases(draw: Draw, scores: Array, choices: list[dict[str, Any]]) -> Iterator[Case]:
    """Yield cases in which labels are ignored: some, all, inside and outside the range."""
    count = class_count(scores.shape)
    for choice in choices:
        for ignored in (-100, 1, -1, 255):
            drawn = draw.integers(count, label_shape(scores.shape))
            chosen = choice if ignored == -100 else {**choice, "ignore_index": ignored}
            name = f"{label(scores.shape)}-ignored={ignored}-{spell(choice)}"
            yield Case(name, (scores, with_ignored(drawn, ignored)), chosen)
        everything = np.full(label_shape(scores.shape), -100)
        name = f"{label(scores.shape)}-all-ignored-{spell(choice)}"
        yield Case(name, (scores, everything), choice)


def nll_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of nll: weights, ignored labels, any number of trailing axes."""
    for shape in CLASS_SHAPES:
        count = class_count(shape)
        scores = draw.log_probabilities(shape, 1 if len(shape) > 1 else 0)
        for choice in class_weights(draw, count):
            labels = draw.integers(count, label_shape(shape))
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, labels), choice)
        if shape in ((3,), (4, 3), (2, 3, 2)):
            yield from ignored_cases(draw, scores, class_weights(draw, count))
    for dtype in (np.int32, np.uint8, np.int8):
        scores = draw.log_probabilities((4, 3), 1).astype(np.float32)
        yield Case(f"float32-{np.dtype(dtype)}", (scores, draw.integers(3, (4,), dtype)))
    never = np.array([[-np.inf, 0.0], [0.0, -np.inf]])
    yield Case("minus-infinity", (never, np.array([1, 1])))
    scores = draw.log_probabilities((3, 2), 1)
    yield Case("zero-weights", (scores, np.array([0, 0, 0])), {"weight": np.array([0.0, 1.0])})
    yield Case("not-logs", (draw.normal((3, 4), 3.0), draw.integers(4, (3,))))


def ce_options(draw: Draw, count: int, smoothings: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the class weights with every amount of smoothing."""
    return [
        {**choice, **smooth}
        for choice in class_weights(draw, count)
        for smooth in ({}, *grid(label_smoothing=smoothings))
    ]


def ce_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of ce: class indices and probabilities, weights, smoothing, ignoring."""
    for shape in CLASS_SHAPES:
        count, axis = class_count(shape), min(1, len(shape) - 1)
        scores = draw.normal(shape, 3.0)
        for choice in ce_options(draw, count, (0.1,) if len(shape) > 2 else (0.1, 1.0)):
            labels = draw.integers(count, label_shape(shape))
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, labels), choice)
            soft = draw.probabilities(shape, axis)
            yield Case(f"{label(shape)}-soft-{spell(choice)}", (scores, soft), choice)
        if shape in ((3,), (4, 3), (2, 3, 2)):
            yield from ignored_cases(draw, scores, ce_options(draw, count, (0.1,)))
    yield from ce_extremes(draw)
    for dtype in (np.int32, np.uint8, np.int8):
        scores = draw.normal((4, 3)).astype(np.float32)
        yield Case(f"float32-{np.dtype(dtype)}", (scores, draw.integers(3, (4,), dtype)))
    scores = draw.normal((2, 3)).astype(np.float32)
    yield Case("float32-soft", (scores, draw.probabilities((2, 3), 1).astype(np.float32)))


def ce_extremes(draw: Draw) -> Iterator[Case]:
    """Yield logits that overflow, tie, or rule a class out."""
    sure = np.array([[1e4, 0.0, -1e4], [-1e4, 1e4, 0.0], [40.0, 0.0, 0.0], [0.0, 745.0, -745.0]])
    for choice in ce_options(draw, 3, (0.1,)):
        for wanted in range(3):
            yield Case(f"extremes-{wanted}-{spell(choice)}", (sure, np.full(4, wanted)), choice)
        one_hot = np.eye(3)[[2, 0, 0, 1]]
        yield Case(f"extremes-soft-{spell(choice)}", (sure, one_hot), choice)
    yield Case("ties", (np.full((3, 4), 2.5), np.array([0, 1, 3])))
    never = np.array([[-np.inf, 1.0, 2.0], [0.0, -np.inf, -np.inf]])
    yield Case("minus-infinity", (never, np.array([1, 0])))
    yield Case("minus-infinity-wanted", (never, np.array([0, 1])))
    # Torch takes target values that do not add up to 1 as they are.
    yield Case("soft-any-sum", (draw.normal((2, 3)), draw.uniform((2, 3), 0.0, 2.0)))
    weights = {"weight": np.array([0.0, 0.0, 1.0])}
    yield Case("zero-weights", (draw.normal((2, 3)), np.array([0, 1])), weights)


def linear_ce_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of linear_ce: input, target, linear_weight."""
    for samples, features, count in ((4, 3, 5), (1, 3, 2), (3, 1, 4), (4, 2, 1), (0, 3, 4)):
        for choice in ce_options(draw, count, (0.1, 1.0)):
            for bias in (False, True):
                chosen = {**choice, "linear_bias": draw.normal((count,))} if bias else choice
                values = (
                    draw.normal((samples, features)),
                    draw.integers(count, (samples,)),
                    draw.normal((count, features)),
                )
                name = f"{samples}x{features}x{count}-{spell(chosen)}"
                yield Case(name, values, chosen)
    yield from linear_ce_forms(draw)
    weight, scores = draw.normal((4, 3)), draw.normal((5, 3))
    for case in ignored_cases(draw, draw.normal((5, 4)), ce_options(draw, 4, (0.1,))):
        yield Case(case.id, (scores, case.inputs[1], weight), case.options)
    large = (1e3 * draw.normal((3, 3)), np.array([0, 3, 1], dtype=np.int32), weight)
    yield Case("large-logits-int32", large)
    narrow = (scores.astype(np.float32), draw.integers(4, (5,)), weight.astype(np.float32))
    yield Case("float32", narrow)


def linear_ce_forms(draw: Draw) -> Iterator[Case]:
    """Yield unbatched features, probability targets and weights with further axes."""
    forms: tuple[tuple[Shape, Shape, Shape], ...] = (
        ((3,), (), (4, 3)),
        ((5, 3), (5,), (4, 3)),
        ((2, 3), (2, 2), (4, 2, 3)),
        ((2, 3), (2, 2, 1), (3, 2, 1, 3)),
    )
    for features, labels, weights in forms:
        count = weights[0]
        soft = (*labels[:1], count, *labels[1:])
        for choice in ce_options(draw, count, (0.1,)):
            for bias in (False, True):
                chosen = {**choice, "linear_bias": draw.normal(weights[:-1])} if bias else choice
                for form, target in (
                    ("index", draw.integers(count, labels)),
                    ("soft", draw.probabilities(soft, min(1, len(labels)))),
                ):
                    values = (draw.normal(features), target, draw.normal(weights))
                    name = f"{label(features)}-{label(weights)}-{form}-{spell(chosen)}"
                    yield Case(name, values, chosen)
