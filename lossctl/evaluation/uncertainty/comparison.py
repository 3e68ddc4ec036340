"""A model against a baseline on the same rows: wins and losses, differences, discoveries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.result import Comparison
from lossctl.evaluation.uncertainty.estimands import Floats, Integers, divide
from lossctl.evaluation.uncertainty.false_discovery import control
from lossctl.evaluation.uncertainty.uncertainty import Spread

Counts = NDArray[np.int64]


class WinCounts:
    """On how many rows of each slice the loss of the model is lower, equal and higher.

    A row that does not count for one of them, or has a loss that is NaN, is left out.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, 1), np.int64)

    def add(
        self,
        model: tuple[Floats, Floats],
        baseline: tuple[Floats, Floats],
        slices: Integers | None = None,
    ) -> None:
        """Add rows: numerators and denominators of both, and the slice of each (below 0: none)."""
        mine, other = divide(*model), divide(*baseline)
        kinds = np.select((mine < other, mine == other, mine > other), (0, 1, 2), -1)
        kept = kinds >= 0 if slices is None else (kinds >= 0) & (slices >= 0)
        of = np.zeros(kinds.size, np.int64) if slices is None else slices
        keys = of[kept] * 3 + kinds[kept]
        touched = int(of[kept].max(initial=-1)) + 1
        self._grow(touched)
        if touched <= 4 * keys.size:
            self._counts[:, :touched] += np.bincount(keys, minlength=3 * touched).reshape(-1, 3).T
        else:
            np.add.at(self._counts, (kinds[kept], of[kept]), 1)

    def merge(self, other: WinCounts) -> None:
        """Add the rows of another tally."""
        self._grow(other._counts.shape[1])
        self._counts[:, : other._counts.shape[1]] += other._counts

    def counts(self, slices: int = 1) -> tuple[Counts, Counts, Counts]:
        """Return the wins, ties and losses of the model in so many slices."""
        self._grow(slices)
        wins, ties, losses = self._counts[:, :slices]
        return wins, ties, losses

    def _grow(self, slices: int) -> None:
        more = slices - self._counts.shape[1]
        if more > 0:
            more = max(more, self._counts.shape[1] // 2)
            self._counts = np.pad(self._counts, ((0, 0), (0, more)))


def compare(
    loss: str,
    model: str,
    baseline: str,
    differences: Floats,
    tally: WinCounts,
    spread: Spread | None = None,
    by: tuple[str, ...] = (),
    labels: Sequence[tuple[str, ...]] = ((),),
    baseline_values: Floats | None = None,
) -> list[Comparison]:
    """Return the comparison over all rows, or one for each slice of ``by``.

    Without a spread there are neither intervals nor p-values. Significant is what remains after
    control of the false-discovery rate over these slices, at the spread's level.
    """
    size = len(labels)
    p_values = np.full(size, np.nan)
    significant: list[bool | None] = [None] * size
    if spread is not None and spread.p_values is not None:
        p_values = spread.p_values[:size]
    q_values = control(p_values)
    if spread is not None:
        level = spread.method.level
        # 1 - 0.95 is not quite 0.05.
        found = q_values <= (1 - level) * (1 + 1e-12)
        significant = [
            None if one else bool(two) for one, two in zip(np.isnan(q_values), found, strict=True)
        ]
    wins, ties, losses = tally.counts(size)
    return [
        Comparison(
            loss=loss,
            model=model,
            baseline=baseline,
            by=by,
            labels=labels[place],
            difference=float(differences[place]),
            interval=None if spread is None else spread.interval(place),
            p_value=_number(p_values[place]),
            wins=int(wins[place]),
            ties=int(ties[place]),
            losses=int(losses[place]),
            significant=significant[place],
            q_value=_number(q_values[place]) if by else None,
            compared=int(wins[place] + ties[place] + losses[place]),
            p_method=None if spread is None else spread.test(place),
            baseline_value=None if baseline_values is None else float(baseline_values[place]),
        )
        for place in range(size)
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
