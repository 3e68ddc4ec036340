"""Cases of the losses that optax adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.losses.cases.case import SHAPES, Array, Case, Draw, Shape, grid, label, spell
from tests.losses.cases.classification import class_count, label_shape
from tests.losses.cases.margin import TRIPLET_SHAPES, VECTOR_SHAPES, awkward_triplets, triplet
from tests.losses.cases.regression import difference_cases

CLASS_SHAPES: tuple[Shape, ...] = (
    (3,), (4, 3), (1, 3), (4, 2), (1, 5), (2, 3, 2), (2, 4, 2, 2), (6, 4), (0, 3),
)  # fmt: skip
LIST_SHAPES: tuple[Shape, ...] = (*VECTOR_SHAPES, (2, 2, 3), (2, 1, 3, 4))


def l2_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.l2."""
    yield from difference_cases(draw, [{}])


def sign_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores with signs."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape, 2.0), draw.signs(shape)))
    for dtype in (np.int64, np.int8, np.float32):
        values = (draw.normal((5,)).astype(np.float32), draw.signs((5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    scores = np.array([0.0, -0.0, 1.0, -1.0, 1e4, -1e4, 1e300, -1e300])
    yield Case("extremes", (scores, np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0])))


def binary_sparsemax_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores with labels, at and around the ends of the curve."""
    for shape in SHAPES:
        yield Case(label(shape), (draw.normal(shape), draw.integers(2, shape)))
    for dtype in (np.float64, np.uint8, np.bool_):
        values = (draw.normal((5,)).astype(np.float32), draw.integers(2, (5,), dtype))
        yield Case(f"float32-target-{np.dtype(dtype)}", values)
    scores = np.array([0.0, -0.0, 1.0, -1.0, 0.999999, -0.999999, 1e4, -1e4])
    for right in (0, 1):
        yield Case(f"ends-{right}", (scores, np.full(8, right)))


def class_cases(draw: Draw) -> Iterator[Case]:
    """Yield scores of classes with class indices: ties, leads of 1, classes far apart."""
    for shape in CLASS_SHAPES:
        for scale in (0.3, 1.0, 5.0):
            pair = (
                draw.normal(shape, scale),
                draw.integers(class_count(shape), label_shape(shape)),
            )
            yield Case(f"{label(shape)}-{scale}", pair)
    rows = np.array([[1.0, 1, 1], [1, 0, 0], [0, 0, 1.5], [1e4, -1e4, 0], [0.5, 0.5, -0.5]])
    for target in range(3):
        yield Case(f"ties-{target}", (rows, np.full(5, target)))
    pair = (draw.normal((4, 3)).astype(np.float32), draw.integers(3, (4,), np.int32))
    yield Case("float32-int32", pair)


def sigmoid_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.sigmoid_focal: no alpha unless given."""
    for shape in SHAPES:
        for choice in ({}, *grid(alpha=(0.0, 0.25), gamma=(0.0, 1.0, 2.0, 3.5))):
            pair = (draw.normal(shape, 2.0), draw.integers(2, shape).astype(np.float64))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
        soft = (draw.normal(shape, 2.0), draw.uniform(shape))
        yield Case(f"{label(shape)}-soft", soft)
    logits = np.array([50.0, -50.0, 1e4, -1e4, 0.0, -0.0, 20.0, -20.0])
    target = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.25])
    yield Case("extremes", (logits, target))


def poly_ce_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poly_ce, with class indices and with probabilities."""
    for shape in CLASS_SHAPES:
        for choice in ({}, *grid(epsilon=(-1.0, 0.0, 0.5))):
            pair = (draw.normal(shape, 2.0), draw.integers(class_count(shape), label_shape(shape)))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
            spread = draw.probabilities(shape, 1 if len(shape) > 1 else 0)
            name = f"{label(shape)}-probabilities-{spell(choice)}"
            yield Case(name, (draw.normal(shape, 2.0), spread), choice)
    rows = np.array([[20.0, 0, 0], [0, 0, 0], [1e4, -1e4, 0], [-30, 30, 29]])
    for target in range(3):
        yield Case(f"sure-{target}", (rows, np.full(4, target)))


def divergence_cases(draw: Draw, log_target: bool = False) -> Iterator[Case]:
    """Yield log-probabilities with probabilities, or with log-probabilities."""
    draw_target = draw.log_probabilities if log_target else draw.probabilities
    for shape in LIST_SHAPES:
        yield Case(label(shape), (draw.log_probabilities(shape, -1), draw_target(shape, -1)))
        for scale in (0.1, 3.0):
            target = draw.normal(shape) if log_target else draw.uniform(shape, 0.0, scale)
            yield Case(f"{label(shape)}-amounts-{scale}", (draw.normal(shape, scale), target))
    if not log_target:
        zeros = np.array([[0.0, 1.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0]])
        yield Case("zero-targets", (draw.log_probabilities((2, 4), 1), zeros))
    pair = (draw.log_probabilities((3, 4), 1), draw_target((3, 4), 1))
    yield Case("float32", tuple(array.astype(np.float32) for array in pair))


def log_divergence_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of optax.kl_divergence_with_log_targets."""
    yield from divergence_cases(draw, log_target=True)


