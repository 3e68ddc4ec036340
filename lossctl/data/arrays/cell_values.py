"""Cells as values that can be compared: numbers, booleans, strings and times of known types."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.arrow import read_validity, read_values
from lossctl.data.arrays.cells import Cells, join_cells, wrap_cells

Truths = NDArray[np.bool_]
_KERNELS = {
    "==": "equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


class ValueType(Enum):
    """The type of values."""

    NUMBER = "numbers"
    TRUTH = "true and false"
    STRING = "strings"
    TIME = "times"
    CLOCK = "times of day"
    LOOSE = "cells of a text file"
    """They are what they are compared with."""
    OTHER = "values that cannot be compared"


@dataclass(frozen=True, slots=True)
class CellValues:
    """The values of some cells."""

    kind: ValueType
    data: Any
    """An array of NumPy (times count units from 1970, decimals are exact), or of Arrow where these
    are strings."""
    valid: Truths | None = None
    """Which cells are not missing; None where none is."""
    unit: str = ""
    zone: str | None = None


def take_values(values: Any, name: str) -> CellValues:
    """Return the values of a column in memory, or of cells."""
    cells = values if isinstance(values, Cells) else wrap_cells(values, name).whole()
    return _take(join_cells([cells]).arrow)


def cast_strings(strings: Any, *kinds: str) -> CellValues | None:
    """Return strings as values of the first Arrow type that all of them can be read as."""
    for kind in kinds:
        try:
            return _take(strings.cast(kind))
        except ValueError:
            continue
    return None


def read_numbers(strings: Any) -> CellValues | None:
    """Return strings as numbers, if all are."""
    import pyarrow.compute as pc

    # Arrow reads 0x1F as an integer.
    if pc.any(pc.match_substring(strings, "x", ignore_case=True)).as_py():
        return None
    return cast_strings(strings, "int64", "double")


def read_times(strings: Any) -> CellValues | None:
    """Return strings as times, if all of them are: all in some zone, or none."""
    import pyarrow as pa

    units = ("us", "ns")
    return cast_strings(strings, *(pa.timestamp(u, zone) for u in units for zone in (None, "UTC")))


def compare_strings(strings: Any, sign: str, other: Any) -> Truths:
    """Return which strings compare with another one, or with the others; a missing one never."""
    import pyarrow as pa
    import pyarrow.compute as pc

    other = pa.scalar(other, pa.string()) if isinstance(other, str) else other
    held = getattr(pc, _KERNELS[sign])(strings, other).fill_null(False)
    return np.array(read_values(held), np.bool_) if len(held) else np.zeros(0, np.bool_)


def encode_strings(strings: Any) -> tuple[NDArray[np.int64], list[str | None]]:
    """Return a code for each string, -1 where it is missing, and the distinct strings."""
    coded = strings.dictionary_encode()
    return read_values(coded.indices.fill_null(-1)), coded.dictionary.to_pylist()


def _take(arrow: Any) -> CellValues:
    import pyarrow as pa

    types = pa.types
    if isinstance(arrow, pa.ExtensionArray):
        arrow = arrow.storage
    kind, unit, zone = arrow.type, "", None
    valid = read_validity(arrow) if arrow.null_count else None
    data: Any
    if types.is_null(kind):
        what, data = ValueType.NUMBER, np.full(len(arrow), np.nan)
    elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        what, data = ValueType.STRING, arrow if types.is_string(kind) else arrow.cast(pa.string())
    elif types.is_boolean(kind):
        what, data = ValueType.TRUTH, _read(arrow)
    elif types.is_integer(kind) or types.is_floating(kind):
        what, data = ValueType.NUMBER, _read(arrow)
    elif types.is_decimal(kind):
        exact = [Decimal(0) if one is None else one for one in arrow.to_pylist()]
        what, data = ValueType.NUMBER, np.array(exact, np.object_)
    elif types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        unit = getattr(kind, "unit", "D" if types.is_date32(kind) else "ms")
        zone = getattr(kind, "tz", None)
        what = ValueType.CLOCK if types.is_time(kind) else ValueType.TIME
        counts = arrow.view(pa.int64() if kind.bit_width == 64 else pa.int32())
        data = _read(counts).astype(np.int64)
    else:
        what, data = ValueType.OTHER, arrow
    return CellValues(what, data, valid, unit, zone)


def _read(arrow: Any) -> NDArray[Any]:
    """Return the values of an array, and 0 where one is missing."""
    import pyarrow as pa

    if arrow.null_count == len(arrow):
        boolean = pa.types.is_boolean(arrow.type)
        return np.zeros(len(arrow), np.bool_ if boolean else arrow.type.to_pandas_dtype())
    values = read_values(arrow)
    return (
        np.where(read_validity(arrow), values, values.dtype.type(0)) if arrow.null_count else values
    )
