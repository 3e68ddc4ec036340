"""The embedding losses of PyTorch, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.vectors import TRIPLET_SHAPES, VECTOR_SHAPES, awkward_triplets, draw_triplet
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import ONE, TWO, Measured, Number, Vector, total
from tests.losses.definitions.points import Points, drawn
from tests.losses.steps.scope import Scope, read_input

reference(
    "cosine_embedding",
    "torch.nn.functional.cosine_embedding_loss",
    class_name="CosineEmbeddingLoss",
)


@cases("cosine_embedding")
def cosine_embedding_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of cosine_embedding, with vectors of length 0."""
    for shape in VECTOR_SHAPES:
        for choice in ({}, *grid(margin=(-0.5, 0.25, 1.0))):
            for dtype in (np.float64, np.int64):
                values = (draw.normal(shape), draw.normal(shape), draw.signs(shape[:-1], dtype))
                name = f"{label(shape)}-{np.dtype(dtype)}-{spell(choice)}"
                yield Case(name, values, choice)
    first = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3.0, 0.0]])
    second = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 2.0], [-1.0, -2.0], [2.0, 4.0], [0.0, 2.0]])
    for sign in (1.0, -1.0):
        yield Case(f"zero-parallel-{sign:g}", (first, second, np.full(6, sign)))
    tiny = (1e-7 * first, 1e-7 * second, np.ones(6))
    yield Case("tiny", tiny)
    yield Case("large", (1e4 * first, 1e-4 * second, np.ones(6)))
    narrow = (draw.normal((3, 4)).astype(np.float32), draw.normal((3, 4)).astype(np.float32))
    yield Case("float32", (*narrow, draw.signs((3,), np.int8)))


def cosine_points() -> list[Points]:
    """Return parallel, opposite, orthogonal, zero, tiny and huge vectors."""
    shapes = np.array([[0.0, 0, 0], [1, 2, 3], [-1, -2, -3], [3, 0, -1], [1, 2, 3 + 2.0**-50]])
    vectors = np.concatenate([scale * shapes for scale in (1.0, 1e-7, 1e-200, 1e150, 1e200)])
    first, second = np.repeat(vectors, len(vectors), axis=0), np.tile(vectors, (len(vectors), 1))
    return [
        Points((first, second, np.full(len(first), sign)), {"margin": margin})
        for sign in (1.0, -1.0)
        for margin in (0.0, 0.3, -0.5)
    ]


COSINE_EPS = mpf(9.999999960041972e-13)
"""1e-12 in single precision, which is what torch adds."""


@definition("cosine_embedding", points=cosine_points)
def cosine_embedding(a: Vector, b: Vector, y: Number, margin: Number = 0) -> Measured:
    """1 - cos for y = 1, max(0, cos - margin) for y = -1; 1e-12 is added to both squares."""
    products = [p * q for p, q in zip(a, b, strict=True)]
    squares = [total(p * p for p in vector) + COSINE_EPS for vector in (a, b)]
    length = mp.sqrt(squares[0] * squares[1])
    cosine, size = total(products) / length, max(map(abs, products)) / length
    value = 1 - cosine if y == 1 else max(mpf(0), cosine - margin)
    return value, max(abs(margin), size, mpf(int(y == 1)))


@largest_term("cosine_embedding")
def cosine_term(x1: Array, x2: Array, _: Array, margin: float = 0.0) -> Array:
    """Return the margin and the largest cosine."""
    return np.asarray(1 + abs(margin))


kink(
    "cosine_embedding",
    "right angle",
    ([[1.0, 0.0]], [[0.0, 1.0]], [-1]),
    [[[0.0, 1.0]], [[1.0, 0.0]]],
)
kink(
    "cosine_embedding",
    "no length",
    ([[0.0, 0.0]], [[0.0, 1.0]], [1]),
    [[[0.0, -1 / float(mp.sqrt(COSINE_EPS) * mp.sqrt(1 + COSINE_EPS))]], [[0.0, 0.0]]],
)

reference(
    "triplet_margin", "torch.nn.functional.triplet_margin_loss", class_name="TripletMarginLoss"
)


