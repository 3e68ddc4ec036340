"""Parquet files as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from re import compile as compile_pattern
from typing import Any

from lossctl.data.arrow_arrays import (
    Column,
    is_flat,
    list_shape,
    numpy_dtype,
    refuse_type,
    to_array,
)
from lossctl.data.source import Array
from lossctl.data.tables import Layout, Table
from lossctl.errors import DataError

MAGIC = b"PAR1"
PIECE_BYTES = 16 << 20
"""Row groups are joined up to, and split down to, about this much decoded data."""

BUFFER_BYTES = 1 << 16
"""With a buffer, column chunks are streamed; without one, each is read as a whole first."""

COLUMN_BYTES = 2 << 20
"""What reading in batches holds for each column (a page, a dictionary) whatever their size."""

PANDAS_INDEX = compile_pattern(r"__index_level_\d+__")


class ParquetTable(Table):
    """A Parquet file, whose row groups are read as they are asked for."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        with self._explain():
            self._file = pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
            self._schema = self._file.schema_arrow
        self.names = list(self._schema.names)
        self.length = int(self._file.metadata.num_rows)

    def layout(self, column: int) -> Layout | None:
        """Return what the schema says."""
        dtype = numpy_dtype(self._schema.field(column).type)
        if dtype is None:
            raise refuse_type(self._schema.field(column).type, self._name(column))
        return dtype, list_shape(self._schema.field(column).type)

    def misfits(self) -> Mapping[int, str]:
        """Return the columns of text, times, lists and the like."""
        return {
            column: f"holds {field.type}"
            for column, field in enumerate(self._schema)
            if numpy_dtype(field.type) is None or not is_flat(field.type)
        }

    def hidden(self, column: int) -> bool:
        """Leave out what pandas writes beside the columns: the index of the frame."""
        return PANDAS_INDEX.fullmatch(self.names[column]) is not None

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read row groups, small ones together and large ones in batches."""
        first = 0
        for groups, rows in self._plan(columns):
            for table in self._read(groups, rows, columns):
                yield {
                    column: to_array(
                        table.column(place), Column(str(self.path), self.names[column], first)
                    )
                    for column, place in self._places(table, columns)
                }
                first += table.num_rows

    def reopen(self) -> ParquetTable:
        """Return the same file at its beginning."""
        return ParquetTable(self.path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _name(self, column: int) -> str:
        return str(Column(str(self.path), self.names[column]))

    def _places(self, table: Any, columns: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pair each column with its place in a table that was read."""
        if table.num_columns == len(self.names):
            yield from zip(columns, columns, strict=True)
        else:
            places = {name: place for place, name in enumerate(table.column_names)}
            yield from ((column, places[self.names[column]]) for column in columns)

    def _plan(self, columns: Sequence[int]) -> Iterator[tuple[list[int], int | None]]:
        """Yield runs of row groups, with the size of batches for a group that is too large."""
        metadata = self._file.metadata
        run: list[int] = []
        held = 0
        for group in range(metadata.num_row_groups):
            size = self._measure(group, columns)
            if run and held + size > PIECE_BYTES:
                yield run, None
                run, held = [], 0
            if size > max(2 * PIECE_BYTES, COLUMN_BYTES * len(columns)):
                rows = metadata.row_group(group).num_rows
                yield [group], max(1, rows * PIECE_BYTES // size)
            else:
                run.append(group)
                held += size
        if run or not metadata.num_row_groups:
            yield run, None

    def _measure(self, group: int, columns: Sequence[int]) -> int:
        """Estimate the bytes of the columns in a row group once they are decoded."""
        metadata = self._file.metadata.row_group(group)
        layouts = [self.layout(column) for column in columns]
        if any(layout is None or layout[1] for layout in layouts):
            return int(metadata.total_byte_size)
        return int(metadata.num_rows) * sum(layout[0].itemsize for layout in layouts if layout)

    def _read(self, groups: list[int], rows: int | None, columns: Sequence[int]) -> Iterator[Any]:
        import pyarrow as pa

        # A name that stands twice cannot be asked for: then everything is read.
        twice = len(set(self.names)) < len(self.names)
        names = None if twice else list(dict.fromkeys(self.names[column] for column in columns))
        if rows is None:
            with self._explain():
                table = self._file.read_row_groups(groups, columns=names)
            yield table
            return
        with self._explain():
            batches = self._file.iter_batches(rows, row_groups=groups, columns=names)
        while True:
            with self._explain():
                batch = next(batches, None)
            if batch is None:
                return
            yield pa.Table.from_batches([batch])

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what pyarrow says about a broken file into a DataError."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self.path}: the Parquet file is broken or cut off: {said}",
                "Copy or write the file again.",
            ) from error
