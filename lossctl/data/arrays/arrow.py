"""Arrow columns as NumPy arrays: numbers, with nulls as NaN, and lists as further axes.

The buffers are read directly: pyarrow's own conversions import pandas where it is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossctl.data.arrays.source import Array
from lossctl.errors import DataError
from lossctl.findings import Location, Remedy, RemedyKind, Sentence


@dataclass(frozen=True, slots=True)
class ColumnPlace:
    """Where a chunk of a column is, for messages: file, name, first row of the chunk."""

    path: str
    name: str
    first: int = 0

    def __str__(self) -> str:
        return f"{self.path}: column {self.name!r}"

    def locate(self, row: int) -> Location:
        """Return where a row of the column is."""
        return Location(row, column=self.name, file=self.path)


def numpy_dtype(arrow_type: Any) -> np.dtype[Any] | None:
    """Return the dtype of the numbers in a column (of the lists' elements), or None."""
    import pyarrow as pa

    if pa.types.is_boolean(arrow_type) or isinstance(arrow_type, pa.Bool8Type):
        return np.dtype(np.bool_)
    coded = pa.types.is_dictionary(arrow_type) or pa.types.is_run_end_encoded(arrow_type)
    if coded or _is_list(arrow_type):
        return numpy_dtype(arrow_type.value_type)
    if isinstance(arrow_type, pa.BaseExtensionType):
        return numpy_dtype(arrow_type.storage_type)
    if pa.types.is_decimal(arrow_type) or pa.types.is_null(arrow_type):
        return np.dtype(np.float64)
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type):
        dtype: np.dtype[Any] = np.dtype(arrow_type.to_pandas_dtype())
        return dtype
    return None


def is_flat(arrow_type: Any) -> bool:
    """Return whether a column is one number per row, without lists."""
    import pyarrow as pa

    if isinstance(arrow_type, pa.BaseExtensionType):
        return is_flat(arrow_type.storage_type)
    return not _is_list(arrow_type)


def list_shape(arrow_type: Any) -> tuple[int, ...]:
    """Return the sizes of the axes of a list type; 0 where the type does not fix one."""
    import pyarrow as pa

    if isinstance(arrow_type, pa.FixedShapeTensorType):
        return tuple(arrow_type.shape[axis] for axis in _order_axes(arrow_type))
    if isinstance(arrow_type, pa.BaseExtensionType):
        return list_shape(arrow_type.storage_type)
    if not _is_list(arrow_type):
        return ()
    size = arrow_type.list_size if pa.types.is_fixed_size_list(arrow_type) else 0
    return (size, *list_shape(arrow_type.value_type))


def _order_axes(tensor_type: Any) -> Sequence[int]:
    """Return which stored axis each axis of a tensor is."""
    order: Sequence[int] | None = tensor_type.permutation
    return range(len(tensor_type.shape)) if order is None else order


def to_array(chunked: Any, column: ColumnPlace) -> Array:
    """Return a chunked Arrow column as an array: (n,), or (n, K, …) where it holds lists."""
    if numpy_dtype(chunked.type) is None:
        raise reject_type(chunked.type, str(column))
    if not len(chunked):
        return np.empty((0, *list_shape(chunked.type)), numpy_dtype(chunked.type))
    parts: list[Array] = []
    first = column.first
    for chunk in chunked.chunks:  # pyarrow's own joining mixes up dictionaries that differ
        if not len(chunk):
            continue
        part = _convert(chunk, replace(column, first=first), 1)
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise ragged(column, column.first, parts[0].shape[1:], first, part.shape[1:])
        parts.append(part)
        first += len(chunk)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def ragged(
    column: ColumnPlace, row: int, shape: tuple[int, ...], other: int, different: tuple[int, ...]
) -> DataError:
    """Return the error for lists of different lengths."""
    lengths = [" × ".join(map(str, sizes)) for sizes in (shape, different)]
    return DataError(
        Sentence(
            "{column} contains lists of different lengths: row {row} has {size},"
            " row {location.row} has {other}",
            {"column": column, "row": row, "size": lengths[0], "other": lengths[1]},
            column.locate(other),
        ),
        "Pad the lists to one length, or split the rows by length.",
    )


def reject_type(arrow_type: Any, where: str) -> DataError:
    """Return the error for a column that does not hold numbers."""
    import pyarrow as pa

    kinds = pa.types
    if _is_text(arrow_type):
        remedy: str | Remedy = Remedy(RemedyKind.CHOOSE_NUMBERS)
    elif kinds.is_temporal(arrow_type):
        remedy = "Choose a numeric column, or write the times as numbers of seconds."
    elif kinds.is_struct(arrow_type):
        remedy = "Write each field as a column of its own."
    else:
        remedy = "Choose a column of numbers, or of lists of numbers of one length."
    return DataError(f"{where} contains {arrow_type}, not numbers", remedy)