@cases("triplet_margin")
def triplet_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of triplet_margin: norms, eps, swapped anchors."""
    for shape in TRIPLET_SHAPES:
        for choice in ({}, *grid(p=(1.0, 2.0, 0.5, 3.0, float("inf")), swap=(False, True))):
            yield Case(f"{label(shape)}-{spell(choice)}", draw_triplet(draw, shape), choice)
    for choice in grid(margin=(0.1, 5.0), eps=(0.0, 1e-3), swap=(False, True)):
        yield Case(spell(choice), draw_triplet(draw, (3, 4)), choice)
    for choice in grid(p=(1.0, 2.0, 0.5, float("inf")), eps=(0.0, 1e-6)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)
    narrow = tuple(array.astype(np.float32) for array in draw_triplet(draw, (3, 4)))
    yield Case("float32", narrow)


def triplets(scale: float) -> tuple[Array, ...]:
    """Return triplets at distances of about this size."""
    anchor = np.array([[0.0, 0, 0], [1, 2, 3], [1, 2, 3], [5, 1, 1], [0, 0, 0], [3, 4, 0]])
    near = np.array([[3.0, 4, 0], [1, 2, 3], [4, 6, 3], [5, 1, 2], [1, 1, 1], [0, 0, 0]])
    far = np.array([[0.0, 0, 1], [1, 2, 5], [1, 2, 3], [1, 1, 9], [2, 2, 2], [3, 4, 1e-9]])
    return scale * anchor, scale * near, scale * far


def triplet_points() -> list[Points]:
    """Return distances of 1e-200, 1 and 1e200, in several norms."""
    chosen = [
        Points(triplets(scale), {"p": p, "eps": 0.0, "margin": scale * 0.5, "swap": swap})
        for scale in (1e-200, 1e-9, 1.0, 1e200)
        for p in (1.0, 2.0, 3.0, 0.5, float("inf"))
        for swap in (False, True)
    ]
    chosen += [Points(triplets(scale), {"p": p}) for scale in (1e-200, 1.0) for p in (1.0, 2.0)]
    return [*chosen, Points((drawn(9, 4), drawn(9, 5)[:, :4], drawn(9, 6)[:, :4]))]


PAIRWISE_EPS = mpf(1e-6)


def p_norm(x: Vector, p: Number) -> Number:
    """(Σ |x|^p)^(1/p)."""
    sizes = [abs(one) for one in x]
    return max(sizes) if p == mp.inf else total(size**p for size in sizes if size) ** (1 / p)


Distance = Callable[[Vector, Vector], Number]


def triplet(
    distance: Distance, triple: tuple[Vector, Vector, Vector], margin: Number, swap: bool
) -> Measured:
    """max(0, d(a, p) - d(a, n) + margin), or with d(p, n) where that is smaller."""
    anchor, positive, negative = triple
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = min(far, distance(positive, negative))
    return max(mpf(0), near - far + margin), max(near, far, margin)


@definition("triplet_margin", points=triplet_points)
def triplet_margin(
    anchor: Vector, positive: Vector, negative: Vector, margin: Number = ONE, p: Number = TWO,
    eps: Number = PAIRWISE_EPS, swap: bool = False,
) -> Measured:  # fmt: skip
    """Triplet loss of p-norms, with eps added to every difference."""
    return triplet(
        lambda u, v: p_norm([s - t + eps for s, t in zip(u, v, strict=True)], p),
        (anchor, positive, negative), margin, swap,
    )  # fmt: skip


@largest_term("triplet_margin")
def triplet_term(
    anchor: Array, positive: Array, negative: Array, margin: float = 1.0, p: float = 2.0,
    distance: str = "", **_: Any,
) -> Array:  # fmt: skip
    """Return a bound of every distance between the three."""
    spread = np.abs(anchor) + np.abs(positive) + np.abs(negative)
    size = np.sum(spread, -1) if p >= 1 else np.sum(spread**p, -1) ** (1 / p)
    return np.asarray(margin + (size**2 if distance.startswith("squared") else size))


kink(
    "triplet_margin",
    "NaN",
    ([[0.0, 0.0]], [[np.nan, 1.0]], [[0.0, 0.5]]),
    [[[np.nan, np.nan]], [[np.nan, np.nan]], [[0.0, 0.0]]],
    eps=0.0,
)
kink(
    "triplet_margin",
    "at 0",
    ([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]]),
    [[[-1.0, 1.0]], [[1.0, 0.0]], [[0.0, -1.0]]],
    eps=0.0,
)
kink(
    "triplet_margin",
    "no distance",
    ([[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.5]]),
    [[[0.0, 1.0]], [[0.0, 0.0]], [[0.0, -1.0]]],
    eps=0.0,
)
kink(
    "triplet_margin",
    "swap of equals",
    ([[0.0, 0.0]], [[2.0, 0.0]], [[1.0, 0.0]]),
    [[[-0.5, 0.0]], [[0.5, 0.0]], [[0.0, 0.0]]],
    eps=0.0,
    swap=True,
)
kink(
    "triplet_margin",
    "largest alike",
    ([[0.0, 0.0]], [[1.0, 1.0]], [[0.5, 0.0]]),
    [[[0.5, -0.5]], [[0.5, 0.5]], [[-1.0, 0.0]]],
    eps=0.0,
    p=float("inf"),
)


@reference(
    "triplet_margin_with_distance",
    "torch.nn.functional.triplet_margin_with_distance_loss",
    class_name="TripletMarginWithDistanceLoss",
)
def triplet_of_named_distance(
    theirs: Any, *inputs: Any, distance: str = "euclidean", **options: Any
) -> Any:
    """Distances are callables in torch and names here.

    - ``euclidean`` is torch's default, ``torch.pairwise_distance``: (Σ |a - b + eps|²)^½ with an
      eps of 1e-6 inside the difference;
    - ``cosine`` is 1 - ``torch.nn.functional.cosine_similarity``, whose eps of 1e-8 is the least
      length that a vector is taken to have;
    - ``manhattan`` is Σ |a - b|, ``chebyshev`` max |a - b|, ``squared_euclidean`` Σ (a - b)²: the
      plain definitions, without an eps.
    """
    import torch

    distances = {
        "euclidean": torch.pairwise_distance,
        "cosine": lambda a, b: 1 - torch.nn.functional.cosine_similarity(a, b, dim=-1),
        "manhattan": lambda a, b: (a - b).abs().sum(-1),
        "chebyshev": lambda a, b: (a - b).abs().amax(-1),
        "squared_euclidean": lambda a, b: ((a - b) ** 2).sum(-1),
    }
    return theirs(*inputs, distance_function=distances[distance], **options)


DISTANCES = ("euclidean", "cosine", "manhattan", "chebyshev", "squared_euclidean")


@cases("triplet_margin_with_distance")
def triplet_margin_with_distance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of triplet_margin_with_distance: every named distance."""
    for shape in TRIPLET_SHAPES:
        yield Case(label(shape), draw_triplet(draw, shape))
        for choice in grid(distance=DISTANCES, margin=(1.0, 0.2), swap=(False, True)):
            yield Case(f"{label(shape)}-{spell(choice)}", draw_triplet(draw, shape), choice)
    for choice in grid(distance=DISTANCES, swap=(False, True)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)
    narrow = tuple(array.astype(np.float32) for array in draw_triplet(draw, (3, 4)))
    for choice in grid(distance=DISTANCES):
        yield Case(f"float32-{spell(choice)}", narrow, choice)


