"""Files with a line per row of a dataset: its number, its id and its losses, written in a stream.

Columns stay Arrow or NumPy arrays, and only the current rows are in memory.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from csv import writer
from os import PathLike
from typing import Any, Protocol

import numpy as np

from lossctl.output.files.fields import NON_FINITE
from lossctl.output.files.files import open_binary, open_text
from lossctl.output.files.formats import FileFormat, pick_file_format

FORMATS = ("parquet", "csv", "tsv", "jsonl")


class RowFile(Protocol):
    """Takes the columns of some rows, the same columns every time."""

    def __call__(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""


def check_rows(path: str | PathLike[str]) -> FileFormat:
    """Return the format that a file of rows is written in; raises UsageError."""
    return pick_file_format(path, known=FORMATS)


@contextmanager
def open_rows(path: str | PathLike[str]) -> Iterator[RowFile]:
    """Open a file in the format of its suffix; it appears complete or not at all."""
    kind = check_rows(path)
    with ExitStack() as stack:
        if kind.name == "parquet":
            yield _ParquetRows(stack, path)
        elif kind.name == "jsonl":
            text = stack.enter_context(open_text(path, kind.compression))
            yield lambda columns: text.writelines(_write_lines(columns))
        else:
            text = stack.enter_context(open_text(path, kind.compression))
            yield _DelimitedRows(text.write, "\t" if kind.name == "tsv" else ",")


class _ParquetRows:
    """Row groups of a Parquet file."""

    def __init__(self, stack: ExitStack, path: str | PathLike[str]) -> None:
        self._stack = stack
        self._file = stack.enter_context(open_binary(path))
        self._writer: Any = None

    def __call__(self, columns: Mapping[str, Any]) -> None:
        import pyarrow.parquet as pq

        table = _to_table(columns)
        if self._writer is None:
            writer = pq.ParquetWriter(self._file, table.schema)
            self._writer = self._stack.enter_context(writer)
        self._writer.write_table(table.cast(self._writer.schema))


class _DelimitedRows:
    """Lines of a delimited file; a row that is not counted has an empty cell."""

    def __init__(self, write: Any, delimiter: str) -> None:
        self._write = write
        self._delimiter = delimiter
        self._begun = False

    def __call__(self, columns: Mapping[str, Any]) -> None:
        import pyarrow as pa
        from pyarrow import csv

        if not self._begun:
            names = io.StringIO()
            writer(names, delimiter=self._delimiter, lineterminator="\n").writerow(columns)
            self._write(names.getvalue())
            self._begun = True
        sink = pa.BufferOutputStream()
        csv.write_csv(
            _to_table(columns),
            sink,
            csv.WriteOptions(
                include_header=False, delimiter=self._delimiter, quoting_style="needed"
            ),
        )
        self._write(sink.getvalue().to_pybytes().decode())


def _write_lines(columns: Mapping[str, Any]) -> Iterator[str]:
    table = _to_table(columns)
    for record in table.to_pylist():
        cells = (f"{json.dumps(name)}: {_to_json(value)}" for name, value in record.items())
        yield f"{{{', '.join(cells)}}}\n"


def _to_json(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return NON_FINITE[str(value)]
    number = value is None or isinstance(value, int | float)
    return json.dumps(value if number else str(value), ensure_ascii=False)


def _to_table(columns: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    arrays = [
        pa.array(column) if isinstance(column, np.ndarray) else getattr(column, "arrow", column)
        for column in columns.values()
    ]
    return pa.table(dict(zip(columns, arrays, strict=True)))
