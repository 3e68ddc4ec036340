"""Cases of the losses of Keras: shapes, axes of 1 that it squeezes, options, awkward numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case, Draw, Shape, grid, label, spell

AVERAGES = ("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight")
"""What Keras leaves undone for no losses at all."""

SHAPES: tuple[Shape, ...] = ((1,), (6,), (5, 1), (4, 3), (2, 3, 2), (2, 2, 1, 3), (0, 3))
SQUEEZED: tuple[tuple[Shape, Shape], ...] = (
    ((5,), (5, 1)), ((5, 1), (5,)), ((3, 2, 1), (3, 2)), ((3, 2), (3, 2, 1)),
    ((2, 3, 2, 1), (2, 3, 2)),
)  # fmt: skip
DTYPES: tuple[tuple[Any, Any], ...] = (
    (np.float32, np.float32), (np.float32, np.int64), (np.float64, np.uint8),
    (np.float16, np.int32),
)  # fmt: skip
Pair = Callable[[Draw, Shape], Array]


def pair_cases(
    draw: Draw, predict: Pair, true: Pair, options: Sequence[dict[str, Any]] = ({},)
) -> Iterator[Case]:
    """Yield pairs in all shapes, with a last axis of 1 too many, and in several dtypes."""
    for shape in SHAPES:
        for choice in options:
            if not fits(choice, shape):
                continue
            pair = (predict(draw, shape), true(draw, shape))
            skipped = AVERAGES if 0 in shape else ()
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, skipped)
    for first, second in SQUEEZED:
        yield Case(f"{label(first)}-{label(second)}", (predict(draw, first), true(draw, second)))
    for one, other in DTYPES:
        pair = (predict(draw, (4, 2)).astype(one), true(draw, (4, 2)).astype(other))
        yield Case(f"{np.dtype(one)}-{np.dtype(other)}", pair)


def fits(choice: dict[str, Any], shape: Shape) -> bool:
    """Whether the axes that the options name are there."""
    axis = choice.get("axis")
    axes = axis if isinstance(axis, tuple) else (-1 if axis is None else axis,)
    there = all(-len(shape) <= one < len(shape) for one in axes)
    return there and len({one % len(shape) for one in axes}) == len(axes)


def real(draw: Draw, shape: Shape) -> Array:
    """Draw real numbers."""
    return draw.normal(shape, 2.0)


def amount(draw: Draw, shape: Shape) -> Array:
    """Draw positive numbers, some of them 0."""
    values = draw.uniform(shape, -1.0, 6.0)
    return np.where(values < 0, 0.0, values)


def probability(draw: Draw, shape: Shape) -> Array:
    """Draw probabilities."""
    return draw.uniform(shape)


def bit(draw: Draw, shape: Shape) -> Array:
    """Draw 0 and 1."""
    return draw.integers(2, shape).astype(np.float64)


def sign(draw: Draw, shape: Shape) -> Array:
    """Draw -1 and 1."""
    return draw.signs(shape)


def simplex(draw: Draw, shape: Shape) -> Array:
    """Draw distributions over the last axis."""
    return draw.probabilities(shape, -1)


def difference_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of losses of a difference."""
    yield from pair_cases(draw, real, real)
    ends = np.array([[0.0, -0.0, 1e4, -1e4], [1e-8, -1e-8, 1e-100, 3.5]])
    yield Case("extremes", (ends, np.array([[0.0, 0.0, -1e4, 1e4], [0.0, 1e-8, 0.0, 3.5]])))


def percentage_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mean_absolute_percentage_error, with true values of 0."""
    yield from difference_cases(draw)
    yield Case("nothing", (real(draw, (3, 2)), np.array([[0.0, 1e-8], [-1e-9, 1e-7], [5, -0.0]])))


def logarithmic_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of mean_squared_logarithmic_error, with amounts of 0 and less."""
    yield from pair_cases(draw, amount, amount)
    yield Case("negative", (real(draw, (4, 3)), real(draw, (4, 3))))
    yield Case("far", (np.array([[0.0, 1e8, 3.0]]), np.array([[1e8, 0.0, 3.0]])))


