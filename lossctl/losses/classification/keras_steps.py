"""The steps of Keras's losses of one right class among several."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.classification import keras, keras_generalized
from lossctl.losses.classification.steps import add_classes, mark, normalise
from lossctl.losses.core.keras import EPSILON, GREATEST_LOG, LEAST_LOG, UPPER
from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.maths.numerics import exp_below

Array = NDArray[Any]


def smooth(y: Array, smoothing: float) -> Told:
    """Yield a distribution, and what smoothing makes of it; return that."""
    yield Step("target", "y", y, mark=mark(y))
    if not smoothing:
        return y
    smoothed = y * (1 - smoothing) + smoothing / len(y)
    yield Step("smoothed target", "y (1 − s) + s/C", smoothed, mark=mark(y), before=y)
    return smoothed


def share(masses: Array, place: int | None) -> Generator[Step, None, tuple[Array, Array]]:
    """Yield the shares of the classes, clipped, and their logarithms; return these and 1 − p."""
    shares = keras.Shares.of(masses[np.newaxis])
    plain = masses / masses.sum()
    yield Step("sum", "Σ_c p_c", masses.sum())
    yield Step("shares", "p_c / Σ p", plain, mark=place)
    kept = np.clip(plain, EPSILON, UPPER)
    yield Step("clipped probabilities", "shares between 1e-7 and 1 − 1e-7", kept, place, plain)
    yield Step("log-probabilities", "log p_c", shares.log[0], mark=place)
    return shares.log[0], shares.rest[0]


@steps(keras.categorical_crossentropy)
def cross_distribution(p: Array, y: Array, *, from_logits: bool, label_smoothing: float) -> Steps:
    """Tell the cross entropy of probabilities, or of logits."""
    yield Step(
        "logits" if from_logits else "probabilities", "x" if from_logits else "p", p, mark(y)
    )
    target = yield from smooth(y, label_smoothing)
    if from_logits:
        logs = yield from normalise(p)
        yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=mark(y))
    else:
        logs, _ = yield from share(p, mark(y))
    yield from add_classes(-(target * logs), "−y_c log p_c")


@steps(keras.categorical_focal_crossentropy)
def focus_distribution(
    p: Array, y: Array, *, alpha: float, gamma: float, from_logits: bool, label_smoothing: float
) -> Steps:
    """Tell the cross entropy in which sure answers count little."""
    yield Step(
        "logits" if from_logits else "probabilities", "x" if from_logits else "p", p, mark(y)
    )
    target = yield from smooth(y, label_smoothing)
    if from_logits:
        top = p.max(initial=-np.inf)
        yield Step("maximum", "m = max_c x_c", top)
        p = exp_below(p, top)
        yield Step("exponentials", "p_c = exp(x_c − m)", p, mark=mark(y))
    logs, rest = yield from share(p, mark(y))
    factors = rest**gamma
    yield Step("focusing factors", "(1 − p_c)^γ", factors, mark=mark(y))
    formula = "−α (1 − p_c)^γ y_c log p_c"
    yield from add_classes(-(alpha * factors * target * logs), formula)


@steps(keras.sparse_categorical_crossentropy)
def cross_index(p: Array, y: Array, *, from_logits: bool) -> Steps:
    """Tell the cross entropy of the right class."""
    own = int(y)
    yield Step("logits" if from_logits else "probabilities", "x" if from_logits else "p", p, own)
    yield Step("target", "y", y)
    if from_logits:
        logs = yield from normalise(p)
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


@steps(keras_generalized.categorical_generalized_cross_entropy)
def cross_robustly(p: Array, y: Array, *, q: float) -> Steps:
    """Tell the loss that lies between cross entropy and absolute error."""
    own = p[int(y)]
    yield Step("probabilities", "p", p, mark=int(y))
    yield Step("target", "y", y)
    yield Step("probability", "p_y", own)
    yield Step("power", "p_y^q", own**q)
    yield Step("loss", "(1 − p_y^q) / q", -np.expm1(q * np.log(own)) / q)
