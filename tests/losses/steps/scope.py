"""What is known where a step is recomputed, and sums of exponentials by other means than ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.losses.cases.case import Array

LOW, HIGH = 1e-7, 1 - 1e-7


@dataclass
class Scope:
    """What stands before a step.

    ``s[key]`` is the value of an earlier step, ``s.x`` are the inputs at the element as they were
    given, ``s.o`` the options, ``s.all`` the whole inputs, ``s.row`` and ``s.place`` the element.
    """

    values: Mapping[str, Any]
    x: tuple[Array, ...]
    o: Mapping[str, Any]
    all: tuple[Array, ...]
    row: int
    index: tuple[Any, ...]
    """How the element is taken of the first input."""
    place: tuple[int, ...] = ()
    """Where it is among the positions of its row."""
    told: Any = None
    """The value of the step itself, of those that have several right ones."""
    key: str = ""
    """The loss."""

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: Any) -> Any:
        """Return the value of a step, if there is such."""
        return self.values.get(key, default)

    def goal(self) -> Any:
        """Return the target, smoothed if it is."""
        return self.get("smoothed target", self.x[1])

    def clipped(self, key: str) -> Any:
        """Return a step, clipped if it is."""
        return self.get(f"clipped {key}", self[key])

    def option(self, name: str) -> Any:
        """Return an option that is broadcast to the inputs, at the element."""
        return np.broadcast_to(self.o[name], self.all[0].shape)[self.index]

    def class_weight(self) -> Any:
        """Return the weights of the classes, or of the labels of the element."""
        if "class_weights" in self.o:
            return self.o["class_weights"]
        if len(self.x) > 2 or "label_smoothing" in self.o:
            return self.o["weight"]
        return self.option("weight")

    def labels(self) -> Any:
        """Return the labels of a sequence without what fills them up."""
        if len(self.x) < 3:
            return self.x[1][: np.count_nonzero(self.x[1])]
        if np.ndim(self.all[1]) == 2 or np.ndim(self.all[3]) == 0:
            return self.x[1][: int(self.x[3])]
        lengths = self.all[3]
        first = int(np.sum(lengths[: self.row]))
        return self.all[1][first : first + int(lengths[self.row])]

    @property
    def y(self) -> int:
        """The target as a class index."""
        return int(self.x[1])


Formula = Callable[[Scope], Any]
Formulas = dict[tuple[str, str], Formula]
"""The recomputation of steps, by their key and formula."""


def log_sum_exp(x: Array) -> Any:
    """Return log Σ exp, by NumPy's own sum of logarithms."""
    return np.logaddexp.reduce(np.asarray(x, np.float64)) if np.size(x) else -np.inf


def log_normalise(x: Array) -> Array:
    """Return log softmax: minus the logarithm of how much more all are than a class."""
    x = np.asarray(x, np.float64)
    return np.array([_compare(one, np.delete(x, place)) for place, one in enumerate(x)])


def _compare(one: float, others: Array) -> float:
    return -np.inf if one == -np.inf else -log_sum_exp([0.0, *(others - one)])


def sigmoid(x: Array) -> Any:
    """Return 1 / (1 + exp(−x))."""
    return np.exp(-np.logaddexp(0, -np.asarray(x, np.float64)))


def clip_step(low: float, high: float, key: str) -> Formula:
    """Return the formula that keeps a step between two numbers."""
    return lambda s: np.minimum(np.maximum(s[key], low), high)


def read_input(place: int) -> Formula:
    """Return the formula of an input as it is."""
    return lambda s: s.x[place]
