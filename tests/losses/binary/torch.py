"""The binary losses of PyTorch, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.losses.cancellation import finite_size
from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, label, spell
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, Vector, exactly, log, softplus, total
from tests.losses.definitions.points import LOGITS, SOFT, Points, cross, drawn
from tests.losses.steps.scope import read_input
from tests.losses.steps.shared import mean

LEAST = float(np.float32(1e-12))
"""What torch raises p (1 − p) to where it divides by it."""

reference("bce", "torch.nn.functional.binary_cross_entropy", class_name="BCELoss")


def broadcast_shapes(shape: Shape) -> list[Shape]:
    """Return shapes of a weight that torch broadcasts to this shape."""
    shapes: list[Shape] = [shape, (), (1,)] if shape else [()]
    shapes += [shape[axis:] for axis in range(1, len(shape))]
    for axis in range(len(shape)):
        shapes.append((*shape[:axis], 1, *shape[axis + 1 :]))
    return list(dict.fromkeys(shapes))


@cases("bce")
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


def probability_points() -> list[Points]:
    """Return probabilities up to both ends."""
    ends = (0.0, 1.0, 5e-324, 1e-300, 1e-44, 1e-17, 0.1, 0.5, 1 - 2.0**-53, 0.999999)
    p, y = cross(ends, SOFT)
    return [Points((p, y)), Points((p, y), {"weight": np.linspace(0.1, 3, p.size)}, True)]


@definition("bce", points=probability_points)
def bce(p: Number, y: Number, weight: Number = 1) -> Measured:
    """-[y log p + (1 - y) log(1 - p)], logarithms not below -100."""
    return exactly(-weight * (y * max(log(p), -100) + (1 - y) * max(log(1 - p), -100)))


kink(
    "bce",
    "certain",
    ([0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]),
    [[-1 / LEAST, 1 / LEAST, 0.0, 0.0]],
)

reference(
    "bce_with_logits",
    "torch.nn.functional.binary_cross_entropy_with_logits",
    class_name="BCEWithLogitsLoss",
)


@cases("bce_with_logits")
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


def binary_points() -> list[Points]:
    """Return logits of every size against hard and soft targets."""
    x, y = cross(LOGITS, SOFT)
    weights = {"weight": np.linspace(0.1, 3, x.size), "pos_weight": np.linspace(7, 0.01, x.size)}
    spread = (drawn(80, scale=10.0), np.abs(np.sin(drawn(81)[:80])))
    return [Points((x, y)), Points((x, y), weights, elementwise=True), Points(spread)]


@definition("bce_with_logits", points=binary_points)
def bce_with_logits(x: Number, y: Number, weight: Number = 1, pos_weight: Number = 1) -> Measured:
    """pos_weight y log(1 + exp(-x)) + (1 - y) log(1 + exp(x))."""
    return exactly(weight * (pos_weight * y * softplus(-x) + (1 - y) * softplus(x)))


@largest_term("bce_with_logits")
def binary_term(
    logits: Array, _: Array, weight: Array | float = 1.0, pos_weight: Array | float = 1.0
) -> Array:
    """Return the size of each logit, times its weights."""
    return (1 + finite_size(logits)) * weight * np.maximum(pos_weight, 1)


reference(
    "multilabel_soft_margin",
    "torch.nn.functional.multilabel_soft_margin_loss",
    class_name="MultiLabelSoftMarginLoss",
)


@cases("multilabel_soft_margin")
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


def multilabel_points() -> list[Points]:
    """Return rows of logits of every size."""
    x, y, z = cross(LOGITS, (0.0, 40.0, -745.0), (-1e4, 0.3))
    logits = np.stack([x, y, z], axis=1)
    target = np.tile([[1, 0, 0], [0, 1, 1], [1, 1, 0]], (len(x) // 3, 1))
    sets = [Points((logits, target)), Points((logits, target), {"weight": np.array([2, 0.1, 7])})]
    return [*sets, Points((drawn(20, 50, scale=5.0), (drawn(20, 51)[:, :50] > 0).astype(int)))]


@definition("multilabel_soft_margin", points=multilabel_points)
def multilabel_soft_margin(x: Vector, y: Vector, weight: Vector | None = None) -> Measured:
    """Mean over the labels of binary cross entropies."""
    weights = weight or [1] * len(x)
    terms = [bce_with_logits(*triple)[0] for triple in zip(x, y, weights, strict=True)]
    return exactly(total(terms) / len(x))


recomputed(
    {
        ("logit", "x"): read_input(0),
        ("log-probability", "log p = −log(1 + exp(−x))"): lambda s: -np.logaddexp(0, -s.x[0]),
        ("log-complement", "log(1 − p) = −log(1 + exp(x))"): lambda s: -np.logaddexp(0, s.x[0]),
        ("log-probability", "log p"): lambda s: np.log(s.get("clipped probability", s.x[0])),
        ("log-complement", "log(1 − p)"): lambda s: np.log1p(-s.get("clipped probability", s.x[0])),
        ("clipped log-probability", "max(log p, −100)"): lambda s: max(np.log(s.x[0]), -100.0),
        ("clipped log-complement", "max(log(1 − p), −100)"): lambda s: max(
            np.log1p(-s.x[0]), -100.0
        ),
        ("positive weight", "w₊"): lambda s: s.option("pos_weight"),
        ("positive term", "−y log p"): lambda s: -s.goal() * s.clipped("log-probability"),
        ("positive term", "−w₊ y log p"): lambda s: (
            -s["positive weight"] * s.goal() * s["log-probability"]
        ),
        ("negative term", "−(1 − y) log(1 − p)"): lambda s: (
            (s.goal() - 1) * s.clipped("log-complement")
        ),
        ("unweighted loss", "positive term + negative term"): lambda s: (
            s["positive term"] + s["negative term"]
        ),
        ("weight", "w"): lambda s: s.option("weight"),
        ("class terms", "−y_c log p_c − (1 − y_c) log(1 − p_c)"): lambda s: (
            s.x[1] * np.logaddexp(0, -s.x[0]) + (1 - s.x[1]) * np.logaddexp(0, s.x[0])
        ),
        ("class terms", "w_c (−y_c log p_c − (1 − y_c) log(1 − p_c))"): lambda s: (
            s["weight"]
            * (s.x[1] * np.logaddexp(0, -s.x[0]) + (1 - s.x[1]) * np.logaddexp(0, s.x[0]))
        ),
        ("loss", "positive term + negative term"): lambda s: (
            s["positive term"] + s["negative term"]
        ),
        ("loss", "w × unweighted loss"): lambda s: s["weight"] * s["unweighted loss"],
        ("loss", "mean of the class terms"): lambda s: mean(s["class terms"]),
    }
)
