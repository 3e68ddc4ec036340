"""JSON Lines as tables: one object per line, its numeric fields as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from lossctl.data.arrays.arrow import ColumnPlace, numpy_dtype, to_array
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Array
from lossctl.data.formats.json_records import (
    NUMBER_WORD,
    Objects,
    find_line,
    read_objects,
    to_arrow,
    unquote_numbers,
)
from lossctl.data.formats.lending import lend
from lossctl.data.streams.origins import Origin
from lossctl.data.tables.text import BLOCK_BYTES, TextTable, show_text
from lossctl.data.tables.text_file import Segment, Text, is_blank
from lossctl.errors import DataError

SEGMENT_BYTES = 8 << 20


class JsonTable(TextTable):
    """A text file with one JSON object per line; the first segment determines the fields.

    pyarrow's reader parses each segment. What it rejects (numbers beside strings that
    stand for numbers, broken lines) is read object by object.
    """

    def __init__(self, origin: Origin, file: BinaryIO, *, shard: bool = False) -> None:
        super().__init__(origin, file)
        self._types: dict[str, Any] = {}
        self._start: Any = self._parse(self._peek())
        if self._start is None:
            objects = self._load(self._peek())
            self.names = list(dict.fromkeys(name for one in objects.rows for name in one))
        else:
            self.names = list(self._start.schema.names)
        if not self.names and not shard:
            raise DataError(f"{self.path} is empty: it has no fields and no rows")

    def non_numeric_columns(self) -> Mapping[int, str]:
        """Return the fields that are lists, and those with values that are not numbers."""
        objects = self._load(self._peek())
        non_numeric_columns = {}
        for column, name in enumerate(self.names):
            value = objects.find_misfit(name)
            if isinstance(value, list):
                non_numeric_columns[column] = "contains lists"
            elif value is not None:
                non_numeric_columns[column] = f"contains {show_text(str(value))}"
        return non_numeric_columns

    def reopen(self) -> JsonTable:
        """Reopen the file at its beginning."""
        return JsonTable(self.origin, self.origin.open())

    def _read(self, data: Text, columns: Sequence[int], segment: Segment) -> Mapping[int, Any]:
        as_cells = [column for column in columns if column in self.as_cells]
        numbers = [column for column in columns if column not in self.as_cells]
        arrays: dict[int, Any] = self._read_cells(data, as_cells) if as_cells else {}
        return {**arrays, **self._read_numbers(data, numbers, segment)} if numbers else arrays

    def _read_cells(self, data: Text, columns: Sequence[int]) -> dict[int, Cells]:
        import pyarrow as pa

        names = {column: self.names[column] for column in columns}
        if is_blank(data):
            return {column: Cells(pa.array([], pa.string())) for column in names}
        fields = _read_json(data, None)
        if fields is not None and set(names.values()) <= set(fields.column_names):
            return {column: Cells(fields.column(name)) for column, name in names.items()}
        rows = self._load(data).rows
        return {
            column: Cells(pa.array([_to_text(row.get(name)) for row in rows], pa.string()))
            for column, name in names.items()
        }

    def _read_numbers(
        self, data: Text, columns: Sequence[int], segment: Segment
    ) -> Mapping[int, Array]:
        names = [self.names[column] for column in columns]
        if segment.offset == 0 and self._start is not None and _has_numbers(self._start, names):
            fields = self._start
        else:
            fields = self._parse(data, names)
        self._start = None
        if fields is not None:
            self._types = {name: fields.schema.field(name).type for name in names}
            rows = (fields.column(name) for name in names)
        else:
            objects = self._load(data)
            rows = (to_arrow(objects, name, self.path, segment.first_row) for name in names)
        return {
            column: to_array(
                values, ColumnPlace(str(self.path), self.names[column], segment.first_row)
            )
            for column, values in zip(columns, rows, strict=True)
        }

    def _segment_bytes(self) -> int:
        return SEGMENT_BYTES

    def _line_within(self, data: bytes, row: int) -> int | None:
        return find_line(data, row)

    def _parse(self, data: Text, names: Sequence[str] | None = None) -> Any:
        """Return a segment parsed by pyarrow, or None if pyarrow rejects it.

        With ``names``, these fields are numbers: other fields may be missing.
        """
        import pyarrow as pa

        if is_blank(data):
            return pa.table({name: pa.array([], pa.float64()) for name in names or ()})
        known = [name for name in names or () if name in self._types]
        if known and len(known) == len(names or ()):
            schema = pa.schema([(name, self._types[name]) for name in known])
            fields = _read_json(data, schema)
            if fields is not None:
                return fields
        fields = _read_json(data, None)
        unquote = NUMBER_WORD.search(data) is not None
        if unquote and (fields is None or not _has_numbers(fields, names or fields.column_names)):
            unquoted = _read_json(unquote_numbers(data), None)
            fields = fields if unquoted is None else unquoted
        if fields is None or names is None:
            return fields
        for name in set(names) - set(fields.column_names):
            fields = fields.append_column(name, pa.nulls(len(fields)))
        return fields if _has_numbers(fields, names) else None

    def _load(self, data: Text) -> Objects:
        first = self._text.count_lines(self._text.offset - len(data)) + 1
        return read_objects(bytes(data), self.path, first)


def _read_json(data: Text, schema: Any, block: int = BLOCK_BYTES) -> Any:
    """Parse objects: the fields of a schema, or all; None if pyarrow rejects them."""
    import pyarrow as pa
    from pyarrow import json

    try:
        with lend(data) as lent:
            return json.read_json(
                pa.BufferReader(lent),
                json.ReadOptions(block_size=block),
                json.ParseOptions(
                    explicit_schema=schema,
                    unexpected_field_behavior="infer" if schema is None else "ignore",
                ),
            )
    except pa.ArrowInvalid as error:
        if "straddl" in str(error) and block < len(data):
            return _read_json(data, schema, len(data) + 1)
        return None


def _to_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _has_numbers(fields: Any, names: Sequence[str]) -> bool:
    """Return whether these fields exist and contain numbers, or lists of numbers."""
    present = set(fields.column_names)
    return all(
        name in present and numpy_dtype(fields.schema.field(name).type) is not None
        for name in names
    )
