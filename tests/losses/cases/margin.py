"""Cases of the margin, embedding and ranking losses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell

MARGINS = (-0.5, 0.5, 2.0)
DISTANCES = ("euclidean", "cosine", "manhattan", "chebyshev", "squared_euclidean")
CLASS_SHAPES: tuple[Shape, ...] = ((4,), (1,), (3, 4), (1, 4), (3, 1), (0, 4))
VECTOR_SHAPES: tuple[Shape, ...] = ((4,), (1,), (3, 4), (1, 4), (3, 1), (0, 4))
TRIPLET_SHAPES: tuple[Shape, ...] = (*VECTOR_SHAPES, (2, 2, 3))


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


def soft_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of soft_margin; torch overflows from 710 on, so these stay below."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 3.0), draw.signs(shape)))
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)).astype(np.float32), draw.signs((5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    logits = np.array([0.0, -0.0, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4])
    yield Case("extremes", (logits, np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0])))


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


def label_lists(draw: Draw, shape: Shape, amount: str) -> Array:
    """Draw distinct labels for each sample, with -1 behind the last."""
    samples, count = shape[:-1], shape[-1]
    order = draw.rng.permuted(np.broadcast_to(np.arange(count), shape), axis=-1)
    kept = {"none": np.zeros(samples, int), "all": np.full(samples, count)}.get(
        amount, draw.rng.integers(0, count + 1, samples)
    )
    return np.where(np.arange(count) < np.asarray(kept)[..., None], order, -1)


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


def triplet(draw: Draw, shape: Shape) -> tuple[Array, ...]:
    """Draw an anchor, a near and a far vector for each sample."""
    anchor = draw.normal(shape)
    near, far = draw.rounded(anchor + draw.normal(shape, 0.7)), draw.normal(shape)
    return anchor, near, far


def awkward_triplets() -> tuple[Array, ...]:
    """Return triplets with equal vectors, great and tiny distances."""
    anchor = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1e4, -1e4], [1e-9, 0.0]])
    near = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [-1e4, 1e4], [0.0, 0.0]])
    far = np.array([[1.0, 2.0], [4.0, 6.0], [0.0, 1e-9], [0.0, 0.0], [0.0, 2e-9]])
    return anchor, near, far


def triplet_margin_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of triplet_margin: norms, eps, swapped anchors."""
    for shape in TRIPLET_SHAPES:
        for choice in ({}, *grid(p=(1.0, 2.0, 0.5, 3.0, float("inf")), swap=(False, True))):
            yield Case(f"{label(shape)}-{spell(choice)}", triplet(draw, shape), choice)
    for choice in grid(margin=(0.1, 5.0), eps=(0.0, 1e-3), swap=(False, True)):
        yield Case(spell(choice), triplet(draw, (3, 4)), choice)
    for choice in grid(p=(1.0, 2.0, 0.5, float("inf")), eps=(0.0, 1e-6)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)
    narrow = tuple(array.astype(np.float32) for array in triplet(draw, (3, 4)))
    yield Case("float32", narrow)


def triplet_margin_with_distance_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of triplet_margin_with_distance: every named distance."""
    for shape in TRIPLET_SHAPES:
        yield Case(label(shape), triplet(draw, shape))
        for choice in grid(distance=DISTANCES, margin=(1.0, 0.2), swap=(False, True)):
            yield Case(f"{label(shape)}-{spell(choice)}", triplet(draw, shape), choice)
    for choice in grid(distance=DISTANCES, swap=(False, True)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)
    narrow = tuple(array.astype(np.float32) for array in triplet(draw, (3, 4)))
    for choice in grid(distance=DISTANCES):
        yield Case(f"float32-{spell(choice)}", narrow, choice)
