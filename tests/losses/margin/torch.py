"""The margin losses of PyTorch, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mpmath import mpf

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import Measured, Number, Vector, exactly, softplus, total
from tests.losses.definitions.points import LOGITS, Points, cross, drawn
from tests.losses.steps.scope import read_input

reference(
    "margin_ranking", "torch.nn.functional.margin_ranking_loss", class_name="MarginRankingLoss"
)
MARGINS = (-0.5, 0.5, 2.0)


@cases("margin_ranking")
def margin_ranking_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of margin_ranking."""
    for shape in SHAPES:
        for choice in ({}, *grid(margin=MARGINS)):
            values = (draw.normal(shape), draw.normal(shape), draw.signs(shape))
            yield Case(f"{label(shape)}-{spell(choice)}", values, choice)
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)), draw.normal((5,)), draw.signs((5,), dtype))
        yield Case(f"target-{np.dtype(dtype)}", values)
    same = np.array([1.0, -2.0, 0.0])
    yield Case("ties", (same, same, np.array([1.0, -1.0, 1.0])), {"margin": 0.5})
    far = np.array([1e4, -1e4, 1e4])
    yield Case("extremes", (far, -far, np.array([1.0, 1.0, -1.0])))


def ranking_points() -> list[Points]:
    """Return scores of every size in both orders."""
    x1, x2, y = cross((0.0, 1e-200, 1.0, 1 + 2.0**-52, 1e4, -1e300), (0.0, 1.0, -1e4), (-1.0, 1.0))
    return [Points((x1, x2, y), {"margin": margin}) for margin in (0.0, 0.5, 1e-300, -2.0)]


@definition("margin_ranking", points=ranking_points)
def margin_ranking(x1: Number, x2: Number, y: Number, margin: Number = 0) -> Measured:
    """max(0, -y (x1 - x2) + margin)."""
    return max(mpf(0), margin - y * (x1 - x2)), max(abs(margin), abs(x1 - x2))


@largest_term("margin_ranking")
def ranking_term(x1: Array, x2: Array, _: Array, margin: float = 0.0) -> Array:
    """Return the margin and the difference."""
    return np.asarray(abs(margin) + np.abs(x1 - x2))


kink("margin_ranking", "NaN", ([np.nan], [1.0], [1.0]), [[0.0], [0.0]])
kink("margin_ranking", "at 0", ([2.0], [1.0], [1.0]), [[-1.0], [1.0]], margin=1.0)

reference(
    "hinge_embedding", "torch.nn.functional.hinge_embedding_loss", class_name="HingeEmbeddingLoss"
)


@cases("hinge_embedding")
def hinge_embedding_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of hinge_embedding."""
    for shape in SHAPES:
        for choice in ({}, *grid(margin=MARGINS)):
            values = (draw.normal(shape), draw.signs(shape))
            yield Case(f"{label(shape)}-{spell(choice)}", values, choice)
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)).astype(np.float32), draw.signs((5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    kinks = np.array([1.0, 1.0, 0.0, 0.0, 1e4, -1e4, 1e4, -1e4])
    yield Case("extremes", (kinks, np.array([1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0])))


def hinge_points() -> list[Points]:
    """Return distances around the margin and of every size."""
    x, y = cross((0.0, 5e-324, 1e-200, 1 - 2.0**-53, 1.0, 1e4, -1e4, 1e300, 0.3), (-1.0, 1.0))
    return [Points((x, y), {"margin": margin}) for margin in (1.0, 0.1, -2.0)]


@definition("hinge_embedding", points=hinge_points)
def hinge_embedding(x: Number, y: Number, margin: Number = 1) -> Measured:
    """x for y = 1, max(0, margin - x) for y = -1."""
    return exactly(x if y == 1 else max(mpf(0), margin - x))


kink("hinge_embedding", "NaN", ([np.nan, np.nan], [-1.0, 1.0]), [[0.0, 1.0]])
kink("hinge_embedding", "at the margin", ([1.0, 1.0], [-1.0, 1.0]), [[-1.0, 1.0]])

reference("soft_margin", "torch.nn.functional.soft_margin_loss", class_name="SoftMarginLoss")


@cases("soft_margin")
def soft_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of soft_margin; torch overflows from 710 on, so these stay below."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 3.0), draw.signs(shape)))
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)).astype(np.float32), draw.signs((5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    logits = np.array([0.0, -0.0, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4])
    yield Case("extremes", (logits, np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0])))


@definition("soft_margin", points=lambda: [Points(cross(LOGITS, (-1.0, 1.0)))])
def soft_margin(x: Number, y: Number) -> Measured:
    """log(1 + exp(-y x))."""
    return exactly(softplus(-y * x))


reference(
    "multi_margin",
    "torch.nn.functional.multi_margin_loss",
    class_name="MultiMarginLoss",
    integers=(1,),
)
CLASS_SHAPES: tuple[Shape, ...] = ((4,), (1,), (3, 4), (1, 4), (3, 1), (0, 4))


@cases("multi_margin")
def multi_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of multi_margin: both powers, margins, class weights.

    Of an empty batch torch gives no defined value for the mean and the sum: it returns memory
    that nothing was written to.
    """
    for shape in CLASS_SHAPES:
        count, samples = shape[-1], shape[:-1]
        skipped = ("mean", "sum") if 0 in shape else ()
        for choice in grid(p=(1, 2), margin=(1.0, *MARGINS)):
            values = (draw.normal(shape), draw.integers(count, samples))
            yield Case(f"{label(shape)}-{spell(choice)}", values, choice, skipped)
            weighted = {**choice, "weight": draw.uniform((count,), 0.0, 2.0)}
            yield Case(f"{label(shape)}-{spell(weighted)}", values, weighted, skipped)
    scores = np.array([[1.0, 1.0, 0.0], [1e4, -1e4, 1e4], [2.0, 1.0, 1.0]])
    for p in (1, 2):
        yield Case(f"ties-p={p}", (scores, np.array([0, 1, 0])), {"p": p})
    values = (draw.normal((4, 3)).astype(np.float32), draw.integers(3, (4,), np.int32))
    yield Case("float32-int32", values)
    yield Case("unbatched-vector-target", (draw.normal((4,)), np.array([2])))
    yield Case("scalar", (draw.normal(()), np.array(0)))


