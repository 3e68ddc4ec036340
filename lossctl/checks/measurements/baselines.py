"""What the loss would be for predictions made without a model, by the loss's own kernel."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import BITS, LOGITS, SHARES
from lossctl.checks.measurements.targets import ClassTargets, TargetTable, ValueTargets
from lossctl.checks.result import Baseline
from lossctl.data.arrays.source import ArraySource
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.elements import Elements, compute
from lossctl.errors import LossctlError, LossctlWarning
from lossctl.kinds import Kind

Array = NDArray[Any]

PERFECT = "perfect"
MEAN, MEDIAN, BEST = "constant mean", "constant median", "best constant"
TINY = 1e-300
IMPOSSIBLE = -1e4
"""The logit of an impossible class: its exponential is 0."""

SCALES = tuple(2.0**power for power in range(-2, 11))
"""Probabilities of the true class that are tried; the one with the lowest loss counts."""

LARGEST = 2**21
"""Scores of all classes for each class that occurs; of more, some of the classes are taken."""

SEARCHED = 65_536
"""Targets that the best constant is searched on."""

STEPS = 60
NEARLY = 1e-3
"""A constant that is better by less than this share is not reported."""

GOLDEN = (math.sqrt(5) - 1) / 2


class Baselines:
    """The losses of predictions without a model."""

    def __init__(self, plan: Plan, targets: ClassTargets | ValueTargets) -> None:
        self.plan = plan
        self.table = targets.table()
        self.grouped = isinstance(targets, ClassTargets)
        self.kind = plan.inputs[0].kind
        self.true = plan.inputs[1].kind

    def list(self) -> list[Baseline]:
        """Return the baselines; those that the loss cannot be computed for are left out."""
        if not self.table.values.size or self._needs_more():
            return []
        found: dict[str, float] = {}
        for name, prediction in self._predict():
            value = self._evaluate(prediction)
            if value is None or math.isnan(value):
                continue
            # Of several that are called perfect, the one that costs least is.
            found[name] = min(value, found.get(name, math.inf)) if name == PERFECT else value
        best = found.get(BEST, math.inf)
        if best >= min(found.get(MEAN, math.inf), found.get(MEDIAN, math.inf)) * (1 - NEARLY):
            found.pop(BEST, None)
        return [Baseline(name, value, self.table.exact) for name, value in found.items()]

    def _needs_more(self) -> bool:
        """Whether there are other inputs than predictions and targets, which cannot be invented."""
        return any(one.kind != Kind.VARIANCE for one in self.plan.inputs[2:])

    def _predict(self) -> Iterator[tuple[str, Array]]:
        if self.grouped:
            yield from self._predict_classes()
        elif self.table.values.ndim == 2:
            yield from self._predict_rows()
        elif self.kind in (*LOGITS, Kind.PROBABILITY, Kind.CLIPPED) and self.true in BITS:
            yield from self._predict_bits()
        elif self.true == Kind.SIGN:
            yield "no preference", np.zeros(len(self.table.values))
            for scale in SCALES:
                yield PERFECT, scale * self.table.values
        elif self.true == Kind.LABEL:
            values, weights = self.table.values, self.table.weights
            if weights is not None:
                yield "most frequent label", np.full(len(values), values[np.argmax(weights)])
            yield PERFECT, values
        else:
            yield from self._predict_amounts()

    def _predict_classes(self) -> Iterator[tuple[str, Array]]:
        """Predict for each class that occurs, in the order of the table."""
        classes = self.plan.classes
        shares = np.zeros(classes)
        shares[self.table.values] = 1 if self.table.weights is None else self.table.weights
        shares /= shares.sum()
        self.table = self.table.thin(max(1, LARGEST // classes))
        yield f"uniform guess (1 of {classes})", self._state(np.full(classes, 1 / classes))
        if self.kind != Kind.SCORE:  # scores are no logarithms of anything
            yield "class prior", self._state(shares)
        right = np.zeros((len(self.table.values), classes))
        right[np.arange(len(right)), self.table.values] = 1
        for scale in SCALES if self.kind in LOGITS else SCALES[-1:]:
            yield PERFECT, self._express(right, scale)

    def _predict_rows(self) -> Iterator[tuple[str, Array]]:
        """Predict rows of shares, or of numbers."""
        values = self.table.values.astype(np.float64)
        mean = self.table.average(values)
        if self.true in (Kind.DISTRIBUTION, Kind.DENSITY, *BITS) or self.kind in SHARES:
            classes = values.shape[1]
            yield f"uniform guess (1 of {classes})", self._state(np.full(classes, 1 / classes))
            yield "class prior", self._state(mean)
            yield PERFECT, self._express(values, 1.0)
        else:
            yield MEAN, np.broadcast_to(mean, values.shape)
            yield PERFECT, values

    def _predict_bits(self) -> Iterator[tuple[str, Array]]:
        """Predict labels of two classes."""
        values = self.table.values.astype(np.float64)
        share = float(self.table.average(values))
        even, prior = np.full(len(values), 0.5), np.full(len(values), share)
        if self.kind not in LOGITS:
            yield "uniform guess (1/2)", even
            yield "class prior", prior
            yield PERFECT, values
            return
        yield "uniform guess (1/2)", _logit(even)
        if 0 < share < 1:
            yield "class prior", _logit(prior)
        yield PERFECT, np.clip(_logit(values), -SCALES[-1], SCALES[-1])

    def _predict_amounts(self) -> Iterator[tuple[str, Array]]:
        """Predict one number for all, or each target itself."""
        values = self.table.values.astype(np.float64, copy=False)
        logs = self.kind == Kind.LOG_AMOUNT
        mean = float(self.table.average(values))
        median = _find_median(values, self.table.weights)
        for name, constant in ((MEAN, mean), (MEDIAN, median)):
            if not logs or constant > 0:
                yield name, np.full(len(values), math.log(constant) if logs else constant)
        best = self._search(values, logs=logs)
        if best is not None:
            yield BEST, np.full(len(values), best)
        yield PERFECT, np.log(np.maximum(values, TINY)) if logs else values

    def _state(self, shares: Array) -> Array:
        """Return one prediction of these shares for all targets."""
        row = self._express(shares[np.newaxis], 1.0)
        return np.broadcast_to(row, (len(self.table.values), len(shares)))

    def _express(self, shares: Array, scale: float) -> Array:
        """Return shares of the classes as the loss takes them."""
        if self.kind in LOGITS and scale != 1:
            return scale * shares
        if self.kind in (*LOGITS, Kind.LOG_PROBABILITY, Kind.LOG_AMOUNT):
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(shares > 0, np.log(shares), IMPOSSIBLE)
        return shares

    def _search(self, values: Array, *, logs: bool) -> float | None:
        """Return the constant with the least loss, by golden sections of where the targets are."""
        step = max(1, len(values) // SEARCHED)
        some = self.table.pick(step)
        low, high = float(some.values.min()), float(some.values.max())
        if logs:
            low, high = math.log(max(low, TINY ** (1 / 20))), math.log(max(high, TINY))
        if not low < high:
            return None

        def lose(constant: float) -> float:
            found = self._evaluate(np.full(len(some.values), constant), some)
            return math.inf if found is None or math.isnan(found) else found

        near, far = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        loss_near, loss_far = lose(near), lose(far)
        for _ in range(STEPS):
            if loss_near <= loss_far:
                high, far, loss_far = far, near, loss_near
                near = high - GOLDEN * (high - low)
                loss_near = lose(near)
            else:
                low, near, loss_near = near, far, loss_far
                far = low + GOLDEN * (high - low)
                loss_far = lose(far)
        best = near if loss_near <= loss_far else far
        return best if math.isfinite(min(loss_near, loss_far)) else None

    def _evaluate(self, prediction: Array, table: TargetTable | None = None) -> float | None:
        """Return the loss of predictions for the targets of a table; None where there is none."""
        table = table or self.table
        plan, target = self.plan, table.values
        prediction = np.asarray(prediction, np.float64)
        if plan.loss.reduce_axes == "last" and target.ndim == 1:
            prediction, target = prediction[:, np.newaxis], target[:, np.newaxis]
        sources = [ArraySource("baseline", prediction), ArraySource("targets", target)]
        for _ in plan.inputs[2:]:
            spread = np.average((target - np.average(target)) ** 2)
            sources.append(ArraySource("variance", np.asarray(spread)))
        settings = replace(
            plan.settings, reduction="mean_with_sample_weight", class_axis=1, squeeze=False,
            part=None, rows=False, nan="propagate",
        )  # fmt: skip
        weights = None if table.weights is None else ArraySource("weights", table.weights)
        options = dict(plan.options)
        for name in (plan.loss.class_axis_option, plan.loss.reduce_axes):
            if name in options:
                options[name] = -1 if name == plan.loss.class_axis_option else (-1,)
        try:
            made = make_plan(
                plan.loss, sources, options, settings,
                sample_weight=weights, predicates=plan.predicates,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LossctlWarning)
                return compute(Elements(made)).value
        except LossctlError:
            return None


def _logit(shares: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(shares) - np.log1p(-shares))


def _find_median(values: Array, weights: Array | None) -> float:
    """Return the weighted median."""
    if weights is None:
        return float(np.median(values))
    order = np.argsort(values)
    totals = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(totals, totals[-1] / 2)])
