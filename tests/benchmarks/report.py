"""What was measured, as Markdown tables for readers and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tests.benchmarks.comparison import Comparison
from tests.benchmarks.contestants import LOSSCTL, LOSSCTL_FLOAT32, MODULES, TORCH
from tests.benchmarks.file_cases import FILE_CASES
from tests.benchmarks.turns import Measurement

ABSENT = "–"
FORMAT = "lossctl.benchmarks/1"
Key = tuple[str, str]


def write_markdown(comparison: Comparison, machine: Mapping[str, str]) -> str:
    """Return the report."""
    return "\n".join(_list_lines(comparison, machine)) + "\n"


def write_json(comparison: Comparison, machine: Mapping[str, str]) -> str:
    """Return every turn that was measured."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "machine": dict(machine),
        "rounds": comparison.settings.rounds,
        "threads": comparison.settings.threads,
        "whole_process": [asdict(one) for one in comparison.files],
        "in_process": [asdict(one) for one in comparison.arrays],
        "missing": list(comparison.missing),
        "notes": comparison.notes,
    }
    return json.dumps(document, indent=1) + "\n"


def _list_lines(comparison: Comparison, machine: Mapping[str, str]) -> Iterator[str]:
    settings = comparison.settings
    yield from ("# Benchmarks", "")
    yield from (f"- {name}: {value}" for name, value in machine.items())
    yield ""
    yield (
        f"The contestants took turns, {settings.rounds} rounds after one that is not counted. "
        "A time is the median of the rounds; a ratio is the median of the ratios of each round "
        "(in brackets the least and the greatest), and above 1 lossctl was faster."
    )
    if comparison.files:
        yield from ("", "## Whole processes", "")
        yield "Memory is the peak of the process, with its start-up and the pages of mapped files."
        for group in group_by(comparison.files, "case").values():
            yield from ("", f"### {FILE_CASES[group[0].case].title}", "")
            yield from _list_processes(group)
    if comparison.arrays:
        yield from ("", "## Within a process", "")
        yield (
            f"The same float32 arrays in memory, {settings.threads} threads. "
            f"`{LOSSCTL}` computes in float64. Memory is what a call takes beside its inputs."
        )
        for size, group in group_by(comparison.arrays, "size").items():
            yield from ("", f"### {size.capitalize()}", "")
            yield from _list_losses(group)
    notes = [f"{name} is not installed" for name in comparison.missing] + comparison.notes
    if notes:
        yield from ("", "## Notes", "", *(f"- {note}" for note in notes))


def _list_processes(group: Sequence[Measurement]) -> Iterator[str]:
    """Yield the table of one case of files: a row for each size and contestant."""
    unit = FILE_CASES[group[0].case].unit
    yield from head(unit or "data", "contestant", "time", f"time ÷ {LOSSCTL}", "memory")
    for same in group_by(group, "size").values():
        for one in same:
            yield row(
                format_count(one.count) if one.count else ABSENT,
                one.contestant,
                format_seconds(one.seconds),
                format_ratio(one, find(same, LOSSCTL)),
                format_bytes(one.memory),
            )


def _list_losses(group: Sequence[Measurement]) -> Iterator[str]:
    """Yield the table of one size in memory: a row for each loss."""
    names = [name for name in MODULES if any(one.contestant == name for one in group)]
    ours = [name for name in (LOSSCTL, LOSSCTL_FLOAT32) if name in names]
    ratios = [f"{TORCH} ÷ {name}" for name in ours] if TORCH in names else []
    yield from head("loss", "elements", *names, *ratios)
    for case, same in group_by(group, "case").items():
        found = {name: find(same, name) for name in names}
        yield row(
            case,
            format_count(same[0].count),
            *(format_cost(one) for one in found.values()),
            *(format_ratio(found[TORCH], found[name]) for name in ours if ratios),
        )


def group_by(measurements: Sequence[Measurement], name: str) -> dict[str, list[Measurement]]:
    """Return the measurements by one of their fields, in their order."""
    groups: dict[str, list[Measurement]] = {}
    for one in measurements:
        groups.setdefault(getattr(one, name), []).append(one)
    return groups


def find(measurements: Sequence[Measurement], contestant: str) -> Measurement | None:
    """Return the measurement of a contestant."""
    return next((one for one in measurements if one.contestant == contestant), None)


def head(*names: str) -> Iterator[str]:
    """Yield the first two lines of a table."""
    yield row(*names)
    yield row(*("---" for _ in names))


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def format_ratio(one: Measurement | None, other: Measurement | None) -> str:
    """Return how many times as long one takes as the other."""
    if one is None or other is None:
        return ABSENT
    if one is other:
        return "1"
    ratios = one.ratios(other)
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def format_cost(one: Measurement | None) -> str:
    """Return the time and the memory of a call."""
    if one is None:
        return ABSENT
    return f"{format_seconds(one.seconds)}, {format_bytes(one.memory)}"


def format_seconds(seconds: float) -> str:
    """Return a time with three digits.

    >>> format_seconds(1.2345), format_seconds(0.012345), format_seconds(0.0000123)
    ('1.23 s', '12.3 ms', '12.3 µs')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 999.5 * size else f"{seconds:.0f} s"
    return f"{seconds / 1e-6:.3g} µs"


def format_bytes(size: int | None) -> str:
    """Return a size of memory in millions of bytes.

    >>> format_bytes(43_210_000), format_bytes(None)
    ('43 MB', '–')
    """
    return ABSENT if size is None else f"{size / 1e6:.0f} MB"


def format_count(count: int) -> str:
    """Return a number of elements with its thousands set apart.

    >>> format_count(40_000_000)
    '40 000 000'
    """
    return f"{count:,}".replace(",", " ")
