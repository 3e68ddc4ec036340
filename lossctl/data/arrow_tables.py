"""Arrow IPC files (Feather) and streams as tables, mapped where they are not compressed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from lossctl.data import typed_tables
from lossctl.data.mapping import map_file
from lossctl.data.origins import Origin
from lossctl.data.source import Array
from lossctl.data.typed_tables import TypedTable

JOINED_BYTES = 1 << 20
"""Batches are joined up to this size: a copy, which larger ones are spared."""

PIECES_HELD = 3
"""While a piece is worked on the next is read, and blocks may still hold the one before."""


class ArrowTable(TypedTable):
    """Record batches of an Arrow file, or of a stream of them."""

    def __init__(self, origin: Origin, file: BinaryIO, *, streamed: bool) -> None:
        super().__init__(origin, "Arrow")
        self._streamed = streamed
        self._file = file
        self._mapped = map_file(file) if origin.mapped else None
        if self._mapped is not None and not self._is_plain():
            self._mapped = None
        self._input = self._open_input()
        self._reader = self._open(None)
        self._take_schema(self._reader.schema)
        if not streamed and hasattr(self._reader, "count_rows"):
            with self._explain():
                self.length = int(self._reader.count_rows())

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read batch after batch, small ones together and large ones in slices."""
        first = 0
        held: deque[tuple[Mapping[int, Array], int]] = deque()
        for table, end in self._tables(columns):
            arrays = self._convert(table, columns, first)
            first += table.num_rows
            held.append((arrays, end))
            yield arrays
            if len(held) == PIECES_HELD:
                self._release(*held.popleft())

    def reopen(self) -> ArrowTable:
        """Return the same file at its beginning."""
        return ArrowTable(self.origin, self.origin.open(), streamed=self._streamed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._mapped = self._input = self._reader = None
        self.origin.close()

    def _is_plain(self) -> bool:
        """Say whether the columns lie in the mapped file as they are, not compressed."""
        assert self._mapped is not None
        self._input = self._open_input()
        reader = self._open(None)
        with self._explain():
            try:
                batch = reader.read_next_batch() if self._streamed else reader.get_batch(0)
            except (StopIteration, ValueError):  # there is none
                return True
        return any(self._mapped.covers(buffer.address) for buffer in _buffers(batch))

    def _open_input(self) -> Any:
        import pyarrow as pa

        if self._mapped is not None:
            return pa.BufferReader(self._mapped.content)
        if self.origin.mapped:
            return pa.OSFile(str(self.origin.location))
        return pa.PythonFile(self._file, "r")

    def _open(self, columns: Sequence[int] | None) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=True)
        with self._explain():
            if self._streamed:
                return pa.ipc.open_stream(self._input, options=options)
            return pa.ipc.open_file(self._input, options=options)

    def _tables(self, columns: Sequence[int]) -> Iterator[tuple[Any, int]]:
        """Yield batches as tables, at least one, and where in the mapped file they end."""
        import pyarrow as pa

        run: list[Any] = []
        held = 0
        schema = None
        for batch in self._batches(columns):
            schema = batch.schema
            rows = max(1, batch.num_rows * typed_tables.PIECE_BYTES // max(1, batch.nbytes))
            for start in range(0, batch.num_rows, rows):
                piece = batch.slice(start, rows)
                run.append(piece)
                held += piece.nbytes
                if held >= JOINED_BYTES:
                    yield (
                        pa.Table.from_batches(run),
                        self._end(run) if rows >= batch.num_rows else 0,
                    )
                    run, held = [], 0
        if run or schema is None:
            yield pa.Table.from_batches(run, schema or self._schema), self._end(run)

    def _batches(self, columns: Sequence[int]) -> Iterator[Any]:
        chosen = sorted(set(columns))
        if self._streamed:
            yield from self._checked(iter(self._reader), chosen)
            return
        # Columns that are not asked for are not decompressed; where nothing is compressed, to
        # ask for some makes copies of them.
        reader = self._reader if self._mapped is not None else self._open(chosen)
        batches = map(reader.get_batch, range(reader.num_record_batches))
        yield from self._checked(batches, None if self._mapped is None else chosen)

    def _checked(self, batches: Iterator[Any], chosen: list[int] | None) -> Iterator[Any]:
        """Yield batches whose buffers are as long as they say, so that they can be read."""
        while True:
            with self._explain():
                batch = next(batches, None)
                if batch is None:
                    return
                if chosen is not None:
                    batch = batch.select(chosen)
                batch.validate(full=any(field.type.num_fields for field in batch.schema))
            yield batch

    def _end(self, batches: Sequence[Any]) -> int:
        """Return where in the mapped file these batches end; 0 where they are not in it."""
        if self._mapped is None:
            return 0
        return max(
            (
                self._mapped.offset(buffer.address) + buffer.size
                for batch in batches
                for buffer in _buffers(batch)
                if self._mapped.covers(buffer.address)
            ),
            default=0,
        )

    def _release(self, arrays: Mapping[int, Array], end: int) -> None:
        """Give back the memory of a piece, and of all before it where it ends its batches."""
        if self._mapped is not None:
            for array in arrays.values():
                self._mapped.release_array(array, typed_tables.PIECE_BYTES)
            self._mapped.release(0, end)


def _buffers(batch: Any) -> Iterator[Any]:
    for column in batch.columns:
        yield from (buffer for buffer in column.buffers() if buffer is not None and buffer.size)
