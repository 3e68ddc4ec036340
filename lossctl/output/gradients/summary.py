"""The summary of a gradient: its size, zeros and NaNs, and whether a check agrees."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from lossctl.errors import UsageError, did_you_mean
from lossctl.output.files.fields import FIELDS, encode_json, read_record, read_version
from lossctl.output.files.formats import BINARY_FORMATS, TEXT_FORMATS
from lossctl.output.text.wording import fit_text, format_number, format_shape, read_encoding

if TYPE_CHECKING:
    from lossctl.engine.gradients.result import Agreement, Gradient, Measure

GRADIENT_FORMAT = "lossctl.gradient/1"
"""Name and version of the JSON object's shape."""

FORMATS = ("table", "json", "jsonl", "csv", "tsv")
NUMERICAL = "4th-order finite differences: the loss declares no gradient"

CHECKED_DIGITS = 12
"""Digits shown of two derivatives that are compared."""

COLUMNS = (
    "name",
    "reduction",
    "value",
    "input",
    "shape",
    "norm",
    "largest",
    "largest_at",
    "elements",
    "zeros",
    "nan",
    "infinite",
    "file",
    "agrees",
    "largest_difference",
    "relative",
)
"""The columns of a delimited file, with a row per input that the gradient is with respect to."""


def check_summary_format(name: str | None, default: str | None = None) -> str:
    """Return the name if it is a format of summaries; a default only if it is one."""
    if name is not None and name not in FORMATS:
        remedy = did_you_mean(name, FORMATS)
        if name in (*TEXT_FORMATS, *BINARY_FORMATS):
            remedy = f"To print the gradient itself in this format, add -o - (-f {name} -o -)."
        raise UsageError(f"unrecognised format {name!r} for the summary of a gradient", remedy)
    return name or (default if default in FORMATS else "table")


def write_summary(
    gradient: Gradient, format: str = "table", stream: TextIO | None = None, precision: int = 6
) -> None:
    """Print the summary of a gradient."""
    out = sys.stdout if stream is None else stream
    if format == "table":
        _print_table(gradient, out, precision)
    elif format in ("csv", "tsv"):
        _write_delimited(gradient, out, "," if format == "csv" else "\t")
    else:
        _write_json(gradient, out, lines=format == "json")


def _write_json(gradient: Gradient, stream: TextIO, *, lines: bool) -> None:
    """Write one object: a key on each line, or all on one."""
    encoding = read_encoding(stream)
    record: dict[str, Any] = {
        "format": GRADIENT_FORMAT,
        "version": read_version(),
        "gradients": [_describe_measure(one, gradient) for one in gradient.measures],
        "numerical": gradient.numerical,
        "note": gradient.note,
        "check": _describe_agreement(gradient.agreement),
        "result": read_record(gradient.result, FIELDS),
    }
    if not lines:
        stream.write(encode_json(record, encoding) + "\n")
        return
    texts = (
        f"  {encode_json(key, encoding)}: {encode_json(value, encoding)}"
        for key, value in record.items()
    )
    stream.write("{\n" + ",\n".join(texts) + "\n}\n")


def _write_delimited(gradient: Gradient, stream: TextIO, delimiter: str) -> None:
    """Write a header, and a row for each input."""
    encoding = read_encoding(stream)
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _list_rows(gradient):
        cells = [row.get(name) for name in COLUMNS]
        writer.writerow(fit_text(one, encoding) if isinstance(one, str) else one for one in cells)


def _list_rows(gradient: Gradient) -> Iterator[dict[str, Any]]:
    """Yield a flat record of the gradient with respect to each input."""
    result, agreement = gradient.result, gradient.agreement
    for measure in gradient.measures:
        described = _describe_measure(measure, gradient)
        place = described["largest_at"]
        record = described | {
            "name": result.name,
            "reduction": result.reduction,
            "value": float(result),
            "shape": " ".join(map(str, measure.shape)),  # no commas: for cut and awk
            "largest_at": " ".join(map(str, place)) if place else None,
        }
        if agreement is not None:
            check = _describe_agreement(agreement) or {}
            record |= {name: check[name] for name in ("largest_difference", "relative")}
            record["agrees"] = str(agreement.agrees).lower()
        yield record