def cosine_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of cosine_similarity, with vectors of zeros."""
    yield from pair_cases(draw, real, real, list(grid(axis=(-1, 1, 0, -2))))
    zeros = np.array([[0.0, 0.0], [1e-9, 0.0], [3.0, 4.0]])
    yield Case("zeros", (zeros, real(draw, (3, 2))))


def huber_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of huber, also with differences that fall on delta."""
    yield from pair_cases(draw, real, real, [{}, *grid(delta=(0.5, 2.0))])
    ties = np.array([[0.5, 1.0, 2.0], [-0.5, -1.0, -2.0]])
    for choice in grid(delta=(0.5, 1.0, 2.0)):
        yield Case(f"ties-{spell(choice)}", (ties, np.zeros((2, 3))), choice)


def hinge_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of hinge and squared_hinge: signs, bits, and neither."""
    yield from pair_cases(draw, real, sign)
    for case in pair_cases(draw, real, bit):
        yield Case(f"bits-{case.id}", case.inputs, {}, case.skipped)
    mixed = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, -1.0]])
    yield Case("mixed", (real(draw, (3, 2)), mixed))
    yield Case("fractions", (real(draw, (3, 2)), draw.uniform((3, 2))))


def categorical_hinge_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_hinge."""
    for shape in ((4,), (5, 3), (2, 3, 4), (4, 1), (2, 2, 2, 3)):
        yield Case(f"one-hot-{label(shape)}", (real(draw, shape), one_hot(draw, shape)))
        yield Case(f"shares-{label(shape)}", (real(draw, shape), simplex(draw, shape)))
        yield Case(f"reals-{label(shape)}", (real(draw, shape), real(draw, shape)))


def divergence_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of kl_divergence, with probabilities of 0 and above 1."""
    yield from pair_cases(draw, simplex, simplex)
    ends = np.array([[0.0, 1.0, 0.5], [1e-8, 1e-7, 1.5]])
    yield Case("ends", (ends, simplex(draw, (2, 3))))
    yield Case("ends-of-truth", (simplex(draw, (2, 3)), ends))


def poisson_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of poisson."""
    yield from pair_cases(draw, amount, amount)
    yield Case("small", (np.array([[0.0, 1e-9, 1e-7, 1e-3]]), np.array([[0.0, 1.0, 2.0, 0.0]])))


ENDS = np.array([[0.0, 1.0, 0.0, 1.0], [1e-8, 1 - 1e-8, 1e-7, 1 - 1e-7], [0.5, 0.3, 1e-6, 0.999]])
END_LABELS = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.3, 1.0, 0.0, 1.0]])
LOGITS = np.array([[0.0, 5.0, -5.0], [14.0, -14.0, 2.0], [-0.5, 0.5, 1.0]])
LOGIT_LABELS = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])


def binary_cases(draw: Draw, options: Sequence[dict[str, Any]] = ({},)) -> Iterator[Case]:
    """Yield the cases of binary_crossentropy, and of its focal form with more options."""
    yield from pair_cases(draw, probability, bit, options)
    for case in pair_cases(draw, real, bit, options):
        yield Case(f"logits-{case.id}", case.inputs, {**case.options, "from_logits": True},
                   case.skipped)  # fmt: skip
    for choice in grid(label_smoothing=(0.0, 0.1, 1.0), axis=(-1, 0)):
        yield Case(f"ends-{spell(choice)}", (ENDS, END_LABELS), choice)
        logits = (LOGITS, LOGIT_LABELS)
        yield Case(f"far-{spell(choice)}", logits, {**choice, "from_logits": True})


def crossentropy_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of binary_crossentropy."""
    yield from binary_cases(draw, [{}, *grid(axis=(0, 1)), {"label_smoothing": 0.2}])


def binary_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of binary_focal_crossentropy."""
    choices = [{}, *grid(apply_class_balancing=(True,), alpha=(0.25, 0.9), gamma=(0.0, 2.0, 3.5))]
    yield from binary_cases(draw, [*choices, {"label_smoothing": 0.2, "axis": 0}])


def one_hot(draw: Draw, shape: Shape, axis: int = -1) -> Array:
    """Draw one right class each."""
    index = draw.integers(shape[axis], shape)
    return (index.argmax(axis=axis, keepdims=True) == places(shape, axis)).astype(np.float64)


def places(shape: Shape, axis: int) -> Array:
    """Return indices along an axis, which broadcast to a shape."""
    sizes = [1] * len(shape)
    sizes[axis] = -1
    return np.arange(shape[axis]).reshape(sizes)


CLASS_SHAPES: tuple[Shape, ...] = ((4,), (5, 3), (1, 2), (2, 3, 4), (2, 2, 3, 2), (0, 3))


