"""Per-element results that are stored while they come, and read again for each file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from lossctl.output.elements.rows import Array, ElementStream, choose_dtype, name_column
from lossctl.output.elements.write import write_elements
from lossctl.output.files.files import open_spool

if TYPE_CHECKING:
    from typing import Any

    from lossctl.engine.sums.result import Result

_STORED_NUMBERS = 262_144


class StoredElements:
    """Numbers in a temporary file, from where it stands now, as a stream of elements."""

    def __init__(
        self,
        file: BinaryIO,
        shape: Sequence[int | None],
        dtype: np.dtype[Any],
        result: Result,
        column: str = "loss",
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.column = column
        self._file = file
        self._begin = file.tell()
        self._result = result

    def __iter__(self) -> Iterator[Array]:
        self._file.seek(self._begin)
        while data := self._file.read(_STORED_NUMBERS * self.dtype.itemsize):
            yield np.frombuffer(data, self.dtype)

    def result(self) -> Result:
        """Return the loss that the numbers belong to."""
        return self._result


def write_to_all(
    stream: ElementStream,
    format: str | None,
    targets: Sequence[str | None],
    limit: int = 20,
    precision: int = 6,
) -> Result:
    """Write per-element losses to several files (None: standard output), computed once."""
    if len(targets) == 1:
        return write_elements(stream, format, targets[0], limit, precision)
    with open_spool() as spool:
        dtype = choose_dtype(stream)
        for block in stream:
            spool.write(np.ascontiguousarray(block, dtype).data)
        result = stream.result()
        spool.seek(0)
        stored = StoredElements(spool, stream.shape, dtype, result, name_column(stream))
        for target in targets:
            write_elements(stored, format, target, limit, precision)
    return result
