"""Flat records as CSV, TSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, TextIO

from lossctl.output.evaluation_records import Record
from lossctl.output.fields import encode_json
from lossctl.output.wording import can_encode, fit_text, read_encoding

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

_BATCH = 50_000
"""Records that become a row group of a Parquet file at once."""


def write_delimited(
    kinds: Mapping[str, type], records: Iterable[Record], stream: TextIO, delimiter: str
) -> None:
    """Write a header and the records; what a record does not have is an empty cell."""
    encoding = read_encoding(stream)
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(_format_cell(name, encoding) for name in kinds)
    texts = [place for place, kind in enumerate(kinds.values()) if kind in (str, bool)]
    for record in records:
        cells: list[Any] = list(map(record.get, kinds))  # the writer formats numbers as repr does
        for place in texts:
            if cells[place] is not None:
                cells[place] = _format_cell(cells[place], encoding)
        writer.writerow(cells)


def _format_cell(value: str | bool, encoding: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value.isascii() or can_encode(value, encoding) else fit_text(value, encoding)


def write_json_lines(records: Iterable[Record], stream: TextIO) -> None:
    """Write an object for each record."""
    encoding = read_encoding(stream)
    for record in records:
        known = {name: value for name, value in record.items() if value is not None}
        stream.write(encode_record(known, encoding) + "\n")


def encode_record(record: Record, encoding: str | None) -> str:
    """Return strict JSON on one line; records are many, and most hold nothing unusual."""
    try:
        text = _ENCODER.encode(record)
    except (TypeError, ValueError):  # NaN, or a type that JSON lacks
        return encode_json(record, encoding)
    return text if text.isascii() or can_encode(text, encoding) else encode_json(record, encoding)


def write_parquet(kinds: Mapping[str, type], records: Iterable[Record], file: BinaryIO) -> None:
    """Write the records as a table; what a record does not have is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    with pq.ParquetWriter(file, schema) as writer:
        for batch in _cut(records):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _cut(records: Iterable[Record]) -> Iterator[list[Record]]:
    waiting = iter(records)
    while batch := list(islice(waiting, _BATCH)):
        yield batch