def multi_margin_points() -> list[Points]:
    """Return ties, tiny and huge scores, both powers."""
    rows = np.array([[1.0, 1, 1], [0, 1e-300, 5], [1e4, -1e4, 1e4], [1e150, 0, -1e150], [0.1] * 3])
    pair = (np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 5))
    weight = np.array([0.3, 1.7, 2.0])
    more = (drawn(30, 3), np.arange(30) % 3)
    return [
        Points(inputs, {**choice, **weighted})
        for inputs in (pair, more)
        for choice in grid(p=(1, 2), margin=(1.0, 0.25))
        for weighted in ({}, {"weight": weight})
    ]


@definition("multi_margin", points=multi_margin_points)
def multi_margin(
    x: Vector, y: int, p: int = 1, margin: Number = 1, weight: Vector | None = None
) -> Measured:
    """Mean over the classes of max(0, margin - x_y + x_i)^p, i other than y."""
    others = [own for i, own in enumerate(x) if i != y]
    hinges = [max(mpf(0), margin - x[y] + other) for other in others]
    size = max([abs(margin), *map(abs, x)])
    factor = (weight[y] if weight else mpf(1)) / len(x)
    # The error of a hinge is in the last place of its terms; a square doubles it.
    return factor * total(h**p for h in hinges), factor * size * (
        max(hinges, default=mpf(0)) * 2 if p == 2 else 1
    )


kink("multi_margin", "at the margin", ([[2.0, 1.0, 1.5]], [0]), [[[-1 / 3, 0.0, 1 / 3]]])

reference(
    "multilabel_margin",
    "torch.nn.functional.multilabel_margin_loss",
    class_name="MultiLabelMarginLoss",
    integers=(1,),
)


def label_lists(draw: Draw, shape: Shape, amount: str) -> Array:
    """Draw distinct labels for each sample, with -1 behind the last."""
    samples, count = shape[:-1], shape[-1]
    order = draw.rng.permuted(np.broadcast_to(np.arange(count), shape), axis=-1)
    kept = {"none": np.zeros(samples, int), "all": np.full(samples, count)}.get(
        amount, draw.rng.integers(0, count + 1, samples)
    )
    return np.where(np.arange(count) < np.asarray(kept)[..., None], order, -1)


