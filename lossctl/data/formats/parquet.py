"""Parquet files as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from os import SEEK_END
from pathlib import Path
from typing import Any

from lossctl.data.arrays.source import Array
from lossctl.data.formats.arrow_schema import hide_in_parquet
from lossctl.data.streams.origins import Origin
from lossctl.data.streams.spool import Spool
from lossctl.data.tables import typed as typed_tables
from lossctl.data.tables.column_spool import ColumnSpool
from lossctl.data.tables.typed import TypedTable

BUFFER_BYTES = 1 << 16
"""With a buffer, column chunks are streamed; without one, each is read completely first."""

COLUMN_BYTES = 2 << 20
"""What reading in batches holds for each column (a page, a dictionary) whatever their size.

Row groups with less than that are read as a whole. Others are read in batches which stay in
the cache: three times as fast as to read the row group (10 million rows, 2 columns), in a
third of the memory.
"""

SPOOLED_BYTES = 1 << 18
"""Bytes decoded at once on the way to a spool; by one thread, since each keeps memory."""

COLUMNS_AT_ONCE = 8
"""Of more columns, large row groups are spooled, some columns after others: every column that is
read would hold a page and a dictionary, and those of 100 columns take 300 MB."""


MAGIC = b"PAR1"
SIZE_BYTES = 4
"""A file ends with its metadata, their size, and the magic."""


class ParquetTable(TypedTable):
    """A Parquet file, whose row groups are read on demand."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin, "Parquet")
        with self._explain():
            self._file = self._open()
            self._take_schema(self._file.schema_arrow)
            self._leaves = self._find_leaves()
        self.length = int(self._file.metadata.num_rows)

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read the row groups in batches, or small ones together."""
        first = 0
        groups = range(self._file.metadata.num_row_groups)
        sizes = [self._measure(columns, group) for group in groups]
        most = COLUMN_BYTES * min(len(columns), COLUMNS_AT_ONCE)
        if max(sizes, default=0) <= most:
            tables = self._read_groups(sizes, columns)
        elif len(columns) <= COLUMNS_AT_ONCE:
            tables = self._read_batches(columns, typed_tables.PIECE_BYTES)
        else:
            for group in groups:
                for piece in self._spool_group(group, columns, first):
                    yield piece
                    first += len(next(iter(piece.values())))
            return
        for table in tables:
            yield self._convert(table, columns, first)
            first += table.num_rows

    def reopen(self) -> ParquetTable:
        """Reopen the file at its beginning."""
        return ParquetTable(self.origin)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None  # its metadata may be large, and there may be many shards
        self.origin.close()

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        location, settings = self.origin.location, {"buffer_size": BUFFER_BYTES}
        try:
            return pq.ParquetFile(location, pre_buffer=False, **settings)
        except pa.ArrowNotImplementedError:
            footer, self._wide_integers = hide_in_parquet(_read_footer(location))
            if not self._wide_integers:
                raise
        ending = len(footer).to_bytes(SIZE_BYTES, "little") + MAGIC
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + footer + ending))
        return pq.ParquetFile(location, metadata=metadata, pre_buffer=False, **settings)

    def _names_of(self, columns: Sequence[int]) -> list[str] | None:
        """Return the columns to select; None (all) if a name appears twice."""
        if len(set(self.names)) < len(self.names):
            return None
        return list(dict.fromkeys(self.names[column] for column in columns))

    def _read_groups(self, sizes: Sequence[int], columns: Sequence[int]) -> Iterator[Any]:
        names = self._names_of(columns)
        for groups in _join(sizes, typed_tables.PIECE_BYTES):
            with self._explain():
                table = self._file.read_row_groups(groups, columns=names)
            yield table

    def _read_batches(
        self, columns: Sequence[int], held: int, group: int | None = None
    ) -> Iterator[Any]:
        """Read a row group, or all of them, in batches of about ``held`` bytes."""
        import pyarrow as pa

        metadata = self._file.metadata
        groups = range(metadata.num_row_groups) if group is None else [group]
        size = sum(self._measure(columns, one) for one in groups)
        count = sum(metadata.row_group(one).num_rows for one in groups)
        rows = max(1, held * count // max(1, size))
        with self._explain():
            batches = self._file.iter_batches(
                rows, groups, columns=self._names_of(columns), use_threads=group is None
            )
        while True:
            with self._explain():
                batch = next(batches, None)
            if batch is None:
                return
            yield pa.Table.from_batches([batch])

    def _spool_group(
        self, group: int, columns: Sequence[int], first: int
    ) -> Iterator[Mapping[int, Array]]:
        """Copy a row group to a temporary file, a few columns at a time, and read that."""
        spool = Spool(
            self.path, "Parquet with large row groups", "Write it in row groups of fewer rows"
        )
        with closing(spool):
            written = ColumnSpool(spool)
            for start in range(0, len(columns), COLUMNS_AT_ONCE):
                chosen = columns[start : start + COLUMNS_AT_ONCE]
                row = first
                for table in self._read_batches(chosen, SPOOLED_BYTES, group):
                    for column, rows in self._convert(table, chosen, row).items():
                        written.add(column, rows)
                    row += table.num_rows
            if self._file.metadata.row_group(group).num_rows:
                yield from written.pieces(typed_tables.PIECE_BYTES)

    def _measure(self, columns: Sequence[int], group: int) -> int:
        """Return about how many bytes the columns of a row group take once decoded."""
        row_group = self._file.metadata.row_group(group)
        size = 0
        for column in columns:
            layout = self.layout(column)
            assert layout is not None
            leaves = self._leaves.get(self.names[column], ())
            size += sum(row_group.column(leaf).num_values for leaf in leaves) * layout[0].itemsize
        return size

    def _find_leaves(self) -> dict[str, list[int]]:
        """Return the stored leaves of each column: itself, or the elements of its lists."""
        names, leaves = set(self.names), dict[str, list[int]]()
        for leaf, stored in enumerate(self._file.schema):
            path = stored.path
            while path not in names and "." in path:
                path = path.rpartition(".")[0]
            leaves.setdefault(path, []).append(leaf)
        return leaves


def _read_footer(path: Path) -> bytes:
    """Return the metadata at the end of a file."""
    with path.open("rb") as file:
        end = file.seek(-SIZE_BYTES - len(MAGIC), SEEK_END)
        size = int.from_bytes(file.read(SIZE_BYTES), "little")
        file.seek(max(0, end - size))
        return file.read(size)


def _join(sizes: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield runs of row group numbers of about so many bytes; at least one run."""
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
