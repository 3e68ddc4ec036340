"""The slices of an evaluation as a sequence that makes its records when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.result import LIMITS, SliceRow, list_taken, rename
from lossctl.evaluation.uncertainty.uncertainty import Spread

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Labels = Sequence[tuple[str, ...]]

BLOCK = 50_000
"""So many slices are made lists of at once."""


@dataclass(frozen=True)
class GroupedSlices:
    """The slices by some columns, for one model and loss; ``order`` has the worst first."""

    by: tuple[str, ...]
    labels: Labels
    model: str
    loss: str
    order: NDArray[np.int64]
    values: Floats
    rows: Floats
    counted: Floats
    shares: Floats
    gaps: Floats
    spread: Spread | None = None

    def __len__(self) -> int:
        return len(self.order)

    def row(self, place: int) -> SliceRow:
        """Return a slice as a record."""
        code = int(self.order[place])
        return SliceRow(
            by=self.by,
            labels=self.labels[code],
            model=self.model,
            loss=self.loss,
            value=float(self.values[code]),
            rows=int(self.rows[code]),
            counted=int(self.counted[code]),
            share=float(self.shares[code]),
            gap=float(self.gaps[code]),
            interval=None if self.spread is None else self.spread.interval(code),
        )

    def blocks(self) -> Iterator[tuple[list[Sequence[str]], dict[str, list[Any]]]]:
        """Yield labels and facts as lists, of some slices at a time."""
        for start in range(0, len(self), BLOCK):
            order = self.order[start : start + BLOCK]
            labels = [self.labels[code] for code in order.tolist()]
            facts = {
                "value": self.values[order].tolist(),
                "rows": self.rows[order].astype(np.int64).tolist(),
                "counted": self.counted[order].astype(np.int64).tolist(),
                "share": self.shares[order].tolist(),
                "gap": self.gaps[order].tolist(),
            }
            if self.spread is not None:
                facts |= dict(zip(LIMITS, self.spread.limits(order), strict=True))
            yield [list(axis) for axis in zip(*labels, strict=True)], facts

    def frame(self) -> pd.DataFrame:
        """Return the slices as a DataFrame."""
        import pandas as pd

        order = self.order
        names = rename(self.by, "by", list_taken(SliceRow)).values()
        columns: dict[str, Any] = {
            name: [self.labels[code][axis] for code in order.tolist()]
            for axis, name in enumerate(names)
        }
        columns |= {"model": self.model, "loss": self.loss, "value": self.values[order]}
        columns |= {"rows": self.rows[order].astype(np.int64)}
        columns |= {"counted": self.counted[order].astype(np.int64)}
        columns |= {"share": self.shares[order], "gap": self.gaps[order]}
        if self.spread is not None:
            columns |= {"low": self.spread.low[order], "high": self.spread.high[order]}
            columns |= {"standard_error": self.spread.errors[order]}
            columns |= {"method": self.spread.describe(order)}
        return pd.DataFrame(columns, index=range(len(order)))


class Slices(Sequence[SliceRow]):
    """All slices: by the columns asked for, then loss, then model, and the worst first."""

    def __init__(self, groups: Sequence[GroupedSlices]) -> None:
        self.groups = tuple(groups)
        self._starts = np.cumsum([0, *map(len, self.groups)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, place: int) -> SliceRow: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[SliceRow]: ...

    def __getitem__(self, place: int | slice) -> SliceRow | Sequence[SliceRow]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        wanted = place + len(self) if place < 0 else place
        if not 0 <= wanted < len(self):
            raise IndexError(place)
        number = int(np.searchsorted(self._starts, wanted, side="right")) - 1
        return self.groups[number].row(wanted - int(self._starts[number]))

    def __iter__(self) -> Iterator[SliceRow]:
        for group in self.groups:
            yield from map(group.row, range(len(group)))

    def frame(self) -> pd.DataFrame:
        """Return all slices as one DataFrame; a column that does not slice them is missing."""
        import pandas as pd

        frames = [group.frame() for group in self.groups]
        if not frames:
            return pd.DataFrame()
        taken = list_taken(SliceRow)
        names = {
            name: None for group in self.groups for name in rename(group.by, "by", taken).values()
        }
        joined = pd.concat(frames, ignore_index=True)
        return joined[[*names, *(name for name in joined.columns if name not in names)]]


def sort_worst_first(values: Floats, kept: NDArray[np.int64], labels: Labels) -> NDArray[np.int64]:
    """Return the codes of slices by falling value, NaN last; equal ones by their labels."""
    keys = np.where(np.isnan(values), np.inf, -values)[kept]
    order = np.argsort(keys, kind="stable")
    found, keys = kept[order], keys[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]) if len(keys) else keys)
    lengths = np.diff(np.append(starts, len(keys)))
    for start, length in zip(starts[lengths > 1], lengths[lengths > 1], strict=True):
        run = slice(start, start + length)
        found[run] = sorted(found[run].tolist(), key=lambda code: labels[code])
    return found
