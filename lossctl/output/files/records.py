"""Flat records as CSV, TSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TextIO

from lossctl.output.evaluation.records import Block, Record
from lossctl.output.files.fields import encode_json
from lossctl.output.text.wording import can_encode, fit_text, read_encoding

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

_BATCH = 50_000
"""Minimum number of records in a row group of a Parquet file."""


def write_delimited(
    kinds: Mapping[str, type], blocks: Iterable[Block], stream: TextIO, delimiter: str
) -> None:
    """Write a header and the records; what a record does not have is an empty cell."""
    encoding = read_encoding(stream)
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(_format_cell(name, encoding) for name in kinds)
    for block in blocks:
        # The writer formats numbers as repr does.
        columns = (
            _format_column(column, encoding) if kind in (str, bool) else column
            for kind, column in zip(kinds.values(), _align(kinds, block), strict=True)
        )
        writer.writerows(zip(*columns, strict=True))


def _align(kinds: Iterable[str], block: Block) -> list[Sequence[Any]]:
    """Return the columns of a block in their order; what it does not have is None."""
    nothing = [None] * len(block["record"])
    return [block.get(name, nothing) for name in kinds]


def _format_column(column: Sequence[str | bool | None], encoding: str) -> Sequence[str | None]:
    texts = [cell for cell in column if isinstance(cell, str)]
    if len(texts) == len(column) and "".join(texts).isascii():  # as most are
        return texts
    return [cell if cell is None else _format_cell(cell, encoding) for cell in column]


def _format_cell(value: str | bool, encoding: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value.isascii() or can_encode(value, encoding) else fit_text(value, encoding)


def write_json_lines(blocks: Iterable[Block], stream: TextIO) -> None:
    """Write an object for each record."""
    encoding = read_encoding(stream)
    for block in blocks:
        for cells in zip(*block.values(), strict=True):
            record = zip(block, cells, strict=True)
            known = {name: value for name, value in record if value is not None}
            stream.write(encode_record(known, encoding) + "\n")


def encode_record(record: Record, encoding: str | None) -> str:
    """Return strict JSON on one line; records are many, and most hold nothing unusual."""
    try:
        text = _ENCODER.encode(record)
    except (TypeError, ValueError):  # NaN, or a type that JSON lacks
        return encode_json(record, encoding)
    return text if text.isascii() or can_encode(text, encoding) else encode_json(record, encoding)


def write_parquet(kinds: Mapping[str, type], blocks: Iterable[Block], file: BinaryIO) -> None:
    """Write the records as a table; what a record does not have is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    with pq.ParquetWriter(file, schema) as writer:
        for columns in _join(kinds, blocks):
            writer.write_table(pa.table(columns, schema=schema))


def _join(kinds: Iterable[str], blocks: Iterable[Block]) -> Iterator[list[list[Any]]]:
    """Yield columns of many records."""
    columns: list[list[Any]] = [[] for _ in kinds]
    for block in blocks:
        for column, more in zip(columns, _align(kinds, block), strict=True):
            column.extend(more)
        if len(columns[0]) >= _BATCH:
            yield columns
            columns = [[] for _ in kinds]
    if columns[0]:
        yield columns
