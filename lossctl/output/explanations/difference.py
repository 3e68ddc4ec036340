"""Two definitions on one row, side by side: as tables, Markdown and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from os import PathLike
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

import numpy as np

from lossctl.output.explanations.values import write_step
from lossctl.output.explanations.write import (
    Target,
    build_inputs,
    check_output,
    describe_choice,
    describe_explanation,
    encode_record,
    list_inputs,
)
from lossctl.output.files.fields import read_version
from lossctl.output.files.files import open_text
from lossctl.output.text.tables import Column, Grid, Row, print_grids, write_markdown
from lossctl.output.text.wording import format_number, read_encoding

if TYPE_CHECKING:
    from lossctl.explanation.result import Difference, Explanation, Pair
    from lossctl.losses.core.steps import Step

NAME_WIDTH = 20
"""Width at which the names of losses wrap in the headings of columns."""


def write_difference(
    difference: Difference, format: str | None = None, target: Target = None, precision: int = 6
) -> None:
    """Write a difference to a stream, or to a file in the format of its suffix."""
    if isinstance(target, str | PathLike):
        name, compression = check_output(format, target)
        with open_text(target, compression) as stream:
            _write(difference, name, stream, precision)
        return
    _write(difference, check_output(format, None).name, target or sys.stdout, precision)


def _write(difference: Difference, name: str, stream: TextIO, precision: int) -> None:
    if name == "json":
        stream.writelines(encode_difference(difference, read_encoding(stream)))
        return
    heading = list(describe_heading(difference))
    plain = name == "table"
    steps = build_steps(difference, precision, "\n" if plain else ", ")
    steps.notes = list(conclude(difference, precision))
    facts = build_facts(difference, "\n" if plain else ";  ")
    if plain:
        print_grids([*heading, *list_inputs(difference.left)], [steps, *facts], stream)
    else:
        write_markdown(heading, [build_inputs(difference.left), steps, *facts], stream)


def describe_heading(difference: Difference) -> Iterator[str]:
    """Yield the losses that are compared, and the row."""
    left, right = difference.left, difference.right
    yield f"{left.name} and {right.name}, row {left.row} (the first row is 0)"
    if difference.chosen and difference.farthest is not None:
        yield f"no row was given; they differ most on this one: --row {left.row}"
    elif difference.chosen:
        place = difference.divergence
        none = place is None or difference.pairs[place].key == "result"
        same = "they do not differ on any" if none else "their overall means are the same"
        yield f"no row was given, and {same}"
    elif left.chosen:
        yield describe_choice(left)


def build_steps(difference: Difference, precision: int, between: str) -> Grid:
    """Return the steps side by side; the first one that differs is marked."""
    columns = [Column("", right=False), Column("step", right=False)]
    for label in difference.labels:
        name = label if between != "\n" else "\n".join(wrap_name(label))
        columns.append(Column(name, lines=True))
    grid = Grid(columns, [])
    for place, pair in enumerate(difference.pairs):
        diverges = place == difference.divergence
        sign = "→" if diverges else {True: "=", False: "≠", None: ""}[pair.same]
        digits = _find_precision(pair, precision)
        cells = [
            _show(step, one, digits, between)
            for step, one in ((pair.left, difference.left), (pair.right, difference.right))
        ]
        grid.rows.append(Row([sign, pair.key, *cells], "bad" if diverges else ""))
    return grid


def _find_precision(pair: Pair, precision: int) -> int:
    """Return the digits needed to see that two numbers differ."""
    steps = [one for one in (pair.left, pair.right) if one is not None]
    if pair.same is not False or any(np.ndim(one.value) for one in steps):
        return precision
    for digits in range(precision, 17):
        if len({*(format_number(float(one.value), digits) for one in steps)}) > 1:
            return digits
    return 17


def wrap_name(name: str) -> list[str]:
    """Return a name in short lines, broken after a dot or an underscore."""
    spaced = name.replace(".", ". ").replace("_", "_ ")
    return [line.replace(" ", "") for line in wrap(spaced, NAME_WIDTH)]


def _show(step: Step | None, explanation: Explanation, precision: int, between: str) -> str:
    if step is None:
        return "-"
    return write_step(step, precision, explanation.classes, between)


def conclude(difference: Difference, precision: int) -> Iterator[str]:
    """Yield the conclusion: the step at which they diverge, or that they do not."""
    if difference.readings is not None:
        first, second = difference.readings
        losses = difference.labels
        yield f"They diverge at the first input: {losses[0]} reads it as {first},"
        yield f"{losses[1]} as {second}"
    elif difference.divergence == 0 and (sizes := _describe_sizes(difference.pairs[0])):
        losses = difference.labels
        yield f"They diverge at the first input: a row of {losses[0]} has {sizes[0]} of it,"
        yield f"a row of {losses[1]} has {sizes[1]}"
    elif difference.divergence is not None:
        pair = difference.pairs[difference.divergence]
        yield f"They diverge at: {pair.key}"
        for step, label in zip((pair.left, pair.right), difference.labels, strict=True):
            yield f"{label}: {_describe_step(step, precision)}"
    elif not difference.results_differ:
        yield "They do not differ on this row, and their results are the same."
    else:
        where = f"most on row {difference.farthest}: --row {difference.farthest}"
        yield f"They do not differ on this row, but on others, {where}"


def _describe_sizes(pair: Pair) -> list[str]:
    """Return how many numbers an input has on each side; nothing if both have as many."""
    sizes = [np.size(one.value) for one in (pair.left, pair.right) if one is not None]
    words = ["1 number" if size == 1 else f"{size} numbers" for size in sizes]
    return words if len({*words}) > 1 else []


def _describe_step(step: Step | None, precision: int) -> str:
    if step is None:
        return "has no such step"
    if step.before is None or np.ndim(step.value):
        return step.formula
    before, after = (format_number(float(one), precision) for one in (step.before, step.value))
    return f"{step.formula} ({before} becomes {after})"


def build_facts(difference: Difference, between: str) -> list[Grid]:
    """Return how the declarations differ, the reason of the divergence first.

    ``between`` joins the cases of a formula.
    """
    if not difference.facts:
        return []
    names = difference.labels
    wrapped = names if between != "\n" else ["\n".join(wrap_name(name)) for name in names]
    columns = [Column(name, right=False, lines=True) for name in ("", *wrapped)]
    rows = [Row([text.replace(";  ", between) for text in fact]) for fact in difference.facts]
    return [Grid(columns, rows, "How the definitions differ")]


def encode_difference(difference: Difference, encoding: str) -> Iterator[str]:
    """Yield one JSON object: both explanations, and where they diverge."""
    from lossctl.explanation.result import COMPARISON_FORMAT

    pairs = difference.pairs
    yield from encode_record(
        {
            "format": COMPARISON_FORMAT,
            "version": read_version(),
            "row": difference.left.row,
            "chosen": difference.chosen,
            "farthest": difference.farthest,
            "parting": None if difference.divergence is None else pairs[difference.divergence].key,
            "results_differ": difference.results_differ,
            "steps": [
                {
                    "key": pair.key,
                    "same": pair.same,
                    "left": None if pair.left is None else pair.left.value,
                    "right": None if pair.right is None else pair.right.value,
                }
                for pair in pairs
            ],
            "facts": [
                {"fact": fact, "left": left, "right": right}
                for fact, left, right in difference.facts
            ],
            "left": describe_explanation(difference.left),
            "right": describe_explanation(difference.right),
        },
        encoding,
    )
