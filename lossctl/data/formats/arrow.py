"""Arrow IPC files (Feather) and streams as tables, mapped where they are not compressed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import SEEK_CUR
from typing import Any, BinaryIO

from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Array
from lossctl.data.formats.arrow_batches import BatchReader
from lossctl.data.formats.arrow_messages import (
    RECORDS,
    V4,
    Message,
    OldVersionError,
    find_messages,
    read_footer,
    read_message,
)
from lossctl.data.streams.mmap import MappedFile, map_file
from lossctl.data.streams.origins import Origin
from lossctl.data.tables import typed as typed_tables
from lossctl.data.tables.typed import TypedTable
from lossctl.errors import DataError

JOINED_BYTES = 1 << 20
"""Batches are joined (copied) up to this size; larger ones are used as they are."""

PIECES_HELD = 3
"""While one chunk is processed the next is read, and blocks may still use the previous one."""


class ArrowTable(TypedTable):
    """Record batches of an Arrow file, or of a stream of them."""

    def __init__(self, origin: Origin, file: BinaryIO, *, streamed: bool) -> None:
        super().__init__(origin, "Arrow")
        self._streamed = streamed
        self._file = file
        self._mapped = None
        self._reader: Any = None
        with self._explain():
            if origin.mapped and is_plain(file, streamed=streamed):
                self._mapped = map_file(file)
            if self._mapped is not None:
                self._reader = self._open(self._mapped)
            if self._reader is None:
                self._mapped = None
                self._reader = BatchReader(file, self.path, streamed=streamed)
                self._wide_integers = self._reader.wide_integers
            self._take_schema(self._reader.schema)
            if not streamed:
                self.length = self._reader.count_rows()

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read the batches in order: small ones joined, large ones in slices."""
        first = 0
        held: deque[Slice] = deque()
        for one in self._slices(columns):
            arrays = self._convert(one.table, columns, first)
            first += one.table.num_rows
            held.append(replace(one, table=None, arrays=arrays))
            yield arrays
            if len(held) == PIECES_HELD:
                held.popleft().release()

    def reopen(self) -> ArrowTable:
        """Reopen the file at its beginning."""
        return ArrowTable(self.origin, self.origin.open(), streamed=self._streamed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._mapped = self._reader = None
        self.origin.close()

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Tell an old version of the format from a broken file."""
        with super()._explain():
            try:
                yield
            except OldVersionError as error:
                raise DataError(
                    f"{self.path}: the Arrow file is of an old version of the format, which is not"
                    f" read: {error}",
                    "Write the file again with V5, which writers have used since 2020, or as"
                    " Parquet.",
                ) from error

    def _open(self, mapped: MappedFile) -> Any:
        """Open a mapped file; None where pyarrow does not know a type of its schema."""
        import pyarrow as pa

        stream = pa.BufferReader(mapped.content)
        try:
            return (pa.ipc.open_stream if self._streamed else pa.ipc.open_file)(stream)
        except pa.ArrowNotImplementedError:
            return None

    def _slices(self, columns: Sequence[int]) -> Iterator[Slice]:
        """Yield the batches as tables (at least one), joined or cut to a suitable size."""
        import pyarrow as pa

        run: list[Any] = []
        held = 0
        schema = None
        for batch, mapped in self._batches(columns):
            schema = batch.schema
            rows = max(1, batch.num_rows * typed_tables.PIECE_BYTES // max(1, batch.nbytes))
            if run and (mapped is not self._mapped or rows < batch.num_rows):
                yield Slice(pa.Table.from_batches(run), self._mapped, _find_end(run, self._mapped))
                run, held = [], 0
            if mapped is not self._mapped or rows < batch.num_rows:
                for start in range(0, batch.num_rows, rows):
                    yield Slice(pa.Table.from_batches([batch.slice(start, rows)]), mapped)
                continue
            run.append(batch)
            held += batch.nbytes
            if held >= JOINED_BYTES:
                yield Slice(pa.Table.from_batches(run), mapped, _find_end(run, mapped))
                run, held = [], 0
        if run or schema is None:
            table = pa.Table.from_batches(run, schema or self._schema)
            yield Slice(table, self._mapped, _find_end(run, self._mapped))

    def _batches(self, columns: Sequence[int]) -> Iterator[tuple[Any, MappedFile | None]]:
        """Yield batches, after a check that their buffers have the declared lengths."""
        batches = self._read(sorted(set(columns)))
        while True:
            with self._explain():
                batch, mapped = next(batches, (None, None))
                if batch is None:
                    return
                batch.validate(full=any(field.type.num_fields for field in batch.schema))
            yield batch, mapped

    def _read(self, columns: Sequence[int]) -> Iterator[tuple[Any, MappedFile | None]]:
        if self._mapped is None:
            yield from self._reader.read(columns)
            return
        # Selecting columns in pyarrow would copy them.
        if self._streamed:
            for batch in self._reader:
                yield batch.select(columns), self._mapped
            return
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number).select(columns), self._mapped


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows: a table or arrays made from it, the mapped file they view, and where they end."""

    table: Any
    mapped: MappedFile | None
    end: int = 0
    arrays: Mapping[int, Array] = field(default_factory=dict)

    def release(self) -> None:
        """Release the memory of the rows, and of all before them where they end a batch."""
        if self.mapped is not None:
            for array in self.arrays.values():
                if not isinstance(array, Cells):  # released together with all before the end
                    self.mapped.release_array(array, typed_tables.PIECE_BYTES)
            self.mapped.release(0, self.end)


def is_plain(file: BinaryIO, *, streamed: bool) -> bool:
    """Return whether the columns in a file are uncompressed; the file is at its start again.

    Of an old version every message is looked at, because pyarrow misreads those that it should
    refuse.
    """
    plain = True
    for message in _walk(file, streamed=streamed):
        if message.kind == RECORDS:
            plain = plain and message.codec is None
            if message.version > V4:
                break
    file.seek(0)
    return plain


def _walk(file: BinaryIO, *, streamed: bool) -> Iterator[Message]:
    """Yield the heads of the messages; of a file, those of record batches."""
    if not streamed:
        for place in find_messages(read_footer(file)[1])[1]:
            file.seek(place)
            message = read_message(file)
            if message is not None:
                yield message
        return
    file.seek(0)
    while (message := read_message(file)) is not None:
        yield message
        file.seek(message.size, SEEK_CUR)


def _find_end(batches: Sequence[Any], mapped: MappedFile | None) -> int:
    """Return the offset in the mapped file at which these batches end; 0 if they are not in it."""
    if mapped is None:
        return 0
    return max(
        (
            mapped.offset(buffer.address) + buffer.size
            for batch in batches
            for column in batch.columns
            for buffer in column.buffers()
            if buffer is not None and buffer.size and mapped.covers(buffer.address)
        ),
        default=0,
    )