def distance_points() -> list[Points]:
    """Return small, ordinary and great distances of every name."""
    return [
        Points(triplets(scale), {"distance": distance, "margin": margin, "swap": swap})
        for distance in DISTANCES
        for scale, margin in ((1e-150, 1e-150), (1.0, 0.5), (1e150, 1e150))
        for swap in (False, True)
    ]


SIMILARITY_EPS = mpf(1e-8)


def exact_cosine_distance(u: Vector, v: Vector) -> Number:
    """1 - cos, no vector being taken as shorter than 1e-8."""
    lengths = [max(p_norm(vector, mpf(2)), SIMILARITY_EPS) for vector in (u, v)]
    return 1 - total(s * t for s, t in zip(u, v, strict=True)) / (lengths[0] * lengths[1])


EXACT_DISTANCES: dict[str, Distance] = {
    "euclidean": lambda u, v: p_norm(
        [s - t + PAIRWISE_EPS for s, t in zip(u, v, strict=True)], mpf(2)
    ),
    "cosine": exact_cosine_distance,
    "manhattan": lambda u, v: total(abs(s - t) for s, t in zip(u, v, strict=True)),
    "chebyshev": lambda u, v: max(abs(s - t) for s, t in zip(u, v, strict=True)),
    "squared_euclidean": lambda u, v: total((s - t) ** 2 for s, t in zip(u, v, strict=True)),
}


