"""CSV and TSV files as tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from lossctl.data.arrays.arrow import ColumnPlace, numpy_dtype, to_array
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Array
from lossctl.data.formats.csv_records import (
    find_line,
    find_open_quote,
    find_ragged,
    is_integer,
    is_number,
    split_record,
)
from lossctl.data.formats.lending import lend
from lossctl.data.streams.origins import Origin
from lossctl.data.tables.text import BLOCK_BYTES, TextTable, count_things, show_text
from lossctl.data.tables.text_file import Segment, Text, is_blank
from lossctl.errors import DataError, LossctlWarning
from lossctl.findings import Location, Remedy, RemedyKind, Sentence, TextFinding

SEGMENT_BYTES = 8 << 20
"""Twice as much is not measurably faster, and takes 60 MB more."""

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvTable(TextTable):
    """A text file with one record per line, after a header of column names."""

    quotes = True

    def __init__(
        self, origin: Origin, file: BinaryIO, delimiter: str, *, quiet: bool = False
    ) -> None:
        super().__init__(origin, file)
        self.delimiter = delimiter
        self._quiet = quiet
        self._read_header()

    def non_numeric_columns(self) -> Mapping[int, str]:
        """Return the columns without a name, and those with cells that are not numbers."""
        data = self._peek()
        everything = list(range(len(self.names)))
        table = self._parse(data, everything)
        non_numeric_columns = {}
        for column, field in zip(everything, table.schema, strict=True):
            if not self.names[column].strip():
                non_numeric_columns[column] = (
                    f"(column {column + 1}) has no name; perhaps it is an index"
                )
            elif numpy_dtype(field.type) is None:
                found = self._find_text(data, column)
                if found is not None:
                    non_numeric_columns[column] = f"contains {show_text(found[1])}"
        return non_numeric_columns

    def reopen(self) -> CsvTable:
        """Reopen the file at its beginning."""
        return CsvTable(self.origin, self.origin.open(), self.delimiter, quiet=True)

    def check_header(self, fragment: str | None) -> None:
        """Raise a DataError if the header seems to have another delimiter.

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
                f"{count_things(count, DELIMITER_NAMES[other])}: {show_text(self.names[0])}",
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
            record = self._text.take_record()
        if b"\0" in record:
            raise DataError(
                f"{self.path} is not text: its first line contains NUL bytes",
                "If it is UTF-16 text, convert it: iconv -f UTF-16 -t UTF-8.",
            )
        if b"\r" in record.rstrip(b"\r\n"):
            raise DataError(
                f"{self.path}: its lines end in carriage returns only, so it is read as one line",
                "Convert the line ends: tr '\\r' '\\n'.",
            )
        self.names = split_record(record, self.delimiter, self.path)
        if not self.names:
            raise DataError(f"{self.path} is empty: it has no header and no rows")
        if all(is_number(name) for name in self.names):
            self._question_header(record)

    def _question_header(self, record: bytes) -> None:
        """Decide whether a first line of numbers is a header, and warn."""
        count = len(self.names)
        positions = [str(column) for column in range(count)]
        called = positions[0] if count == 1 else f"{positions[0]} to {positions[-1]}"
        if self.names == positions and count > 1:
            second = self._text.take_record()
            self._text.give_back(len(second))
            cells = split_record(second, self.delimiter, self.path)
            if not all(is_integer(cell) for cell in cells):
                self._warn(f"the first line of {self.path}, {called}, was read as its header.")
                return
        self._text.give_back(len(record.removeprefix(BYTE_ORDER_MARK)))
        self.names = positions
        self._warn(
            f"{self.path} has no header: its first line is all numbers. "
            f"It was read as data, with the columns called {called}."
        )

    def _warn(self, message: str) -> None:
        if not self._quiet:
            warnings.warn(LossctlWarning(message), stacklevel=2)

    def _segment_bytes(self) -> int:
        return SEGMENT_BYTES

    def _line_within(self, data: bytes, row: int) -> int | None:
        return find_line(data, row, self.delimiter)

    def _parse(
        self,
        data: Text,
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
        texts = dict.fromkeys((names[column] for column in self.as_cells), pa.string())
        quotes = self._text.quotes
        if quotes % 2:
            self._check_quotes(data)
        try:
            with lend(data) as lent:
                return csv.read_csv(
                    pa.BufferReader(lent),
                    read_options=csv.ReadOptions(column_names=names, block_size=block),
                    parse_options=csv.ParseOptions(
                        delimiter=self.delimiter, newlines_in_values=quotes > 0
                    ),
                    convert_options=csv.ConvertOptions(
                        include_columns=chosen,
                        null_values=[""],
                        strings_can_be_null=not as_text,
                        column_types=dict.fromkeys(chosen, pa.binary()) if as_text else texts,
                        check_utf8=bool(texts) and not as_text,
                    ),
                )
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                raise DataError(
                    f"{self.path}: its labels are not UTF-8 text", "Write the file as UTF-8."
                ) from error
            if "straddl" in str(error) and block < len(data):
                return self._parse(data, columns, as_text=as_text, block=len(data) + 1)
            raise self._explain(data) from error

    def _explain(self, data: Text) -> DataError:
        found = find_ragged(bytes(data), len(self.names), self.delimiter)
        if found is None:
            place = Location(line=self._line_of(data), file=str(self.path))
            return DataError(
                Sentence(
                    "{location.file}: the text after line {location.line} cannot be split into"
                    " rows and fields",
                    location=place,
                ),
                "A quotation mark may be missing there, or there may be one too many.",
            )
        line, count = found
        found_fields = f"{count_things(count, 'field')} where the header has {len(self.names)}"
        place = Location(line=self._line_of(data) + line, file=str(self.path))
        return DataError(
            TextFinding(found_fields, place),
            "Every line needs as many fields as the header; a field with a delimiter in it "
            "needs quotes.",
        )

    def _check_quotes(self, data: Text) -> None:
        line = find_open_quote(bytes(data), self.delimiter)
        if line is not None:
            place = Location(line=self._line_of(data) + line, file=str(self.path))
            raise DataError(
                Sentence(
                    "{location.file}: a quoted field that begins in the record of line"
                    " {location.line} never ends",
                    location=place,
                ),
                "The file is cut off, or a quotation mark is missing.",
            )

    def _line_of(self, data: Text) -> int:
        """Return the line (from 1) on which the text taken last begins."""
        return self._text.count_lines(self._text.offset - len(data)) + 1

    def _read(self, data: Text, columns: Sequence[int], segment: Segment) -> Mapping[int, Array]:
        table = self._parse(data, columns)
        arrays: dict[int, Any] = {}
        for column, values in zip(columns, table.columns, strict=True):
            where = ColumnPlace(str(self.path), self.names[column], segment.first_row)
            if column in self.as_cells:
                arrays[column] = Cells(values)
            elif numpy_dtype(values.type) is None:
                arrays[column] = self._convert_texts(data, column, segment)
            else:
                arrays[column] = to_array(values, where)
        return arrays

    def _convert_texts(self, data: Text, column: int, segment: Segment) -> Array:
        """Convert numbers that pyarrow takes for something else, such as blank cells."""
        found = self._find_text(data, column)
        if found is not None:
            row, text = found
            line = find_line(bytes(data), row, self.delimiter)
            line = None if line is None else self._line_of(data) + line
            place = Location(segment.first_row + row, line, self.names[column], file=str(self.path))
            finding = TextFinding(f"{show_text(text)} is not a number", place)
            raise DataError(finding, Remedy(RemedyKind.CORRECT_CELL))
        cells = self._parse(data, [column], as_text=True).column(0)
        return np.array([float(cell.strip() or b"nan") for cell in cells.to_pylist()])

    def _find_text(self, data: Text, column: int) -> tuple[int, str] | None:
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
