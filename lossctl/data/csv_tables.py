"""CSV and TSV files as tables.

The file is cut at record ends into segments, and each is parsed by pyarrow's reader on all
cores: about twice as fast as its streaming reader, in as flat a memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from lossctl.data.arrow_arrays import Column, numpy_dtype, to_array
from lossctl.data.csv_lines import (
    Segment,
    count_lines,
    find_line,
    find_open_quote,
    find_ragged,
    is_blank,
    is_integer,
    is_number,
    read_record,
    read_records,
    split_record,
)
from lossctl.data.files import open_binary
from lossctl.data.source import Array
from lossctl.data.tables import Layout, Table
from lossctl.errors import DataError, LossctlWarning

SEGMENT_BYTES = 16 << 20
BLOCK_BYTES = 1 << 20
"""What a core parses at once; more where there are many columns, each a task of its own."""

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
SHOWN_CHARACTERS = 60
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvTable(Table):
    """A text file of one record a line, under a header of column names."""

    text = True

    def __init__(self, path: Path, file: IO[bytes], delimiter: str) -> None:
        self.path = path
        self.delimiter = delimiter
        self._file = file
        self._segments: list[Segment] = []
        self._offset = self._line = 0
        self._pending = b""
        self._first: bytes | None = None
        self._ended = False
        self._seekable = file.seekable()
        self._read_header()

    def layout(self, column: int) -> Layout | None:
        """Return None: the types are found by reading."""
        return None

    def misfits(self) -> Mapping[int, str]:
        """Return the columns with no name, and those with cells that are no numbers."""
        self._first = self._peek()
        everything = list(range(len(self.names)))
        table = self._parse(self._first, everything)
        misfits = {}
        for column, field in zip(everything, table.schema, strict=True):
            if not self.names[column].strip():
                misfits[column] = f"(column {column + 1}) has no name; perhaps it is an index"
            elif numpy_dtype(field.type) is None:
                found = self._find_text(self._first, column)
                if found is not None:
                    misfits[column] = f"holds {_show(found[1])}"
        return misfits

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Parse segment by segment."""
        row = 0
        wanted = sorted(set(columns))
        while not self._ended or not self._segments:
            data = self._peek()
            self._first = None
            segment = Segment(self._offset, len(data), self._line + 1, count_lines(data), row)
            table = self._parse(data, wanted)
            segment.rows = table.num_rows
            self._segments.append(segment)
            self._offset += len(data)
            self._line += segment.lines
            row += table.num_rows
            if self._ended:
                self.length = row
                self._file.close()
            yield self._convert(table, data, wanted, segment)

    def reopen(self) -> CsvTable:
        """Return the same file at its beginning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            return CsvTable(self.path, open_binary(self.path), self.delimiter)

    def line(self, row: int) -> int | None:
        """Return the line on which a row begins, counted from 1."""
        for segment in self._segments:
            if segment.first_row <= row < segment.first_row + segment.rows:
                inside = row - segment.first_row
                if segment.rows == segment.lines:
                    return segment.first_line + inside
                if not self._seekable:
                    return None
                with open_binary(self.path) as file:
                    file.seek(segment.offset)
                    found = find_line(file.read(segment.size), inside, self.delimiter)
                return None if found is None else segment.first_line + found
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check_header(self, fragment: str | None) -> None:
        """Raise a DataError if the header looks delimited by something else.

        A file whose only column really has such a name is read when that name is asked for.
        """
        if len(self.names) != 1 or fragment == self.names[0]:
            return
        for other in set(DELIMITER_NAMES) - {self.delimiter}:
            count = self.names[0].count(other)
            if not count:
                continue
            raise DataError(
                f"{self.path}: the header has no {DELIMITER_NAMES[self.delimiter]}s but "
                f"{_count(count, DELIMITER_NAMES[other])}: {_show(self.names[0])}.",
                {
                    "\t": "If it is delimited by tabs, name it .tsv.",
                    ",": "If it is delimited by commas, name it .csv.",
                    ";": "Write it with commas, or with tabs as .tsv; "
                    "and decimal points, not decimal commas.",
                }[other],
            )

    def _read_header(self) -> None:
        record = b"\n"
        while record and is_blank(record):
            record = read_record(self._file)
            self._offset += len(record)
            self._line += count_lines(record)
        if b"\0" in record:
            raise DataError(
                f"{self.path} is not text: its first line has zero bytes.",
                "If it is UTF-16 text, convert it: iconv -f UTF-16 -t UTF-8.",
            )
        self.names = split_record(record, self.delimiter, self.path)
        if not self.names:
            raise DataError(f"{self.path} is empty: it has no header and no rows.")
        if all(is_number(name) for name in self.names):
            self._question_header(record)

    def _question_header(self, record: bytes) -> None:
        """Decide what a first line of numbers is, and say so."""
        count = len(self.names)
        positions = [str(column) for column in range(count)]
        called = positions[0] if count == 1 else f"{positions[0]} to {positions[-1]}"
        if self.names == positions and count > 1:
            second = read_record(self._file)
            self._pending = second
            cells = split_record(second, self.delimiter, self.path)
            if not all(is_integer(cell) for cell in cells):
                self._warn(f"the first line of {self.path}, {called}, was read as its header.")
                return
        record = record.removeprefix(BYTE_ORDER_MARK)
        self._offset -= len(record)
        self._line -= count_lines(record)
        self._pending = record + self._pending
        self.names = positions
        self._warn(
            f"{self.path} has no header: its first line is all numbers. "
            f"It was read as data, with the columns called {called}."
        )

    def _warn(self, message: str) -> None:
        warnings.warn(LossctlWarning(message), stacklevel=2)

    def _peek(self) -> bytes:
        """Return the next segment."""
        if self._first is not None:
            return self._first
        data = read_records(self._file, SEGMENT_BYTES)
        self._ended = len(data) < SEGMENT_BYTES
        data, self._pending = self._pending + data, b""
        return data

    def _parse(
        self,
        data: bytes,
        columns: Sequence[int],
        *,
        as_text: bool = False,
        block: int = 0,
    ) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        names = [str(column) for column in range(len(self.names))]
        chosen = [names[column] for column in columns]
        if is_blank(data):
            return pa.schema([(name, pa.float64()) for name in chosen]).empty_table()
        block = block or BLOCK_BYTES * min(max(len(names) // 32, 1), 16)
        quoted = b'"' in data
        if quoted and data.count(b'"') % 2:
            self._check_quotes(data)
        try:
            return csv.read_csv(
                pa.BufferReader(data),
                read_options=csv.ReadOptions(column_names=names, block_size=block),
                parse_options=csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=quoted),
                convert_options=csv.ConvertOptions(
                    include_columns=chosen,
                    null_values=[""],
                    column_types=dict.fromkeys(chosen, pa.binary()) if as_text else None,
                    check_utf8=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < len(data):
                return self._parse(data, columns, as_text=as_text, block=len(data) + 1)
            raise self._explain(error, data) from error

    def _explain(self, error: Exception, data: bytes) -> DataError:
        found = find_ragged(data, len(self.names), self.delimiter)
        if found is None:
            return DataError(f"{self.path}: {' '.join(str(error).split())[:200]}")
        line, count = found
        return DataError(
            f"{self.path}, line {self._line + 1 + line}: {_count(count, 'field')} "
            f"where the header has {len(self.names)}.",
            "Every line needs as many fields as the header; a field with a delimiter in it "
            "needs quotes.",
        )

    def _check_quotes(self, data: bytes) -> None:
        line = find_open_quote(data, self.delimiter)
        if line is not None:
            raise DataError(
                f"{self.path}: a quoted field that begins in the record of line "
                f"{self._line + 1 + line} never ends.",
                "The file is cut off, or a quotation mark is missing.",
            )

    def _convert(
        self, table: Any, data: bytes, columns: Sequence[int], segment: Segment
    ) -> dict[int, Array]:
        arrays: dict[int, Array] = {}
        for column, values in zip(columns, table.columns, strict=True):
            where = Column(str(self.path), self.names[column], segment.first_row)
            if numpy_dtype(values.type) is None:
                arrays[column] = self._convert_texts(data, column, segment)
            else:
                arrays[column] = to_array(values, where)
        return arrays

    def _convert_texts(self, data: bytes, column: int, segment: Segment) -> Array:
        """Convert what pyarrow takes for something else but is numbers, such as blank cells."""
        found = self._find_text(data, column)
        if found is not None:
            row, text = found
            line = find_line(data, row, self.delimiter)
            place = "" if line is None else f" (line {segment.first_line + line})"
            raise DataError(
                f"{self.path}: column {self.names[column]!r}, row {segment.first_row + row}"
                f"{place}: {_show(text)} is not a number.",
                "Choose a numeric column, or correct the cell; "
                "an empty cell or NaN is a missing value.",
            )
        cells = self._parse(data, [column], as_text=True).column(0)
        return np.array([float(cell.strip() or b"nan") for cell in cells.to_pylist()])

    def _find_text(self, data: bytes, column: int) -> tuple[int, str] | None:
        """Return row and content of the first cell that is not a number."""
        cells = self._parse(data, [column], as_text=True).column(0)
        first = 0
        for chunk in cells.chunks:
            for row, cell in enumerate(chunk.to_pylist(), first):
                text = (cell or b"").decode("utf-8", "replace")
                if text.strip() and not is_number(text):
                    return row, text
            first += len(chunk)
        return None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show(text: str) -> str:
    if len(text) > SHOWN_CHARACTERS:
        text = text[: SHOWN_CHARACTERS - 1] + "…"
    return repr(text)
