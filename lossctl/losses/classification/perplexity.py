"""The exponential of a mean cross entropy."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.classification.losses import cross_entropy_steps
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Role,
    Terms,
    Transform,
    index,
    logit,
    loss,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.core.terms import DenominatorName
from lossctl.losses.maths.numerics import separate_ignored
from lossctl.losses.maths.softmax import IndexCrossEntropy, right_class

Array = NDArray[Any]


def _raise_e(mean: float) -> float:
    """Return exp(mean), infinity where that is too large."""
    try:
        return math.exp(mean)
    except OverflowError:
        return math.inf


@loss(
    "perplexity",
    library="literature",
    range=NON_NEGATIVE,
    inputs=(
        logit("input", "N C *D", "C", help="logits"),
        index("target", "N *D", "", help="class indices"),
    ),
    aliases=("ppl",),
    formula="exp of the mean of −log softmax(x)_y",
    unit="choices; for per-element losses, nats",
    source="Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech recognition"
    " tasks, doi:10.1121/1.2016299",
    example="preds.npy labels.npy",
    traps=(
        "takes logits, and the natural logarithm: it is exp of the mean of ce",
        "the exponential of the mean, not the mean of exponentials; per-element losses are cross"
        " entropies",
    ),
    transform=Transform("exponential", _raise_e, _raise_e),
    facts={"denominator": "elements kept"},
)
def perplexity(
    input: Array,
    target: Array,
    *,
    ignore_index: Annotated[int, Option("target value to ignore", role=Role.IGNORED_LABEL)] = -100,
) -> Terms:
    """Exponential of the mean NLL: the effective number of choices.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index. A label outside
    [0, C) is an error unless it is ignore_index.
    """
    target, ignored = separate_ignored(target, ignore_index)
    running = IndexCrossEntropy(target, input.dtype, None)
    running.add(input)
    losses = running.loss
    if ignored is not None:
        losses[ignored] = 0
    return Terms(losses, ignored=ignored, denominator=DenominatorName.KEPT)


@perplexity.gradient
def perplexity_gradient(input: Array, target: Array, *, ignore_index: int) -> Array:
    """Return softmax − 1 at the right class: the engine differentiates the exponential."""
    target, _ = separate_ignored(target, ignore_index)
    running = IndexCrossEntropy(target, input.dtype, None)
    running.add(input)
    return running.gradient(input, np.ones(target.shape))


@perplexity.steps
def perplexity_steps(x: Array, y: Array) -> Steps:
    """Explain the cross entropy of which the exponential of the mean is taken."""
    yield Step("logits", "x", x, mark=right_class(y))
    yield from cross_entropy_steps(x, y, None, 0.0)