def safe_cases(draw: Draw) -> Iterator[Case]:
    """Yield logits with probabilities; some classes are ruled out by both."""
    for shape in CLASS_SHAPES:
        axis = 1 if len(shape) > 1 else 0
        for scale in (1.0, 5.0):
            pair = (draw.normal(shape, scale), draw.probabilities(shape, axis))
            yield Case(f"{label(shape)}-{scale}", pair)
    logits = draw.normal((4, 3))
    logits[[0, 1, 2], [1, 2, 0]] = -np.inf
    target = np.array([[0.25, 0.0, 0.75], [1, 0, 0], [0, 0.5, 0.5], [0, 1, 0]])
    yield Case("ruled-out", (logits, target))
    yield Case("ruled-out-but-meant", (logits, target[::-1].copy()))


def ranking_cases(draw: Draw) -> Iterator[Case]:
    """Yield lists of scores with relevances, with items missing and with weights."""
    for shape in LIST_SHAPES:
        scores, relevance = draw.normal(shape, 2.0), draw.uniform(shape, 0.0, 3.0)
        yield Case(label(shape), (scores, relevance))
        if 0 in shape:
            continue
        grades = draw.integers(4, shape)
        there = draw.integers(2, shape)
        there.reshape(-1)[0] = 1  # one list at least has an item
        weights = draw.uniform(shape, 0.0, 2.0)
        for choice in (
            {"where": there},
            {"weights": weights},
            {"where": there, "weights": weights},
        ):
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, grades), choice)
        if shape[-1] > 1:  # weights that are broadcast
            choice = {"weights": weights[..., :1]}
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, grades), choice)
    far = np.array([[1e4, -1e4, 0.0], [30, 30, 0], [0, 0, 0]])
    yield Case("far", (far, np.array([[1.0, 0, 0], [0, 1, 1], [1, 2, 3]])))


def cosine_distance_cases(draw: Draw) -> Iterator[Case]:
    """Yield vectors, with lengths under epsilon and of 0."""
    for shape in LIST_SHAPES:
        for choice in ({}, *grid(epsilon=(0.0, 1e-8, 0.5))):
            yield Case(
                f"{label(shape)}-{spell(choice)}", (draw.normal(shape), draw.normal(shape)), choice
            )
    first = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 0.0], [1e-7, 0], [1e4, -1e4]])
    second = np.array([[2.0, 4.0], [-1.0, -2.0], [0.0, 2.0], [1e-7, 1e-7], [1e4, 1e4]])
    for choice in grid(epsilon=(0.0, 1e-8)):
        yield Case(f"parallel-{spell(choice)}", (first, second), choice)
    yield Case("zero", (np.zeros((2, 3)), np.array([[0.0, 0, 0], [1, 2, 3]])), {"epsilon": 1e-8})


def triplet_cases(draw: Draw) -> Iterator[Case]:
    """Yield triplets; only even degrees, because optax takes powers of signed differences."""
    for shape in TRIPLET_SHAPES:
        for choice in ({}, *grid(norm_degree=(2.0, 4.0), margin=(0.2, 1.0), eps=(1e-6, 0.0, 0.5))):
            yield Case(f"{label(shape)}-{spell(choice)}", triplet(draw, shape), choice)
    for choice in grid(norm_degree=(2.0, 4.0), eps=(0.0, 1e-6)):
        yield Case(f"awkward-{spell(choice)}", awkward_triplets(), choice)


def groups(draw: Draw, samples: int, labels: int) -> Array:
    """Draw labels of which the first stands twice, so that there is a pair."""
    drawn = draw.integers(labels, (samples,))
    drawn[1] = drawn[0]
    return drawn


