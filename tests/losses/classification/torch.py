"""The classification losses of PyTorch, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mpf

from tests.losses.cancellation import finite_size, greatest
from tests.losses.cases.case import Array, Case, Draw, Shape, grid, label, spell
from tests.losses.cases.classes import class_count, label_shape
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, Vector, class_costs, exactly, total
from tests.losses.definitions.points import Points, class_logits, drawn
from tests.losses.steps.scope import Scope, log_normalise, read_input
from tests.losses.steps.shared import scores_of

reference("nll", "torch.nn.functional.nll_loss", class_name="NLLLoss", integers=(1,))
CLASS_SHAPES: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 1), (1,), (2, 3, 2), (2, 4, 2, 2), (2, 2, 1, 2, 2),
    (0, 3), (2, 3, 0), (0, 3, 2),
)  # fmt: skip
"""Shapes of class scores: unbatched, one sample, one class, images, volumes, nothing."""


def class_weights(draw: Draw, count: int) -> list[dict[str, Any]]:
    """Return no weight, and one that leaves a class out."""
    weight = draw.uniform((count,), 0.2, 2.0)
    if count > 2:
        weight[1] = 0.0
    return [{}, {"weight": weight}]


def with_ignored(labels: Array, value: int) -> Array:
    """Return labels of which every second is ``value``."""
    flat = labels.reshape(-1).copy()
    flat[::2] = value
    return flat.reshape(labels.shape)


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


@cases("nll")
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


def label_points() -> list[Points]:
    """Return log-probabilities of every size."""
    rows = np.array([[0.0, -745.0, -1e4], [-1e-17, -5e-324, -1e300], [-0.1, -1.2, -36.0]])
    pair = (np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 3))
    return [Points(pair), Points(pair, {"weight": np.array([0.3, 1.7, 2.0]), "ignore_index": 1})]


@definition("nll", points=label_points)
def nll(x: Vector, y: int, weight: Vector | None = None, ignore_index: int = -100) -> Measured:
    """-weight[y] x[y]."""
    if y == ignore_index:
        return exactly(mpf(0))
    return exactly(-x[y] * (weight[y] if weight else 1))


reference("ce", "torch.nn.functional.cross_entropy", class_name="CrossEntropyLoss", integers=(1,))


def ce_options(draw: Draw, count: int, smoothings: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return the class weights with every amount of smoothing."""
    return [
        {**choice, **smooth}
        for choice in class_weights(draw, count)
        for smooth in ({}, *grid(label_smoothing=smoothings))
    ]


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


@cases("ce")
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


def class_points() -> list[Points]:
    """Return every class of these rows as the target, with smoothing and weights."""
    logits, weight = class_logits(), np.array([0.3, 1.7, 2.0])
    rows, label = np.repeat(logits, 3, axis=0), np.tile(np.arange(3), len(logits))
    finite = np.abs(rows).max(axis=1) < 1e299
    points = [Points((rows, label)), Points((rows, label), {"weight": weight})]
    points += [
        Points((rows[finite], label[finite]), {"label_smoothing": smoothing, **choice})
        for smoothing in (0.1, 1.0)
        for choice in ({}, {"weight": weight})
    ]
    soft = np.tile([[1.0, 0, 0], [0.5, 0.25, 0.25], [1e-17, 0, 1 - 1e-16]], (len(logits), 1))
    points += [Points((rows[finite], soft[finite]), choice) for choice in ({}, {"weight": weight})]
    many = drawn(5, 1000, scale=3.0)
    return [*points, Points((many, np.array([0, 999, 5, int(many[3].argmax()), 7])))]


@definition("ce", points=class_points)
def ce(
    x: Vector,
    y: Any,
    weight: Vector | None = None,
    ignore_index: int = -100,
    label_smoothing: Number = 0,
) -> Measured:
    """Cross entropy of logits with a class index or probabilities."""
    costs = class_costs(x)
    weights = weight or [1] * len(x)
    if not isinstance(y, list):
        if y == ignore_index:
            return exactly(mpf(0))
        y = [mpf(int(c == y)) for c in range(len(x))]
    shares = [(1 - label_smoothing) * share + label_smoothing / len(x) for share in y]
    return exactly(total(a * w * cost for a, w, cost in zip(shares, weights, costs, strict=True)))


@largest_term("ce")
def class_term(logits: Array, *_: Array, weight: Array | None = None, **__: Any) -> Array:
    """Return the largest logit of each sample, times the largest weight."""
    axis = 1 if logits.ndim > 1 else 0
    return np.asarray(np.max(finite_size(logits), axis, initial=1.0) * greatest(weight))


