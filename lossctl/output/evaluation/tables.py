"""Tables of an evaluation: overall losses, comparisons, slices, worst rows, gates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lossctl.output.text.tables import Column, Grid, Row, draw_bar
from lossctl.output.text.wording import format_amount, format_number
from lossctl.output.text.words import word_denominator

if TYPE_CHECKING:
    from lossctl.evaluation.result import (
        Comparison,
        Estimate,
        Evaluation,
        Interval,
        SliceRow,
        Verdict,
        WorstRow,
    )

BAR_WIDTH = 8
LEAST_DIGITS = 2
"""Minimum digits of the limits of an interval, which have two fewer than the value."""

LEFT_OUT = ("ignored", "masked", "omitted", "nan")


def describe_heading(evaluation: Evaluation) -> list[str]:
    """Return the line above the tables: the model, the rows, and which rows were excluded."""
    line = f"{evaluation.models[0]}: " if len(evaluation.models) == 1 else ""
    line += count(evaluation.rows, "row")
    notes, filtered = [], "filtered out by --where"
    if evaluation.matched is not None:
        notes.append(f"joined on {evaluation.settings.get('on') or 'a key'}: {evaluation.matched}")
        filtered = f"unmatched or {filtered}" if evaluation.settings.get("where") else "unmatched"
    if evaluation.dropped:
        notes.append(f"{evaluation.dropped} {filtered}")
    return [f"{line} ({', '.join(notes)})" if notes else line]


def count(number: int, what: str) -> str:
    """Return a number and a noun, in the plural unless it is 1."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def build_grids(
    evaluation: Evaluation, limit: int, precision: int, encoding: str | None = None
) -> list[Grid]:
    """Return the tables of an evaluation; slices have up to ``limit`` rows each (0: all)."""
    return [
        _show_overall(evaluation, precision),
        *_show_comparisons(evaluation, limit, precision),
        *_show_slices(evaluation, limit, precision, encoding),
        *_show_worst(evaluation, precision),
        *_show_gates(evaluation, precision),
    ]


def format_intervals(intervals: Iterable[Interval | None], precision: int) -> list[str]:
    """Return the aligned limits of intervals, with fewer digits than a value."""
    digits = max(precision - 2, LEAST_DIGITS)
    pairs = [
        None if one is None else (format_number(one.low, digits), format_number(one.high, digits))
        for one in intervals
    ]
    width = max((len(pair[1]) for pair in pairs if pair), default=0)
    return ["" if pair is None else f"{pair[0]} … {pair[1]:<{width}}" for pair in pairs]


def name_interval(intervals: Iterable[Interval | None]) -> str:
    """Return the heading of a column of intervals; empty if there are none."""
    level = next((one.level for one in intervals if one is not None), None)
    return "" if level is None else f"{100 * level:.6g} % interval"


def format_signed(value: float, precision: int) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{max(precision - 2, LEAST_DIGITS)}g}"


def format_probability(value: float | None) -> str:
    """Return a p-value in the usual notation."""
    if value is None:
        return ""
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def _show_overall(evaluation: Evaluation, precision: int) -> Grid:
    estimates = _order(evaluation.overall, evaluation)
    several = len(evaluation.models) > 1
    interval = name_interval(one.interval for one in estimates)
    left_out = [name for name in LEFT_OUT if any(getattr(one, name) for one in estimates)]
    divided = any(one.denominator != one.counted for one in estimates)
    columns = [Column("loss", right=False)]
    columns += [Column("model", right=False)] * several
    columns += [Column("value")]
    columns += [Column(interval)] * bool(interval)
    columns += [Column("counted"), *map(Column, left_out)]
    columns += [Column("denominator", right=False)] * divided
    rows = []
    limits = format_intervals((one.interval for one in estimates), precision)
    for one, shown in zip(estimates, limits, strict=True):
        cells = [
            evaluation.call(one.loss),
            *[one.model] * several,
            format_number(one.value, precision),
        ]
        cells += [shown] * bool(interval)
        cells += [str(one.counted), *(str(getattr(one, name)) for name in left_out)]
        amount = format_amount(one.denominator, precision)
        cells += [f"{amount} ({word_denominator(one.denominator_name)})"] * divided
        rows.append(Row(cells))
    return Grid(columns, rows)


