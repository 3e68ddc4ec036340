"""A table of text cells, drawn on a terminal, in a pipe, or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from lossctl.output.text.wording import can_encode, fit_text, read_encoding

if TYPE_CHECKING:
    from rich.table import Table

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"

STYLES = {"good": "green", "bad": "red", "": ""}
"""The colour of rows of each tone."""

_LEAST_TEXT = 10
"""Minimum width to which text is folded."""

_OPEN_BOX = "╭──╮\n│  │\n├──┤\n│  │\n├──┤\n├──┤\n│  │\n╰──╯\n"
"""A rounded frame without lines between the columns, which saves width for numbers."""


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column, and how its cells are aligned."""

    name: str
    right: bool = True
    bar: bool = False
    lines: bool = False
    """Whether a cell may have several lines."""


@dataclass(slots=True)
class Row:
    """Cells, and whether they are good or bad news."""

    cells: list[str]
    tone: str = ""


@dataclass(slots=True)
class Grid:
    """A table with a title above and notes below."""

    columns: list[Column]
    rows: list[Row]
    title: str = ""
    notes: list[str] = field(default_factory=list)


def draw_bar(share: float, width: int, encoding: str | None = None) -> str:
    """Return a bar that fills a share of ``width`` cells, to an eighth of a cell."""
    share = min(max(share, 0.0), 1.0) if share == share else 0.0  # noqa: PLR0124 - NaN
    if not can_encode(_FULL + _EIGHTHS, encoding):
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return (_FULL * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def print_grids(heading: Sequence[str], grids: Sequence[Grid], stream: TextIO) -> None:
    """Print lines and grids, coloured and fitted on a terminal, plain and complete elsewhere."""
    from rich.text import Text

    from lossctl.output.text.console import open_console

    console, encoding = open_console(stream), read_encoding(stream)
    for line in heading:
        console.print(Text(fit_text(line, encoding)), soft_wrap=True)
    for number, grid in enumerate(grids):
        if number:
            console.print()
        if grid.title:
            console.print(Text(fit_text(grid.title, encoding), "bold"), soft_wrap=True)
        shown = grid if console.width >= _find_least_width(grid) else _leave_out_bars(grid)
        table = _draw_table(shown, encoding)
        if console.width < _find_least_width(shown):
            # The terminal wraps lines that numbers make too long for it; no number is cut.
            table.width = _find_least_width(shown)
        console.print(table, crop=False)
        for note in grid.notes:
            console.print(Text(fit_text(note, encoding), "italic"), soft_wrap=True)


def _find_least_width(grid: Grid) -> int:
    """Return the minimum width at which every number fits on one line."""
    widths = (_find_width(grid, place) for place in range(len(grid.columns)))
    return 2 + sum(width + 2 for width in widths)


def _leave_out_bars(grid: Grid) -> Grid:
    """Return the grid without its bars, which only repeat the numbers."""
    kept = [place for place, column in enumerate(grid.columns) if not column.bar]
    rows = [Row([row.cells[place] for place in kept], row.tone) for row in grid.rows]
    return Grid([grid.columns[place] for place in kept], rows, grid.title, grid.notes)


def _find_width(grid: Grid, place: int) -> int:
    """Return the minimum width of a column, to which longer text is folded."""
    column = grid.columns[place]
    lines = (line for row in grid.rows for line in row.cells[place].split("\n"))
    widest = max(map(len, [*column.name.split("\n"), *lines]))
    return widest if column.right or column.bar else min(widest, _LEAST_TEXT)


def _draw_table(grid: Grid, encoding: str) -> Table:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    from lossctl.output.text.console import BORDER_STYLE, KEY_STYLE

    table = Table(
        box=Box(_OPEN_BOX),
        border_style=BORDER_STYLE,
        header_style=f"bold {KEY_STYLE}",
        collapse_padding=True,
        safe_box=True,
    )
    for place, column in enumerate(grid.columns):
        table.add_column(
            Text((fit_lines if column.lines else fit_text)(column.name, encoding)),
            justify="right" if column.right else "left",
            no_wrap=column.right or column.bar,
            overflow="fold",
            min_width=_find_width(grid, place),
            style="blue" if column.bar else "",
        )
    for row in grid.rows:
        pairs = zip(row.cells, grid.columns, strict=True)
        cells = (
            (fit_lines if column.lines else fit_text)(cell, encoding) for cell, column in pairs
        )
        table.add_row(*map(Text, cells), style=STYLES[row.tone])
    return table


def write_markdown(heading: Sequence[str], grids: Sequence[Grid], stream: TextIO) -> None:
    """Write lines and grids in GitHub's Markdown."""
    encoding = read_encoding(stream)
    parts = ["\n".join(map(_escape, heading))] if heading else []
    for grid in grids:
        if grid.title:
            parts.append(f"**{_escape(grid.title)}**")
        rules = ["---:" if column.right else "---" for column in grid.columns]
        lines = [
            _join([_escape(column.name) for column in grid.columns]),
            f"|{'|'.join(rules)}|",
            *(_join(_mark(row)) for row in grid.rows),
        ]
        parts.append("\n".join(lines))
        parts += [f"*{_escape(note)}*" for note in grid.notes]
    stream.write(fit_lines("\n\n".join(parts), encoding) + "\n")


def fit_lines(text: str, encoding: str) -> str:
    """Return lines in characters that the encoding has."""
    return "\n".join(fit_text(line, encoding) for line in text.split("\n"))


def _mark(row: Row) -> list[str]:
    cells = [_escape(cell.strip()) for cell in row.cells]  # "**a **" is not bold
    return [f"**{cell}**" if cell and row.tone == "bad" else cell for cell in cells]


def _join(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """Escape the markup of Markdown and HTML; an underscore within a word is not markup."""
    shown = re.sub(r"([\\`*\[\]|<]|\b_|_\b)", r"\\\1", text)
    return " ".join(shown.split("\n"))
