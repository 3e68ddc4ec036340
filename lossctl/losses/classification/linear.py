"""Softmax cross entropy of a linear layer's output, whose logits are never formed all at once."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.classification.losses import (
    CLASS_WEIGHT,
    DENOMINATOR_TRAP,
    IGNORE_INDEX,
    class_factors,
    cross_entropy_steps,
    leave_out,
    own_factors,
    smooth_terms,
    smoothing_weights,
)
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Terms,
    distribution,
    either,
    index,
    loss,
    real,
)
from lossctl.losses.core.keras import SMOOTHING
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import separate_ignored
from lossctl.losses.maths.softmax import DistributionCrossEntropy, IndexCrossEntropy, right_class

Array = NDArray[Any]

PIECE_NUMBERS = 2**21
LARGEST_PIECE = 4096


@loss(
    "linear_ce",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        real("input", "N F", "N F", "F", "F", help="features before the last linear layer"),
        either(
            index("target", "N *D", help="class indices, or probabilities of the classes"),
            distribution("target", "N C *D"),
            index("target", ""),
            distribution("target", "C"),
        ),
        real("linear_weight", "C *D F", "C *D F", "C F", "C F", help="weights of that layer"),
    ),
    aliases=("linear_cross_entropy",),
    formula="cross entropy of the logits x·Wᵀ + b, which are computed block by block",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/"
    "torch.nn.functional.linear_cross_entropy.html",
    example="digits_features.npy labels.npy digits_weight.npy --linear-bias digits_bias.npy",
    facts={
        "axis": "sum over C",
        "denominator": "Σ weight[target] over the targets not ignored;"
        " elements with probabilities as targets",
        "smoothing": "(1 − ε) y + ε / C",
    },
    traps=(
        "the logits are never stored all at once: a vocabulary of 128,256 fits in memory",
        "torch's functional takes the weights before the target; both orders are recognised where"
        " the shapes are unambiguous",
        DENOMINATOR_TRAP,
    ),
    other_orders=(("input", "linear_weight", "target"),),
    sample_cost=lambda sizes: max(
        sizes["F"], min(sizes["C"] * sizes.get("*D", 1), LARGEST_PIECE) // 8
    ),
)
def linear_ce(
    input: Array,
    target: Array,
    linear_weight: Array,
    *,
    linear_bias: Annotated[Array | None, Option("bias of the linear layer", shape="C *D")] = None,
    weight: Annotated[Array | None, CLASS_WEIGHT] = None,
    ignore_index: Annotated[int, IGNORE_INDEX] = -100,
    label_smoothing: Annotated[float, SMOOTHING] = 0.0,
) -> Terms:
    """Softmax cross entropy of a linear layer's output, without storing all logits.

    input is (N, F) or (F), linear_weight (C, F) or (C, *D, F), target class indices (N, *D) or
    probabilities (N, C, *D). A label outside [0, C) is an error unless it is ignore_index.
    """
    classes, *further, _ = linear_weight.shape
    pieces = _cut_classes(linear_weight)
    if target.ndim == len(further) + 2:
        spread = DistributionCrossEntropy((len(input), *further), input.dtype)
        factors = class_factors(target, weight, label_smoothing, classes)
        for part in pieces:
            spread.add(_logits(input, linear_weight, linear_bias, part), factors[:, part])
        return Terms(spread.loss)
    target, ignored = separate_ignored(target, ignore_index)
    smoothing_weight = smoothing_weights(weight, label_smoothing, classes, input.dtype)
    running = IndexCrossEntropy(target, input.dtype, smoothing_weight)
    for part in pieces:
        running.add(_logits(input, linear_weight, linear_bias, part), part.start)
    return smooth_terms(running, weight, ignored, label_smoothing, classes)


def _cut_classes(linear_weight: Array) -> list[slice]:
    """Return the pieces of the classes whose logits are formed together."""
    piece = max(1, min(LARGEST_PIECE, PIECE_NUMBERS // max(1, linear_weight[:1].size)))
    return [slice(first, first + piece) for first in range(0, len(linear_weight), piece)]


def _logits(input: Array, linear_weight: Array, bias: Array | None, part: slice) -> Array:
    """Return the logits (n, c, *d) of one piece of the classes."""
    rows = linear_weight[part].astype(input.dtype, copy=False)
    logits: Array = np.tensordot(input, rows, axes=(1, rows.ndim - 1))
    return logits if bias is None else logits + bias[part]


@linear_ce.gradient
def linear_ce_gradient(
    input: Array,
    target: Array,
    linear_weight: Array,
    *,
    linear_bias: Array | None,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    cotangent: Array,
) -> Array:
    """Return the gradients of the logits, formed piece by piece, times the weights of the layer.

    It is the derivative with respect to the features; the weights are not predictions.
    """
    classes, *further, _ = linear_weight.shape
    pieces = _cut_classes(linear_weight)
    gradient = np.zeros(input.shape, input.dtype)
    axes = range(len(further) + 1)

    def add(gradient_of_logits: Array, part: slice) -> None:
        rows = linear_weight[part].astype(input.dtype, copy=False)
        gradient_of_logits = leave_out(gradient_of_logits, cotangent)
        gradient[:] += np.tensordot(
            gradient_of_logits, rows, axes=([a + 1 for a in axes], list(axes))
        )

    if target.ndim == len(further) + 2:
        spread = DistributionCrossEntropy((len(input), *further), input.dtype)
        factors = class_factors(target, weight, label_smoothing, classes)
        for part in pieces:
            spread.add(_logits(input, linear_weight, linear_bias, part), factors[:, part])
        for part in pieces:
            logits = _logits(input, linear_weight, linear_bias, part)
            add(spread.gradient(logits, factors[:, part]) * cotangent[:, np.newaxis], part)
        return gradient
    target, _ = separate_ignored(target, ignore_index)
    smoothing_weight = smoothing_weights(weight, label_smoothing, classes, input.dtype)
    running = IndexCrossEntropy(target, input.dtype, smoothing_weight)
    own = cotangent * own_factors(target, weight, label_smoothing)
    smoothing = cotangent * (label_smoothing / max(1, classes))
    for part in pieces:
        running.add(_logits(input, linear_weight, linear_bias, part), part.start)
    for part in pieces:
        logits = _logits(input, linear_weight, linear_bias, part)
        add(running.gradient(logits, own, part.start, smoothing), part)
    return gradient


@linear_ce.steps
def linear_ce_steps(
    input: Array,
    target: Array,
    linear_weight: Array,
    *,
    linear_bias: Array | None,
    weight: Array | None,
    label_smoothing: float,
) -> Steps:
    """Explain the logits that a linear layer makes of features, and their cross entropy."""
    yield Step("features", "x", input)
    x = linear_weight.astype(input.dtype, copy=False) @ input
    if linear_bias is not None:
        yield Step("bias", "b", linear_bias, mark=right_class(target))
        x = x + linear_bias
    formula = "z = W x" if linear_bias is None else "z = W x + b"
    yield Step("logits", formula, x, mark=right_class(target))
    yield from cross_entropy_steps(x, target, weight, label_smoothing)
