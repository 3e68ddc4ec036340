"""An evaluation as flat records: one column for each fact, for CSV, TSV, JSON Lines, Parquet.

Every record says what it is of: the ``whole`` dataset, a ``slice``, one of the ``worst`` rows, or
a ``gate``. The comparison with the baseline stands in the record of its estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossctl.evaluation.result import (
        Comparison,
        Estimate,
        Evaluation,
        Interval,
        SliceRow,
        WorstRow,
    )

Record = dict[str, Any]

WHOLE, SLICE, WORST, GATE, ERROR = "whole", "slice", "worst", "gate", "error"

INTERVAL = {"low": float, "high": float, "standard_error": float}
COMPARED = {
    "baseline": str,
    "difference": float,
    "difference_low": float,
    "difference_high": float,
    "p_value": float,
    "q_value": float,
    "significant": bool,
    "wins": int,
    "ties": int,
    "losses": int,
}
COUNTS = {
    "rows": int,
    "counted": int,
    "ignored": int,
    "masked": int,
    "omitted": int,
    "nan": int,
    "total": float,
    "denominator": float,
    "denominator_name": str,
}


class Columns:
    """The columns of an evaluation's records, in their order, each with the type of its cells.

    Names of the user's columns that are taken by facts get a prefix: ``by_loss``, ``shown_row``.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        kinds: dict[str, type] = {"record": str, "model": str, "loss": str}
        facts: dict[str, type] = {"value": float}
        if any(one.interval is not None for one in evaluation.overall):
            facts |= INTERVAL
        facts |= COUNTS
        if evaluation.slices:
            facts |= {"share": float, "gap": float}
        if evaluation.comparisons:
            facts |= COMPARED
        if evaluation.worst:
            facts |= {"rank": int, "row": int, "id": str}
        if evaluation.verdicts:
            facts |= {"condition": str, "passed": bool, "limit": float, "detail": str}
        taken = {*kinds, *facts}
        self.by = _rename((name for one in evaluation.slices for name in one.by), "by", taken)
        self.shown = _rename(
            (name for one in evaluation.worst for name in one.shown), "shown", taken
        )
        kinds |= dict.fromkeys(self.by.values(), str) | facts
        self.kinds = kinds | dict.fromkeys(self.shown.values(), str)

    def read_records(self) -> Iterator[Record]:
        """Yield the records; a fact that a record does not have is left out."""
        evaluation = self.evaluation
        compared = {
            (one.model, one.loss, one.by, one.labels): one for one in evaluation.comparisons
        }
        for estimate in evaluation.overall:
            other = compared.get((estimate.model, estimate.loss, (), ()))
            yield _describe_whole(estimate, evaluation.rows) | _describe_difference(other)
        for row in evaluation.slices:
            other = compared.get((row.model, row.loss, row.by, row.labels))
            yield self._describe_slice(row) | _describe_difference(other)
        for worst in evaluation.worst:
            yield self._describe_worst(worst)
        for verdict in evaluation.verdicts:
            yield {
                "record": GATE,
                "condition": verdict.condition,
                "passed": verdict.passed,
                "value": verdict.value,
                "limit": verdict.limit,
                "detail": verdict.detail,
            }

    def _describe_slice(self, row: SliceRow) -> Record:
        names = (self.by[name] for name in row.by)
        return {
            "record": SLICE,
            "model": row.model,
            "loss": row.loss,
            **dict(zip(names, row.labels, strict=True)),
            "value": row.value,
            **_describe_interval(row.interval),
            "rows": row.rows,
            "counted": row.counted,
            "share": row.share,
            "gap": row.gap,
        }

    def _describe_worst(self, worst: WorstRow) -> Record:
        return {
            "record": WORST,
            "model": worst.model,
            "loss": worst.loss,
            "value": worst.value,
            "rank": worst.rank,
            "row": worst.row,
            "id": worst.id,
            **{self.shown[name]: text for name, text in worst.shown.items()},
        }


def _rename(names: Iterable[str], prefix: str, taken: Iterable[str]) -> dict[str, str]:
    """Return the column for each of the user's names, in their order."""
    return {name: f"{prefix}_{name}" if name in taken else name for name in names}


def _describe_whole(estimate: Estimate, rows: int) -> Record:
    facts = ("counted", "ignored", "masked", "omitted", "nan")
    sums = ("total", "denominator", "denominator_name")
    return {
        "record": WHOLE,
        "model": estimate.model,
        "loss": estimate.loss,
        "value": estimate.value,
        **_describe_interval(estimate.interval),
        "rows": rows,
        **{name: getattr(estimate, name) for name in (*facts, *sums)},
    }


def _describe_interval(interval: Interval | None) -> Record:
    return {} if interval is None else {name: getattr(interval, name) for name in INTERVAL}


def _describe_difference(comparison: Comparison | None) -> Record:
    if comparison is None:
        return {}
    interval = comparison.interval
    limits = {}
    if interval is not None:
        limits = {"difference_low": interval.low, "difference_high": interval.high}
    facts = {name: getattr(comparison, name) for name in COMPARED if name not in INTERVAL_LIMITS}
    return facts | limits


INTERVAL_LIMITS = ("difference_low", "difference_high")


def join_kinds(many: Iterable[Mapping[str, type]]) -> dict[str, type]:
    """Return the columns of several sets of records, each where it stood first."""
    return {name: kind for kinds in many for name, kind in kinds.items()}