def _order(estimates: Iterable[Estimate], evaluation: Evaluation) -> list[Estimate]:
    """Return the estimates loss by loss, so that the models of a loss are adjacent."""
    losses, models = evaluation.losses, evaluation.models
    return sorted(estimates, key=lambda one: (_place(one.loss, losses), _place(one.model, models)))


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else len(names)


def _show_comparisons(evaluation: Evaluation, limit: int, precision: int) -> Iterator[Grid]:
    whole = [one for one in evaluation.comparisons if not one.by]
    if whole:
        omits = evaluation.settings.get("nan") == "omit"
        yield _show_whole_comparison(evaluation, whole, precision, count=omits)
    groups: dict[tuple[tuple[str, ...], str, str], list[Comparison]] = {}
    for one in evaluation.comparisons:
        if one.by:
            groups.setdefault((one.by, one.loss, one.model), []).append(one)
    for (by, loss, model), ones in groups.items():
        yield _show_slice_comparison(by, evaluation.call(loss), model, ones, limit, precision)


def _show_whole_comparison(
    evaluation: Evaluation, whole: Sequence[Comparison], precision: int, *, count: bool = False
) -> Grid:
    """Show differences over all rows; ``count`` adds the rows that all models have."""
    interval = name_interval(one.interval for one in whole)
    columns = [Column("loss", right=False), Column("model", right=False), Column("difference")]
    columns += [Column(interval)] * bool(interval)
    columns += [Column("p"), Column("won/tied/lost")]
    columns += [Column("rows")] * count
    rows = []
    limits = format_intervals((one.interval for one in whole), precision)
    for one, shown in zip(whole, limits, strict=True):
        cells = [evaluation.call(one.loss), one.model, format_signed(one.difference, precision)]
        cells += [shown] * bool(interval)
        cells += [format_probability(one.p_value), f"{one.wins}/{one.ties}/{one.losses}"]
        cells += [str(one.compared)] * count
        rows.append(Row(cells, _judge_whole(one)))
    return Grid(columns, rows, f"Compared with {whole[0].baseline}")


def _judge_whole(one: Comparison) -> str:
    """Return the tone of a difference whose interval does not reach zero."""
    if one.interval is None or one.interval.low <= 0 <= one.interval.high:
        return ""
    return "bad" if one.difference > 0 else "good"


def _show_slice_comparison(
    by: tuple[str, ...],
    loss: str,
    model: str,
    ones: Sequence[Comparison],
    limit: int,
    precision: int,
) -> Grid:
    first = sorted(ones, key=_rank_difference)[: limit or None]
    interval = name_interval(one.interval for one in first)
    columns = [*(Column(name, right=False) for name in by), Column("difference")]
    columns += [Column(interval)] * bool(interval)
    columns += [Column("p"), Column("q"), Column("verdict", right=False)]
    rows = []
    limits = format_intervals((one.interval for one in first), precision)
    for one, shown in zip(first, limits, strict=True):
        word, tone = _judge(one)
        cells = [*one.labels, format_signed(one.difference, precision)]
        cells += [shown] * bool(interval)
        cells += [format_probability(one.p_value), format_probability(one.q_value), word]
        rows.append(Row(cells, tone))
    title = f"{loss} by {', '.join(by)}: {model} compared with {ones[0].baseline}"
    return Grid(columns, rows, title, _count_hidden(len(ones), len(first)))


def _rank_difference(one: Comparison) -> tuple[bool, float]:
    """Return a sort key: the worst difference first, undefined differences last."""
    return math.isnan(one.difference), -one.difference


def _judge(one: Comparison) -> tuple[str, str]:
    if not one.significant:
        return "", ""
    return ("worse", "bad") if one.difference > 0 else ("better", "good")


def _count_hidden(total: int, shown: int) -> list[str]:
    hidden = total - shown
    return [f"… {count(hidden, 'more slice')} (--limit 0 shows all)"] if hidden else []


