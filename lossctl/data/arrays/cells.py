"""Columns as they are stored: strings, times, categories, and numbers used as names.

What a dataset is sliced, filtered and joined by needs no arithmetic, so that such columns are kept
as Arrow holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossctl.data.arrays.arrow import ColumnPlace, numpy_dtype, to_array
from lossctl.data.arrays.source import Array, Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.errors import DataError

CELL = np.dtype(np.object_)
"""The dtype that such a column reports."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells of a column, as an Arrow array; used in place of an array of numbers."""

    arrow: Any

    @property
    def shape(self) -> tuple[int]:
        """One axis: the rows."""
        return (len(self.arrow),)

    @property
    def nbytes(self) -> int:
        """The memory of the cells in bytes."""
        return int(self.arrow.nbytes)

    def __len__(self) -> int:
        return len(self.arrow)

    def __getitem__(self, rows: slice) -> Cells:
        start, stop, _ = rows.indices(len(self.arrow))
        return Cells(self.arrow.slice(start, max(stop - start, 0)))

    def take(self, places: Array) -> Cells:
        """Return some of the cells."""
        return Cells(self.arrow.take(places))

    def values(self) -> list[Any]:
        """Return the cells as Python objects; an empty one is None."""
        return _list_values(self.arrow)

    def series(self) -> Any:
        """Return the cells as a pandas Series."""
        return self.arrow.to_pandas()

    def encode(self, name: str) -> tuple[Array, list[Any]]:
        """Return an integer code for each cell, and the distinct values.

        The values are in order of appearance. Raises DataError for lists and the like.
        """
        import pyarrow as pa

        try:
            coded = self.arrow.dictionary_encode("encode")
        except pa.ArrowNotImplementedError as error:
            raise DataError(
                f"{name} contains {self.arrow.type}, which cannot be labels",
                "Choose a column of strings, numbers or dates.",
            ) from error
        return _read(coded.indices), _list_values(coded.dictionary)

    def whole(self) -> Array | None:
        """Return the cells as int64, if all of them are integers in its range."""
        import pyarrow as pa

        kind = self.arrow.type
        if not pa.types.is_integer(kind) or pa.types.is_uint64(kind) or self.arrow.null_count:
            return None
        return _read(self.arrow).astype(np.int64, copy=False)

    def numbers(self, column: ColumnPlace) -> Array | None:
        """Return the cells as numbers, if their type is numeric."""
        import pyarrow as pa

        if numpy_dtype(self.arrow.type) is None or pa.types.is_null(self.arrow.type):
            return None
        return to_array(pa.chunked_array([self.arrow]), column)

    def pack(self) -> Any:
        """Return the cells as a buffer of Arrow's streaming format."""
        import pyarrow as pa

        table = pa.table([self.arrow], names=["cells"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return memoryview(sink.getvalue())


def to_plain(chunked: Any) -> Any:
    """Return a chunked column of texts, however Arrow holds them, as one of strings.

    Texts come as views, as bytes, as entries of dictionaries (which differ from chunk to chunk)
    and as runs: what they are called may not depend on that.
    """
    import pyarrow as pa

    if not _is_special(chunked.type):
        return chunked
    parts = [_make_plain(chunk) for chunk in chunked.chunks]
    return (
        pa.chunked_array(parts)
        if parts
        else pa.chunked_array([_make_plain(pa.array([], chunked.type))])
    )


def _list_values(arrow: Any) -> list[Any]:
    """Return values as objects of Python; floats as the shortest digits of their own type."""
    import pyarrow as pa

    values: list[Any] = arrow.to_pylist()
    kinds = pa.types
    if not kinds.is_float32(arrow.type) and not kinds.is_float16(arrow.type):
        return values
    own = np.float32 if kinds.is_float32(arrow.type) else np.float16
    return [None if one is None else float(str(own(one))) for one in values]


def _is_special(kind: Any) -> bool:
    import pyarrow as pa

    kinds = pa.types
    return bool(
        isinstance(kind, pa.BaseExtensionType)
        or kinds.is_dictionary(kind)
        or kinds.is_run_end_encoded(kind)
        or kinds.is_string_view(kind)
        or _is_bytes(kind)
    )


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    kinds = pa.types
    return bool(
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_binary_view(kind)
        or kinds.is_fixed_size_binary(kind)
    )


def _make_plain(array: Any) -> Any:
    import pyarrow as pa

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _make_storage_plain(array)
    if pa.types.is_dictionary(kind):
        values = _make_plain(array.dictionary)
        return pa.DictionaryArray.from_arrays(array.indices, values).dictionary_decode()
    if pa.types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return _make_plain(pc.run_end_decode(array))
    if pa.types.is_string_view(kind):
        return array.cast(pa.string())
    return _decode(array) if _is_bytes(kind) else array


def _make_storage_plain(array: Any) -> Any:
    import pyarrow as pa

    if isinstance(array.type, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(array.type, pa.UuidType):
        texts = [None if one is None else str(one) for one in array.to_pylist()]
        return pa.array(texts, pa.string())
    return _make_plain(array.storage)


def _decode(array: Any) -> Any:
    """Return bytes as the texts that they are in UTF-8; others as Python writes them."""
    import pyarrow as pa

    try:
        return array.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(map(_decode_one, array.to_pylist()), pa.string())


def _decode_one(given: bytes | None) -> str | None:
    try:
        return None if given is None else given.decode()
    except UnicodeDecodeError:
        return repr(given)


def unpack_cells(content: memoryview) -> Cells:
    """Return the cells that were packed, as views of the buffer."""
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
        return Cells(stream.read_all().column(0))


class CellArray(Source):
    """Labels in memory."""

    def __init__(self, name: str, arrow: Any) -> None:
        self.name = name
        self.length = len(arrow)
        self.trailing = ()
        self.dtype = CELL
        self._cells = Cells(arrow)

    def read(self, start: int, stop: int) -> Any:
        """Return the cells of these rows."""
        return self._cells[start:stop]

    def whole(self) -> Any:
        """Return all cells."""
        return self._cells


class StringSource(DelegatingSource):
    """An array of strings, whose rows are read as cells."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, dtype=CELL)

    def read(self, start: int, stop: int) -> Any:
        """Return the cells of these rows."""
        return _wrap_strings(self.source.read(start, stop))

    def whole(self) -> Any:
        """Return all cells."""
        return self.read(0, self.count())


def _wrap_strings(rows: Array) -> Cells:
    import pyarrow as pa

    kind = pa.binary() if rows.dtype.kind == "S" else pa.string()
    return Cells(_make_plain(pa.array(rows.tolist(), kind)))


def wrap_cells(given: Any, name: str) -> CellArray:
    """Return labels in memory (a list, an array, a pandas or Arrow column) as a source."""
    import pyarrow as pa

    values = given if hasattr(given, "dtype") or isinstance(given, list) else list(given)
    if isinstance(given, pa.Array | pa.ChunkedArray):
        chunked = given if isinstance(given, pa.ChunkedArray) else pa.chunked_array([given])
        return CellArray(name, join_cells([Cells(to_plain(chunked))]).arrow)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise DataError(f"{name} has {values.ndim} axes, but labels are one per row")
    try:
        cells = join_cells([Cells(pa.array(values, from_pandas=True))])
        if isinstance(cells.arrow.type, pa.BaseExtensionType):  # pandas' periods and intervals
            texts = zip(values, cells.arrow.is_null().to_pylist(), strict=True)
            cells = Cells(pa.array([None if empty else str(one) for one, empty in texts]))
        if _is_bytes(cells.arrow.type):
            cells = Cells(_decode(cells.arrow))
        return CellArray(name, cells.arrow)
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"{name} contains no labels: {error}", "Convert them to strings."
        ) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{name} contains labels of different types: {error}", "Convert all of them to strings."
        ) from error


def join_cells(parts: Sequence[Array | Cells]) -> Cells:
    """Join chunks of one column; as strings where the chunks have different types."""
    import pyarrow as pa

    arrows = [part.arrow if isinstance(part, Cells) else _wrap(part) for part in parts]
    flat = [one for arrow in arrows for one in getattr(arrow, "chunks", [arrow])]
    if not flat:
        return Cells(arrows[0] if arrows else pa.array([], pa.string()))
    flat = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in flat]
    kinds = {one.type for one in flat if not pa.types.is_null(one.type)}
    wanted = pa.string() if len(kinds) > 1 else next(iter(kinds), flat[0].type)
    same = [one if one.type == wanted else one.cast(wanted) for one in flat]
    return Cells(same[0] if len(same) == 1 else pa.concat_arrays(same))


def _read(arrow: Any) -> Array:
    """Return integers; pyarrow's own conversion would import pandas."""
    import pyarrow as pa

    return to_array(pa.chunked_array([arrow]), ColumnPlace("", ""))


def _wrap(numbers: Array) -> Any:
    """Return numbers as an Arrow array of the same memory; pa.array would import pandas."""
    import pyarrow as pa

    if numbers.dtype.kind not in "iuf" or not numbers.dtype.isnative:
        return pa.array(numbers)
    buffer = pa.py_buffer(np.ascontiguousarray(numbers))
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, buffer])
