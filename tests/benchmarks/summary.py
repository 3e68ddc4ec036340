"""The largest size of each case in two short tables, for the page on speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from tests.benchmarks.comparison import Comparison
from tests.benchmarks.contestants import LOSSCTL, LOSSCTL_FLOAT32, TORCH
from tests.benchmarks.file_cases import FILE_CASES
from tests.benchmarks.report import (
    ABSENT,
    find,
    format_bytes,
    format_count,
    format_seconds,
    group_by,
    head,
    row,
)
from tests.benchmarks.turns import Measurement

NAMED = ("processor", "cores", "memory", "Python", "versions")


def write_summary(comparison: Comparison, machine: Mapping[str, str]) -> str:
    """Return both tables, beneath a line that names the machine."""
    described = "; ".join(f"{name}: {machine[name]}" for name in NAMED if name in machine)
    return "\n".join([described, "", *_list_lines(comparison)]) + "\n"


def _list_lines(comparison: Comparison) -> Iterator[str]:
    cases = group_by([one for one in comparison.files if one.count], "case")
    if cases:
        yield from head("whole process", "contestant", "time", f"time ÷ {LOSSCTL}", "peak memory")
        for case, group in cases.items():
            yield from _list_processes(case, _take_largest(group))
        yield ""
    losses = group_by(comparison.arrays, "case")
    if losses:
        names = (LOSSCTL, LOSSCTL_FLOAT32, TORCH)
        ratios = ("÷ lossctl", "÷ float32")
        yield from head("within a process", "elements", *names, *ratios)
        for case, group in losses.items():
            yield _describe_loss(case, names, _take_largest(group))


def _list_processes(case: str, group: Sequence[Measurement]) -> Iterator[str]:
    about = f"`{case}`, {format_count(group[0].count)} {FILE_CASES[case].unit}"
    for place, one in enumerate(group):
        yield row(
            "" if place else about,
            one.contestant,
            format_seconds(one.seconds),
            _format_ratio(one, find(group, LOSSCTL)),
            format_bytes(one.memory),
        )


def _describe_loss(case: str, names: Sequence[str], group: Sequence[Measurement]) -> str:
    found = [find(group, name) for name in names]
    times = [ABSENT if one is None else format_seconds(one.seconds) for one in found]
    ratios = [_format_ratio(found[-1], one) for one in found[:-1]]
    return row(case, format_count(group[0].count), *times, *ratios)


def _take_largest(group: Sequence[Measurement]) -> list[Measurement]:
    largest = max(one.count for one in group)
    return [one for one in group if one.count == largest]


def _format_ratio(one: Measurement | None, other: Measurement | None) -> str:
    if one is None or other is None or one is other:
        return ABSENT if one is not other else "1"
    return f"{median(one.ratios(other)):.2f}"
