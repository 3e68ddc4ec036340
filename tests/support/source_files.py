"""The same numbers in files of every format, and sources read block by block."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from lossctl.data.arrays.source import Source
from lossctl.data.formats import csv as csv_tables
from lossctl.data.formats import json_lines as json_tables
from lossctl.data.tables import typed as typed_tables

Array = NDArray[Any]

TYPED_TABLES = ("parquet", "feather", "lz4.feather", "arrow", "arrows")
TEXT_TABLES = ("csv", "tsv", "jsonl")
TABLES = TYPED_TABLES + TEXT_TABLES
COMPRESSIONS = {"gz": gzip.compress, "zst": lambda data: pa.compress(data, "zstd", asbytes=True)}


def encode(columns: Mapping[str, Any], kind: str, rows: int = 70) -> bytes:
    """Return the content of a table file of a format, in batches of so many rows."""
    table = pa.table(dict(columns))
    sink = io.BytesIO()
    match kind:
        case "parquet":
            pq.write_table(table, sink, row_group_size=rows)
        case "feather":
            pyarrow.feather.write_feather(table, sink, compression="uncompressed", chunksize=rows)
        case "lz4.feather":
            pyarrow.feather.write_feather(table, sink, compression="lz4", chunksize=rows)
        case "arrow" | "arrows":
            opened = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
            with opened(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=rows)
        case "csv" | "tsv":
            delimiter = "," if kind == "csv" else "\t"
            options = pyarrow.csv.WriteOptions(delimiter=delimiter, quoting_style="none")
            pyarrow.csv.write_csv(table, sink, options)
        case "jsonl":
            lines = (json.dumps(row) for row in table.to_pylist())
            sink.write("".join(f"{line}\n" for line in lines).encode())
        case _:
            raise ValueError(kind)
    return sink.getvalue()


def encode_array(array: Array) -> bytes:
    """Return the content of an NPY file."""
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def write(path: Path, content: bytes) -> Path:
    """Write a file, and its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read_in_pieces(patch: pytest.MonkeyPatch, size: int) -> None:
    """Read tables in pieces of about so many bytes."""
    patch.setattr(csv_tables, "SEGMENT_BYTES", size)
    patch.setattr(json_tables, "SEGMENT_BYTES", size)
    patch.setattr(typed_tables, "PIECE_BYTES", size)


def read_in_blocks(source: Source, rows: int = 77) -> Array:
    """Read a source to its end, and close it."""
    with closing(source):
        blocks = [source.read(0, rows)]
        while len(blocks[-1]) == rows:
            blocks.append(source.read(len(blocks) * rows, (len(blocks) + 1) * rows))
            source.release((len(blocks) - 1) * rows)
    return np.concatenate(blocks)


def list_open_files() -> list[Path]:
    """Return the files that this process has open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile, as that of the listing itself
            names.append(descriptor.readlink())
    return names


def equal_bits(one: Array, other: Array) -> bool:
    """Say whether two arrays are the same to the last bit, in dtype and shape too."""
    same = (one.dtype, one.shape) == (other.dtype, other.shape)
    return same and np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