def _show_slices(
    evaluation: Evaluation, limit: int, precision: int, encoding: str | None
) -> Iterator[Grid]:
    groups: dict[tuple[tuple[str, ...], str, str], list[SliceRow]] = {}
    totals: dict[tuple[tuple[str, ...], str, str], int] = {}
    for one in evaluation.slices:
        key = (one.by, one.loss, one.model)
        rows = groups.setdefault(key, [])
        totals[key] = totals.get(key, 0) + 1
        if not limit or len(rows) < limit:
            rows.append(one)
    for (by, loss, model), rows in groups.items():
        # The bars of all models share a scale.
        rivals = [groups.get((by, loss, other), []) for other in evaluation.models]
        scale = _find_scale([one.value for ones in rivals for one in ones])
        grid = _show_slice_group(by, rows, scale, precision, encoding)
        grid.title = f"{evaluation.call(loss)} by {', '.join(by)}"
        if len(evaluation.models) > 1:
            grid.title += f": {model}"
        grid.notes = _count_hidden(totals[by, loss, model], len(rows))
        yield grid


def _show_slice_group(
    by: tuple[str, ...],
    rows: Sequence[SliceRow],
    scale: tuple[float, float],
    precision: int,
    encoding: str | None,
) -> Grid:
    interval = name_interval(one.interval for one in rows)
    counted = any(one.counted != one.rows for one in rows)
    columns = [*(Column(name, right=False) for name in by), Column("rows")]
    columns += [Column("counted")] * counted
    columns += [Column("loss"), Column("", right=False, bar=True)]
    columns += [Column(interval)] * bool(interval)
    columns += [Column("share of\ntotal loss", lines=True), Column("vs.\noverall", lines=True)]
    low, high = scale
    lines = []
    limits = format_intervals((one.interval for one in rows), precision)
    for one, shown in zip(rows, limits, strict=True):
        filled = (one.value - low) / (high - low) if high > low else 0.0
        cells = [*one.labels, str(one.rows), *[str(one.counted)] * counted]
        cells += [format_number(one.value, precision), draw_bar(filled, BAR_WIDTH, encoding)]
        cells += [shown] * bool(interval)
        cells += [f"{100 * one.share:.1f}%", format_signed(one.gap, precision)]
        lines.append(Row(cells))
    return Grid(columns, lines)


def _find_scale(values: Sequence[float]) -> tuple[float, float]:
    """Return the values at which bars begin and end: zero, or the lowest value if negative."""
    finite = [value for value in values if math.isfinite(value)]
    return min([0.0, *finite]), max([0.0, *finite])


def _show_worst(evaluation: Evaluation, precision: int) -> Iterator[Grid]:
    groups: dict[tuple[str, str], list[WorstRow]] = {}
    for one in evaluation.worst:
        groups.setdefault((one.loss, one.model), []).append(one)
    for (loss, model), ones in groups.items():
        known = any(one.id is not None for one in ones)
        names = list(dict.fromkeys(name for one in ones for name in one.shown))
        columns = [Column("row"), *[Column("id", right=False)] * known, Column("loss")]
        columns += [Column(name, right=False) for name in names]
        rows = []
        for one in ones:
            cells = [str(one.row), *[one.id or ""] * known, format_number(one.value, precision)]
            rows.append(Row([*cells, *(one.shown.get(name, "") for name in names)]))
        title = f"Worst rows by {evaluation.call(loss)}" + (
            f": {model}" if len(evaluation.models) > 1 else ""
        )
        yield Grid(columns, rows, title)


def name_detail(details: Iterable[str]) -> str:
    """Return the heading of the details of gates: slices as COLUMN=LABEL, or names of models."""
    slices = all("=" in detail for detail in details if detail)
    return "worst slice" if slices else "worst model or slice"


def name_verdict(one: Verdict) -> str:
    """Return the verdict of a gate in a word."""
    if one.inconclusive:
        return "inconclusive"
    return "passed" if one.passed else "failed"


def _show_gates(evaluation: Evaluation, precision: int) -> Iterator[Grid]:
    if not evaluation.verdicts:
        return
    columns = [Column(name, right=False) for name in ("gate", "verdict")]
    columns += [Column("value"), Column("limit")]
    columns += [Column(name_detail(one.detail for one in evaluation.verdicts), right=False)]
    rows = []
    for one in evaluation.verdicts:
        numbers = (
            "" if number is None else format_number(number, precision)
            for number in (one.value, one.limit)
        )
        cells = [one.condition, name_verdict(one), *numbers, one.detail]
        rows.append(Row(cells, "good" if one.passed else "" if one.inconclusive else "bad"))
    yield Grid(columns, rows, "Gates")
