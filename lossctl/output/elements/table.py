"""Per-element losses as a table for people.

The lines are drawn here, with the boxes of rich, because rich lays out a whole table at once and
would keep every row in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.text import Text

from lossctl.output.elements.rows import (
    ElementStream,
    Rows,
    index_rows,
    name_axes,
    name_column,
    read_rows,
)
from lossctl.output.text.console import BORDER_STYLE, KEY_STYLE, open_console, print_result
from lossctl.output.text.progress import hide_progress
from lossctl.output.text.wording import fit_text, format_number, read_encoding

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

_PAGE = 5_000
"""Rows whose widths are measured together: a table of up to this many rows fits its content."""

_INDEX_WIDTH = 12
"""Width of an index whose largest value is unknown."""


def print_elements(stream: ElementStream, out: TextIO, limit: int, precision: int) -> Result:
    """Print the first ``limit`` rows (0: all), how many more there are, and the counts."""
    table = ElementTable(stream.shape, out, precision, name_column(stream))
    total = 0
    for rows in read_rows(stream):
        total = rows.stop
        left = limit - rows.start if limit else len(rows.losses)
        if left > 0:
            table.add(Rows(rows.start, rows.losses[:left]))
    table.close()
    if total > table.count:
        more = total - table.count
        text = f"… {more} more row{'s' if more > 1 else ''} (--limit 0 shows all)"
        table.print(Text(fit_text(text, read_encoding(out)), "italic"))
    result = stream.result()
    print_result(result, out, precision)
    return result


class ElementTable:
    """A table with an index and a loss in each row, drawn page by page."""

    def __init__(
        self, shape: Sequence[int | None], out: TextIO, precision: int, column: str = "loss"
    ) -> None:
        self.shape = tuple(shape)
        self.precision = precision
        self.count = 0
        self.out = out
        self.console = open_console(out)
        self.box = box.ROUNDED.substitute(self.console.options)
        self.names = [*name_axes(self.shape), column]
        self.waiting: list[tuple[str, ...]] = []
        self.widths: list[int] = []

    def add(self, rows: Rows) -> None:
        """Add rows; draw them when there are many."""
        cells = self._format_cells(rows)
        while page := list(islice(cells, _PAGE)):
            self.count += len(page)
            self.waiting += page
            if len(self.waiting) > _PAGE:
                self._draw(ended=False)

    def close(self) -> None:
        """Draw what is left."""
        self._draw(ended=True)
        self.print(Text(self.box.get_bottom(self._spans()), BORDER_STYLE))

    def print(self, text: Text) -> None:
        """Print a line; a terminal that is too narrow wraps it, and nothing is cut."""
        self.console.print(text, soft_wrap=True)

    def _format_cells(self, rows: Rows) -> Iterator[tuple[str, ...]]:
        index = [map(str, axis.tolist()) for axis in index_rows(rows, self.shape)]
        losses = (format_number(loss, self.precision) for loss in rows.losses.tolist())
        return zip(*index, losses, strict=True)

    def _draw(self, *, ended: bool) -> None:
        hide_progress()
        if not self.widths:
            self.widths = self._measure(ended=ended)
            self._draw_header()
        rows = self._join_rows(self.waiting)
        self.waiting = []
        if not rows:
            return
        if self.console.is_terminal:
            text = Text(rows)
            text.highlight_words([self.box.mid_left, self.box.mid_vertical], BORDER_STYLE)
            self.print(text)
        else:
            self.out.write(rows + "\n")

    def _draw_header(self) -> None:
        spans = self._spans()
        self.print(Text(self.box.get_top(spans), BORDER_STYLE))
        header = Text(self._join_rows([tuple(self.names)]), BORDER_STYLE)
        header.highlight_words(self.names, f"not dim bold {KEY_STYLE}")
        self.print(header)
        self.print(Text(self.box.get_row(spans, "head"), BORDER_STYLE))

    def _join_rows(self, rows: Sequence[tuple[str, ...]]) -> str:
        left, middle, right = (self.box.mid_left, self.box.mid_vertical, self.box.mid_right)
        cells = f" {middle} ".join(f"{{:>{width}}}" for width in self.widths)
        line = f"{left} {cells} {right}"
        return "\n".join(line.format(*row) for row in rows)

    def _spans(self) -> list[int]:
        return [width + 2 for width in self.widths]

    def _measure(self, *, ended: bool) -> list[int]:
        """Return the widths of the columns: of the rows seen, or, before the end, of any row."""
        if ended:
            columns = zip(self.names, *self.waiting, strict=True)
            return [max(map(len, column)) for column in columns]
        sizes = [len(str(size - 1)) if size else _INDEX_WIDTH for size in self.shape]
        longest = len(format_number(-math.pi * 1e-300, self.precision))
        return [max(len(n), s) for n, s in zip(self.names, [*sizes, longest], strict=True)]
