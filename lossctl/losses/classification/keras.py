"""Keras's losses of one right class among several."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, Terms, index, loss
from lossctl.losses.core.keras import (
    BATCH,
    CATEGORICAL,
    CLAMP,
    CLASS_AXIS,
    CLIPPING,
    EPSILON,
    FROM_LOGITS,
    GAMMA,
    GREATEST_LOG,
    LEAST_LOG,
    ROWS,
    SCORES,
    SMOOTHING,
    UPPER,
)
from lossctl.losses.core.options import Role
from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.maths.numerics import align_classes, exp_below, find_classes
from lossctl.losses.maths.softmax import (
    DistributionCrossEntropy,
    IndexCrossEntropy,
    class_sum_steps,
    log_softmax_steps,
    right_class,
)

Array = NDArray[Any]

FACTS = {
    "axis": "classes along the given axis, by default the last",
    "denominator": "per-sample losses",
    "smoothing": "y (1 − s) + s/C, C the classes along the axis (keras#23437)",
} | CLIPPING
SUM_TRAP = "probabilities are divided by their sum first, then clipped to [1e-7, 1 − 1e-7]"
SMOOTHING_TRAP = (
    "label smoothing counts the classes along axis, as fixed in keras#23437;"
    " Keras 3.15.1 counts the last axis"
)
ALONG: dict[str, Any] = BATCH | {"results": ROWS, "class_axis_option": "axis"}


@loss(
    "keras.categorical_crossentropy",
    inputs=CATEGORICAL,
    range=NON_NEGATIVE,
    formula="−Σ_c y_c log(p_c / Σ p), y smoothed to y (1 − s) + s/C",
    unit="nats",
    source="https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class",
    example="probs.npy one_hot.npy",
    traps=("takes probabilities unless --from-logits", SUM_TRAP, SMOOTHING_TRAP),
    facts=FACTS,
    **ALONG,
)
def categorical_crossentropy(
    y_pred: Array,
    y_true: Array,
    *,
    from_logits: Annotated[bool, FROM_LOGITS] = False,
    label_smoothing: Annotated[float, SMOOTHING] = 0.0,
    axis: Annotated[int, CLASS_AXIS] = -1,
) -> Terms:
    """Cross entropy between a true and a predicted distribution over classes.

    y_pred and y_true have the same shape, with the classes along axis.
    """
    smooth = _smooth(y_true, label_smoothing)
    if from_logits:
        running = DistributionCrossEntropy((len(y_pred), *y_pred.shape[2:]), y_pred.dtype)
        running.add(y_pred, smooth)
        return Terms(running.loss)
    share = Shares.of(y_pred)
    return Terms(-(smooth * share.log).sum(axis=1), clamped=share.low & (y_true != 0), clamp=CLAMP)


@categorical_crossentropy.gradient
def categorical_crossentropy_gradient(
    y_pred: Array, y_true: Array, *, from_logits: bool, label_smoothing: float
) -> Array:
    """Return (Σ y) softmax − y for logits; for probabilities through the division by their sum."""
    smooth = _smooth(y_true, label_smoothing)
    if from_logits:
        running = DistributionCrossEntropy((len(y_pred), *y_pred.shape[2:]), y_pred.dtype)
        running.add(y_pred, smooth)
        return running.gradient(y_pred, smooth)
    return _gradient_of_masses(y_pred, lambda share: -smooth / share)


def _smoothing_steps(y: Array, smoothing: float) -> StepsToArray:
    """Yield a distribution, and what smoothing makes of it; return that."""
    yield Step("target", "y", y, mark=right_class(y))
    if not smoothing:
        return y
    smoothed = y * (1 - smoothing) + smoothing / len(y)
    yield Step("smoothed target", "y (1 − s) + s/C", smoothed, mark=right_class(y), before=y)
    return smoothed


def _share_steps(masses: Array, place: int | None) -> Generator[Step, None, tuple[Array, Array]]:
    """Yield the shares of the classes, clipped, and their logarithms; return these and 1 − p."""
    shares = Shares.of(masses[np.newaxis])
    plain = masses / masses.sum()
    yield Step("sum", "Σ_c p_c", masses.sum())
    yield Step("shares", "p_c / Σ p", plain, mark=place)
    kept = np.clip(plain, EPSILON, UPPER)
    yield Step("clipped probabilities", "shares between 1e-7 and 1 − 1e-7", kept, place, plain)
    yield Step("log-probabilities", "log p_c", shares.log[0], mark=place)
    return shares.log[0], shares.rest[0]


@categorical_crossentropy.steps
def categorical_crossentropy_steps(
    p: Array, y: Array, *, from_logits: bool, label_smoothing: float
) -> Steps:
    """Explain the cross entropy of probabilities, or of logits."""
    yield Step(
        "logits" if from_logits else "probabilities", "x" if from_logits else "p", p, right_class(y)
    )
    target = yield from _smoothing_steps(y, label_smoothing)
    if from_logits:
        logs = yield from log_softmax_steps(p)
        yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=right_class(y))
    else:
        logs, _ = yield from _share_steps(p, right_class(y))
    yield from class_sum_steps(-(target * logs), "−y_c log p_c")


@loss(
    "keras.categorical_focal_crossentropy",
    inputs=CATEGORICAL,
    range=NON_NEGATIVE,
    formula="−Σ_c α (1 − p_c)^γ y_c log p_c, p divided by its sum, y smoothed to y (1 − s) + s/C",
    source="Lin et al. 2017, Focal loss for dense object detection, arXiv:1708.02002",
    example="probs.npy one_hot.npy",
    traps=(
        "alpha weights all classes equally: it scales the loss",
        "takes probabilities unless --from-logits, and clips both",
        SMOOTHING_TRAP,
    ),
    facts=FACTS,
    **ALONG,
)
def categorical_focal_crossentropy(
    y_pred: Array,
    y_true: Array,
    *,
    alpha: Annotated[float, Option("factor of the loss")] = 0.25,
    gamma: Annotated[float, GAMMA] = 2.0,
    from_logits: Annotated[bool, FROM_LOGITS] = False,
    label_smoothing: Annotated[float, SMOOTHING] = 0.0,
    axis: Annotated[int, CLASS_AXIS] = -1,
) -> Terms:
    """Cross entropy over classes that down-weights easy examples.

    y_pred and y_true have the same shape, with the classes along axis.
    """
    if from_logits:
        y_pred = exp_below(y_pred, y_pred.max(axis=1, keepdims=True, initial=-np.inf))
    share = Shares.of(y_pred)
    factors = alpha * share.rest**gamma * _smooth(y_true, label_smoothing)
    return Terms(-(factors * share.log).sum(axis=1), clamped=share.low & (y_true != 0), clamp=CLAMP)


@categorical_focal_crossentropy.gradient
def categorical_focal_crossentropy_gradient(
    y_pred: Array,
    y_true: Array,
    *,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
) -> Array:
    """Return the gradients of both factors through the division by the sum; 0 if p is clipped."""
    masses = y_pred
    if from_logits:
        masses = exp_below(y_pred, y_pred.max(axis=1, keepdims=True, initial=-np.inf))
    parts = Shares.of(masses)

    def by_share(share: Array) -> Array:
        weight = gamma * parts.rest ** (gamma - 1) * parts.log if gamma else 0.0
        return alpha * _smooth(y_true, label_smoothing) * (weight - parts.rest**gamma / share)

    gradient = _gradient_of_masses(masses, by_share)
    return gradient * masses if from_logits else gradient


@categorical_focal_crossentropy.steps
def categorical_focal_crossentropy_steps(
    p: Array, y: Array, *, alpha: float, gamma: float, from_logits: bool, label_smoothing: float
) -> Steps:
    """Explain the cross entropy that down-weights easy examples."""
    yield Step(
        "logits" if from_logits else "probabilities", "x" if from_logits else "p", p, right_class(y)
    )
    target = yield from _smoothing_steps(y, label_smoothing)
    if from_logits:
        top = p.max(initial=-np.inf)
        yield Step("maximum", "m = max_c x_c", top)
        p = exp_below(p, top)
        yield Step("exponentials", "p_c = exp(x_c − m)", p, mark=right_class(y))
    logs, rest = yield from _share_steps(p, right_class(y))
    factors = rest**gamma
    yield Step("focusing factors", "(1 − p_c)^γ", factors, mark=right_class(y))
    formula = "−α (1 − p_c)^γ y_c log p_c"
    yield from class_sum_steps(-(alpha * factors * target * logs), formula)


@loss(
    "keras.sparse_categorical_crossentropy",
    inputs=(SCORES, index("y_true", *ROWS, help="class indices")),
    range=NON_NEGATIVE,
    formula="−log(p_y / Σ p)",
    unit="nats",
    source="https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class",
    example="probs.npy labels.npy",
    traps=(
        "takes probabilities unless --from-logits",
        SUM_TRAP,
        "a label outside [0, C) is an error; Keras's backends give NaN, 0 or an error",
        "ignored labels are excluded from the denominator, as masked samples are",
    ),
    facts=FACTS | {"smoothing": "none", "labels": "class indices"},
    **ALONG,
)
def sparse_categorical_crossentropy(
    y_pred: Array,
    y_true: Array,
    *,
    from_logits: Annotated[bool, FROM_LOGITS] = False,
    ignore_class: Annotated[int | None, Option("label to ignore", role=Role.IGNORED_LABEL)] = None,
    axis: Annotated[int, CLASS_AXIS] = -1,
) -> Terms:
    """Cross entropy of the right class.

    y_pred has the classes along axis; y_true lacks that axis, or has a 1 there.
    A label outside [0, C) is an error unless it is ignore_class.
    """
    ignored = None if ignore_class is None else y_true == ignore_class
    target = y_true if ignored is None else np.where(ignored, 0, y_true)
    terms = _index_logits(y_pred, target) if from_logits else _index_shares(y_pred, target)
    if ignored is not None:
        terms.losses[ignored] = 0
        terms.ignored, terms.denominator = ignored, "elements kept"
        if terms.clamped is not None:
            terms.clamped &= ~ignored
    return terms


@sparse_categorical_crossentropy.gradient
def sparse_categorical_crossentropy_gradient(
    y_pred: Array, y_true: Array, *, from_logits: bool, ignore_class: int | None
) -> Array:
    """Return softmax − 1 at the right class for logits; for probabilities through their sum."""
    target = y_true if ignore_class is None else np.where(y_true == ignore_class, 0, y_true)
    if from_logits:
        running = IndexCrossEntropy(target, y_pred.dtype, None)
        running.add(y_pred)
        return running.gradient(y_pred, np.ones(target.shape))
    right = target[:, np.newaxis] == align_classes(np.arange(y_pred.shape[1]), y_pred.ndim)
    return _gradient_of_masses(y_pred, lambda share: np.where(right, -1 / share, 0))


@sparse_categorical_crossentropy.steps
def sparse_categorical_crossentropy_steps(p: Array, y: Array, *, from_logits: bool) -> Steps:
    """Explain the cross entropy of the right class."""
    own = int(y)
    yield Step("logits" if from_logits else "probabilities", "x" if from_logits else "p", p, own)
    yield Step("target", "y", y)
    if from_logits:
        logs = yield from log_softmax_steps(p)
        yield Step("log-probability", "log p_y = x_y − log-sum-exp", logs[own])
        yield Step("loss", "−log p_y", -logs[own])
        return
    rest = np.delete(p, own).sum()
    probability = p[own] / (p[own] + rest)
    kept = np.clip(probability, EPSILON, UPPER)
    near = p[own] > rest >= 0
    log = np.clip(-np.log1p(rest / p[own]) if near else np.log(kept), LEAST_LOG, GREATEST_LOG)
    yield Step("sum", "Σ_c p_c", p[own] + rest)
    yield Step("probability", "p_y / Σ p", probability)
    yield Step("clipped probability", "p_y between 1e-7 and 1 − 1e-7", kept, before=probability)
    yield Step("log-probability", "log p_y", log)
    yield Step("loss", "−log p_y", -log)


def _index_logits(logits: Array, target: Array) -> Terms:
    running = IndexCrossEntropy(target, logits.dtype, None)
    running.add(logits)
    return Terms(running.loss)


def _index_shares(masses: Array, target: Array) -> Terms:
    """Return −log of the target's share; log1p keeps the digits of a share near 1."""
    fortran = masses.ndim == 2 and masses.flags.f_contiguous
    others = np.array(masses, order="F" if fortran else "C")
    flat, places = find_classes(others, target)  # a view of what was copied, in either order
    own = flat[places]
    flat[places] = 0
    rest = others.sum(axis=1)
    share = own / (own + rest)
    near = (own > rest) & (rest >= 0)
    logs = np.where(near, -np.log1p(rest / own), np.log(np.clip(share, EPSILON, UPPER)))
    return Terms(-np.clip(logs, LEAST_LOG, GREATEST_LOG), clamped=share < EPSILON, clamp=CLAMP)


