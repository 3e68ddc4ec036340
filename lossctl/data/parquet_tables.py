"""Parquet files as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossctl.data import typed_tables
from lossctl.data.origins import Origin
from lossctl.data.source import Array
from lossctl.data.typed_tables import TypedTable

BUFFER_BYTES = 1 << 16
"""With a buffer, column chunks are streamed; without one, each is read as a whole first."""

COLUMN_BYTES = 2 << 20
"""What reading in batches holds for each column (a page, a dictionary) whatever their size.

Row groups with less than that are read as a whole. Others are read in batches which stay in
the cache: three times as fast as to read the row group (10 million rows, 2 columns), in a
third of the memory.
"""


class ParquetTable(TypedTable):
    """A Parquet file, whose row groups are read as they are asked for."""

    def __init__(self, origin: Origin) -> None:
        import pyarrow.parquet as pq

        super().__init__(origin, "Parquet")
        with self._explain():
            self._file = pq.ParquetFile(origin.location, buffer_size=BUFFER_BYTES, pre_buffer=False)
            self._take_schema(self._file.schema_arrow)
        self.length = int(self._file.metadata.num_rows)

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read the row groups in batches, or small ones together."""
        first = 0
        for table in self._tables(columns):
            yield self._convert(table, columns, first)
            first += table.num_rows

    def reopen(self) -> ParquetTable:
        """Return the same file at its beginning."""
        return ParquetTable(self.origin)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self.origin.close()

    def _tables(self, columns: Sequence[int]) -> Iterator[Any]:
        # A name that stands twice cannot be asked for: then everything is read.
        twice = len(set(self.names)) < len(self.names)
        names = None if twice else list(dict.fromkeys(self.names[column] for column in columns))
        sizes = self._measure(columns)
        if max(sizes, default=0) > COLUMN_BYTES * len(columns):
            row = -(-sum(sizes) // max(1, self._file.metadata.num_rows))
            yield from self._read_batches(max(1, typed_tables.PIECE_BYTES // row), names)
            return
        for groups in _join(sizes, typed_tables.PIECE_BYTES):
            with self._explain():
                table = self._file.read_row_groups(groups, columns=names)
            yield table

    def _read_batches(self, rows: int, names: list[str] | None) -> Iterator[Any]:
        import pyarrow as pa

        with self._explain():
            batches = self._file.iter_batches(rows, columns=names)
        while True:
            with self._explain():
                batch = next(batches, None)
            if batch is None:
                return
            yield pa.Table.from_batches([batch])

    def _measure(self, columns: Sequence[int]) -> list[int]:
        """Return about how many bytes the columns in every row group are once decoded."""
        layouts = {self.names[column]: self.layout(column) for column in columns}
        widths = {name: layout[0].itemsize for name, layout in layouts.items() if layout}
        metadata = self._file.metadata
        leaves = [
            (leaf, widths[name])
            for leaf in range(metadata.num_columns)
            for name in (_top(metadata.schema.column(leaf).path, widths),)
            if name is not None
        ]
        return [
            sum(metadata.row_group(group).column(leaf).num_values * size for leaf, size in leaves)
            for group in range(metadata.num_row_groups)
        ]


def _top(path: str, names: Mapping[str, Any]) -> str | None:
    """Return the column that a leaf belongs to, whose own name may have dots in it."""
    if path in names:
        return path
    return next((name for name in names if path.startswith(f"{name}.")), None)


def _join(sizes: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield the numbers of row groups in runs of about so many bytes; at least one run."""
    run: list[int] = []
    held = 0
    for group, size in enumerate(sizes):
        if run and held + size > limit:
            yield run
            run, held = [], 0
        run.append(group)
        held += size
    if run or not sizes:
        yield run
