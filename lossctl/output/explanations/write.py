"""Explanations of a value: as tables, Markdown and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, TextIO

from lossctl.output.explanations.values import write_step
from lossctl.output.files.fields import FIELDS, encode_json, read_record, read_version
from lossctl.output.files.files import open_text
from lossctl.output.files.formats import FileFormat, check_format, pick_file_format
from lossctl.output.text.tables import Column, Grid, Row, print_grids, write_markdown
from lossctl.output.text.wording import format_shape, read_encoding

if TYPE_CHECKING:
    from lossctl.explanation.result import Explanation
    from lossctl.losses.core.steps import Step

FORMATS = ("table", "markdown", "json")
FILES = ("markdown", "json")
Target = TextIO | str | PathLike[str] | None


def check_output(format: str | None, target: str | PathLike[str] | None) -> FileFormat:
    """Return the format to write in, before any work; raises UsageError."""
    if target is None:
        return FileFormat(check_format(format or "table", FORMATS))
    return pick_file_format(target, format, FILES, FORMATS)


def write_explanation(
    explanation: Explanation, format: str | None = None, target: Target = None, precision: int = 6
) -> None:
    """Write an explanation to a stream, or to a file in the format of its suffix."""
    if isinstance(target, str | PathLike):
        name, compression = check_output(format, target)
        with open_text(target, compression) as stream:
            _write(explanation, name, stream, precision)
        return
    name, _ = check_output(format, None)
    _write(explanation, name, target or sys.stdout, precision)


def _write(explanation: Explanation, name: str, stream: TextIO, precision: int) -> None:
    if name == "json":
        from lossctl.explanation.result import FORMAT

        header = {"format": FORMAT, "version": read_version()}
        record = header | describe_explanation(explanation)
        stream.writelines(encode_record(record, read_encoding(stream)))
        return
    if explanation.row is None:
        _write_page(explanation, name, stream)
        return
    heading = list(describe_heading(explanation))
    if name == "table":
        lines = [*heading, *list_inputs(explanation)]
        print_grids(lines, [build_grid(explanation, precision, "\n")], stream)
    else:
        grid = build_grid(explanation, precision, ", ")
        write_markdown(heading, [build_inputs(explanation), grid], stream)


def describe_heading(explanation: Explanation) -> Iterator[str]:
    """Yield the loss and the row that are explained."""
    yield f"{explanation.name}, row {explanation.row} (the first row is 0)"
    if explanation.chosen:
        yield describe_choice(explanation)


def list_inputs(explanation: Explanation) -> Iterator[str]:
    """Yield a line for each input: where the row was read."""
    rows = build_inputs(explanation).rows
    width = max(len(row.cells[0]) for row in rows)
    for name, taken, shape in (row.cells for row in rows):
        yield f"{name:<{width}}  {taken}  of {shape}"


def build_inputs(explanation: Explanation) -> Grid:
    """Return where the row was read in each input, and the shapes of the inputs."""
    grid = Grid([Column(word, right=False) for word in ("input", "element", "shape")], [])
    for one in explanation.inputs:
        squeezed = f", squeezed from {format_shape(one.given)}" if one.given != one.shape else ""
        cells = [one.name, f"{one.source}{one.index}", f"{format_shape(one.shape)}{squeezed}"]
        grid.rows.append(Row(cells))
    return grid


def describe_choice(explanation: Explanation) -> str:
    """Say which of a row's several losses is explained."""
    many = " × ".join(map(str, explanation.positions))
    place = ",".join(map(str, (explanation.row, *explanation.position)))
    return f"the row has {many} losses; this is its largest: --row {place}"


def build_grid(explanation: Explanation, precision: int, between: str) -> Grid:
    """Return the steps with their formulas and values, whose lines ``between`` joins."""
    columns = [Column("step", right=False), Column("formula", right=False)]
    grid = Grid([*columns, Column("value", lines=True)], [])
    for step in explanation.steps:
        value = write_step(step, precision, explanation.classes, between)
        key = step.key
        tone = "good" if key in ("loss", "result") else "bad" if step.changes else ""
        grid.rows.append(Row([key, step.formula, value], tone))
    return grid


def _write_page(explanation: Explanation, name: str, stream: TextIO) -> None:
    """Write how a loss is computed, without data: formula, inputs, options, steps."""
    from lossctl.output import catalogue

    described = explanation.description
    chosen = (catalogue.FORMULA, catalogue.INPUTS, catalogue.OPTIONS)
    heads = ["step", "formula", *(["when"] if any(step.note for step in explanation.steps) else [])]
    rows = [Row([step.key, step.formula, step.note][: len(heads)]) for step in explanation.steps]
    grid = Grid([Column(head, right=False) for head in heads], rows, "Steps")
    grid.notes.append(f"Add files and a row to see values: {explanation.example} --row 1")
    if name == "table":
        catalogue.print_loss(described, chosen)
        print()
        print_grids([], [grid], stream)
        return
    heading = [f"{described['key']}: {described['summary']}"]
    tables = [
        Grid([Column(title, right=False)], [Row([line]) for line in lines])
        for title, lines in catalogue.list_sections(described)
        if title in chosen
    ]
    write_markdown(heading, [*tables, grid], stream)


def describe_step(step: Step) -> dict[str, Any]:
    """Return a step as an object."""
    record = {"key": step.key, "formula": step.formula, "value": step.value, "note": step.note}
    if step.places:
        record["places"] = step.places
    if step.changes is not None:
        record |= {"before": step.before, "changes": step.changes}
    return record


def describe_explanation(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain data."""
    result = explanation.result
    inputs = [
        {"name": one.name, "source": one.source, "shape": one.shape, "index": one.index}
        for one in explanation.inputs
    ]
    return {
        "loss": explanation.loss,
        "name": explanation.name,
        "formula": explanation.description["formula"],
        "row": explanation.row,
        "position": explanation.position,
        "positions": explanation.positions,
        "chosen": explanation.chosen,
        "inputs": inputs,
        "classes": explanation.classes,
        "steps": [describe_step(step) for step in explanation.steps],
        "value": explanation.value,
        "contribution": explanation.contribution,
        "result": None if result is None else read_record(result, FIELDS),
    }


def encode_record(record: dict[str, Any], encoding: str) -> Iterator[str]:
    """Yield a JSON object with a key on each line; a list has an object on each line."""
    separator, indent = "{\n", "  "
    for key, value in record.items():
        yield f"{separator}{indent}{encode_json(key, encoding)}: "
        separator = ",\n"
        listed = isinstance(value, list) and value and isinstance(value[0], dict)
        yield from (
            _encode_list(value, indent, encoding) if listed else [encode_json(value, encoding)]
        )
    yield "\n}\n"


def _encode_list(records: Iterable[dict[str, Any]], indent: str, encoding: str) -> Iterator[str]:
    lines = (f"{indent}  {encode_json(record, encoding)}" for record in records)
    yield "[\n" + ",\n".join(lines) + f"\n{indent}]"
