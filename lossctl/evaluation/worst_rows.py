"""The rows with the highest loss, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cells import Cells, join_cells
from lossctl.engine.sums.partial import Contributions


@dataclass(frozen=True, slots=True)
class KeptRow:
    """The number of a row, and the columns that are shown for it."""

    row: int
    value: float
    cells: dict[str, str]


class WorstRows:
    """The rows of the largest losses of one model and loss; the earlier of two equal ones."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.places: list[KeptRow] = []

    def add(
        self, numbers: NDArray[np.int64], rows: Contributions, columns: Mapping[str, Any]
    ) -> None:
        """Look at the rows of a chunk, whose numbers in the dataset ascend."""
        values = row_losses(rows)
        floor = self.places[-1].value if len(self.places) == self.limit else -np.inf
        # An equal one of a later chunk is never the earlier one.
        candidates = np.flatnonzero(
            values > floor if len(self.places) == self.limit else values >= floor
        )
        if not len(candidates):
            return
        order = np.argsort(-values[candidates], kind="stable")[: self.limit]
        chosen = candidates[order]
        shown = {name: take_strings(column, chosen) for name, column in columns.items()}
        fresh = [
            KeptRow(int(numbers[row]), float(values[row]), {n: shown[n][i] for n in shown})
            for i, row in enumerate(chosen.tolist())
        ]
        merged = sorted([*self.places, *fresh], key=lambda place: (-place.value, place.row))
        self.places = merged[: self.limit]


def row_losses(rows: Contributions) -> NDArray[np.float64]:
    """Return the loss of each row, the mean of what counts in it; NaN where nothing does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rows.counted > 0, rows.totals / rows.counted, np.nan)


def take_strings(column: Any, places: NDArray[np.int64]) -> list[str]:
    """Return some cells of a column as strings; an empty one is an empty string."""
    chosen = column.take(places) if isinstance(column, Cells) else np.asarray(column)[places]
    values = join_cells([chosen]).values()
    return ["" if value is None else str(value) for value in values]