def categorical_cases(draw: Draw, more: Sequence[dict[str, Any]] = ({},)) -> Iterator[Case]:
    """Yield the cases of categorical losses: one-hot and spread labels, classes on any axis."""
    for shape in CLASS_SHAPES:
        skipped = AVERAGES if 0 in shape else ()
        for choice in grid(axis=(-1, 1, 0, -2), label_smoothing=(0.0, 0.3)):
            if not fits(choice, shape) or (0 in shape and choice["axis"] != -1):
                continue
            axis = choice["axis"]
            pairs = {
                "logits": (real(draw, shape), one_hot(draw, shape, axis) if shape[0] else
                           np.zeros(shape)),
                "probabilities": (draw.probabilities(shape, axis), draw.probabilities(shape, axis)),
                "masses": (draw.uniform(shape, 0.1, 5), draw.probabilities(shape, axis)),
            }  # fmt: skip
            for kind, pair in pairs.items():
                chosen = {**choice, "from_logits": kind == "logits"}
                yield Case(f"{kind}-{label(shape)}-{spell(choice)}", pair, chosen, skipped)
    for choice in more:
        yield Case(f"more-{spell(choice)}", (simplex(draw, (4, 3)), one_hot(draw, (4, 3))), choice)
        logits = (real(draw, (4, 3)), one_hot(draw, (4, 3)))
        yield Case(f"more-logits-{spell(choice)}", logits, {**choice, "from_logits": True})
    yield Case("ends", (CLASS_ENDS, CLASS_END_LABELS))
    float32 = (simplex(draw, (4, 3)).astype(np.float32), one_hot(draw, (4, 3)).astype(np.int32))
    yield Case("float32-int32", float32)


CLASS_ENDS = np.array([[1.0, 0, 0], [0, 1, 0], [1e-9, 1 - 1e-9, 0], [1e-6, 0.5, 0.5], [2, 3, 5]])
CLASS_END_LABELS = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0.2, 0.3, 0.5]])


def categorical_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_focal_crossentropy."""
    yield from categorical_cases(draw, list(grid(alpha=(0.25, 1.5), gamma=(0.0, 1.0, 3.5))))


def sparse_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of sparse_categorical_crossentropy: indices with and without an axis."""
    for shape in CLASS_SHAPES[1:-1]:
        for choice in grid(axis=(-1, 1), from_logits=(False, True), ignore_class=(None, 1, -1)):
            axis = choice["axis"] % len(shape)
            further = shape[:axis] + shape[axis + 1 :]
            labels = draw.integers(shape[axis], further)
            if choice["ignore_class"] == -1:
                labels = np.where(draw.uniform(further) < 0.3, -1, labels)
            scores = real(draw, shape) if choice["from_logits"] else draw.uniform(shape, 0.1, 2)
            # Nothing left is NaN here, and 0 in Keras.
            skipped = AVERAGES if (labels == choice["ignore_class"]).all() else ()
            yield Case(f"{label(shape)}-{spell(choice)}", (scores, labels), choice, skipped)
            kept = np.expand_dims(labels, axis)
            yield Case(f"{label(shape)}-kept-{spell(choice)}", (scores, kept), choice, skipped)
    yield Case("ends", (CLASS_ENDS, np.array([0, 0, 1, 0, 2])))
    yield Case("float-labels", (simplex(draw, (3, 2)).astype(np.float32), np.array([0.0, 1, 1])))


