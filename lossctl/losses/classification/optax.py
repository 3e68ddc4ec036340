"""Cross entropies of logits that optax alone has."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    UNBOUNDED,
    Option,
    distribution,
    either,
    index,
    logit,
    loss,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import take_class
from lossctl.losses.maths.softmax import (
    DistributionCrossEntropy,
    IndexCrossEntropy,
    log_softmax_steps,
    masked_cross_entropy,
    masked_cross_entropy_gradient,
    masked_cross_entropy_steps,
    right_class,
)

Array = NDArray[Any]


@loss(
    "safe_softmax_cross_entropy",
    library="optax",
    range=NON_NEGATIVE,
    inputs=(
        logit("input", "N C *D", "C", help="logits"),
        distribution("target", "N C *D", "C", help="probabilities of the classes"),
    ),
    formula="−Σ_c y_c log softmax(x)_c, excluding classes where x is −∞ and y is 0",
    unit="nats",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="preds.npy digits_other_probs.npy",
    traps=("an excluded class (a logit of −∞, a target of 0) contributes 0; for ce it is NaN",),
)
def safe_softmax_cross_entropy(input: Array, target: Array) -> Array:
    """Cross entropy of logits in which −∞ may exclude classes.

    input and target are (N, C, *D) or (C); the losses are (N, *D) or one number.
    """
    return masked_cross_entropy(input, target, ~((input == -np.inf) & (target == 0)))


@safe_softmax_cross_entropy.gradient
def safe_softmax_cross_entropy_gradient(input: Array, target: Array) -> Array:
    """Return (Σ y) softmax − y, 0 for a class that is ruled out."""
    return masked_cross_entropy_gradient(input, target, ~((input == -np.inf) & (target == 0)))


@safe_softmax_cross_entropy.steps
def safe_softmax_cross_entropy_steps(x: Array, y: Array) -> Steps:
    """Explain the cross entropy over the classes that are not ruled out."""
    yield Step("logits", "x", x, mark=right_class(y))
    yield Step("target", "y", y, mark=right_class(y))
    there = ~((x == -np.inf) & (y == 0))
    yield Step("classes that count", "not (x_c = −∞ and y_c = 0)", there)
    yield from masked_cross_entropy_steps(x, y, there)


@loss(
    "poly_ce",
    library="optax",
    range=UNBOUNDED,
    inputs=(
        logit("input", "N C *D", "N C *D", "C", "C", help="logits"),
        either(
            index("target", "N *D", help="class indices, or probabilities of the classes"),
            distribution("target", "N C *D"),
            index("target", ""),
            distribution("target", "C"),
        ),
    ),
    aliases=("poly_loss_cross_entropy", "poly_loss"),
    formula="−Σ_c y_c log p_c + ε Σ_c y_c (1 − p_c),  p = softmax(x)",
    source="Leng et al. 2022, PolyLoss, arXiv:2204.12511",
    example="preds.npy labels.npy",
    traps=(
        "takes logits, not probabilities",
        "epsilon 0 is cross entropy, -1 removes the first term",
    ),
)
def poly_ce(
    input: Array,
    target: Array,
    *,
    epsilon: Annotated[
        float, Option("weight of the term 1 − p that is added to cross entropy")
    ] = 2.0,
) -> Array:
    """Cross entropy of logits with another weight on the first term of its series.

    input is (N, C, *D) or (C); target holds class indices (N, *D) or one index, or probabilities
    of the input's shape. A label outside [0, C) is an error.
    """
    if target.ndim == input.ndim:
        spread = DistributionCrossEntropy((len(input), *input.shape[2:]), input.dtype)
        spread.add(input, target)
        return spread.loss + epsilon * (target * _complement(input)).sum(axis=1)
    running = IndexCrossEntropy(target, input.dtype, None)
    running.add(input)
    own = np.exp(take_class(input, target) - running.top)
    return running.loss + epsilon * (running.others / (own + running.others))


def _complement(logits: Array) -> Array:
    """Return 1 − softmax; for the likeliest class it is the sum of the others."""
    best = np.expand_dims(logits.argmax(axis=1), 1)
    shares = np.exp(logits - np.take_along_axis(logits, best, axis=1))
    np.put_along_axis(shares, best, 0, axis=1)
    others = shares.sum(axis=1, keepdims=True)
    rest = 1 + others - shares
    np.put_along_axis(rest, best, others, axis=1)
    return rest / (1 + others)


@poly_ce.gradient
def poly_ce_gradient(input: Array, target: Array, *, epsilon: float) -> Array:
    """Return (1 + ε p_y) times the gradient of cross entropy; for shares, both terms' gradients."""
    if target.ndim == input.ndim:
        spread = DistributionCrossEntropy((len(input), *input.shape[2:]), input.dtype)
        spread.add(input, target)
        shares = spread.softmax(input)
        hit = (target * shares).sum(axis=1, keepdims=True)
        return spread.gradient(input, target) - epsilon * shares * (target - hit)
    running = IndexCrossEntropy(target, input.dtype, None)
    running.add(input)
    own = np.exp(running.own - running.top)
    return running.gradient(input, 1 + epsilon * own / (own + running.others))


@poly_ce.steps
def poly_ce_steps(x: Array, y: Array, *, epsilon: float) -> Steps:
    """Explain the cross entropy, and 1 − p of the right class."""
    yield Step("logits", "x", x, mark=right_class(y))
    yield Step("target", "y", y, mark=None if y.ndim == 0 else right_class(y))
    logs = yield from log_softmax_steps(x)
    formula = "cross entropy + ε × missing probability"
    if y.ndim == 0:
        own = int(y)
        missing = -np.expm1(logs[own])
        yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
        yield Step("cross entropy", "−log p_y", -logs[own])
        yield Step("missing probability", "1 − p_y", missing)
        yield Step("loss", formula, -logs[own] + epsilon * missing)
        return
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=right_class(y))
    entropy, missing = -(y * logs).sum(), (y * -np.expm1(logs)).sum()
    yield Step("cross entropy", "−Σ_c y_c log p_c", entropy)
    yield Step("missing probability", "Σ_c y_c (1 − p_c)", missing)
    yield Step("loss", formula, entropy + epsilon * missing)
