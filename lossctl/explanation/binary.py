"""The steps of losses of two classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.explanation.step import Step, Steps, steps
from lossctl.losses import binary

Array = NDArray[Any]


def weigh(losses: Array, formula: str, weight: Array | None) -> Steps:
    """Yield a loss, times its weight where there is one."""
    if weight is None:
        yield Step("loss", formula, losses)
        return
    yield Step("unweighted loss", formula, losses)
    yield Step("weight", "w", weight)
    yield Step("loss", "w × unweighted loss", weight * losses)


def cross(y: Array, log_p: Array, log_q: Array, weight: Array | None = None) -> Steps:
    """Yield the binary cross entropy of two logarithms."""
    positive, negative = -(y * log_p), -((1 - y) * log_q)
    yield Step("positive term", "−y log p", positive)
    yield Step("negative term", "−(1 − y) log(1 − p)", negative)
    yield from weigh(positive + negative, "positive term + negative term", weight)


@steps(binary.bce)
def cross_probability(p: Array, y: Array, *, weight: Array | None) -> Steps:
    """Tell the cross entropy of a probability, with logarithms not below −100."""
    yield Step("probability", "p", p)
    yield Step("target", "y", y)
    log_p, log_q = np.log(p), np.log1p(-p)
    kept_p, kept_q = np.maximum(log_p, binary.LOG_FLOOR), np.maximum(log_q, binary.LOG_FLOOR)
    yield Step("log-probability", "log p", log_p)
    yield Step("clipped log-probability", "max(log p, −100)", kept_p, before=log_p)
    yield Step("log-complement", "log(1 − p)", log_q)
    yield Step("clipped log-complement", "max(log(1 − p), −100)", kept_q, before=log_q)
    yield from cross(y, kept_p, kept_q, weight)
