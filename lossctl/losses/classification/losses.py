"""Losses of one right class among several, from logits or log-probabilities."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.findings import RemedyKind
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Terms,
    distribution,
    either,
    index,
    log_probability,
    logit,
    loss,
)
from lossctl.losses.core.options import Role
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.core.terms import DenominatorName, Note
from lossctl.losses.maths.numerics import align_classes, find_classes, separate_ignored, take_class
from lossctl.losses.maths.softmax import (
    DistributionCrossEntropy,
    IndexCrossEntropy,
    class_sum_steps,
    log_softmax_steps,
    right_class,
)

Array = NDArray[Any]

CLASS_WEIGHT = Option("weight of each class", shape="C")
IGNORE_INDEX = Option("target value to ignore", role=Role.IGNORED_LABEL)
SMOOTHING = Option(
    "share of the target spread evenly over all classes",
    at_least=0,
    at_most=1,
    role=Role.SMOOTHING,
)
PICKED_SHARE = 8
"""What a number costs that is mostly not read, compared with one that is: 1 in so many."""
LOG_TOLERANCE = 1e-6
POSITIVE_LOG = Note(
    "positive_log_probability",
    "{are} of positive log-probabilities",
    RemedyKind.TAKE_LOG_PROBABILITIES,
)
DENOMINATOR_TRAP = "mean divides by Σ weight[target] over the targets not ignored"


@loss(
    "nll",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        log_probability("input", "N C *D", "C", help="log-probabilities", reads_few=True),
        index("target", "N *D", "", help="class indices"),
    ),
    formula="−w_y x_y",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html",
    example="log_probs.npy labels.npy",
    facts={
        "axis": "the right class of C",
        "denominator": "Σ weight[target] over the targets not ignored",
    },
    traps=(
        "takes log-probabilities; for logits there is ce",
        "only the numbers of the right classes are read and checked",
        DENOMINATOR_TRAP,
    ),
    sample_cost=lambda sizes: max(1, sizes["C"] * sizes.get("*D", 1) // PICKED_SHARE),
)
def nll(
    input: Array,
    target: Array,
    *,
    weight: Annotated[Array | None, CLASS_WEIGHT] = None,
    ignore_index: Annotated[int, IGNORE_INDEX] = -100,
) -> Terms:
    """Negative log-likelihood of the right class, from log-probabilities.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index.
    A label outside [0, C) is an error unless it is ignore_index.
    """
    target, ignored = separate_ignored(target, ignore_index)
    losses = -take_class(input, target)
    terms = weigh_terms(losses, target, weight, ignored)
    if losses.size and not losses.min() >= -LOG_TOLERANCE:
        positive = losses < -LOG_TOLERANCE
        terms.notes[POSITIVE_LOG] = positive if ignored is None else positive & ~ignored
    return terms


@nll.gradient
def nll_gradient(
    input: Array, target: Array, *, weight: Array | None, ignore_index: int, cotangent: Array
) -> Array:
    """Return −w_y at the right class, and 0 at the others."""
    target, _ = separate_ignored(target, ignore_index)
    gradient = np.zeros(input.shape)
    flat, places = find_classes(gradient, target)
    flat[places] = -cotangent if weight is None else -cotangent * weight[target]
    return gradient


@nll.steps
def nll_steps(x: Array, y: Array, *, weight: Array | None) -> Steps:
    """Explain the log-probability of the right class."""
    own = int(y)
    yield Step("log-probabilities", "x", x, mark=own)
    yield Step("target", "y", y)
    yield Step("log-probability", "x_y", x[own])
    if weight is None:
        yield Step("loss", "−x_y", -x[own])
        return
    yield Step("weight", "w_y", weight[own])
    yield Step("loss", "−w_y x_y", weight[own] * -x[own])


def weigh_terms(
    losses: Array, target: Array, weight: Array | None, ignored: NDArray[np.bool_] | None
) -> Terms:
    """Apply class weights and leave out what is ignored."""
    if weight is None:
        if ignored is not None:
            losses[ignored] = 0
        return Terms(losses, ignored=ignored, denominator=DenominatorName.KEPT)
    weights = weight[target]
    losses = losses * weights
    if ignored is not None:
        losses[ignored] = weights[ignored] = 0
    return Terms(losses, weights, "Σ weight[target]", ignored)


@loss(
    "ce",
    library="torch",
    range=NON_NEGATIVE,
    inputs=(
        logit("input", "N C *D", "N C *D", "C", "C", help="logits"),
        either(
            index("target", "N *D", help="class indices, or probabilities of the classes"),
            distribution("target", "N C *D"),
            index("target", ""),
            distribution("target", "C"),
        ),
    ),
    aliases=(
        "cross_entropy",
        "softmax_cross_entropy",
        "optax.softmax_cross_entropy",
        "optax.softmax_cross_entropy_with_integer_labels",
    ),
    formula="−w_y log softmax(x)_y;  (1 − ε) times this + (ε/C) Σ_c w_c (−log softmax(x)_c)"
    " with smoothing ε;  −Σ_c w_c y_c log softmax(x)_c for probabilities y",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
    example="preds.npy labels.npy --ignore-index 0",
    facts={
        "axis": "sum over C",
        "denominator": "Σ weight[target] over the targets not ignored;"
        " elements with probabilities as targets",
        "smoothing": "(1 − ε) y + ε / C",
    },
    traps=(
        "takes logits, not probabilities: a softmax applied twice gives a silently wrong value",
        DENOMINATOR_TRAP,
        "with probability targets mean divides by N (times the further axes), weighted or not",
        "the smoothing term of an ignored target is excluded too",
    ),
)
def ce(
    input: Array,
    target: Array,
    *,
    weight: Annotated[Array | None, CLASS_WEIGHT] = None,
    ignore_index: Annotated[int, IGNORE_INDEX] = -100,
    label_smoothing: Annotated[float, SMOOTHING] = 0.0,
) -> Terms:
    """Softmax cross entropy of logits.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index, or probabilities
    of the input's shape. A label outside [0, C) is an error unless it is ignore_index;
    probabilities that are negative or do not sum to 1 are computed with a warning.
    """
    classes = input.shape[1]
    if target.ndim == input.ndim:
        spread = DistributionCrossEntropy((len(input), *input.shape[2:]), input.dtype)
        spread.add(input, class_factors(target, weight, label_smoothing, classes))
        return Terms(spread.loss)
    target, ignored = separate_ignored(target, ignore_index)
    running = IndexCrossEntropy(
        target, input.dtype, smoothing_weights(weight, label_smoothing, classes, input.dtype)
    )
    running.add(input)
    return smooth_terms(running, weight, ignored, label_smoothing, classes)


@ce.gradient
def ce_gradient(
    input: Array,
    target: Array,
    *,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    cotangent: Array,
) -> Array:
    """Return w_y (softmax − 1 at the right class), smoothed; (Σ w y) softmax − w y for shares."""
    classes = input.shape[1]
    if target.ndim == input.ndim:
        spread = DistributionCrossEntropy((len(input), *input.shape[2:]), input.dtype)
        factors = class_factors(target, weight, label_smoothing, classes)
        spread.add(input, factors)
        return leave_out(spread.gradient(input, factors) * cotangent[:, np.newaxis], cotangent)
    target, _ = separate_ignored(target, ignore_index)
    running = IndexCrossEntropy(
        target, input.dtype, smoothing_weights(weight, label_smoothing, classes, input.dtype)
    )
    running.add(input)
    own = cotangent * own_factors(target, weight, label_smoothing)
    smoothing = cotangent * (label_smoothing / max(1, classes))
    return leave_out(running.gradient(input, own, smoothing=smoothing), cotangent)


def cross_entropy_steps(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the steps that follow the logits."""
    yield Step("target", "y", y, mark=None if y.ndim == 0 else right_class(y))
    if y.ndim:
        yield from _distribution_steps(x, y, weight, smoothing)
        return
    own = int(y)
    logs = yield from log_softmax_steps(x)
    yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
    loss = -logs[own]
    if weight is not None:
        yield Step("weight", "w_y", weight[own])
        loss = weight[own] * loss
    factor = "" if weight is None else "w_y "
    if not smoothing:
        yield Step("loss", f"−{factor}log p_y", loss)
        return
    each = np.ones(len(x)) if weight is None else weight
    spread = smoothing / len(x) * -(each * logs).sum()
    yield Step("smoothing term", f"(ε/C) Σ_c −{'' if weight is None else 'w_c '}log p_c", spread)
    formula = f"(1 − ε) × −{factor}log p_y + smoothing term"
    yield Step("loss", formula, (1 - smoothing) * loss + spread)