def ntxent_cases(draw: Draw) -> Iterator[Case]:
    """Yield embeddings in groups: many, few, all in one, short and long ones."""
    for samples, features in ((2, 3), (4, 2), (9, 5), (30, 4)):
        for labels in (1, 2, 4):
            for choice in ({}, *grid(temperature=(0.5, 2.0))):
                pair = (draw.normal((samples, features)), groups(draw, samples, labels))
                yield Case(f"{samples}x{features}-{labels}-{spell(choice)}", pair, choice)
    embeddings = draw.normal((6, 3))
    sizes = np.array([[1e-3], [1e3], [1.0], [0.0], [1.0], [1e-9]])
    yield Case("lengths", (embeddings * sizes, np.array([0, 0, 1, 1, 2, 2])))
    yield Case("text-like-labels", (embeddings, np.array([-5, 70000, -5, 9, 70000, 9])))


def dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps of logits or probabilities with the share of each class in each pixel."""
    for shape in ((4, 3), (2, 3, 5), (2, 3, 2, 4), (1, 2, 2, 2, 2), (3, 1, 4), (0, 3, 2)):
        classes = shape[1]
        target = np.eye(classes)[draw.integers(classes, label_shape(shape))]
        hard = np.moveaxis(target, -1, 1)
        for choice in (
            {},
            *grid(smooth=(0.0, 1e-3), alpha=(0.5, 0.3), beta=(0.5, 0.7)),
            {"class_weights": draw.uniform((classes,), 0.1, 2.0)},
            {"ignore_background": True},
            {"class_reduction": "sum", "ignore_background": True},
            {"class_reduction": "mean"},
        ):
            yield Case(f"{label(shape)}-{spell(choice)}", (draw.normal(shape), hard), choice)
        if classes > 1:
            spread = draw.probabilities(shape, 1)
            choice = {"apply_softmax": False}
            yield Case(f"{label(shape)}-{spell(choice)}", (spread, hard), choice)
        soft = draw.probabilities(shape, 1)
        yield Case(f"{label(shape)}-soft", (draw.normal(shape), soft))


def binary_dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps of logits or probabilities with labels."""
    for shape in ((5,), (3, 4), (3, 1), (2, 3, 4), (2, 1, 2, 3), (0, 3)):
        for choice in ({}, *grid(smooth=(0.5, 1e-6))):
            pair = (draw.normal(shape, 2.0), draw.integers(2, shape).astype(np.float64))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
        yield Case(f"{label(shape)}-soft", (draw.normal(shape), draw.uniform(shape)))
        given = (draw.uniform(shape, 0.01, 0.99), draw.integers(2, shape).astype(np.float64))
        yield Case(f"{label(shape)}-probabilities", given, {"apply_sigmoid": False})


def generalized_dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps whose classes are common, rare and absent."""
    for shape in ((4, 3), (3, 3, 5), (2, 4, 2, 3), (5, 2, 3)):
        classes = shape[1]
        target = np.eye(classes)[np.minimum(draw.integers(classes + 2, label_shape(shape)), 1)]
        hard = np.moveaxis(target, -1, 1)
        for choice in ({}, *grid(smooth=(1.0, 1e-3), ignore_background=(False, True))):
            yield Case(f"{label(shape)}-{spell(choice)}", (draw.normal(shape), hard), choice)
        for choice in grid(apply_softmax=(False,), ignore_background=(False, True)):
            spread = draw.probabilities(shape, 1)
            yield Case(f"{label(shape)}-{spell(choice)}", (spread, hard), choice)


CASES: dict[str, Callable[[Draw], Iterator[Case]]] = {
    "optax.l2": l2_cases,
    "optax.hinge": sign_cases,
    "perceptron": sign_cases,
    "sparsemax": binary_sparsemax_cases,
    "multiclass_hinge": class_cases,
    "multiclass_perceptron": class_cases,
    "multiclass_sparsemax": class_cases,
    "optax.sigmoid_focal": sigmoid_focal_cases,
    "poly_ce": poly_ce_cases,
    "generalized_kl": divergence_cases,
    "optax.kl_divergence": divergence_cases,
    "optax.kl_divergence_with_log_targets": log_divergence_cases,
    "safe_softmax_cross_entropy": safe_cases,
    "ranking_softmax": ranking_cases,
    "cosine_distance": cosine_distance_cases,
    "optax.triplet_margin": triplet_cases,
    "ntxent": ntxent_cases,
    "optax.dice": dice_cases,
    "binary_dice": binary_dice_cases,
    "multiclass_generalized_dice": generalized_dice_cases,
}
