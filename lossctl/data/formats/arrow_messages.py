"""The messages that Arrow files and streams are made of: where their buffers are, and how large.

pyarrow reads a complete message and decompresses whole columns of it. A message may be larger
than memory, though: a writer that is given one chunk of rows writes one. The few numbers that say
how large it will be, and let its buffers be decompressed in chunks, are read here from its
metadata, a FlatBuffer (https://arrow.apache.org/docs/format/Columnar.html, Message.fbs, File.fbs).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import IO, Any, cast

CONTINUATION = b"\xff\xff\xff\xff"
MAGIC = b"ARROW1"
DICTIONARY, RECORDS = 2, 3
V4 = 3
"""The version of the metadata before the present one, V5, as it is written."""

CODECS = ("lz4", "zstd")
VARIADIC = 4
MOST_READ = 8 << 20
"""Bytes read at once, so that a corrupt size does not allocate too much memory."""

INT32, INT64 = struct.Struct("<i"), struct.Struct("<q")
PAIR = struct.Struct("<qq")
BLOCK = struct.Struct("<qi4xq")


class MessageError(ValueError):
    """The bytes are not a valid message."""


class OldVersionError(Exception):
    """A message is of a version of the metadata that is not read, because it would be misread."""


class Record:
    """A table of a FlatBuffer: its fields are identified by number."""

    def __init__(self, data: Any, at: int) -> None:
        self.data = data
        self.at = at
        self._fields = at - _unpack(INT32, data, at)
        self._size = _unpack(struct.Struct("<H"), data, self._fields)

    def find(self, field: int) -> int:
        """Return the offset of a field, or 0 if it is absent."""
        entry = 4 + 2 * field
        if entry >= self._size:
            return 0
        offset = _unpack(struct.Struct("<H"), self.data, self._fields + entry)
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        """Return an integer."""
        at = self.find(field)
        return _unpack(struct.Struct(form), self.data, at) if at else 0

    def follow(self, field: int) -> int:
        """Return the offset that a field refers to, or 0."""
        at = self.find(field)
        return at + _unpack(INT32, self.data, at) if at else 0

    def vector(self, field: int, one: struct.Struct) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield offset and content of each struct of a vector."""
        at = self.follow(field)
        if not at:
            return
        count = _unpack(INT32, self.data, at)
        if not 0 <= count * one.size <= len(self.data):
            raise MessageError("it has a vector that is longer than all of it")
        for place in range(at + 4, at + 4 + count * one.size, one.size):
            try:
                yield place, one.unpack_from(self.data, place)
            except struct.error as error:
                raise MessageError("a vector ends too early") from error


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer of a record batch: its offset, and where the header stores that offset."""

    written: int
    offset: int
    size: int


class Message:
    """The header of a message; its body of ``size`` bytes follows."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self._root = Record(head, _unpack(INT32, head, 0))
        self.version = self._root.number(0, "<h")
        self.kind = self._root.number(1, "<B")
        self.size = self._root.number(3, "<q")
        if self.size < 0:
            raise MessageError("a message has a negative size")
        self.rows = 0
        self.codec: str | None = None
        self.buffers: list[Buffer] = []
        self.variadic = False
        if self.version < V4:
            raise OldVersionError(f"version V{self.version + 1} of its metadata")
        if self.kind == RECORDS:
            self._read_batch(Record(head, self._root.follow(2)))
        elif self.kind == DICTIONARY and self.version == V4:
            self._find_codec(Record(head, Record(head, self._root.follow(2)).follow(1)))

    def _read_batch(self, batch: Record) -> None:
        self.rows = batch.number(0, "<q")
        self.buffers = [
            Buffer(written, offset, size) for written, (offset, size) in batch.vector(2, PAIR)
        ]
        for one in self.buffers:
            if min(one.offset, one.size) < 0 or one.offset + one.size > self.size:
                raise MessageError("a buffer is outside of its message")
        self._find_codec(batch)
        self.variadic = batch.follow(VARIADIC) != 0

    def _find_codec(self, batch: Record) -> None:
        compression = batch.follow(3)
        if not compression:
            return
        codec = Record(self.head, compression).number(0, "<b")
        if not 0 <= codec < len(CODECS):
            raise MessageError(f"the compression {codec} is not supported")
        self.codec = CODECS[codec]
        if self.version == V4:
            raise OldVersionError(f"version V4 of its metadata with compressed data ({self.codec})")

    def encode(self) -> bytes:
        """Return the header as written before the body; its size is a multiple of 64."""
        return encode_head(self.head)

    def move(self, places: dict[Buffer, tuple[int, int]], size: int) -> bytes:
        """Return the header of a body of this size, in which the buffers have other offsets.

        Buffers without an offset are empty.
        """
        head = bytearray(self.head)
        for one in self.buffers:
            PAIR.pack_into(head, one.written, *places.get(one, (0, 0)))
        at = self._root.find(3)
        if not at:
            raise MessageError("a message with buffers has no size")
        INT64.pack_into(head, at, size)
        return encode_head(bytes(head))


def encode_head(head: bytes) -> bytes:
    """Return a header prefixed with its size; the total is a multiple of 64 bytes."""
    padded = head + bytes(-(len(head) + 8) % 64)
    return CONTINUATION + INT32.pack(len(padded)) + padded


def read_message(file: IO[bytes]) -> Message | None:
    """Read the header of the next message; None at the end of the stream."""
    begin = file.read(4)
    if begin == CONTINUATION:
        begin = file.read(4)
    if not begin:
        return None
    size = _unpack(INT32, begin, 0)
    if size == 0:
        return None
    return Message(read_exactly(file, size))


def read_exactly(file: IO[bytes], size: int) -> bytes:
    """Read exactly so many bytes."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(min(size, MOST_READ))):
        parts.append(part)
        size -= len(part)
    if size:
        raise MessageError("it ends within a message")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def fill_exactly(file: IO[bytes], view: memoryview) -> None:
    """Read into a buffer until it is full."""
    filled = 0
    while filled < len(view):
        count = cast("BufferedReader", file).readinto(view[filled:])
        if not count:
            raise MessageError("it ends within a message")
        filled += count


def read_footer(file: IO[bytes]) -> tuple[bytes, Record]:
    """Return the footer of an Arrow file, as it stands there and as a record."""
    tail = INT32.size + len(MAGIC)
    end = file.seek(0, 2) - tail
    file.seek(max(0, end))
    ending = file.read(tail)
    if ending[INT32.size :] != MAGIC:
        raise MessageError("its end is missing")
    size = _unpack(INT32, ending, 0)
    if not 0 < size <= end:
        raise MessageError("the size of its footer is wrong")
    file.seek(end - size)
    data = read_exactly(file, size)
    return data, Record(data, _unpack(INT32, data, 0))


def find_messages(footer: Record) -> tuple[list[int], list[int]]:
    """Return where the dictionaries and the record batches of an Arrow file begin."""
    dictionaries, batches = (
        [block[0] for _, block in footer.vector(field, BLOCK)] for field in (2, 3)
    )
    return dictionaries, batches


def _unpack(form: struct.Struct, data: Any, at: int) -> int:
    if at < 0:
        raise MessageError("it points to before its beginning")
    try:
        return int(form.unpack_from(data, at)[0])
    except struct.error as error:
        raise MessageError("it ends within a message") from error
