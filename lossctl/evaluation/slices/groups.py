"""Slices: which slice a row is in, and the sums of every slice. Millions of slices are fine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cells import Cells, join_cells
from lossctl.engine.sums.partial import Contributions
from lossctl.evaluation.slices.integer_codes import IntegerCodes

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

MISSING = "(missing)"
"""The label of rows whose cell is empty."""

CROSSED = 1 << 32
SliceSums = tuple["Codes | None", Floats]
"""The sums of a chunk in all slices, or in those of some codes."""

FEW = 4
"""Sums of a chunk are added up over all slices, unless there are so many more slices than rows."""


class Coded(Protocol):
    """An axis of slices: it numbers the values of a chunk, and knows their labels."""

    def encode(self, values: Any) -> Codes:
        """Return the number of each row's label."""

    def label(self, code: int) -> str:
        """Return the label behind a number."""


class Categories:
    """Each value is a label; numbers are given in the order in which labels appear."""

    def __init__(self, name: str = "a column") -> None:
        self.name = name
        self.labels: list[str] = []
        self._codes: dict[str, int] = {}
        self._others: dict[Any, int] = {}
        self._whole = IntegerCodes(self._number)

    def encode(self, values: Any) -> Codes:
        """Return the number of each row's label, the same in every chunk."""
        cells = values if isinstance(values, Cells) else join_cells([values])
        whole = cells.whole()
        if whole is not None:
            return self._whole.encode(whole)
        codes, found = cells.encode(self.name)
        numbers = np.fromiter(map(self._number, found), np.int64, len(found))
        return numbers[codes] if len(found) else np.empty(0, np.int64)

    def label(self, code: int) -> str:
        """Return the label behind a number."""
        return self.labels[code]

    def _number(self, value: Any) -> int:
        known = self._codes if isinstance(value, str) else self._others
        code = known.get(value)
        if code is None:
            text = write_label(value)
            code = self._codes.setdefault(text, len(self.labels))
            if code == len(self.labels):
                self.labels.append(text)
            if known is self._others:
                known[value] = code
        return code


class Bins:
    """Numbers between edges; a bin holds its upper edge, and the first one its lower edge too.

    Infinities lie between no edges: each of the two is a label of its own.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = np.unique(edges)
        self.count = max(len(self.edges) - 1, min(len(self.edges), 1))
        self._others = (MISSING, "-inf", "inf")

    def encode(self, values: Any) -> Codes:
        """Return the number of each row's bin."""
        numbers = np.asarray(values, np.float64)
        places = np.searchsorted(self.edges, numbers, side="left") - 1
        codes = np.clip(places, 0, max(self.count - 1, 0)).astype(np.int64)
        for other, found in enumerate((np.isnan(numbers), numbers == -np.inf, numbers == np.inf)):
            codes[found] = self.count + other
        return codes

    def label(self, code: int) -> str:
        """Return the bin as an interval."""
        if code >= self.count:
            return self._others[code - self.count]
        low, high = _write_edges(self.edges)[code], _write_edges(self.edges)[-1]
        if len(self.edges) > 1:
            high = _write_edges(self.edges)[code + 1]
        return f"{'[' if code == 0 else '('}{low}, {high}]"


