"""Per-element losses in binary: NPY, Parquet and Arrow, in files and in pipes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lossctl.output.elements.rows import (
    ElementStream,
    Rows,
    choose_dtype,
    count_elements,
    index_rows,
    name_axes,
    name_column,
    read_rows,
)
from lossctl.output.files.fields import COLUMNS, encode_json, read_record
from lossctl.output.files.files import Pipe, open_spool

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

_COPIED_BYTES = 1 << 20

_ROW_GROUP = 262_144
"""Rows of a Parquet row group: with four times as many, a run takes 25 MB more."""


def write_npy(stream: ElementStream, file: BinaryIO) -> Result:
    """Write an array of the reference library's shape, block by block.

    The header contains the length. If it is known only at the end, the header of a file is
    rewritten; for a pipe, the losses are buffered in a temporary file.
    """
    shape = stream.shape
    known = count_elements(shape) is not None
    if not known and not file.seekable():
        with open_spool() as spool:
            _write_losses(stream, spool)
            result = stream.result()
            write_npy_header(file, result.shape, choose_dtype(stream))
            spool.seek(0)
            shutil.copyfileobj(spool, file, _COPIED_BYTES)
        return result
    write_npy_header(file, tuple(size or 0 for size in shape), choose_dtype(stream))
    _write_losses(stream, file)
    result = stream.result()
    if not known:
        # NumPy's header leaves room for axis 0 to grow, so that the data need not move.
        file.seek(0)
        write_npy_header(file, result.shape, choose_dtype(stream))
        file.seek(0, io.SEEK_END)
    return result


def _write_losses(stream: ElementStream, file: BinaryIO) -> None:
    file.writelines(rows.losses.data for rows in read_rows(stream))


def write_npy_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write the header of an NPY file."""
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_parquet(stream: ElementStream, file: BinaryIO) -> Result:
    """Write the columns sample, d1, …, loss in row groups, and the counts as metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _make_schema(stream)
    # Indices increase steadily: their differences take almost no space.
    encoding = dict.fromkeys(name_axes(stream.shape), "DELTA_BINARY_PACKED")
    encoding[name_column(stream)] = "PLAIN"
    writer = pq.ParquetWriter(
        file, schema, use_dictionary=False, column_encoding=encoding, compression="zstd"
    )
    with _close_at_end(writer, file):
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


def write_arrow(stream: ElementStream, file: BinaryIO) -> Result:
    """Write the columns of Parquet as record batches: an Arrow file, or a stream in a pipe."""
    import pyarrow as pa

    schema = _make_schema(stream)
    opened = pa.ipc.new_file if file.seekable() else pa.ipc.new_stream
    writer = opened(file, schema)
    with _close_at_end(writer, file):
        for rows in read_rows(stream):
            writer.write_batch(_make_batch(rows, stream, schema))
    return stream.result()


@contextmanager
def _close_at_end(writer: Any, file: BinaryIO) -> Iterator[None]:
    """Close a writer, which writes the end of the format; in a pipe only on success."""
    try:
        yield
    except BaseException:
        if isinstance(file, Pipe):
            file.abandon()
        raise
    finally:
        writer.close()


def _make_schema(stream: ElementStream) -> Any:
    import pyarrow as pa

    indices = [(axis, pa.int64()) for axis in name_axes(stream.shape)]
    return pa.schema([*indices, (name_column(stream), pa.from_numpy_dtype(choose_dtype(stream)))])


def _make_batch(rows: Rows, stream: ElementStream, schema: Any) -> Any:
    import pyarrow as pa

    columns = [*index_rows(rows, stream.shape), rows.losses]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)


BINARY_WRITERS: dict[str, Callable[[ElementStream, BinaryIO], Result]] = {
    "npy": write_npy,
    "parquet": write_parquet,
    "arrow": write_arrow,
}
