"""What an interval says of a limit: beyond it, within it, or neither, and how many rows would.

A gate that fails above a limit is failed where the whole interval is above it, passed where the
whole interval is not, and inconclusive between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossctl.evaluation.request.conditions import Condition
from lossctl.evaluation.result import Comparison
from lossctl.evaluation.uncertainty.false_discovery import control
from lossctl.evaluation.uncertainty.student_t import tail

MOST = 10**15
"""More rows than these decide nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a condition is met (None: that is not known), and why."""

    met: bool | None
    note: str = ""
    inconclusive: bool = False
    rows: int | None = None
    """How many rows would decide, if the values and their spread stayed as they are."""


def find_margin(condition: Condition, one: Comparison) -> float:
    """Return by how much a model may be worse than the baseline."""
    if condition.relative:
        return condition.margin * abs(one.baseline_value or 0.0)
    return condition.margin


def find_p_values(condition: Condition, records: Sequence[Comparison]) -> dict[int, float]:
    """Return, by the place of each comparison, the p-value of being no worse than the margin.

    Those of slices are q-values: the false-discovery rate over the slices of a model is controlled.
    """
    found: dict[int, float] = {}
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for place, one in enumerate(records):
        groups.setdefault((one.model, one.by), []).append(place)
        own = one.q_value if one.by else one.p_value
        found[place] = math.nan if own is None else own
    if not condition.margin:
        return found
    for (_, by), places in groups.items():
        p_values = np.array([_test(condition, records[place]) for place in places])
        found |= dict(zip(places, (control(p_values) if by else p_values).tolist(), strict=True))
    return found


def _test(condition: Condition, one: Comparison) -> float:
    if one.interval is None or one.p_value is None:
        return math.nan
    beyond, error = one.difference - find_margin(condition, one), one.interval.standard_error
    if not error:
        return float(beyond == 0)
    freedom = max(one.compared - 1, 1)
    return float(tail(np.array([beyond / error]), np.array([freedom]))[0])


def decide_worse(condition: Condition, one: Comparison, p_value: float) -> Decision:
    """Return whether a model is worse than the baseline by more than the margin."""
    if math.isnan(p_value) or one.significant is None:
        note = "too few rows to say"
        return Decision(None, note, inconclusive=condition.three_way)
    margin = find_margin(condition, one)
    note = f"{'q' if one.by else 'p'} = {p_value:.3g}"
    if condition.margin:
        level = 0.0 if one.interval is None else 1 - one.interval.level
        met = p_value <= level * (1 + 1e-12) and one.difference > margin
        note += f", margin {margin:.6g}" if condition.relative else ""
    else:
        met = one.significant and one.difference > 0
    if met or not condition.three_way:
        return Decision(met, note)
    return _decide_three_ways(one, margin, one.compared, note, below=True, tested=True)


def decide_limit(condition: Condition, one: Any) -> Decision:
    """Return what the interval of a value, or a difference, says of the limit of a gate."""
    assert condition.limit is not None
    assert condition.operator is not None
    count = one.compared if isinstance(one, Comparison) else one.counted
    return _decide_three_ways(
        one, condition.limit, count, "", below=condition.operator.startswith(">"), tested=False
    )


def _decide_three_ways(
    one: Any, limit: float, count: int, note: str, *, below: bool, tested: bool
) -> Decision:
    """Return whether an interval is on one side of a limit; ``below`` it the gate is passed."""
    interval = one.interval
    value = one.difference if isinstance(one, Comparison) else one.value
    if interval is None or math.isnan(value):
        return Decision(None, note or "no interval", inconclusive=True)
    if not tested and (interval.low > limit if below else interval.high < limit):
        return Decision(True, note)
    if interval.high <= limit if below else interval.low >= limit:
        return Decision(False, note)
    reach = value - interval.low if value > limit else interval.high - value
    distance = abs(value - limit)
    shown = f"interval {interval.low:.4g} … {interval.high:.4g}"
    needed = count * (reach / distance) ** 2 if distance else math.inf
    if needed > MOST:
        words = "no number of rows would decide at this value"
        return Decision(None, _join(note, shown, words), inconclusive=True)
    rows = max(math.ceil(needed), count + 1)
    words = f"about {rows:,} rows would decide"
    return Decision(None, _join(note, shown, words), inconclusive=True, rows=rows)


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