def _describe_measure(measure: Measure, gradient: Gradient) -> dict[str, Any]:
    return {
        "input": measure.name,
        "shape": measure.shape,
        "norm": measure.norm,
        "largest": measure.largest,
        "largest_at": measure.place if measure.largest else None,
        "elements": measure.elements,
        "zeros": measure.zeros,
        "nan": measure.nan,
        "infinite": measure.infinite,
        "file": gradient.files.get(measure.name),
    }


def _describe_agreement(agreement: Agreement | None) -> dict[str, Any] | None:
    if agreement is None:
        return None
    return {
        "agrees": agreement.agrees,
        "compared": agreement.compared,
        "kinks": agreement.kinks,
        "largest_difference": agreement.difference,
        "relative": agreement.relative,
        "input": agreement.input,
        "position": agreement.place,
        "declared": agreement.declared,
        "numerical": agreement.numerical,
    }


def _print_table(gradient: Gradient, stream: TextIO, precision: int) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from lossctl.output.text.console import BORDER_STYLE, KEY_STYLE, describe_result, open_console

    encoding = read_encoding(stream)
    table = Table(box=box.ROUNDED, show_header=False, border_style=BORDER_STYLE, safe_box=True)
    table.add_column(style=KEY_STYLE, no_wrap=True)
    table.add_column(overflow="fold")

    def add(key: str, text: str, *, end: bool = False) -> None:
        table.add_row(
            Text(fit_text(key, encoding)), Text(fit_text(text, encoding)), end_section=end
        )

    for measure in gradient.measures:
        rows = list(_describe_rows(measure, gradient, precision))
        for number, (key, text) in enumerate(rows, start=1):
            add(key, text, end=number == len(rows))
    extra = list(_describe_origin(gradient, precision))
    for number, (key, text) in enumerate(extra, start=1):
        add(key, text, end=number == len(extra))
    add("value", format_number(float(gradient.result), precision))
    for key, text in describe_result(gradient.result, precision, encoding):
        add(key, text)
    open_console(stream).print(table)


def _describe_rows(
    measure: Measure, gradient: Gradient, precision: int
) -> Iterator[tuple[str, str]]:
    """Yield the labels and texts of the gradient with respect to one input."""
    yield "gradient w.r.t.", f"{measure.name}  {format_shape(measure.shape)}"
    yield "norm", format_number(measure.norm, precision)
    if measure.elements:
        place = f" at {format_shape(measure.place)}" if measure.place and measure.largest else ""
        yield "largest", f"{format_number(measure.largest, precision)}{place}"
        yield "zero", _count(measure.zeros, measure.elements)
    if measure.nan:
        yield "NaN", _count(measure.nan, measure.elements)
    if measure.infinite:
        yield "infinite", _count(measure.infinite, measure.elements)
    if measure.name in gradient.files:
        yield "written to", gradient.files[measure.name]


def _count(number: int, of: int) -> str:
    """Return a count with its percentage."""
    return f"{number} of {of} ({100 * number / of:.3g} %)"


def _describe_origin(gradient: Gradient, precision: int) -> Iterator[tuple[str, str]]:
    if gradient.numerical:
        yield "method", NUMERICAL
    if gradient.note:
        yield "convention", gradient.note
    agreement = gradient.agreement
    if agreement is None:
        return
    kinks = f", {agreement.kinks} at kinks or clamps skipped" if agreement.kinks else ""
    yield "compared", f"{agreement.compared} elements with finite differences{kinks}"
    if not agreement.compared:
        return
    share = format_number(agreement.relative, 3)
    yield "check", "agrees" if agreement.agrees else f"DISAGREES by {share} of the size"
    place = f"{agreement.input} {format_shape(agreement.place)}"
    yield "largest difference", f"{format_number(agreement.difference, 3)} at {place}"
    yield "declared gradient", format_number(agreement.declared, max(precision, CHECKED_DIGITS))
    yield "finite difference", format_number(agreement.numerical, max(precision, CHECKED_DIGITS))
