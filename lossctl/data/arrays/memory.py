"""Arrays that are already in memory: NumPy, lists and numbers, pandas, Arrow, tensors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lossctl.data.arrays.dtypes import NUMERIC_KINDS, to_numbers
from lossctl.data.arrays.source import Array, ArraySource
from lossctl.errors import DataError, UsageError


def wrap_memory(reference: object) -> ArraySource:
    """Return something array-like as a source, without a copy where that is possible."""
    name = type(reference).__name__
    return ArraySource(name, to_memory_array(reference, name))


def to_memory_array(reference: Any, name: str) -> Array:
    """Return something array-like as an array of numbers."""
    if isinstance(reference, np.ma.MaskedArray):
        return _fill_masked(reference, name)
    if isinstance(reference, np.ndarray):
        return to_numbers(np.asarray(reference), name)
    for convert in (_convert_pandas, _convert_arrow):
        converted = convert(reference, name)
        if converted is not None:
            return converted
    return to_numbers(_convert_other(reference, name), name)


def _convert_pandas(reference: Any, name: str) -> Array | None:
    pandas = sys.modules.get("pandas")  # there can be a pandas object only if pandas is loaded
    if pandas is None:
        return None
    if isinstance(reference, pandas.DataFrame):
        names = [str(column) for column in reference.columns]
        columns = (reference.iloc[:, place] for place in range(len(names)))
        wheres = (f"{name}: column {key!r}" for key in names)
        return _join(names, map(_convert_series, columns, wheres), name)
    if isinstance(reference, pandas.Series | pandas.Index):
        return to_numbers(_convert_series(reference, name), name)
    return None


def _convert_arrow(reference: Any, name: str) -> Array | None:
    arrow = sys.modules.get("pyarrow")
    if arrow is None:
        return None
    from lossctl.data.arrays.arrow import ColumnPlace, to_array

    if isinstance(reference, arrow.RecordBatch):
        reference = arrow.Table.from_batches([reference])
    if isinstance(reference, arrow.Table):
        names = reference.column_names
        arrays = zip(names, reference.columns, strict=True)
        return _join(names, (to_array(data, ColumnPlace(name, key)) for key, data in arrays), name)
    if isinstance(reference, arrow.Array):
        reference = arrow.chunked_array([reference])
    if isinstance(reference, arrow.ChunkedArray):
        return to_array(reference, ColumnPlace(name, "values"))
    return None


def _fill_masked(masked: Any, name: str) -> Array:
    data = to_numbers(np.asarray(masked.data), name)
    mask = np.ma.getmaskarray(masked)
    if not mask.any():
        return data
    return np.where(mask, np.nan, data)


def _convert_series(series: Any, name: str) -> Array:
    """Return a pandas column; missing values of its nullable types become NaN."""
    if isinstance(series.dtype, np.dtype):
        return np.asarray(series.to_numpy())
    kind = getattr(series.dtype, "kind", "O")
    if kind not in NUMERIC_KINDS:
        called = name if series.name is None else f"{name} {str(series.name)!r}"
        raise DataError(
            f"{called}: dtype {series.dtype} is not numbers",
            "Choose numeric columns; names of classes become indices with classes=[...].",
        )
    if not series.isna().any():
        return np.asarray(series.to_numpy(dtype=getattr(series.dtype, "numpy_dtype", None)))
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def _join(names: Sequence[str], arrays: Iterable[Array], name: str) -> Array:
    columns = list(arrays)
    if not columns:
        raise UsageError(f"{name} has no columns")
    checked = [
        to_numbers(column, f"{name}: column {key!r}")
        for key, column in zip(names, columns, strict=True)
    ]
    if len(checked) == 1:
        return checked[0]
    for key, column in zip(names, checked, strict=True):
        if column.ndim > 1:
            raise UsageError(
                f"{name}: column {key!r} contains lists, so it is a matrix already",
                "Give that column alone.",
            )
    joined = np.empty((len(checked[0]), len(checked)), np.result_type(*checked), order="F")
    for place, column in enumerate(checked):
        joined[:, place] = column
    return joined


def _convert_other(reference: Any, name: str) -> Array:
    if reference is None or isinstance(reference, bytes | dict | set):
        raise UsageError(
            f"A {name} is not an array", "Give a file, an array, a list of numbers or a number."
        )
    try:
        return np.asarray(_detach(reference))
    except ValueError as error:
        raise DataError(
            f"{name}: its rows have different lengths or kinds: {error}", "Pad them to one length."
        ) from error
    except (TypeError, RuntimeError) as error:
        raise UsageError(f"A {name} cannot be read as an array: {error}") from error


def _detach(reference: Any) -> Any:
    """Detach a tensor and move it to memory and a dtype that NumPy can read."""
    if not hasattr(reference, "detach"):
        return reference
    tensor = reference.detach()
    tensor = tensor.cpu() if hasattr(tensor, "cpu") else tensor
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