@dataclass(slots=True)
class Shares:
    """What part each class has in the sum of them all, clipped as Keras clips it.

    The largest may be near 1, where its logarithm and what it lacks of 1 come from the others.
    """

    log: Array
    rest: Array
    low: NDArray[np.bool_]

    @classmethod
    def of(cls, masses: Array) -> Shares:
        """Divide numbers by their sum over the classes."""
        best = np.expand_dims(masses.argmax(axis=1), 1)
        largest = np.take_along_axis(masses, best, axis=1)
        others = masses.copy()
        np.put_along_axis(others, best, 0, axis=1)
        beside = others.sum(axis=1, keepdims=True)
        share = masses / (largest + beside)
        log, rest = np.log(np.clip(share, EPSILON, UPPER)), 1 - share
        usable = (beside >= 0) & (largest > 0)
        near = np.where(usable, -np.log1p(beside / largest), np.take_along_axis(log, best, axis=1))
        np.put_along_axis(log, best, np.clip(near, LEAST_LOG, GREATEST_LOG), axis=1)
        np.put_along_axis(rest, best, beside / (largest + beside), axis=1)
        return cls(log, np.clip(rest, 1 - UPPER, UPPER), share < EPSILON)


def _smooth(target: Array, smoothing: float) -> Array:
    return target * (1 - smoothing) + smoothing / target.shape[1] if smoothing else target


def _gradient_of_masses(masses: Array, by_share: Callable[[Array], Array]) -> Array:
    """Return the gradient with respect to numbers divided by their sum and clipped.

    A share that is clipped has no gradient.
    """
    total = masses.sum(axis=1, keepdims=True)
    share = masses / total
    clipped = np.clip(share, EPSILON, UPPER)
    gradient = np.where(clipped == share, by_share(clipped), 0)
    return (gradient - (gradient * share).sum(axis=1, keepdims=True)) / total
