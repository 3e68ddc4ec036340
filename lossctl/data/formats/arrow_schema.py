"""Schemas of Arrow: where files hold them, and integers in them that pyarrow does not know.

The schema is taken from the footer of a file, as other readers do: what stands at its beginning
differs from writer to writer. Integers of more than 64 bits are made fixed-size binaries of their
width, in place, so that the columns beside them can be read.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator

from lossctl.data.formats.arrow_messages import CONTINUATION, INT32, MessageError, Record

ROOT, SCHEMA_KIND = 16, 1
FIELDS, NAME_OF_TYPE, TYPE, CHILDREN = 1, 2, 3, 5
INTEGER, FIXED_BINARY = 2, 15
MOST_BITS, MOST_DEEP = 64, 64
KEY = b"ARROW:schema"
"""The key under which Parquet files hold a schema of Arrow, in Base64."""

STRING_FIELD = 0x18
"""What stands in Thrift's compact form before the string that follows another one."""


def make_message(footer: bytes, schema: int, version: int) -> bytes:
    """Return a message whose header is the schema at a place of a footer."""
    head = bytearray(40)
    struct.pack_into("<I", head, 0, ROOT)
    struct.pack_into("<5H", head, 4, 10, 12, 8, 10, 4)  # the sizes, and where the fields are
    struct.pack_into("<iIhB", head, ROOT, ROOT - 4, len(head) + schema - 20, version, SCHEMA_KIND)
    return bytes(head) + footer


def hide_wide_integers(head: bytes) -> tuple[bytes, dict[int, str]]:
    """Return a schema's message as pyarrow can read it, and the types of columns it could not."""
    data = bytearray(head)
    message = Record(data, INT32.unpack_from(data)[0])
    schema = message.follow(2)
    if not schema:
        raise MessageError("it has no schema")
    found = {}
    for column, field in enumerate(_list_tables(data, Record(data, schema), FIELDS)):
        types = list(_hide_in(data, field, 0))
        if types:
            found[column] = types[0]
    return bytes(data), found


def _hide_in(data: bytearray, field: Record, depth: int) -> Iterator[str]:
    """Change the types of a field and of those within it, and yield what they were."""
    of_type = field.follow(TYPE)
    if of_type and field.number(NAME_OF_TYPE, "<B") == INTEGER:
        integer = Record(data, of_type)
        bits = integer.number(0, "<i")
        if bits > MOST_BITS:
            yield f"{'int' if integer.number(1, '<B') else 'uint'}{bits}"
            data[field.find(NAME_OF_TYPE)] = FIXED_BINARY  # whose first number is a size, in bytes
            INT32.pack_into(data, integer.find(0), bits // 8)
    if depth < MOST_DEEP:
        for child in _list_tables(data, field, CHILDREN):
            yield from _hide_in(data, child, depth + 1)


def _list_tables(data: bytearray, record: Record, field: int) -> Iterator[Record]:
    for place, (offset,) in record.vector(field, INT32):
        yield Record(data, place + offset)


def hide_in_parquet(footer: bytes) -> tuple[bytes, dict[int, str]]:
    """Return the footer of a Parquet file with such a schema in it, and the columns by type."""
    start = footer.find(KEY) + len(KEY)
    if start < len(KEY) or footer[start : start + 1] != bytes([STRING_FIELD]):
        return footer, {}
    start, size = _read_size(footer, start + 1)
    message = b64decode(footer[start : start + size])
    begin = 8 if message.startswith(CONTINUATION) else 4
    head, found = hide_wide_integers(message[begin:])
    changed = b64encode(message[:begin] + head)
    return footer[:start] + changed + footer[start + size :], found


def _read_size(data: bytes, at: int) -> tuple[int, int]:
    """Return where a string begins and its size, which is written before it in 7 bits a byte."""
    size = shift = 0
    while True:
        if at >= len(data):
            raise MessageError("it ends within a schema")
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return at, size
