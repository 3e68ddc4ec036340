"""The header of an NPY file: what it declares, or what is wrong with it."""

from __future__ import annotations

import ast
import io
import struct
from dataclasses import dataclass
from math import prod
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from lossctl.data.arrays.dtypes import check_dtype, is_text
from lossctl.errors import DataError

MAGIC = b"\x93NUMPY"
LENGTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}
"""How the length of the header is written, by version."""

KEYS = ("descr", "fortran_order", "shape")
FLOAT8_E5M2 = "<f1"
"""What ml_dtypes writes for its float8_e5m2, and for nothing else; NumPy does not know it."""

LONGEST = 10_000
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Header:
    """What an NPY header declares; ``offset`` is where the data begin in the stream."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def order(self) -> Any:
        """The memory order, as NumPy names it."""
        return "F" if self.fortran else "C"

    @property
    def size(self) -> int:
        """The size of the data in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def row_size(self) -> int:
        """The size of one row in bytes."""
        return prod(self.shape[1:]) * self.dtype.itemsize


def read_header(file: IO[bytes], where: str) -> Header:
    """Read the header at the start of a stream; reject dtypes that are not numbers."""
    begin = _take(file, len(MAGIC) + 2, b"", where)
    version = begin[len(MAGIC)]
    if not begin.startswith(MAGIC):
        raise _broken(where, f"it begins with {begin!r}")
    if version not in LENGTHS:
        raise _broken(where, f"version {version}.{begin[-1]} of the format is not supported")
    length = LENGTHS[version]
    begin += _take(file, length.size, begin, where)
    size = length.unpack(begin[-length.size :])[0]
    if size > LONGEST:
        raise _broken(where, f"it claims to be {size:,} bytes long")
    text = _take(file, size, begin, where)
    stream = io.BytesIO(begin[len(MAGIC) + 2 :] + text)
    read = npy_format.read_array_header_1_0 if version == 1 else npy_format.read_array_header_2_0
    try:
        # Versions 2 and 3 differ in the encoding of field names only, and structured dtypes are
        # rejected below.
        shape, fortran, dtype = read(stream)
    except (ValueError, SyntaxError, TokenError, TypeError, OverflowError) as error:
        if _reads_as(text, FLOAT8_E5M2):
            raise DataError(
                f"{where}: dtype {FLOAT8_E5M2!r} is float8_e5m2 of ml_dtypes, which is not read",
                "Save it as float16 or float32, which represent its numbers exactly:"
                " np.save(file, array.astype(np.float32)).",
            ) from error
        raise _broken(where, _explain(text)) from error
    if any(size < 0 for size in shape):
        raise DataError(f"{where}: the NPY header gives a shape of {shape}")
    if not is_text(dtype):  # whether strings are wanted is known where the array is opened
        check_dtype(dtype, where)
    return Header(shape, fortran, dtype, len(begin) + len(text))


def _take(file: IO[bytes], size: int, before: bytes, where: str) -> bytes:
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    if len(data) < size:
        raise DataError(
            f"{where} is cut off: it ends within its NPY header, after "
            f"{len(before) + len(data)} bytes",
            "Copy or save the file again.",
        )
    return data


def _broken(where: str, why: str) -> DataError:
    return DataError(f"{where}: the NPY header is broken: {why}", "Save the array again.")


def _parse(text: bytes) -> Any:
    """Return what a header says, or None."""
    try:
        return ast.literal_eval(text.decode("utf-8", "replace").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _reads_as(text: bytes, descr: str) -> bool:
    given = _parse(text)
    return isinstance(given, dict) and given.get("descr") == descr


def _explain(text: bytes) -> str:
    """Return what is wrong with a header that NumPy rejects."""
    shown = repr(text.decode("utf-8", "replace").strip()[:SHOWN_CHARACTERS])
    given = _parse(text)
    if not isinstance(given, dict):
        return f"{shown} does not describe an array"
    missing = [key for key in KEYS if key not in given]
    if missing:
        return f"{shown} lacks {' and '.join(missing)}"
    if len(given) > len(KEYS):
        return f"{shown} has other keys than {', '.join(KEYS)}"
    return _explain_values(*(given[key] for key in KEYS))


def _explain_values(descr: object, order: object, shape: object) -> str:
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        return f"the shape {shape!r} is not a tuple of integers"
    if not isinstance(order, bool):
        return f"fortran_order is {order!r}, neither True nor False"
    return f"the dtype {descr!r} is not known to NumPy"