@definition("triplet_margin_with_distance", points=distance_points)
def triplet_margin_with_distance(
    anchor: Vector, positive: Vector, negative: Vector, distance: str = "euclidean",
    margin: Number = ONE, swap: bool = False,
) -> Measured:  # fmt: skip
    """Triplet loss of a named distance."""
    value, size = triplet(EXACT_DISTANCES[distance], (anchor, positive, negative), margin, swap)
    return value, max(size, mpf(1)) if distance == "cosine" else size


largest_term("triplet_margin_with_distance")(triplet_term)


def norm(x: Array, degree: float = 2.0) -> float:
    """Return a p-norm, scaled so that nothing overflows."""
    size = np.abs(np.asarray(x, np.float64))
    largest = size.max(initial=0.0)
    if degree == 0:
        return float(np.count_nonzero(size))
    if not np.isfinite(largest) or largest == 0 or degree == np.inf:
        return float(largest)
    return float(largest * ((size / largest) ** degree).sum() ** (1 / degree))


def cosine_of(x: Array, y: Array, floor: float) -> float:
    """Return the cosine of an angle; vectors count as no shorter than the floor."""
    return float(np.dot(x / max(norm(x), floor), y / max(norm(y), floor)))


PLAIN = {
    "euclidean": lambda x, y: norm(x - y + 1e-6),
    "cosine": lambda x, y: 1 - cosine_of(x, y, 1e-8),
    "manhattan": lambda x, y: norm(x - y, 1),
    "chebyshev": lambda x, y: norm(x - y, np.inf),
    "squared_euclidean": lambda x, y: float(np.dot(x - y, x - y)),
}


def measure_distance(s: Scope, x: Array, y: Array) -> float:
    """Return the distance that the options ask for."""
    if "distance" in s.o:
        return PLAIN[s.o["distance"]](x, y)
    if "norm_degree" in s.o:
        degree = s.o["norm_degree"]
        return norm(np.append(x - y, s.o["eps"] ** (1 / degree)), degree)
    return norm(x - y + s.o["eps"], s.o["p"])


recomputed(
    {
        ("anchor", "a"): read_input(0),
        ("first embedding", "x₁"): read_input(0),
        ("positive", "p"): read_input(1),
        ("second embedding", "x₂"): read_input(1),
        ("negative", "n"): read_input(2),
        ("lack", "margin + distance to p − distance to n"): lambda s: (
            s.o["margin"]
            + s["distance to the positive"]
            - s.get("nearer distance", s["distance to the negative"])
        ),
        ("product", "x₁·x₂"): lambda s: math.fsum(
            a * b for a, b in zip(s.x[0], s.x[1], strict=True)
        ),
        ("norms", "√(‖x₁‖² + 1e-12) √(‖x₂‖² + 1e-12)"): lambda s: (
            math.hypot(*s.x[0], 1e-6) * math.hypot(*s.x[1], 1e-6)
        ),
        ("cosine", "product / norms"): lambda s: s["product"] / s["norms"],
        ("nearer distance", "the smaller of the last two"): lambda s: min(
            s["distance to the negative"], s["distance between both"]
        ),
        "distance to the positive": lambda s: measure_distance(s, s.x[0], s.x[1]),
        "distance to the negative": lambda s: measure_distance(s, s.x[0], s.x[2]),
        "distance between both": lambda s: measure_distance(s, s.x[1], s.x[2]),
        ("loss", "1 − cosine where y = 1; max(0, cosine − margin) where y = −1"): lambda s: (
            1 - s["cosine"] if s.x[2] > 0 else max(0, s["cosine"] - s.o["margin"])
        ),
    }
)