def generalized_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of categorical_generalized_cross_entropy."""
    for choice in ({}, *grid(q=(0.1, 0.7, 0.999))):
        for shape in ((5, 3), (2, 3, 4), (1, 2)):
            pair = (simplex(draw, shape), draw.integers(shape[-1], shape[:-1]))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
            kept = (pair[0], pair[1][..., np.newaxis])
            yield Case(f"{label(shape)}-kept-{spell(choice)}", kept, choice)
    yield Case("ends", (CLASS_ENDS[:4], np.array([0, 0, 1, 0])))


def ctc_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of ctc: few and many labels, repeated ones, none at all."""
    for steps, classes, most in ((6, 4, 3), (9, 3, 4), (1, 3, 1), (5, 5, 5)):
        for batch in (1, 3):
            labels = draw.integers(classes - 1, (batch, most)) + 1
            lengths = draw.integers(min(most, steps // 2) + 1, (batch, 1))
            padded = np.where(np.arange(most) < lengths, labels, 0)
            scores = draw.normal((batch, steps, classes), 3.0)
            yield Case(f"{batch}x{steps}x{classes}-{most}", (scores, padded))
            floats = (scores.astype(np.float32), padded.astype(np.int32))
            yield Case(f"{batch}x{steps}x{classes}-{most}-float32", floats)
    repeated = np.array([[1, 1, 2], [2, 2, 2], [1, 2, 1]])
    yield Case("repeated", (draw.normal((3, 6, 3)), repeated))
    yield Case("impossible", (draw.normal((3, 4, 3)), repeated))


OVERLAPS: tuple[dict[str, Any], ...] = (
    {}, {"axis": (-1,)}, {"axis": (1,)}, {"axis": (0,)}, {"axis": (1, 2)}, {"axis": (1, 2, 3)},
    {"axis": (0, 1, 2)}, {"axis": (0, -1)},
)  # fmt: skip


def overlap_cases(draw: Draw, more: Sequence[dict[str, Any]] = ()) -> Iterator[Case]:
    """Yield the cases of dice, and of tversky with more options."""
    for case in pair_cases(draw, probability, bit, [*OVERLAPS, *more]):
        if 0 not in case.inputs[0].shape:
            yield case
    yield Case("nothing", (np.zeros((2, 3)), np.zeros((2, 3))), {"axis": (1,)})
    yield Case("sure", (bit(draw, (2, 3, 2)), bit(draw, (2, 3, 2))), {"axis": (1, 2)})


def tversky_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of tversky."""
    choices = [{"alpha": 0.3, "beta": 0.7}, {"alpha": 0.9, "beta": 0.2, "axis": (1,)}]
    yield from overlap_cases(draw, choices)


def circle_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of circle: batches, a label alone, other embeddings to compare with."""
    for samples, width in ((4, 3), (6, 2), (9, 4)):
        for choice in ({}, {"gamma": 2.0, "margin": 0.25}, {"remove_diagonal": False}):
            unit = embeddings(draw, (samples, width))
            labels = np.arange(samples) % 3 // 2
            yield Case(f"{samples}x{width}-{spell(choice)}", (unit, labels), choice)
    unit = embeddings(draw, (4, 3))
    yield Case("column", (unit, np.array([[0], [1], [0], [1]])))
    yield Case("alone", (unit, np.array([0, 1, 1, 2])))
    yield Case("all-alone", (unit, np.arange(4)), {}, AVERAGES)
    for count in (3, 7):
        others = {
            "ref_embeddings": embeddings(draw, (count, 3)),
            "ref_labels": np.arange(count) % 2.0,
        }
        for choice in grid(remove_diagonal=(True, False)):
            name = f"others-{count}-{spell(choice)}"
            yield Case(name, (unit, np.array([0, 1, 0, 1])), {**choice, **others})


def embeddings(draw: Draw, shape: Shape) -> Array:
    """Draw vectors of length 1."""
    vectors = draw.normal(shape)
    return draw.rounded(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


CASES: dict[str, Callable[[Draw], Iterator[Case]]] = {
    "keras.mean_squared_error": difference_cases,
    "keras.mean_absolute_error": difference_cases,
    "keras.mean_absolute_percentage_error": percentage_cases,
    "keras.mean_squared_logarithmic_error": logarithmic_cases,
    "keras.cosine_similarity": cosine_cases,
    "keras.huber": huber_cases,
    "keras.log_cosh": difference_cases,
    "keras.hinge": hinge_cases,
    "keras.squared_hinge": hinge_cases,
    "keras.categorical_hinge": categorical_hinge_cases,
    "keras.kl_divergence": divergence_cases,
    "keras.poisson": poisson_cases,
    "keras.binary_crossentropy": crossentropy_cases,
    "keras.binary_focal_crossentropy": binary_focal_cases,
    "keras.categorical_crossentropy": categorical_cases,
    "keras.categorical_focal_crossentropy": categorical_focal_cases,
    "keras.sparse_categorical_crossentropy": sparse_cases,
    "keras.categorical_generalized_cross_entropy": generalized_cases,
    "keras.ctc": ctc_cases,
    "keras.dice": overlap_cases,
    "keras.tversky": tversky_cases,
    "keras.circle": circle_cases,
}
KEYS = tuple(CASES)
