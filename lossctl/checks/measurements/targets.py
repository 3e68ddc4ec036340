"""The targets, as far as baselines need them: counted by value, or a sample of them.

A constant prediction has one loss for each different target. Class indices, labels and other
targets with few values are counted, which is exact for files of any size. Others are kept up to
``MOST_KEPT`` numbers; beyond, every second, every fourth and so on is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.probes import (
    View,
    find_valid,
    find_weights,
    flatten,
    is_elementwise,
)
from lossctl.engine.plan.plan import Plan
from lossctl.kinds import Kind

Array = NDArray[Any]

MOST_KEPT = 2**21
FEW = 256
"""The most different values that are counted."""

FEWER = 4
LOOK = 1024
"""Targets of a block that are looked at to see whether their values are few."""


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Targets with the weight of each; ``exact`` says whether they stand for all there are."""

    values: Array
    weights: Array | None
    """None: one each."""
    exact: bool = True

    def average(self, values: Array) -> Array:
        """Return the weighted mean of numbers that belong to the targets."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))

    def thin(self, most: int) -> TargetTable:
        """Return at most so many of the targets, those of large weights likelier.

        Steps of one size are made through the weights, laid end to end, so that what is met is
        representative without weights, but for how often it is met.
        """
        if len(self.values) <= most:
            return self
        weights = np.ones(len(self.values)) if self.weights is None else self.weights
        ends = np.cumsum(weights)
        marks = (np.arange(most) + 0.5) / most * ends[-1]
        places, counts = np.unique(np.searchsorted(ends, marks), return_counts=True)
        return TargetTable(self.values[places], counts.astype(np.float64), exact=False)

    def pick(self, step: int) -> TargetTable:
        """Return every so many of the targets."""
        weights = None if self.weights is None else self.weights[::step]
        return TargetTable(self.values[::step], weights, exact=False)


@dataclass(slots=True)
class _Piece:
    """What a block contributes."""

    values: Array
    weights: Array | None
    distinct: Array | None
    counts: Array | None


class ClassTargets:
    """The weight of each class."""

    def __init__(self, classes: int) -> None:
        self.weights = np.zeros(classes)
        self.labels = np.zeros(classes, np.int64)

    def measure(self, view: View) -> tuple[Array, Array]:
        """Count the labels of a block: by weight, and all there are."""
        labels = view.inputs[1]
        weights = find_weights(view, labels.shape)
        classes = len(self.weights)
        valid = find_valid(view.plan, labels, classes)
        kept = labels[valid].astype(np.intp)
        counts = np.bincount(kept, minlength=classes)
        if weights is None:
            return counts.astype(np.float64), counts
        return np.bincount(kept, weights[valid], classes), counts

    def add(self, piece: tuple[Array, Array]) -> None:
        """Add the counts of a block."""
        self.weights += piece[0]
        self.labels += piece[1]

    def table(self) -> TargetTable:
        """Return the classes that occur, with their weights."""
        classes = np.flatnonzero(self.weights)
        return TargetTable(classes, self.weights[classes])


class ValueTargets:
    """Single targets, or rows of them: counted while their values are few, else a sample."""

    def __init__(self, *, axis: int | None = None) -> None:
        self.axis = axis
        """The axis whose numbers belong together (None: each number is a target)."""
        self._stride = 1
        self._seen = 0
        self._kept: list[Array] = []
        self._weights: list[Array] = []
        self._held = 0
        self._counted: dict[float, float] | None = None if axis is not None else {}

    def measure(self, view: View) -> _Piece:
        """Take what is needed of a block."""
        values = view.inputs[1]
        weights = find_weights(view, _drop(values.shape, self.axis))
        if self.axis is None:
            rows: Array = values.reshape(-1)
        else:
            moved = np.moveaxis(values, self.axis, -1)
            rows = moved.reshape(math.prod(moved.shape[:-1]), moved.shape[-1])
        flat = None if weights is None else weights.reshape(-1)
        distinct = counts = None
        if self._counted is not None and len(np.unique(rows[:LOOK])) <= FEW:
            distinct, counts = _count(rows, flat)
        return _Piece(rows, flat, distinct, counts)

    def add(self, piece: _Piece) -> None:
        """Keep every so many of the targets, and count their values."""
        skip = -self._seen % self._stride
        self._seen += len(piece.values)
        kept = piece.values[skip :: self._stride].copy()
        self._kept.append(kept)
        if piece.weights is not None:
            self._weights.append(piece.weights[skip :: self._stride].copy())
        self._held += kept.size
        while self._held > MOST_KEPT:
            self._thin()
        self._count(piece)

    def table(self) -> TargetTable:
        """Return the targets by value, or those that were kept."""
        if self._counted is not None:
            values = np.array(sorted(self._counted))
            weights = np.array([self._counted[value] for value in values.tolist()])
            return TargetTable(values[weights != 0], weights[weights != 0])
        if not self._kept:
            return TargetTable(np.empty(0), np.empty(0))
        values = np.concatenate(self._kept)
        used = np.isfinite(flatten(values)).all(axis=1)
        exact = self._stride == 1
        if not self._weights:
            return TargetTable(values[used], None, exact)
        weighted = np.concatenate(self._weights)
        used &= weighted != 0
        return TargetTable(values[used], weighted[used], exact)

    def _thin(self) -> None:
        self._kept = [np.concatenate(self._kept)[::2].copy()]
        if self._weights:
            self._weights = [np.concatenate(self._weights)[::2].copy()]
        self._held = self._kept[0].size
        self._stride *= 2

    def _count(self, piece: _Piece) -> None:
        if self._counted is None:
            return
        if piece.distinct is None or piece.counts is None:
            self._counted = None
            return
        for value, count in zip(piece.distinct.tolist(), piece.counts.tolist(), strict=True):
            self._counted[value] = self._counted.get(value, 0.0) + count
        if len(self._counted) > FEW:
            self._counted = None


def _count(rows: Array, weights: Array | None) -> tuple[Array | None, Array | None]:
    """Return the different values of a block with their weights; None where there are many."""
    some = np.unique(rows[:LOOK])
    if len(some) <= FEWER:  # labels and signs need no sorting
        masks = [rows == value for value in some]
        counts = [np.sum(mask if weights is None else weights[mask]) for mask in masks]
        if sum(map(np.count_nonzero, masks)) == len(rows):
            return some, np.array(counts, np.float64)
    distinct, places = np.unique(rows, return_inverse=True)
    if len(distinct) > FEW or not np.isfinite(distinct).all():
        return None, None
    return distinct, np.bincount(places.reshape(-1), weights, len(distinct)).astype(np.float64)


def _drop(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def plan_targets(plan: Plan) -> ClassTargets | ValueTargets | None:
    """Return what gathers the targets of a loss; None where constant predictions mean nothing."""
    if len(plan.inputs) < 2 or plan.single or plan.loss.needs_all_samples:
        return None
    predicted, true = plan.inputs[:2]
    if predicted.shared or true.shared or any(one.axes for one in plan.tensors.values()):
        return None
    if true.kind == Kind.INDEX and predicted.axes == ("N", "C", *true.axes[1:]):
        return ClassTargets(plan.classes) if plan.axes == true.axes else None
    return _plan_values(plan) if predicted.axes == true.axes else None


def _plan_values(plan: Plan) -> ValueTargets | None:
    """Return what gathers targets of the shape of the predictions."""
    predicted, true = plan.inputs[:2]
    if predicted.kind == Kind.LOG_PROBABILITY and len(true.axes) > 1:
        return ValueTargets(axis=len(true.axes) - 1)
    if is_elementwise(plan):
        return ValueTargets()
    if plan.loss.reduce_axes == "last":
        return ValueTargets(axis=len(true.axes) - 1) if len(true.axes) > 1 else None
    axis = next((one for one, word in enumerate(true.axes) if word in ("C", "F")), None)
    dropped = len(plan.axes) == len(true.axes) - 1
    return ValueTargets(axis=axis) if axis is not None and dropped else None
