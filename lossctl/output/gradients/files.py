"""Gradients as files: blocks of an array, written in any order after a header with its shape."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lossctl.output.elements.binary import write_npy_header
from lossctl.output.elements.stored import StoredElements
from lossctl.output.elements.write import write_elements
from lossctl.output.files.files import find_target, open_binary, open_spool
from lossctl.output.files.formats import pick_file_format

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

Array = NDArray[Any]
Shape = tuple[int, ...]

COLUMN = "gradient"
"""What the numbers are called."""


class BlockWriter:
    """Writes blocks of an array to their places in a file, in C order."""

    def __init__(self, file: BinaryIO, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._shape = shape
        self._dtype = dtype
        self._begin = self._at = file.tell()

    def write(self, start: Shape, values: Array) -> None:
        """Write a block that begins at ``start``."""
        shape = self._shape
        values = np.ascontiguousarray(values, self._dtype).reshape(values.shape)
        if not values.size:
            return
        # After the last axis that the block does not fill, its numbers are contiguous.
        cut = len(shape)
        while cut and values.shape[cut - 1] == shape[cut - 1]:
            cut -= 1
        cut = max(0, cut - 1)
        run = values.shape[cut:]
        spans = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        behind = sum(first * span for first, span in zip(start, spans, strict=True))
        size = math.prod(run)
        flat = values.reshape(-1, size)
        for number, place in enumerate(product(*map(range, values.shape[:cut]))):
            offset = behind + sum(at * span for at, span in zip(place, spans, strict=False))
            self._put(offset, flat[number])

    def _put(self, offset: int, numbers: Array) -> None:
        place = self._begin + offset * self._dtype.itemsize
        if place != self._at:
            self._file.seek(place)
        self._file.write(numbers.data)
        self._at = place + numbers.nbytes


def check_target(path: str) -> None:
    """Raise UsageError or FileError if a gradient cannot be written there."""
    pick_file_format(path)
    find_target(path)


@contextmanager
def open_gradient(
    paths: Sequence[str],
    shape: Shape,
    given_shape: Shape,
    dtype: np.dtype[Any],
    result: Result,
) -> Iterator[BlockWriter]:
    """Open files for the blocks of an array of ``shape``, which is stored as ``given_shape``.

    A single NPY file is written in place; for other formats, for pipes and for several files, a
    temporary file stores the numbers until all are written.
    """
    target = Path(paths[0])
    regular = target.is_file() or not target.exists()
    if len(paths) == 1 and pick_file_format(paths[0]).name == "npy" and regular:
        with open_binary(target) as file:
            write_npy_header(file, given_shape, dtype)
            yield BlockWriter(file, shape, dtype)
        return
    with open_spool(target.resolve().parent if regular else None) as spool:
        begin = spool.tell()
        yield BlockWriter(spool, shape, dtype)
        spool.seek(begin)
        stored = StoredElements(spool, given_shape, dtype, result, COLUMN)
        for path in paths:
            write_elements(stored, target=path)


@contextmanager
def store_gradient() -> Iterator[Path]:
    """Yield the path for a gradient to be printed, in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="lossctl-") as folder:
        yield Path(folder) / "gradient.npy"


def print_gradient(
    path: Path, result: Result, format: str | None, limit: int, precision: int
) -> None:
    """Print a gradient that was stored, in a format of per-element losses."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        stored = StoredElements(file, shape, dtype, result, COLUMN)
        write_elements(stored, format, None, limit, precision)
