"""Where the lines and fields of a CSV file are: its header, its invalid records."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossctl.errors import DataError

NUMBER = re.compile(
    r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf|infinity)\s*",
    re.ASCII | re.IGNORECASE,
)
INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def split_record(record: bytes, delimiter: str, path: Path) -> list[str]:
    """Return the fields of one record."""
    try:
        text = record.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error.object[error.start]) from error
    return next((row for row in _read_fields(text, delimiter) if row), [])


def not_utf8(path: Path, byte: int | None = None) -> DataError:
    """Return the error for text in another encoding."""
    found = "" if byte is None else f" (byte 0x{byte:02x})"
    return DataError(
        f"{path} is not UTF-8 text{found}",
        f"Convert it, for instance: iconv -f LATIN1 -t UTF-8 {path}",
    )


def is_number(text: str) -> bool:
    """Return whether a cell is a number."""
    return NUMBER.fullmatch(text) is not None


def is_integer(text: str) -> bool:
    """Return whether a cell is written as an integer."""
    return INTEGER.fullmatch(text) is not None


def find_line(data: bytes, row: int, delimiter: str) -> int | None:
    """Return the line (from 0) on which a row of these records begins."""
    return next((line for at, line, _ in _number_rows(data, delimiter) if at == row), None)


def find_ragged(data: bytes, count: int, delimiter: str) -> tuple[int, int] | None:
    """Return line (from 0) and number of fields of the first record without ``count`` fields."""
    rows = _number_rows(data, delimiter)
    return next(((line, len(cells)) for _, line, cells in rows if len(cells) != count), None)


def find_open_quote(data: bytes, delimiter: str) -> int | None:
    """Return the line (from 0) of a quoted field that never ends."""
    reader = _read_fields(data.decode("utf-8", "replace"), delimiter, strict=True)
    before = 0
    try:
        for _ in reader:
            before = reader.line_num
    except csv.Error as error:
        return before if "unexpected end of data" in str(error) else None
    return None


def _number_rows(data: bytes, delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield row, line and cells of each record; blank lines are not records."""
    reader = _read_fields(data.decode("utf-8", "replace"), delimiter)
    row = before = 0
    try:
        for cells in reader:
            if cells:
                yield row, before, cells
                row += 1
            before = reader.line_num
    except csv.Error:  # a field longer than the csv module accepts: the place stays unknown
        return


def _read_fields(text: str, delimiter: str, *, strict: bool = False) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
