"""The confusion matrix, and whether another order of the classes would fit better.

The counts are kept in two halves: an order that was found in one of them must also fit the other,
so that chance alone makes no finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.assignment import assign
from lossctl.checks.measurements.probes import (
    BITS,
    LOGITS,
    View,
    file_axis,
    find_class_axis,
    find_kept,
    find_valid,
)
from lossctl.engine.plan.plan import Plan
from lossctl.kinds import Kind

Array = NDArray[Any]
Codes = NDArray[np.int64]
Counts = NDArray[np.int64]
Decide = Callable[[View], tuple[Array, Array]]
"""Returns the predicted and the true class of each label of a block."""

MOST_CLASSES = 1024
FEWEST = 16
"""The least number of labels in a half that tells an order of the classes from chance."""

DISTRIBUTIONS = (Kind.DISTRIBUTION, Kind.DENSITY)
PROBABILITIES = (Kind.PROBABILITY, Kind.CLIPPED)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the predicted classes that fits better, and how much."""

    columns: tuple[int, ...]
    """For each true class the predicted one that stands for it."""
    accuracy: float
    before: float


class Confusion:
    """Counts of true and predicted classes."""

    def __init__(self, classes: int, decide: Decide) -> None:
        self.classes = classes
        self._decide = decide
        self._counts = np.zeros(2 * classes * classes, np.int64)

    def measure(self, view: View) -> Codes:
        """Return a code of half, true class and predicted class for each label of a block."""
        predicted, true = self._decide(view)
        kept = find_kept(view, true.shape)
        predicted, true = predicted.reshape(-1), true.reshape(-1)
        places = np.arange(len(true))
        valid = find_valid(view.plan, true, self.classes) & (predicted >= 0)
        if kept is not None:
            valid &= kept.reshape(-1)
        codes = ((places & 1) * self.classes + true.astype(np.int64)) * self.classes + predicted
        found: Codes = codes[valid]
        return found

    def add(self, piece: Codes) -> None:
        """Count the labels of a block."""
        if len(piece) * 8 > len(self._counts):
            self._counts += np.bincount(piece, minlength=len(self._counts))
        else:
            np.add.at(self._counts, piece, 1)

    @property
    def halves(self) -> Counts:
        """The counts of both halves by true and predicted class."""
        return self._counts.reshape(2, self.classes, self.classes)

    @property
    def counts(self) -> Counts:
        """The counts by true and predicted class."""
        return np.asarray(self.halves.sum(axis=0))

    @property
    def accuracy(self) -> float | None:
        """The share of right predictions."""
        counts = self.counts
        total = int(counts.sum())
        return int(np.trace(counts)) / total if total else None

    def find_order(self, sureness: float, least_gain: float) -> Order | None:
        """Return an order of the classes that significantly raises the accuracy, if any."""
        first, second = self.halves
        if not first.any() or not second.any():
            return None
        rows, likeliest = np.arange(self.classes), np.argmax(first, axis=1)
        hoped = int(second[rows, likeliest].sum()) - int(np.trace(second))
        if hoped < least_gain * int(second.sum()):  # what is found by chance need not be searched
            return None
        columns = _best_order(first)
        if np.array_equal(columns, rows):
            return None
        tested = int(second.sum())
        moved = columns != rows
        won, lost = int(second[rows, columns][moved].sum()), int(second[rows, rows][moved].sum())
        gain = (won - lost) / tested
        if tested < FEWEST or gain < max(least_gain, sureness * _doubt(won, lost, tested)):
            return None
        whole = self.counts
        columns = _best_order(whole)
        total = int(whole.sum())
        accuracy = int(whole[rows, columns].sum()) / total
        return Order(tuple(columns.tolist()), accuracy, int(np.trace(whole)) / total)


def _doubt(won: int, lost: int, count: int) -> float:
    """Return the standard error of the difference of two shares of the same trials.

    Of few trials too (Agresti and Min 2005, doi:10.1002/sim.1781).
    """
    up, down = (won + 0.5) / (count + 2), (lost + 0.5) / (count + 2)
    return math.sqrt((up + down - (up - down) ** 2) / (count + 2))


def _best_order(counts: Counts) -> Array:
    greedy = np.argmax(counts, axis=1)
    if len(set(greedy.tolist())) == len(greedy):
        return np.asarray(greedy)
    # Of orders that serve alike, the one is taken that moves the fewest classes.
    return assign(2 * counts + np.eye(len(counts), dtype=np.int64))


def plan_confusion(plan: Plan) -> Confusion | None:
    """Return what counts the classes of a loss's inputs; None where there are none to compare."""
    if len(plan.inputs) < 2 or any(one.shared for one in plan.inputs[:2]):
        return None
    predicted, true = plan.inputs[:2]
    axis, same = find_class_axis(predicted), predicted.axes == true.axes
    if axis is None or true.kind in (*BITS, Kind.SIGN):
        return _plan_decisions(plan) if same else None
    if true.kind == Kind.INDEX and axis == 1:
        classes = plan.classes
        decide: Decide = _decide_indices
    elif same and true.kind in DISTRIBUTIONS:
        classes = predicted.source.shape[file_axis(predicted, axis)] or 0
        decide = partial(_decide_shares, axis)
    else:
        return None
    return Confusion(classes, decide) if 2 <= classes <= MOST_CLASSES else None


def _plan_decisions(plan: Plan) -> Confusion | None:
    """Return what counts the decisions for and against the positive class."""
    predicted, true = plan.inputs[:2]
    wanted = true.kind in (*BITS, Kind.SIGN)
    if not wanted or predicted.kind not in (*LOGITS, *PROBABILITIES):
        return None
    middle = 0.5 if predicted.kind in PROBABILITIES else 0.0
    between = 0.0 if true.kind == Kind.SIGN else 0.5
    return Confusion(2, partial(_decide_bits, middle, between))


def _decide_bits(middle: float, between: float, view: View) -> tuple[Array, Array]:
    """Return whether scores and labels are above the middle; -1 where they are NaN."""
    scores, labels = view.inputs[:2]
    true = np.where(labels == labels, labels > between, -1)  # noqa: PLR0124 - NaN
    return np.where(scores == scores, scores > middle, -1), true  # noqa: PLR0124 - NaN


def _find_largest(scores: Array, axis: int) -> Array:
    """Return the class with the largest score; -1 where one is NaN."""
    largest = scores.argmax(axis=axis)
    if scores.dtype.kind == "f" and scores.size and np.isnan(scores.max()):
        return np.where(np.isnan(scores.max(axis=axis)), -1, largest)
    return np.asarray(largest)


def _decide_indices(view: View) -> tuple[Array, Array]:
    """Return the class with the largest score, and the index of the true one."""
    return _find_largest(view.inputs[0], 1), view.inputs[1]


def _decide_shares(axis: int, view: View) -> tuple[Array, Array]:
    """Return the largest class of predictions and of targets that are distributions."""
    predicted, true = view.inputs[:2]
    return _find_largest(predicted, axis), _find_largest(true, axis)