kink(
    "ce",
    "infinite logit",
    ([[0.0, 1.0, np.inf], [0.0, 1.0, -np.inf]], [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]),
    [[[np.nan] * 3, [1 / (1 + np.e) - 0.5, 0.5 - 1 / (1 + np.e), 0.0]]],
)


@reference(
    "linear_ce",
    "torch.nn.functional.linear_cross_entropy",
    class_name="LinearCrossEntropyLoss",
    integers=(1,),
)
def linear_cross_entropy(
    theirs: Any, features: Any, target: Any, linear_weight: Any, **options: Any
) -> Any:
    """Torch takes the weights before the target."""
    return theirs(features, linear_weight, target, **options)


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


@cases("linear_ce")
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


def linear_points() -> list[Points]:
    """Return features and weights whose products are exact, and such as round."""
    exact = np.array([[40.0, 0], [36.0, 0], [0, 64.0], [1e4, -1e4], [745.0, 1], [0, 0], [1, -1]])
    corners = np.array([[1.0, 0], [0, 1], [0, 0], [-1, 1]])
    label = np.tile(np.arange(4), len(exact))
    pair = (np.repeat(exact, 4, axis=0), label, corners)
    rounded = (drawn(30, 3, scale=3.0), np.arange(30) % 5, drawn(5, 3, scale=2.0))
    options = {"linear_bias": drawn(5), "weight": np.linspace(0.5, 2.5, 5), "label_smoothing": 0.1}
    return [Points(pair), Points(rounded), Points(rounded, options)]


@definition("linear_ce", points=linear_points, axes=(0, 0, None))
def linear_ce(
    x: Vector, y: int, linear_weight: Sequence[Vector], linear_bias: Any = None, **options: Any
) -> Measured:
    """Cross entropy of x · W + b: measured by the largest |x_f · W_cf|, unless all are exact."""
    biases = linear_bias or [mpf(0)] * len(linear_weight)
    terms = [[a * b for a, b in zip(x, row, strict=True)] for row in linear_weight]
    logits = [total([*row, bias]) for row, bias in zip(terms, biases, strict=True)]
    value, size = ce(logits, y, **options)
    if all(float(logit) == logit for logit in logits):
        return value, size
    heaviest = max(options.get("weight") or [mpf(1)])
    return value, max(size, heaviest * max(abs(term) for row in terms for term in row))


@largest_term("linear_ce")
def linear_term(
    features: Array, target: Array, linear_weight: Array, linear_bias: Any = 0.0, **options: Any
) -> Array:
    """Return the largest sum of |feature · weight| of each sample."""
    terms = np.tensordot(np.abs(features), np.abs(linear_weight), axes=(-1, -1))
    return class_term(terms + np.abs(linear_bias), **options)


def layer(s: Scope, bias: Array) -> Array:
    """Return the logits of a linear layer."""
    return np.array([float(np.dot(row, s.x[0])) for row in s.x[2]]) + bias


recomputed(
    {
        ("features", "x"): read_input(0),
        ("logits", "z = W x"): lambda s: layer(s, 0.0),
        ("logits", "z = W x + b"): lambda s: layer(s, s["bias"]),
        ("bias", "b"): lambda s: s.o["linear_bias"][(slice(None), *s.place)],
        ("log-probability", "log p_y = x_y − log-sum-exp"): lambda s: log_normalise(scores_of(s))[
            s.y
        ],
        ("log-probability", "x_y"): lambda s: s.x[0][s.y],
        ("smoothing term", "(ε/C) Σ_c −log p_c"): lambda s: (
            -s.o["label_smoothing"] * log_normalise(scores_of(s)).mean()
        ),
        ("smoothing term", "(ε/C) Σ_c −w_c log p_c"): lambda s: (
            -s.o["label_smoothing"] * (s.o["weight"] * log_normalise(scores_of(s))).mean()
        ),
        ("smoothed target", "y (1 − ε) + ε/C"): lambda s: (
            s.x[1] + s.o["label_smoothing"] * (1 / len(s.x[1]) - s.x[1])
        ),
        ("class terms", "−w_c y_c log p_c"): lambda s: (
            -s["weight"] * s.goal() * s["log-probabilities"]
        ),
        ("loss", "−x_y"): lambda s: -s["log-probability"],
        ("loss", "−w_y x_y"): lambda s: -s["weight"] * s["log-probability"],
        ("loss", "−w_y log p_y"): lambda s: -s["weight"] * s["log-probability"],
        ("loss", "(1 − ε) × −log p_y + smoothing term"): lambda s: (
            (s.o["label_smoothing"] - 1) * s["log-probability"] + s["smoothing term"]
        ),
        ("loss", "(1 − ε) × −w_y log p_y + smoothing term"): lambda s: (
            (s.o["label_smoothing"] - 1) * s["weight"] * s["log-probability"] + s["smoothing term"]
        ),
    }
)
