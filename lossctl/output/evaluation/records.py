"""An evaluation as flat records: one column for each fact, for CSV, TSV, JSON Lines, Parquet.

Every record says what it is of: the ``whole`` dataset, a ``slice``, one of the ``worst`` rows, or
a ``gate``. The comparison with the baseline stands in the record of its estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lossctl.evaluation.result import LIMITS, rename

if TYPE_CHECKING:
    from lossctl.evaluation.result import (
        Comparison,
        Estimate,
        Evaluation,
        Interval,
        WorstRow,
    )

Record = dict[str, Any]
Block = dict[str, Sequence[Any]]
"""Several records as columns: a list for each field."""

WHOLE, SLICE, WORST, GATE, ERROR = "whole", "slice", "worst", "gate", "error"

INTERVAL = dict.fromkeys(LIMITS, float) | {"method": str}
COMPARED = {
    "baseline": str,
    "difference": float,
    "difference_low": float,
    "difference_high": float,
    "difference_method": str,
    "p_value": float,
    "p_method": str,
    "q_value": float,
    "significant": bool,
    "wins": int,
    "ties": int,
    "losses": int,
    "compared": int,
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
    """The columns of an evaluation's records, in order, each with the type of its cells.

    User columns whose names collide with those get a prefix: ``by_loss``, ``shown_row``.
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
            facts |= {"inconclusive": bool, "rows_needed": int}
        taken = {*kinds, *facts}
        names = [name for one in list_cuts(evaluation) for name in one.by]
        self.by = rename(names, "by", taken)
        names = [name for one in evaluation.worst for name in one.shown]
        self.shown = rename(names, "shown", taken)
        kinds |= dict.fromkeys(self.by.values(), str) | facts
        self.kinds = kinds | dict.fromkeys(self.shown.values(), str)

    def read_blocks(self) -> Iterator[Block]:
        """Yield the records, many slices at a time, without the columns that none of them has."""
        compared = {
            (one.model, one.loss, one.by, one.labels): one for one in self.evaluation.comparisons
        }
        for estimate in self.evaluation.overall:
            other = compared.get((estimate.model, estimate.loss, (), ()))
            record = _describe_whole(estimate, self.evaluation.rows) | _describe_difference(other)
            yield make_block(record)
        for cut in list_cuts(self.evaluation):
            for labels, facts in cut.blocks():
                count = len(facts["value"])
                named = zip((self.by[name] for name in cut.by), labels, strict=True)
                block = {
                    "record": [SLICE] * count,
                    "model": [cut.model] * count,
                    "loss": [cut.loss] * count,
                    **dict(named),
                    **facts,
                }
                if compared:
                    keys = ((cut.model, cut.loss, cut.by, own) for own in zip(*labels, strict=True))
                    others = [_describe_difference(compared.get(key)) for key in keys]
                    block |= {name: [one.get(name) for one in others] for name in COMPARED}
                yield block
        for worst in self.evaluation.worst:
            yield make_block(self._describe_worst(worst))
        for verdict in self.evaluation.verdicts:
            record = {
                "record": GATE,
                "condition": verdict.condition,
                "passed": verdict.passed,
                "value": verdict.value,
                "limit": verdict.limit,
                "detail": verdict.detail,
                "inconclusive": verdict.inconclusive,
                "rows_needed": verdict.rows_needed,
            }
            yield make_block(record)

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


def list_cuts(evaluation: Evaluation) -> Sequence[Any]:
    """Return the slices, in groups of one model, loss and grouping if they are stored so."""
    return getattr(evaluation.slices, "cuts", evaluation.slices)


def make_block(record: Record) -> Block:
    """Return the block of one record."""
    return {name: [value] for name, value in record.items()}


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
    limits: Record = {}
    if interval is not None:
        limits = {"difference_low": interval.low, "difference_high": interval.high}
        limits |= {"difference_method": interval.method}
    facts = {name: getattr(comparison, name) for name in COMPARED if name not in INTERVAL_LIMITS}
    return facts | limits


INTERVAL_LIMITS = ("difference_low", "difference_high", "difference_method")
