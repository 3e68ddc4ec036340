"""Where the lines and fields of a CSV file are: its header, its segments, its broken places."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from lossctl.errors import DataError

NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|NaN|inf|Infinity)\s*", re.ASCII)
LINE_END = ord("\n")
BLANK = re.compile(rb"[\r\n]*")
INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


@dataclass(slots=True)
class Segment:
    """Some whole records of the file: where they are, and how many rows they came to."""

    offset: int
    size: int
    first_line: int
    lines: int
    first_row: int = 0
    rows: int = 0


def read_record(file: IO[bytes]) -> bytes:
    """Read to the end of a line that is not inside quotes."""
    return _close_quotes(file.readline(), file)


def read_records(file: IO[bytes], size: int) -> bytes:
    """Read whole records, of about ``size`` bytes together."""
    data = file.read(size)
    if len(data) < size:
        return data
    return _close_quotes(data + file.readline(), file)


def _close_quotes(data: bytes, file: IO[bytes]) -> bytes:
    if b'"' not in data or not data.count(b'"') % 2:
        return data
    parts = [data]
    while line := file.readline():
        parts.append(line)
        if line.count(b'"') % 2:
            break
    return b"".join(parts)


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
        f"{path} is not UTF-8 text{found}.",
        f"Convert it, for instance: iconv -f LATIN1 -t UTF-8 {path}",
    )


def is_number(text: str) -> bool:
    """Say whether a cell is a number."""
    return NUMBER.fullmatch(text) is not None


def is_integer(text: str) -> bool:
    """Say whether a cell is written as an integer."""
    return INTEGER.fullmatch(text) is not None


def count_lines(data: bytes) -> int:
    """Return how many lines the bytes are, with or without a line end at the end."""
    ends = np.count_nonzero(np.frombuffer(data, np.uint8) == LINE_END)  # faster than bytes.count
    return int(ends) + (bool(data) and not data.endswith(b"\n"))


def is_blank(data: bytes) -> bool:
    """Say whether there are only line ends."""
    return BLANK.fullmatch(data) is not None


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
    except csv.Error:  # a field longer than the csv module takes: the place stays unknown
        return


def _read_fields(text: str, delimiter: str, *, strict: bool = False) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
