"""Per-element losses as binary files: NPY and Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lossctl.errors import FileError
from lossctl.output.fields import COLUMNS, encode_json, read_record
from lossctl.output.rows import (
    ElementStream,
    Rows,
    choose_dtype,
    count_elements,
    index_rows,
    name_axes,
    name_column,
    read_rows,
)

if TYPE_CHECKING:
    from lossctl.engine.result import Result

_ROW_GROUP = 1_048_576
"""Rows of a Parquet row group."""


def write_npy(stream: ElementStream, file: BinaryIO) -> Result:
    """Write an array of the reference library's shape, block by block."""
    shape = stream.shape
    dtype = choose_dtype(stream)
    known = count_elements(shape) is not None
    if not known and not file.seekable():
        raise FileError(
            "an NPY file of a length that is only known at the end cannot be written to a pipe",
            "Write it to a file, or take a format of lines.",
        )
    write_npy_header(file, tuple(size or 0 for size in shape), dtype)
    file.writelines(rows.losses.data for rows in read_rows(stream))
    result = stream.result()
    if not known:
        # NumPy leaves room in the header for axis 0 to grow: the data stay where they are.
        file.seek(0)
        write_npy_header(file, result.shape, dtype)
        file.seek(0, io.SEEK_END)
    return result


def write_npy_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write what stands before the numbers of an NPY file."""
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_parquet(stream: ElementStream, file: BinaryIO) -> Result:
    """Write the columns sample, d1, …, loss in row groups, and the counts as metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shape = stream.shape
    axes, column = name_axes(shape), name_column(stream)
    dtype = choose_dtype(stream)
    fields = [*((axis, pa.int64()) for axis in axes), (column, pa.from_numpy_dtype(dtype))]
    schema = pa.schema(fields)
    # Indices count upwards: their differences take next to no space.
    encoding = dict.fromkeys(axes, "DELTA_BINARY_PACKED") | {column: "PLAIN"}
    with pq.ParquetWriter(
        file, schema, use_dictionary=False, column_encoding=encoding, compression="zstd"
    ) as writer:
        waiting: list[Any] = []
        count = 0
        for rows in read_rows(stream):
            waiting.append(_make_batch(rows, stream, schema))
            count += len(rows.losses)
            if count >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting, count = [], 0
        writer.write_table(pa.Table.from_batches(waiting, schema))
        result = stream.result()
        record = read_record(result, COLUMNS)
        writer.add_key_value_metadata({"lossctl.result": encode_json(record)})
    return result


def _make_batch(rows: Rows, stream: ElementStream, schema: Any) -> Any:
    import pyarrow as pa

    columns = [*index_rows(rows, stream.shape), rows.losses]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)


BINARY_WRITERS: dict[str, Callable[[ElementStream, BinaryIO], Result]] = {
    "npy": write_npy,
    "parquet": write_parquet,
}
