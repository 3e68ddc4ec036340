"""Columns of a table in a temporary file: written one after another, read together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossctl.data.arrays.cells import CELL, Cells, unpack_cells
from lossctl.data.arrays.source import Array
from lossctl.data.streams.mmap import MappedFile
from lossctl.data.streams.spool import Spool

RELEASE_BYTES = 2 << 20
"""The memory of mapped pages is released each time so many bytes were read."""


class ColumnSpool:
    """Columns that are written one after another, some rows at a time, and read together."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._parts: dict[int, deque[_Part]] = {}

    def add(self, column: int, rows: Array | Cells) -> None:
        """Append rows of a column."""
        self._spool.align(64)
        if isinstance(rows, Cells):
            content = rows.pack()
            part = _Part(self._spool.append(content), len(content), CELL, rows.shape)
        else:
            numbers = np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
            part = _Part(self._spool.append(numbers.data), rows.nbytes, rows.dtype, rows.shape)
        self._parts.setdefault(column, deque()).append(part)

    def pieces(self, size: int) -> Iterator[dict[int, Any]]:
        """Yield all columns, about ``size`` bytes at a time, as views of the mapped file."""
        mapped = self._spool.map()
        columns = {column: self._views(mapped, column) for column in self._parts}
        rows = {column: next(views) for column, views in columns.items()}
        passed = 0
        while True:
            width = sum(one.nbytes // len(one) for one in rows.values())
            count = min(max(1, size // max(1, width)), *map(len, rows.values()))
            yield {column: one[:count] for column, one in rows.items()}
            passed += count * width
            if passed >= RELEASE_BYTES:
                mapped.release(0, mapped.size)
                passed = 0
            for column, one in rows.items():
                rest = one[count:] if count < len(one) else next(columns[column], None)
                if rest is None:
                    return
                rows[column] = rest

    def _views(self, mapped: MappedFile, column: int) -> Iterator[Any]:
        for part in self._parts[column]:
            count = int(np.prod(part.shape))
            if not count:
                continue
            if part.dtype == CELL:
                yield unpack_cells(memoryview(mapped.content)[part.start : part.start + part.size])
            else:
                yield np.frombuffer(mapped.content, part.dtype, count, part.start).reshape(
                    part.shape
                )


@dataclass(frozen=True, slots=True)
class _Part:
    """The offset, dtype and shape of some rows of a column in a spool."""

    start: int
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
