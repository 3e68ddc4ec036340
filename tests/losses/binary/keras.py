"""The binary losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mpmath
import numpy as np

from tests.losses.cases.case import Array, Case, Draw, grid, spell
from tests.losses.cases.keras import bit, pair_cases, probability, real
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import QUARTER, TWO, ZERO, Number
from tests.losses.definitions.keras import ENDS, average, clip, column, row
from tests.losses.definitions.points import LOGITS, Points, cross
from tests.losses.steps.scope import HIGH, LOW, clip_step

reference("keras.binary_crossentropy", "keras.losses.BinaryCrossentropy")
CERTAIN = np.array(
    [[0.0, 1.0, 0.0, 1.0], [1e-8, 1 - 1e-8, 1e-7, 1 - 1e-7], [0.5, 0.3, 1e-6, 0.999]]
)
CERTAIN_LABELS = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.3, 1.0, 0.0, 1.0]])
FAR_LOGITS = np.array([[0.0, 5.0, -5.0], [14.0, -14.0, 2.0], [-0.5, 0.5, 1.0]])
FAR_LABELS = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])


def binary_cases(draw: Draw, options: Sequence[dict[str, Any]] = ({},)) -> Iterator[Case]:
    """Yield the cases of binary_crossentropy, and of its focal form with more options."""
    yield from pair_cases(draw, probability, bit, options)
    for case in pair_cases(draw, real, bit, options):
        yield Case(f"logits-{case.id}", case.inputs, {**case.options, "from_logits": True},
                   case.skipped)  # fmt: skip
    for choice in grid(label_smoothing=(0.0, 0.1, 1.0), axis=(-1, 0)):
        yield Case(f"ends-{spell(choice)}", (CERTAIN, CERTAIN_LABELS), choice)
        logits = (FAR_LOGITS, FAR_LABELS)
        yield Case(f"far-{spell(choice)}", logits, {**choice, "from_logits": True})


@cases("keras.binary_crossentropy")
def crossentropy_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of binary_crossentropy."""
    yield from binary_cases(draw, [{}, *grid(axis=(0, 1)), {"label_smoothing": 0.2}])


LABELS = (0.0, 1.0, 0.5, 0.25, 1e-17)


def binary_points() -> list[Points]:
    """Return probabilities and logits against hard and soft labels."""
    probabilities, logits = cross(ENDS, LABELS), cross(LOGITS, LABELS)
    rows = [Points(column(*probabilities), {"label_smoothing": s}) for s in (0.0, 0.2)]
    rows += [Points(column(*logits), {"from_logits": True})]
    return [*rows, Points(row(*probabilities)), Points(row(*logits), {"from_logits": True})]


def binary(
    p: Number, y: Number, from_logits: bool = False, label_smoothing: Number = ZERO
) -> Number:
    y = y * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        return y * mpmath.log1p(mpmath.exp(-p)) + (1 - y) * mpmath.log1p(mpmath.exp(p))
    return -y * mpmath.log(clip(p)) - (1 - y) * mpmath.log1p(-clip(p))


definition("keras.binary_crossentropy", points=binary_points)(average(binary))
kink(
    "keras.binary_crossentropy",
    "where clipping begins",
    ([[1e-7, 1e-8, 0.0, 1 - 1e-7]], [[1.0, 1.0, 1.0, 1.0]]),
    [[[-0.25e7, 0.0, 0.0, -0.25 / (1 - 1e-7)]]],
)

reference("keras.binary_focal_crossentropy", "keras.losses.BinaryFocalCrossentropy")


@cases("keras.binary_focal_crossentropy")
def binary_focal_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of binary_focal_crossentropy."""
    choices = [{}, *grid(apply_class_balancing=(True,), alpha=(0.25, 0.9), gamma=(0.0, 2.0, 3.5))]
    yield from binary_cases(draw, [*choices, {"label_smoothing": 0.2, "axis": 0}])


def binary_focal_points() -> list[Points]:
    """Return the same with several exponents, and balanced."""
    ordinary = tuple(x for x in LOGITS if abs(x) < 300)
    pairs = {False: cross(ENDS, LABELS), True: cross(ordinary, LABELS)}
    return [
        Points(column(*pairs[choice["from_logits"]]), choice)
        for choice in grid(
            from_logits=(False, True), gamma=(0.0, 1.0, 2.0), apply_class_balancing=(False, True)
        )
    ]


@definition("keras.binary_focal_crossentropy", points=binary_focal_points)
@average
def binary_focal(
    p: Number,
    y: Number,
    from_logits: bool = False,
    gamma: Number = TWO,
    apply_class_balancing: bool = False,
    alpha: Number = QUARTER,
) -> Number:
    if from_logits:
        p = 1 / (1 + mpmath.exp(-p))
    weight = y * alpha + (1 - y) * (1 - alpha) if apply_class_balancing else 1
    wrong = y * (1 - p) + (1 - y) * p
    return weight * wrong**gamma * binary(p, y)


@largest_term("keras.binary_focal_crossentropy")
def sigmoid_term(logits: Array, _: Array, from_logits: bool = False, **__: Any) -> Array:
    """Return how often what a probability lacks of 1 is contained in the probability."""
    if not from_logits:
        return np.zeros(())
    lack = np.exp(np.minimum(np.abs(logits), -np.log(1e-7)))
    return np.asarray(np.max(lack, axis=None, initial=0.0) * np.ones(()))


recomputed(
    {
        ("clipped probability", "p between 1e-7 and 1 − 1e-7"): clip_step(LOW, HIGH, "probability"),
        ("smoothed target", "y (1 − s) + s/2"): lambda s: (
            s.x[1] + (0.5 - s.x[1]) * s.o["label_smoothing"]
        ),
    }
)
