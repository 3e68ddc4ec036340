"""Tables for people: coloured and fitted on a terminal, plain and complete elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lossctl.output.text.wording import (
    fit_text,
    format_amount,
    format_number,
    format_shape,
    read_encoding,
)
from lossctl.output.text.words import word_denominator

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

_ENDLESS = 1_000_000
"""The width outside a terminal, where rich would assume 80 columns and cut lines."""

_ALIGNED = 40
"""Shapes are aligned in a column after file names up to this long."""

KEY_STYLE = "cyan"
BORDER_STYLE = "dim"


class PipeConsole(Console):
    """A console that leaves a closed pipe to the caller, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error again that rich caught."""
        raise  # noqa: PLE0704 - called while the error is handled


def open_console(stream: TextIO) -> Console:
    """Return a rich console that cuts nothing outside a terminal."""
    return PipeConsole(
        file=stream,
        width=None if stream.isatty() else _ENDLESS,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
    )


def print_result(result: Result, stream: TextIO, precision: int, typed: str = "") -> None:
    """Print everything about a result, its value first; ``typed`` is what its loss was called."""
    console = open_console(stream)
    encoding = read_encoding(stream)
    table = Table(box=box.ROUNDED, show_header=False, border_style=BORDER_STYLE, safe_box=True)
    table.add_column(style=KEY_STYLE, no_wrap=True)
    table.add_column(overflow="fold")
    if result.value is not None:
        style = "bold green" if math.isfinite(result.value) else "bold red"
        shown = Text(format_number(result.value, precision), style)
        table.add_row(Text("value", "bold"), shown, end_section=True)
    for key, text in describe_result(result, precision, encoding, typed):
        table.add_row(Text(fit_text(key, encoding)), Text(fit_text(text, encoding)))
    console.print(table)


def describe_result(
    result: Result, precision: int, encoding: str, typed: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the labels and texts of a result, except its value."""
    yield "loss", result.name.replace(result.loss, typed or result.loss, 1)
    yield "reduction", result.reduction
    yield "counted", str(result.counted)
    yield from _describe_left_out(result)
    if result.value is not None and result.reduction != "sum":
        amount = format_amount(result.denominator, precision)
        yield "denominator", f"{amount} ({word_denominator(result.denominator_name)})"
    if result.transform:
        yield "transform", f"{result.transform} of the quotient"
    yield "samples", str(result.samples)
    if result.part is not None:
        yield "part", "{} of {}".format(*result.part)
    yield from _describe_inputs(result, encoding)


def _describe_left_out(result: Result) -> Iterable[tuple[str, str]]:
    """Yield the counts above zero; ``ignored`` also if zero, if an ignored label was given."""
    if result.ignored or result.ignored_label is not None:
        yield "ignored", str(result.ignored)
    if result.masked:
        yield "masked", str(result.masked)
    if result.omitted:
        yield "omitted", f"{result.omitted} (NaN)"
    if result.clamped:
        yield "clamped", str(result.clamped)
    if result.nan:
        yield "NaN", str(result.nan)


def _describe_inputs(result: Result, encoding: str) -> Iterable[tuple[str, str]]:
    sources = [fit_text(source, encoding) for _, source, _ in result.inputs]
    width = max(map(len, sources), default=0)
    aligned = width if width <= _ALIGNED else 0
    for source, (name, _, shape) in zip(sources, result.inputs, strict=True):
        yield name, f"{source:<{aligned}}  {format_shape(shape)}"
