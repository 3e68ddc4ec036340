"""What the losses of Keras have in common: inputs, options, and how probabilities are clipped.

A vector is one sample to Keras, so that its loss is one number; everything else has a loss per
sample, or per position of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import (
    Loss,
    Option,
    Terms,
    clipped,
    density,
    mass,
    real,
    soft_label,
)
from lossctl.losses.core.options import Role

Array = NDArray[Any]

EPSILON = 1e-7
"""Keras's ``backend.epsilon()``."""

UPPER = 1.0 - EPSILON
LEAST_LOG = float(np.log(EPSILON))
GREATEST_LOG = float(np.log(UPPER))
CLAMP = "what should be likely has a probability below 1e-7"

VECTORS = ("N *D C", "N")
CLASSES = ("N C *D", "C")
ROWS = ("N *D", "")
PREDICTED, TRUE = "predictions", "true values"

PAIR = (real("y_pred", *VECTORS, help=PREDICTED), real("y_true", *VECTORS, help=TRUE))

BATCH: dict[str, Any] = {
    "library": "keras",
    "reduction": "sum_over_batch_size",
    "squeeze_trailing": True,
}
"""What all of them declare."""

AVERAGE: dict[str, Any] = BATCH | {"results": ROWS, "reduce_axes": "last"}
"""What the losses declare that Keras averages over the last axis."""

AXIS_TRAP = "averages over the last axis, so that a vector has one loss"
LAST = {"axis": "averaged over the last", "denominator": "per-sample losses"}
CLIPPING = {"clipping": "probabilities to [1e-7, 1 - 1e-7]"}

FROM_LOGITS = Option("the predictions are logits, not probabilities")
SMOOTHING = Option(
    "share of each label that is spread over all classes",
    at_least=0,
    at_most=1,
    role=Role.SMOOTHING,
)
BINARY_SMOOTHING = Option("moves labels towards 0.5", at_least=0, at_most=1, role=Role.SMOOTHING)
MEAN_AXIS = Option("axis to average over")
CLASS_AXIS = Option("axis of the classes")
GAMMA = Option("exponent of 1 − p of the right class; 0 is cross entropy", at_least=0)

BINARY = (
    clipped("y_pred", *VECTORS, help=PREDICTED, kind_if=(("from_logits", Kind.LOGIT),)),
    soft_label("y_true", *VECTORS, help="1 for the positive class, 0 for the negative"),
)
SCORES = replace(
    mass("y_pred", *CLASSES, help="scores of the classes", kind_if=(("from_logits", Kind.LOGIT),)),
    classes_last=True,
)
CATEGORICAL = (
    SCORES,
    replace(
        density("y_true", *CLASSES, help="probability of each class, such as one-hot labels"),
        classes_last=True,
    ),
)


def evaluate(loss: Loss, *inputs: Array, **options: Any) -> Array:
    """Return the losses of elements that another loss defines."""
    losses = loss.kernel(*inputs, **options)
    assert not isinstance(losses, Terms)
    return losses


def clip(probability: Array) -> Array:
    """Return probabilities as Keras takes them before a logarithm."""
    return np.clip(probability, EPSILON, UPPER)


def clipped_away(probability: Array, target: Array) -> NDArray[np.bool_]:
    """Return where a probability was clipped although its target says it matters."""
    low: NDArray[np.bool_] = (probability < EPSILON) & (target != 0)
    return low | ((probability > UPPER) & (target != 1))
