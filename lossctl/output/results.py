"""Reduced results: one value, with everything needed to reproduce it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from lossctl.output.files.fields import COLUMNS, encode_json, read_header, read_record
from lossctl.output.files.files import open_binary, open_pipe, open_text
from lossctl.output.files.formats import check_stream_format, pick_file_format
from lossctl.output.text.wording import fit_text, read_encoding

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result


def write_reduced(
    result: Result,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    precision: int = 6,
    typed: str = "",
) -> None:
    """Write a reduced result to a stream, or to a file in the format of its suffix.

    ``precision`` is the number of significant digits in a table, and ``typed`` how the user
    called the loss there; the other formats keep full precision, and have its key.
    """
    if isinstance(target, str | PathLike):
        name, compression = pick_file_format(target, format)
        binary = name in _BINARY_WRITERS
        opened: Any = open_binary(target) if binary else open_text(target, compression)
    else:
        stream = sys.stdout if target is None else target
        name = check_stream_format(format or "table", stream)
        opened = open_pipe(stream) if name in _BINARY_WRITERS else nullcontext(stream)
    with opened as file:
        if name == "table":
            from lossctl.output.text.console import print_result

            print_result(result, file, precision, typed)
        else:
            (_BINARY_WRITERS | _TEXT_WRITERS)[name](result, file)


def write_json(result: Result, stream: TextIO) -> None:
    """Write a JSON object, a key on each line."""
    encode = partial(encode_json, encoding=read_encoding(stream))
    record = read_header() | read_record(result)
    lines = (f"  {encode(key)}: {encode(value)}" for key, value in record.items())
    stream.write("{\n" + ",\n".join(lines) + "\n}\n")


def write_json_line(result: Result, stream: TextIO) -> None:
    """Write the same JSON object on one line."""
    record = read_header() | read_record(result)
    stream.write(encode_json(record, read_encoding(stream)) + "\n")


def write_delimited(result: Result, stream: TextIO, delimiter: str) -> None:
    """Write a header and one row."""
    record = read_record(result, COLUMNS)
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(record)
    writer.writerow(_fit_cell(value, stream) for value in record.values())


def write_value(result: Result, stream: TextIO) -> None:
    """Write the bare number."""
    stream.write(f"{float(result)!r}\n")


def write_npy(result: Result, file: BinaryIO) -> None:
    """Write the value as an array without axes."""
    import numpy as np

    np.save(file, np.float64(float(result)))


def write_parquet(result: Result, file: BinaryIO) -> None:
    """Write a table of one row."""
    import pyarrow.parquet as pq

    pq.write_table(_make_table(result), file)


def write_arrow(result: Result, file: BinaryIO) -> None:
    """Write the same table as an Arrow file, or as a stream in a pipe."""
    import pyarrow as pa

    table = _make_table(result)
    opened = pa.ipc.new_file if file.seekable() else pa.ipc.new_stream
    with opened(file, table.schema) as writer:
        writer.write_table(table)


def _make_table(result: Result) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist([read_record(result, COLUMNS)])


def _fit_cell(value: Any, stream: TextIO) -> Any:
    if isinstance(value, str):
        return fit_text(value, read_encoding(stream))
    return repr(float(value)) if isinstance(value, float) else value


_TEXT_WRITERS: dict[str, Callable[[Result, Any], None]] = {
    "json": write_json,
    "jsonl": write_json_line,
    "csv": partial(write_delimited, delimiter=","),
    "tsv": partial(write_delimited, delimiter="\t"),
    "value": write_value,
}

_BINARY_WRITERS: dict[str, Callable[[Result, Any], None]] = {
    "npy": write_npy,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