def _distribution_steps(x: Array, y: Array, weight: Array | None, smoothing: float) -> Steps:
    """Yield the cross entropy of logits and a distribution."""
    factors = y
    if smoothing:
        factors = y * (1 - smoothing) + smoothing / len(x)
        yield Step("smoothed target", "y (1 − ε) + ε/C", factors, mark=right_class(y), before=y)
    logs = yield from log_softmax_steps(x)
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=right_class(y))
    if weight is not None:
        yield Step("weight", "w_c", weight, mark=right_class(y))
        factors = weight * factors
    formula = "−y_c log p_c" if weight is None else "−w_c y_c log p_c"
    yield from class_sum_steps(-(factors * logs), formula)


@ce.steps
def ce_steps(x: Array, y: Array, *, weight: Array | None, label_smoothing: float) -> Steps:
    """Explain the softmax cross entropy of logits, against a class or a distribution."""
    yield Step("logits", "x", x, mark=right_class(y))
    yield from cross_entropy_steps(x, y, weight, label_smoothing)


def leave_out(gradient: Array, cotangent: Array) -> Array:
    """Return 0 for what does not count, even where it is NaN."""
    return gradient if cotangent.all() else np.where(cotangent[:, np.newaxis] == 0, 0, gradient)


def own_factors(target: Array, weight: Array | None, smoothing: float) -> Array:
    """Return what −log softmax of the right class is multiplied by."""
    return (1 - smoothing) * (np.ones(target.shape) if weight is None else weight[target])


def class_factors(target: Array, weight: Array | None, smoothing: float, classes: int) -> Array:
    """Return what each −log softmax is multiplied by, for probability targets."""
    factors = target if smoothing == 0 else target * (1 - smoothing) + smoothing / classes
    return factors if weight is None else factors * align_classes(weight, target.ndim)


def smoothing_weights(
    weight: Array | None, smoothing: float, classes: int, dtype: np.dtype[Any]
) -> Array | None:
    """Return the weights of the classes in the smoothing term; None where there is none."""
    if smoothing == 0:
        return None
    return np.ones(classes, dtype) if weight is None else weight


def smooth_terms(
    running: IndexCrossEntropy,
    weight: Array | None,
    ignored: NDArray[np.bool_] | None,
    smoothing: float,
    classes: int,
) -> Terms:
    """Finalize an index cross entropy: weights, smoothing, ignored targets."""
    terms = weigh_terms(running.loss, running.target, weight, ignored)
    if smoothing > 0:
        spread = running.smoothing
        if ignored is not None:
            spread[ignored] = 0
        terms.losses = (1 - smoothing) * terms.losses + smoothing / classes * spread
    return terms
