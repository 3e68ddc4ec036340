"""Per-element results: streamed in any format, whatever their size."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, TextIO

import numpy as np

from lossctl.output.elements.binary import BINARY_WRITERS
from lossctl.output.elements.rows import (
    Array,
    ElementStream,
    Labels,
    Piece,
    Rows,
    count_elements,
    format_rows,
    index_rows,
    name_axes,
    name_column,
    read_rows,
)
from lossctl.output.files.fields import NON_FINITE, encode_json, read_header, read_record
from lossctl.output.files.files import open_binary, open_pipe, open_text
from lossctl.output.files.formats import check_stream_format, pick_file_format
from lossctl.output.text.wording import read_encoding

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result


def write_elements(
    stream: ElementStream,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    limit: int = 20,
    precision: int = 6,
) -> Result:
    """Write per-element losses to a stream, or to a file whose suffix means the format.

    ``limit`` is the number of rows in a table (0: all), ``precision`` the number of its
    significant digits; the other formats give every number in full. Returns the counts.
    """
    if isinstance(target, str | PathLike):
        return _write_file(stream, format, target, limit, precision)
    out = sys.stdout if target is None else target
    name = check_stream_format(format or "table", out)
    if name in BINARY_WRITERS:
        with open_pipe(out) as pipe:
            return BINARY_WRITERS[name](stream, pipe)
    return _write_text(stream, name, out, limit, precision)


def _write_file(
    stream: ElementStream,
    requested: str | None,
    path: str | PathLike[str],
    limit: int,
    precision: int,
) -> Result:
    name, compression = pick_file_format(path, requested)
    if name in BINARY_WRITERS:
        with open_binary(path) as file:
            return BINARY_WRITERS[name](stream, file)
    with open_text(path, compression) as out:
        return _write_text(stream, name, out, limit, precision)


def _write_text(
    stream: ElementStream, name: str, out: TextIO, limit: int, precision: int
) -> Result:
    if name == "table":
        from lossctl.output.elements.table import print_elements

        return print_elements(stream, out, limit, precision)
    return _TEXT_WRITERS[name](stream, out)


def write_values(stream: ElementStream, out: TextIO) -> Result:
    """Write one number per line."""
    out.writelines(format_rows([rows.losses, "\n"], rows, {}) for rows in read_rows(stream))
    return stream.result()


def write_delimited(stream: ElementStream, out: TextIO, delimiter: str) -> Result:
    """Write a header, and a row of index and loss for each element."""
    shape = stream.shape
    out.write(delimiter.join([*name_axes(shape), name_column(stream)]) + "\n")
    for rows in read_rows(stream):
        pieces: list[Piece] = []
        for axis in index_rows(rows, shape):
            pieces += [axis, delimiter]
        out.write(format_rows([*pieces, rows.losses, "\n"], rows, {}))
    return stream.result()


def write_json_lines(stream: ElementStream, out: TextIO) -> Result:
    """Write an object of index and loss for each element, one per line."""
    shape = stream.shape
    names, column = name_axes(shape), name_column(stream)
    for rows in read_rows(stream):
        pieces: list[Piece] = ["{"]
        for name, axis in zip(names, index_rows(rows, shape), strict=True):
            pieces += [f'"{name}": ', axis, ", "]
        pieces += [f'"{column}": ', rows.losses, "}\n"]
        out.write(format_rows(pieces, rows, NON_FINITE))
    return stream.result()


def write_json(stream: ElementStream, out: TextIO) -> Result:
    """Write one object with the elements as nested lists, and behind them the counts."""
    encode = partial(encode_json, encoding=read_encoding(out))
    out.write("{\n")
    out.writelines(f"  {encode(key)}: {encode(value)},\n" for key, value in read_header().items())
    out.write('  "elements": ')
    out.writelines(_nest_elements(stream))
    result = stream.result()
    record = read_record(result)
    out.writelines(f",\n  {encode(key)}: {encode(value)}" for key, value in record.items())
    out.write("\n}\n")
    return result


def _nest_elements(stream: ElementStream) -> Iterator[str]:
    """Yield the nested lists of the elements in pieces."""
    shape = stream.shape
    depth = len(shape)
    if count_elements(shape[1:]) == 0:
        # There are no elements to hang the brackets on, and only the end tells how many samples.
        for _ in read_rows(stream):
            continue
        yield encode_json(np.empty(stream.result().shape))
        return
    ended = False
    for rows in read_rows(stream):
        codes = _count_closed_axes(rows, shape)
        texts = (", ", *(f"{']' * k},{_break(k, depth)}{'[' * k}" for k in range(1, depth)))
        if rows.start == 0:
            codes[0] = len(texts)
            texts += ("[" * depth,)
        yield format_rows([Labels(codes, texts), rows.losses], rows, NON_FINITE)
        ended = True
    yield "]" * depth if ended else "[]"


def _break(closed: int, depth: int) -> str:
    """Return what separates two lists: samples begin on a line of their own."""
    return "\n    " if closed == depth - 1 else " "


def _count_closed_axes(rows: Rows, shape: Sequence[int | None]) -> Array:
    """Return for every element how many of the innermost axes begin anew at it."""
    place = np.arange(rows.start, rows.stop, dtype=np.int64)
    codes = np.zeros(len(place), np.int64)
    span = 1
    for size in reversed(shape[1:]):
        span *= size or 1
        codes += place % span == 0
    return codes


_TEXT_WRITERS: dict[str, Callable[[ElementStream, TextIO], Result]] = {
    "json": write_json,
    "jsonl": write_json_lines,
    "csv": partial(write_delimited, delimiter=","),
    "tsv": partial(write_delimited, delimiter="\t"),
    "value": write_values,
}
