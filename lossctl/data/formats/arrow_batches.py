"""Record batches read from messages: small ones in memory, large ones in a temporary file."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from lossctl.data.formats.arrow_messages import (
    DICTIONARY,
    INT64,
    RECORDS,
    Buffer,
    Message,
    MessageError,
    encode_head,
    fill_exactly,
    find_messages,
    read_exactly,
    read_footer,
    read_message,
)
from lossctl.data.formats.arrow_schema import hide_wide_integers, make_message
from lossctl.data.streams import spool as spools
from lossctl.data.streams.mmap import MappedFile
from lossctl.data.streams.spool import Spool

ALIGNMENT = 64
PLAIN = INT64.pack(-1)
"""The length prefix that marks an uncompressed buffer in a compressed batch."""

REMEDY = "Write it in batches of fewer rows"


class BatchReader:
    """Record batches of a stream or file of messages, with the requested columns.

    A small batch is held in memory. A large one, or one that becomes large when it
    is decompressed, is copied to a temporary file, decompressed on the way, and mapped.
    """

    def __init__(self, file: IO[bytes], path: Path, *, streamed: bool) -> None:
        import pyarrow as pa

        self._file = file
        self._path = path
        self._places: list[int] | None = None
        if streamed:
            schema = read_message(file)
            if schema is None:
                raise MessageError("it has no schema")
            read_exactly(file, schema.size)
            head = schema.head
        else:
            data, footer = read_footer(file)
            dictionaries, batches = find_messages(footer)
            self._places = [*dictionaries, *batches]
            head = make_message(data, footer.follow(1), footer.number(0, "<h"))
        readable, self.wide_integers = hide_wide_integers(head)
        self._start = encode_head(readable)
        self.schema = pa.ipc.read_schema(pa.py_buffer(self._start))

    def count_rows(self) -> int:
        """Return the number of rows in a file, from its message headers."""
        place = self._file.tell()
        rows = sum(message.rows for message in self._messages())
        self._file.seek(place)
        return rows

    def read(self, columns: Sequence[int]) -> Iterator[tuple[Any, MappedFile | None]]:
        """Yield batches of these columns, and the mapped file that they are views of."""
        for message in self._messages():
            if message.kind == DICTIONARY:
                self._start += message.encode() + read_exactly(self._file, message.size)
            elif message.kind == RECORDS:
                yield self._read_batch(message, columns)

    def _messages(self) -> Iterator[Message]:
        if self._places is None:
            while (message := read_message(self._file)) is not None:
                yield message
            return
        for place in self._places:
            self._file.seek(place)
            message = read_message(self._file)
            if message is None:
                raise MessageError("a message is missing")
            yield message

    def _read_batch(
        self, message: Message, columns: Sequence[int]
    ) -> tuple[Any, MappedFile | None]:
        chosen = self._choose_buffers(message, columns)
        file = self._file
        if message.size <= spools.LARGE_BYTES:
            begin = self._start + message.encode()
            stream = bytearray(len(begin) + message.size)
            stream[: len(begin)] = begin
            body = memoryview(stream)[len(begin) :]
            fill_exactly(self._file, body)
            if message.codec is None or _expanded(body, chosen) <= spools.LARGE_BYTES:
                return _open(stream, columns), None
            file = io.BytesIO(body)
        spool = Spool(self._path, "Arrow with large batches", REMEDY)
        with closing(spool):
            self._spool_batch(spool, message, file, chosen)
            mapped = spool.map()
        return _open(mapped.content, columns), mapped

    def _spool_batch(
        self, spool: Spool, message: Message, file: IO[bytes], chosen: Collection[Buffer]
    ) -> None:
        """Write a stream with one batch, whose buffers are not compressed."""
        spool.append(self._start)
        if message.codec is None:
            spool.append(message.encode())
            if spool.append_stream(file, message.size) < message.size:
                raise MessageError("it ends within a message")
            return
        head = spool.append(message.encode())
        start = spool.size
        places = {}
        read = 0
        for buffer in sorted(chosen, key=lambda one: one.offset):
            if buffer.size:
                _skip(file, buffer.offset - read)
                read = buffer.offset + buffer.size
                places[buffer] = _decompress(spool, file, buffer.size, message.codec, start)
        _skip(file, message.size - read)
        spool.align(ALIGNMENT)
        spool.overwrite(head, message.move(places, spool.size - start))

    def _choose_buffers(self, message: Message, columns: Sequence[int]) -> list[Buffer]:
        """Return the buffers of the columns; all where their owners are unknown."""
        if message.variadic:
            return message.buffers
        counts = [count_buffers(field.type) for field in self.schema]
        if sum(counts) != len(message.buffers):
            return message.buffers
        chosen = []
        for column in set(columns):
            first = sum(counts[:column])
            chosen += message.buffers[first : first + counts[column]]
        return chosen


def count_buffers(arrow_type: Any) -> int:
    """Return how many buffers a column of a type has in a record batch."""
    import pyarrow as pa

    kinds = pa.types
    if isinstance(arrow_type, pa.BaseExtensionType):
        return count_buffers(arrow_type.storage_type)
    if kinds.is_dictionary(arrow_type):
        return 2
    children = range(arrow_type.num_fields)
    return _own_buffers(arrow_type) + sum(
        count_buffers(arrow_type.field(child).type) for child in children
    )


def _own_buffers(arrow_type: Any) -> int:
    """Return how many buffers a column has, not counting those of its children."""
    import pyarrow as pa

    kinds = pa.types
    counts = {
        0: (kinds.is_null, kinds.is_run_end_encoded),
        1: (kinds.is_struct, kinds.is_fixed_size_list),
        3: (
            *(kinds.is_string, kinds.is_large_string, kinds.is_binary, kinds.is_large_binary),
            *(kinds.is_list_view, kinds.is_large_list_view),
        ),
    }
    if kinds.is_union(arrow_type):
        return 1 if arrow_type.mode == "sparse" else 2
    return next(
        (count for count, asks in counts.items() if any(ask(arrow_type) for ask in asks)), 2
    )


def _open(stream: Any, columns: Sequence[int]) -> Any:
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(included_fields=sorted(set(columns)), use_threads=True)
    with pa.ipc.open_stream(pa.BufferReader(stream), options=options) as reader:
        return reader.read_next_batch()


def _expanded(body: memoryview, buffers: Collection[Buffer]) -> int:
    """Return the decompressed size of buffers, from their length prefixes."""
    total = 0
    for one in buffers:
        if one.size:
            (size,) = INT64.unpack_from(body, one.offset) if one.size >= INT64.size else (-2,)
            total += one.size if size < 0 else size
    return total


def _decompress(
    spool: Spool, file: IO[bytes], size: int, codec: str, start: int
) -> tuple[int, int]:
    """Append a buffer to a spool, and return its offset from ``start`` and its size there."""
    import pyarrow as pa

    spool.align(ALIGNMENT, INT64.size)
    place = spool.append(PLAIN)
    (expanded,) = INT64.unpack(read_exactly(file, INT64.size))
    part = _Part(file, size - INT64.size)
    if expanded < 0:
        written = spool.append_stream(part)
        expanded = size - INT64.size
    else:
        with pa.CompressedInputStream(pa.PythonFile(part, "r"), codec) as stream:
            written = spool.append_stream(stream)
        part.skip()
    if written != expanded:
        raise MessageError("a buffer is shorter or longer than it says")
    return place - start, INT64.size + expanded


class _Part(io.RawIOBase):
    """A stream limited to a number of bytes."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        """Return that this is readable."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to all remaining bytes."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Skip to the end."""
        _skip(self._file, self._left)
        self._left = 0


def _skip(file: IO[bytes], size: int) -> None:
    if file.seekable():
        file.seek(size, io.SEEK_CUR)
        return
    while size > 0 and (data := file.read(min(spools.COPIED_BYTES, size))):
        size -= len(data)
    if size > 0:
        raise MessageError("it ends within a message")
