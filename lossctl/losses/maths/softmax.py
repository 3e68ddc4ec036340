"""Softmax cross entropy over logits that may come in pieces along the class axis.

Both ``ce`` (one piece) and ``linear_ce`` (many, so that the logits never exist as a whole)
add logits to one of the two running sums here. Neither ever subtracts numbers of the same
size: a confident right answer keeps its loss of 1e-17, where log-sum-exp minus the target's
logit would be 0 or noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.maths.numerics import align_classes, find_classes, flatten, log_softmax

Array = NDArray[Any]
CONFIDENT = 2.0**-5


class IndexCrossEntropy:
    """Running sums of −log softmax at the target's class, and of its smoothing term.

    The target's own term is left out of the sum of exponentials: where the target has the
    largest logit m the loss is log1p(Σ others), elsewhere (m − x_y) + log(e_y + Σ others).
    """

    def __init__(self, target: Array, dtype: np.dtype[Any], smoothing_weight: Array | None) -> None:
        self.target = target
        self.own = np.full(target.shape, -np.inf, dtype)
        self.top = np.full(target.shape, -np.inf, dtype)
        self.others = np.zeros(target.shape, dtype)
        self.smoothing_weight = smoothing_weight
        self.weight_seen = 0.0
        self.below_top = np.zeros(target.shape, dtype)
        self.pieces = 0
        self.exponentials: Array | None = None
        """exp(x − m) if all logits came in one piece, with 0 at the targets."""

    def add(self, logits: Array, first_class: int = 0) -> None:
        """Add the logits (n, c, *d) of the classes from ``first_class`` on."""
        top = logits.max(axis=1)
        if self.pieces:
            top = np.maximum(top, self.top)
            self.others *= _shrink(self.top, top)
        shifted = logits - top[:, np.newaxis]
        if self.smoothing_weight is not None:
            weight = self.smoothing_weight[first_class : first_class + logits.shape[1]]
            self._add_smoothing(shifted, top, weight)
        exponentials = np.exp(shifted, out=shifted)
        self._take_own(logits, exponentials, first_class)
        self.others += exponentials.sum(axis=1)
        self.top = top
        self.exponentials = None if self.pieces else exponentials
        self.pieces += 1
        confident = self.others < CONFIDENT
        if confident.any():
            confident &= self.own == top
            self.others[confident] += _rounding(logits, exponentials, top, confident)

    def _take_own(self, logits: Array, exponentials: Array, first_class: int) -> None:
        """Note the targets' own logits among these classes, and take them out of the sum."""
        local = self.target - first_class if first_class else self.target
        inside: Any = ...
        if local.size and not 0 <= local.min() <= local.max() < logits.shape[1]:
            inside = (local >= 0) & (local < logits.shape[1])
            local = np.where(inside, local, 0)
        flat, places = find_classes(logits, local)
        self.own[inside] = flat.take(places)[inside]
        if exponentials.strides != logits.strides:
            _, places = find_classes(exponentials, local)
        # Zeroed here, not made -inf before exp: vectorised exp is 4 times slower among infinities.
        flatten(exponentials)[places[inside]] = 0

    def _add_smoothing(self, shifted: Array, top: Array, weight: Array) -> None:
        if self.pieces:
            self.below_top += self.weight_seen * (top - self.top)
        self.below_top -= (shifted * align_classes(weight, shifted.ndim)).sum(axis=1)
        self.weight_seen += float(weight.sum())

    @property
    def log_sum(self) -> Array:
        """Return log Σ exp(x − m), where Σ others holds a 1 unless the target's is the largest."""
        rest = np.expm1(self.own - self.top)
        rest += self.others
        return np.log1p(rest, out=rest)

    @property
    def loss(self) -> Array:
        """Return −log softmax at the target's class, (n, *d)."""
        return self.top - self.own + self.log_sum

    @property
    def smoothing(self) -> Array:
        """Return Σ_c weight_c · (−log softmax_c), (n, *d)."""
        return self.below_top + self.weight_seen * self.log_sum

    def gradient(
        self,
        logits: Array,
        weights: Array,
        first_class: int = 0,
        smoothing: Array | None = None,
    ) -> Array:
        """Return the derivative of the smoothed loss by some of the logits that were added.

        The own part is ``weights`` (n, *d) times softmax less 1 at the target, whose digits are
        kept where the target is nearly certain; the smoothing term has the factors ``smoothing``
        (n, *d).
        """
        own = np.exp(self.own - self.top)
        total = own + self.others
        spread: Array | float = 0.0
        if self.smoothing_weight is not None and smoothing is not None:
            spread = smoothing * self.smoothing_weight.sum()
        gradient = np.multiply(
            self._exponentials(logits), ((weights + spread) / total)[:, np.newaxis], order="C"
        )
        local = self.target - first_class
        inside = (local >= 0) & (local < logits.shape[1])
        flat, places = find_classes(gradient, np.where(inside, local, 0))
        flat[places[inside]] = ((spread * own - self.others * weights) / total)[inside]
        if self.smoothing_weight is not None and smoothing is not None:
            weight = self.smoothing_weight[first_class : first_class + logits.shape[1]]
            gradient -= smoothing[:, np.newaxis] * align_classes(weight, gradient.ndim)
        return gradient

    def _exponentials(self, logits: Array) -> Array:
        """Return exp(x − m), if need be with another number at the targets."""
        if self.exponentials is not None:
            return self.exponentials
        powers = logits - self.top[:, np.newaxis]
        return np.exp(powers, out=powers)