class Grouping:
    """The slices along one axis, or along several crossed."""

    def __init__(self, names: tuple[str, ...], axes: Sequence[Coded]) -> None:
        self.names = names
        self.size = 0
        self._axes = axes
        self._crosses: list[dict[int, int]] = [{} for _ in axes[1:]]

    def encode(self, columns: Sequence[Any]) -> Codes:
        """Return the number of each row's slice, the same in every chunk."""
        codes = self._axes[0].encode(columns[0])
        for cross, axis, column in zip(self._crosses, self._axes[1:], columns[1:], strict=True):
            codes = _renumber(cross, codes * CROSSED + axis.encode(column))
        self.size = max(self.size, int(codes.max(initial=-1)) + 1)
        return codes

    def labels(self) -> Iterable[tuple[str, ...]]:
        """Yield the labels of the slices, in the order of their numbers."""
        pairs: list[tuple[int, ...]] = [(code,) for code in range(self.size)]
        if self._crosses:
            pairs = [(code,) for code in range(max(_firsts(self._crosses[0]), default=-1) + 1)]
        for cross in self._crosses:
            pairs = [(*pairs[key // CROSSED], key % CROSSED) for key in cross]
        for codes in pairs:
            yield tuple(axis.label(code) for axis, code in zip(self._axes, codes, strict=True))


class GroupSums:
    """What the rows of every slice contribute, for one model and loss."""

    def __init__(self) -> None:
        self.totals = np.zeros(0)
        self.denominators = np.zeros(0)
        self.counted = np.zeros(0)
        self.sums: dict[str, list[Floats]] = {}

    def add(self, codes: Codes, rows: Contributions, counts: SliceSums, size: int) -> None:
        """Add the rows of a chunk, of which ``counts`` are in each of the ``size`` slices."""
        self.totals = add_by(self.totals, sum_by(codes, rows.totals, size), size)
        ones = rows.single
        shares = counts if ones else _weigh(codes, rows.denominators, counts, size)
        counted = counts if ones else _weigh(codes, rows.counted, counts, size)
        self.denominators = add_by(self.denominators, shares, size)
        self.counted = add_by(self.counted, counted, size)
        for name, values in rows.sums.items():
            known = self.sums.setdefault(name, [np.zeros(0)] * values.shape[1])
            self.sums[name] = [
                add_by(one, sum_by(codes, values[:, place], size), size)
                for place, one in enumerate(known)
            ]


def count_by(codes: Codes, size: int) -> SliceSums:
    """Return how many rows of a chunk are in each slice."""
    return sum_by(codes, None, size)


def sum_by(codes: Codes, numbers: NDArray[Any] | None, size: int) -> SliceSums:
    """Return the sums of a chunk's numbers (None: 1 each) by slice.

    Where there are far more slices than rows, these are the sums of the slices that occur, with
    their codes.
    """
    if size == 1:
        return None, np.array([len(codes) if numbers is None else np.sum(numbers)], np.float64)
    if size > FEW * len(codes):
        found, places = np.unique(codes, return_inverse=True)
        return found, np.bincount(places, numbers, len(found)).astype(np.float64, copy=False)
    return None, np.bincount(codes, numbers, size).astype(np.float64, copy=False)


def add_by(sums: Floats, more: SliceSums, size: int) -> Floats:
    """Add the sums of a chunk to those of the slices, which may have become more."""
    if len(sums) < size:
        grown = np.zeros(max(size, 2 * len(sums) if size > 1 << 16 else size))
        grown[: len(sums)] = sums
        sums = grown
    codes, added = more
    if codes is None:
        sums[:size] += added
    else:
        sums[codes] += added
    return sums


def _weigh(codes: Codes, numbers: NDArray[Any], counts: SliceSums, size: int) -> SliceSums:
    """Return the sums by slice; of ones alone, they are counted already."""
    return counts if (numbers == 1).all() else sum_by(codes, numbers, size)


def write_label(value: Any) -> str:
    """Return a cell as the label of a slice."""
    if value is None or value != value:  # noqa: PLR0124 - NaN alone is not itself
        return MISSING
    return str(value)


def cut_evenly(low: float, high: float, bins: int) -> Bins:
    """Return bins of equal width from the smallest to the largest number."""
    return Bins(np.linspace(low, high, bins + 1) if low <= high else np.empty(0))


def _renumber(known: dict[int, int], keys: Codes) -> Codes:
    found, places = np.unique(keys, return_inverse=True)
    numbers = (known.setdefault(key, len(known)) for key in found.tolist())
    return np.fromiter(numbers, np.int64, len(found))[places]


def _firsts(cross: dict[int, int]) -> Iterable[int]:
    return (key // CROSSED for key in cross)


def _write_edges(edges: Floats) -> list[str]:
    """Return the edges with as many digits as it takes to tell them apart."""
    for digits in range(6, 17):
        shown = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(shown)) == len(edges):
            return shown
    return [repr(edge) for edge in edges.tolist()]