def _is_text(arrow_type: Any) -> bool:
    """Return whether values are strings, or entries of a dictionary of strings."""
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(arrow_type):
        return _is_text(arrow_type.value_type)
    asks = (
        *(kinds.is_string, kinds.is_large_string, kinds.is_string_view),
        *(kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view),
    )
    return any(ask(arrow_type) for ask in asks)


def _is_list(arrow_type: Any) -> bool:
    import pyarrow as pa

    kinds = pa.types
    return bool(
        kinds.is_list(arrow_type)
        or kinds.is_large_list(arrow_type)
        or kinds.is_fixed_size_list(arrow_type)
        or kinds.is_list_view(arrow_type)
        or kinds.is_large_list_view(arrow_type)
    )


def _convert(array: Any, column: ColumnPlace, per_row: int) -> Array:
    """Convert one chunk, with ``per_row`` entries for each row of the table."""
    import pyarrow as pa

    if isinstance(array, pa.FixedShapeTensorArray) and not array.null_count:
        stored = _convert(array.storage, column, per_row).reshape(len(array), *array.type.shape)
        return stored.transpose(0, *(axis + 1 for axis in _order_axes(array.type)))
    if isinstance(array, pa.ExtensionArray):
        stored = _convert(array.storage, column, per_row)
        if not isinstance(array.type, pa.Bool8Type):
            return stored
        return np.where(np.isnan(stored), stored, stored != 0) if array.null_count else stored != 0
    if pa.types.is_dictionary(array.type) or pa.types.is_run_end_encoded(array.type):
        return _convert(_expand(array), column, per_row)
    if _is_list(array.type):
        return _convert_lists(array, column, per_row)
    return _convert_numbers(array)


def _expand(array: Any) -> Any:
    """Return the values that the entries of a dictionary, or runs, stand for."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    import pyarrow.compute as pc

    return pc.run_end_decode(array)


def _convert_lists(array: Any, column: ColumnPlace, per_row: int) -> Array:
    if array.null_count:
        entry = int(np.argmin(read_validity(array)))
        place = column.locate(column.first + entry // per_row)
        raise DataError(
            Sentence(
                "{column} has no list in row {location.row} (it is null)",
                {"column": column},
                place,
            ),
            "Fill it in, or drop the row.",
        )
    lengths = _list_lengths(array)
    size = int(lengths[0]) if len(lengths) else 0
    different = np.flatnonzero(lengths != size)
    if len(different):
        entry = int(different[0])
        row = column.first + entry // per_row
        raise ragged(column, column.first, (size,), row, (int(lengths[entry]),))
    inner = _convert(array.flatten(), column, per_row * max(size, 1))
    return inner.reshape(len(array), size, *inner.shape[1:])


def _list_lengths(array: Any) -> Array:
    """Return the length of every list; pyarrow.compute, slow to import, is not needed for it."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(array.type):
        return np.full(len(array), array.type.list_size)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return np.diff(_convert_numbers(array.offsets))
    return _convert_numbers(array.sizes)


def _convert_numbers(array: Any) -> Array:
    import pyarrow as pa

    if pa.types.is_decimal(array.type):
        array = array.cast(pa.string()).cast(pa.float64())  # the direct cast does not round right
    count = len(array)
    if array.null_count == count:  # also if there are no values, and hence no buffer
        dtype = numpy_dtype(array.type)
        if dtype is None:
            raise reject_type(array.type, "a column")
        if not count:
            return np.empty(0, dtype)
        return np.full(count, np.nan, dtype if dtype.kind == "f" else np.float64)
    values = read_values(array)
    if not array.null_count:
        return values
    values = np.array(values, values.dtype if values.dtype.kind == "f" else np.float64)
    values[~read_validity(array)] = np.nan
    return values


def read_values(array: Any) -> Array:
    """Return the numbers or booleans of an Arrow array; a missing one may have any value."""
    import pyarrow as pa

    start, stop = array.offset, array.offset + len(array)
    buffer = array.buffers()[1]
    if pa.types.is_boolean(array.type):
        return _bits(buffer, start, stop)
    return np.frombuffer(buffer, array.type.to_pandas_dtype(), count=stop)[start:]


def read_validity(array: Any) -> Array:
    """Return which values of an Arrow array are not missing."""
    start, stop = array.offset, array.offset + len(array)
    buffer = array.buffers()[0]
    return np.ones(len(array), np.bool_) if buffer is None else _bits(buffer, start, stop)


def _bits(buffer: Any, start: int, stop: int) -> Array:
    packed = np.frombuffer(buffer, np.uint8)[: -(-stop // 8)]
    return np.unpackbits(packed, count=stop, bitorder="little")[start:].view(np.bool_)