@cases("multilabel_margin")
def multilabel_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of multilabel_margin: labels end at the first -1.

    Of an empty batch torch gives no defined value for the mean and the sum.
    """
    for shape in CLASS_SHAPES:
        skipped = ("mean", "sum") if 0 in shape else ()
        for amount in ("some", "none", "all"):
            values = (draw.normal(shape), label_lists(draw, shape, amount))
            yield Case(f"{label(shape)}-{amount}", values, skipped=skipped)
    for only in (0, -1):
        yield Case(f"scalar-{only}", (draw.normal(()), np.array(only)))
    scores = draw.normal((5, 4))
    targets = np.array([
        [3, 0, -1, 1],  # what stands behind the first -1 does not count
        [-1, 2, 1, 0],
        [2, 2, -1, -1],  # a label given twice counts twice
        [0, 1, 2, 3],
        [1, -1, -1, -1],
    ])  # fmt: skip
    yield Case("labels-after-the-end", (scores, targets))
    yield Case("ties", (np.ones((2, 4)), targets[:2]))
    yield Case("extremes", (np.array([[1e4, -1e4, 0.0, 1e4]]), targets[:1]))
    yield Case("float32-int32", (scores.astype(np.float32), targets.astype(np.int32)))


def multilabel_margin_points() -> list[Points]:
    """Return ties and huge scores with none, some and all labels."""
    rows = np.array([[1.0, 1, 1, 0.5], [0, 1e-300, 5, 5], [1e4, -1e4, 1e4, 0], [1e300, 0, -1, 2]])
    lists = np.array([[-1, 0, 1, 2], [0, -1, 1, 2], [2, 3, -1, -1], [3, 1, 0, 2]])
    return [
        Points((np.repeat(rows, 4, axis=0), np.tile(lists, (4, 1)))),
        Points((drawn(16, 4), np.tile(lists, (4, 1)))),
    ]


@definition("multilabel_margin", points=multilabel_margin_points)
def multilabel_margin(x: Vector, y: Sequence[int]) -> Measured:
    """Mean over the classes of max(0, 1 - x_j + x_i), j among the labels and i not."""
    listed = list(y[: y.index(-1)] if -1 in y else y)
    wrong = [own for i, own in enumerate(x) if i not in listed]
    hinges = [max(mpf(0), 1 - x[j] + other) for j in listed for other in wrong]
    return total(hinges) / len(x), max([1, *map(abs, x)])


kink(
    "multilabel_margin",
    "at the margin",
    ([[2.0, 1.0, 1.5]], [[0, -1, -1]]),
    [[[-1 / 3, 0.0, 1 / 3]]],
)


recomputed(
    {
        ("score", "x"): read_input(0),
        ("distance", "x"): read_input(0),
        ("first score", "x₁"): read_input(0),
        ("second score", "x₂"): read_input(1),
        ("difference", "x₁ − x₂"): lambda s: s.x[0] - s.x[1],
        ("agreement", "y x"): lambda s: s.x[0] * s.get("sign", s.x[1]),
        ("lack", "margin − x"): lambda s: s.o["margin"] - s.x[0],
        ("lack", "margin − y (x₁ − x₂)"): lambda s: s.o["margin"] - s.x[2] * (s.x[0] - s.x[1]),
        ("hinges", "max(0, margin − x_y + x_i), and 0 for y itself"): lambda s: [
            0.0 if i == s.y else max(0.0, s.o["margin"] - np.atleast_1d(s.x[0])[s.y] + x)
            for i, x in enumerate(np.atleast_1d(s.x[0]))
        ],
        ("hinges", "max(0, margin − x_y + x_i)², and 0 for y itself"): lambda s: [
            0.0 if i == s.y else max(0.0, s.o["margin"] - np.atleast_1d(s.x[0])[s.y] + x) ** 2
            for i, x in enumerate(np.atleast_1d(s.x[0]))
        ],
        ("hinges", "Σ_{i not listed} max(0, 1 − x_j + x_i) of each listed j"): lambda s: [
            sum(
                max(0.0, 1 - np.atleast_1d(s.x[0])[j] + x)
                for i, x in enumerate(np.atleast_1d(s.x[0]))
                if i not in s["listed classes"]
            )
            for j in s["listed classes"]
        ],
        ("listed classes", "y up to the first −1"): lambda s: [
            label
            for place, label in enumerate(np.atleast_1d(s.x[1]))
            if min(np.atleast_1d(s.x[1])[: place + 1]) >= 0
        ],
        ("loss", "x where y = 1; max(0, lack) where y = −1"): lambda s: (
            s.x[0] if s.x[1] > 0 else max(0, s["lack"])
        ),
        ("loss", "log(1 + exp(−y x))"): lambda s: np.logaddexp(0, -s["agreement"]),
        ("loss", "Σ of the hinges / C"): lambda s: sum(s["hinges"]) / np.size(s.x[0]),
        ("loss", "w_y Σ of the hinges / C"): lambda s: (
            s["weight"] * sum(s["hinges"]) / np.size(s.x[0])
        ),
    }
)