class DistributionCrossEntropy:
    """Running sum of −Σ_c a_c log softmax_c for factors a (target times class weight).

    One largest logit m is left out of the sum of exponentials: the loss is
    Σ a_c (m − x_c) + (Σ a_c) · log1p(Σ others).
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.top = np.full(shape, -np.inf, dtype)
        self.others = np.zeros(shape, dtype)
        self.factor_sum = np.zeros(shape, dtype)
        self.below_top = np.zeros(shape, dtype)
        self.started = False

    def add(self, logits: Array, factors: Array) -> None:
        """Add logits and factors of some classes, both (n, c, *d)."""
        best = np.expand_dims(logits.argmax(axis=1), 1)
        top = np.take_along_axis(logits, best, axis=1)[:, 0]
        if self.started:
            overtaken = top > self.top
            top = np.where(np.isnan(self.top), self.top, np.maximum(top, self.top))
            self.others = (self.others + overtaken) * _shrink(self.top, top)
            risen = self.factor_sum * (top - self.top)
            self.below_top += np.where(overtaken & (self.factor_sum != 0), risen, 0)
        else:
            overtaken = np.ones(top.shape, bool)
        shifted = logits - top[:, np.newaxis]
        self.below_top -= (shifted * factors).sum(axis=1)
        self.factor_sum += factors.sum(axis=1)
        np.exp(shifted, out=shifted)
        left_out = np.where(overtaken[:, np.newaxis], 0, np.take_along_axis(shifted, best, axis=1))
        np.put_along_axis(shifted, best, left_out, axis=1)
        self.others += shifted.sum(axis=1)
        self.top = top
        self.started = True
        confident = self.others < CONFIDENT
        self.others[confident] += _rounding(logits, shifted, top, confident)

    @property
    def loss(self) -> Array:
        """Return the weighted cross entropy, (n, *d)."""
        return self.below_top + self.factor_sum * np.log1p(self.others)

    def softmax(self, logits: Array) -> Array:
        """Return softmax of some of the classes that were added; NaN beside an infinite logit."""
        total = 1 + self.others + (self.top - self.top)
        return np.exp(logits - self.top[:, np.newaxis]) / total[:, np.newaxis]

    def gradient(self, logits: Array, factors: Array) -> Array:
        """Return the derivative of the loss by these logits: (Σ a) softmax − a."""
        return self.factor_sum[:, np.newaxis] * self.softmax(logits) - factors


def _rounding(logits: Array, exponentials: Array, top: Array, where: Array) -> Array:
    """Return what Σ exp(x − m) lacks because x − m was rounded, for the samples ``where``.

    A rounding error e of the difference makes a relative error e of its exponential: 16 units in
    the last place for a difference of 40, and of a loss that consists of such terms. The error of
    a subtraction is itself a double (Knuth 1969, two-sum), so it can be given back.
    """
    values = np.moveaxis(logits, 1, -1)[where]
    terms = np.moveaxis(exponentials, 1, -1)[where]
    largest = top[where][:, np.newaxis]
    difference = values - largest
    back = values - difference
    error = (values - (difference + back)) + (back - largest)
    return np.multiply(terms, error, where=terms > 0, out=np.zeros_like(terms)).sum(axis=1)


def _shrink(old_top: Array, top: Array) -> Array:
    """Return exp(old_top − top): what sums relative to the old maximum are multiplied by.

    The rounding error of the difference is given back, as in :func:`_rounding`.
    """
    difference = old_top - top
    back = old_top - difference
    error = (old_top - (difference + back)) + (back - top)
    factor = np.exp(difference)
    factor += np.where(np.isfinite(error), factor * error, 0)
    return np.where(old_top == top, 1, factor)


def masked_cross_entropy(logits: Array, factors: Array, there: Array | None) -> Array:
    """Return softmax cross entropy along axis 1, over what is there."""
    logits = _rule_out(logits, there)
    spread = DistributionCrossEntropy((len(logits), *logits.shape[2:]), logits.dtype)
    spread.add(logits, factors)
    return spread.loss


def masked_cross_entropy_gradient(logits: Array, factors: Array, there: Array | None) -> Array:
    """Return its gradient with respect to the logits."""
    logits = _rule_out(logits, there)
    spread = DistributionCrossEntropy((len(logits), *logits.shape[2:]), logits.dtype)
    spread.add(logits, factors)
    gradient = spread.gradient(logits, factors)
    return gradient if there is None else np.where(there, gradient, 0)


def _rule_out(logits: Array, there: Array | None) -> Array:
    """Return logits so low for what is not there that their exponential is 0, and still finite."""
    return logits if there is None else np.where(there, logits, -np.finfo(logits.dtype).max / 4)


def right_class(y: Array) -> int | None:
    """Return the place of the right class, or of the likeliest one."""
    return int(y) if y.ndim == 0 else int(np.argmax(y))


def log_softmax_steps(x: Array) -> StepsToArray:
    """Yield maximum and log-sum-exp of logits; return log softmax, exact near 0."""
    top = x.max()
    yield Step("maximum", "m = max_c x_c", top)
    yield Step("log-sum-exp", "m + log Σ_c exp(x_c − m)", top + np.log(np.exp(x - top).sum()))
    return log_softmax(x)


def class_sum_steps(terms: Array, formula: str) -> Steps:
    """Yield the terms of the classes, and their sum."""
    yield Step("class terms", formula, terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())


def masked_cross_entropy_steps(x: Array, y: Array, there: Array) -> Steps:
    """Yield a cross entropy over what is there; what is not has the log-probability −∞."""
    logs = yield from log_softmax_steps(np.where(there, x, -np.inf))
    yield Step("log-probabilities", "log p_c = x_c − log-sum-exp", logs, mark=right_class(y))
    yield from class_sum_steps(np.where(there, -(y * logs), 0.0), "−y_c log p_c")


def log_sum_exp(scores: Array) -> Array:
    """Return log Σ exp; minus infinity of nothing."""
    top = scores.max(initial=-np.inf)
    shift = top if np.isfinite(top) else 0.0
    return np.asarray(shift + np.log(np.exp(scores - shift).sum()))
