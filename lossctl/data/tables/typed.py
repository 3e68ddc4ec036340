"""The common part of tables with a schema: Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from re import compile as compile_pattern
from typing import Any

from lossctl.data.arrays.arrow import (
    ColumnPlace,
    is_flat,
    list_shape,
    numpy_dtype,
    reject_type,
    to_array,
)
from lossctl.data.arrays.cells import CELL, Cells, to_plain
from lossctl.data.streams.origins import Origin
from lossctl.data.tables.scan import Layout, Table
from lossctl.errors import DataError

PIECE_BYTES = 2 << 20
"""Row groups and batches are joined up to, and split down to, about this much decoded data."""

PANDAS_INDEX = compile_pattern(r"__index_level_\d+__")


class TypedTable(Table):
    """A table whose file declares the type of every column."""

    def __init__(self, origin: Origin, kind: str) -> None:
        self.origin = origin
        self.path = origin.path
        self.called = origin.called
        self.streaming = origin.streaming
        self._kind = kind
        self._schema: Any = None
        self._wide_integers: Mapping[int, str] = {}
        """Types of the columns of more than 64 bits, which are read as bytes."""

    def layout(self, column: int) -> Layout | None:
        """Return the layout of a column from the schema."""
        self._reject_wide(column)
        if column in self.as_cells:
            return CELL, ()
        field = self._schema.field(column)
        dtype = numpy_dtype(field.type)
        if dtype is None:
            raise reject_type(field.type, str(ColumnPlace(str(self.path), field.name)))
        return dtype, list_shape(field.type)

    def signature(self) -> object:
        """Return names and types of the columns."""
        return tuple((field.name, field.type) for field in self._schema)

    def non_numeric_columns(self) -> Mapping[int, str]:
        """Return the columns of text, times, lists and the like."""
        return {
            column: f"contains {self._wide_integers.get(column, field.type)}"
            for column, field in enumerate(self._schema)
            if numpy_dtype(field.type) is None or not is_flat(field.type)
        }

    def hidden(self, column: int) -> bool:
        """Return whether the column is the index that pandas stores with a DataFrame."""
        return PANDAS_INDEX.fullmatch(self.names[column]) is not None

    def _take_schema(self, schema: Any) -> None:
        self._schema = schema
        self.names = list(schema.names)

    def _convert(self, table: Any, columns: Sequence[int], first: int) -> dict[int, Any]:
        """Return the columns of some rows, of which ``first`` is the first."""
        converted: dict[int, Any] = {}
        for column, place in self._places(table, columns):
            self._reject_wide(column)
            with self._explain():
                converted[column] = (
                    Cells(to_plain(table.column(place)))
                    if column in self.as_cells
                    else to_array(
                        table.column(place), ColumnPlace(str(self.path), self.names[column], first)
                    )
                )
        return converted

    def _reject_wide(self, column: int) -> None:
        if column in self._wide_integers:
            where = ColumnPlace(str(self.path), self.names[column])
            raise DataError(
                f"{where} contains {self._wide_integers[column]}, integers of more than 64 bits,"
                " which are not read",
                "Write it as int64 or as a decimal, or leave it out.",
            )

    def _places(self, table: Any, columns: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pair each column with its position in a table that was read."""
        if table.num_columns == len(self.names):
            yield from zip(columns, columns, strict=True)
        else:
            places = {name: place for place, name in enumerate(table.column_names)}
            yield from ((column, places[self.names[column]]) for column in columns)

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn the errors of pyarrow about a broken file into a DataError."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self.path}: the {self._kind} file is broken or cut off: {said}",
                "Copy or write the file again.",
            ) from error
