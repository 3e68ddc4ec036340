"""Which dtypes a loss accepts as numbers, and what to do about the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.data.arrays.source import Array
from lossctl.errors import DataError
from lossctl.findings import Remedy, RemedyKind

NUMERIC_KINDS = "biuf"


def is_text(dtype: np.dtype[Any]) -> bool:
    """Return whether an array is one of strings, which may be the names of classes, or ids."""
    return dtype.kind in "SU" and dtype.itemsize > 0


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is bfloat16, which NumPy itself reads as two raw bytes."""
    if dtype.kind != "V" or dtype.names is not None or dtype.subdtype is not None:
        return False
    return dtype.itemsize == 2 and dtype.name in ("bfloat16", "void16")


def raise_bfloat16(array: Array) -> Array:
    """Return bfloat16 numbers as float32, exactly: they are the upper half of its bits."""
    bits = array.view(np.uint16).astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)


def to_numbers(array: Array, where: str) -> Array:
    """Return the array if it contains numbers; raise a DataError otherwise."""
    if is_bfloat16(array.dtype):
        return raise_bfloat16(array)
    check_dtype(array.dtype, where)
    return array


def check_dtype(dtype: np.dtype[Any], where: str) -> None:
    """Raise a DataError for a dtype that no loss is defined on."""
    if dtype.kind in NUMERIC_KINDS or is_bfloat16(dtype):
        return
    what, remedy = _explain(dtype)
    raise DataError(f"{where}: dtype {dtype} is {what}, not numbers", remedy)


def _explain(dtype: np.dtype[Any]) -> tuple[str, str | Remedy]:
    if dtype.names is not None:
        fields = ", ".join(dtype.names)
        return (
            f"structured (fields {fields})",
            "Save each field as an array of its own, or as a column of a Parquet file.",
        )
    match dtype.kind:
        case "c":
            return "complex", "Save the real part, or the magnitude, as real numbers."
        case "O":
            return (
                "pickled Python objects, which are refused (pickle can run code)",
                "Convert them to numbers: numpy.asarray(values, dtype=float).",
            )
        case "S" | "U" | "T":
            return "text", Remedy(RemedyKind.NAME_CLASSES)
        case "M" | "m":
            return "dates or times", "Save numbers: seconds, or days, as floats."
        case _:
            return "raw bytes", "Save it as a dtype that NumPy can name, such as float32."
