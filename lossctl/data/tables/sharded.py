"""Shards: several files read as one array or one table, opened one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from lossctl.data.arrays.cells import CELL
from lossctl.data.arrays.source import Array, Source
from lossctl.data.tables.columns import find_column
from lossctl.data.tables.scan import Layout, Table
from lossctl.errors import DataError
from lossctl.findings import Location

OpenShard = Callable[[int], Source | Table]


class ShardedSource(Source):
    """Arrays in several files, one after another along the first axis."""

    def __init__(self, name: str, paths: Sequence[Path], open_shard: OpenShard) -> None:
        self.name = name
        self._paths = paths
        self._open = open_shard
        self._number = -1
        self._current: Source | None = None
        lengths = []
        for number in range(len(paths)):
            shard = self._turn_to(number)
            if number == 0:
                self.dtype, self.trailing = shard.dtype, shard.trailing
            self._check(shard, paths[number])
            lengths.append(shard.count())
        self._starts = [0, *accumulate(lengths)]
        self.length = self._starts[-1]

    def read(self, start: int, stop: int) -> Array:
        """Return the rows, of as many shards as they are in."""
        assert self.length is not None
        start, stop = min(start, self.length), min(stop, self.length)
        parts: list[Array] = []
        while start < stop or not parts:
            number = self._find(start)
            first, end = self._starts[number : number + 2]
            parts.append(self._turn_to(number).read(start - first, min(stop, end) - first))
            start = min(stop, end)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut to the box; of a single shard, nothing else is read."""
        number = self._find(start)
        first, end = self._starts[number : number + 2]
        if not first <= start < stop <= end:
            return super().read_box(start, stop, box)
        return self._turn_to(number).read_box(start - first, stop - first, box)

    def whole(self) -> Array:
        """Return the complete array."""
        assert self.length is not None
        array = np.empty((self.length, *self.trailing), self.dtype)
        for number in range(len(self._paths)):
            array[self._starts[number] : self._starts[number + 1]] = self._turn_to(number).whole()
        return array

    def place(self, position: tuple[int, ...]) -> Location:
        """Return the location of an element: the shard, and the place in it."""
        number = self._find(position[0])
        local = (position[0] - self._starts[number], *position[1:])
        return super().place(local).replace(file=str(self._paths[number]))

    def release(self, stop: int) -> None:
        """Release the memory of the open shard."""
        first = self._starts[self._number] if self._current is not None else stop
        if stop > first and self._current is not None:
            self._current.release(stop - first)

    def release_all(self) -> None:
        """Release the memory of the open shard."""
        if self._current is not None:
            self._current.release_all()

    def close(self) -> None:
        """Close the open shard."""
        if self._current is not None:
            self._current.close()
        self._current, self._number = None, -1

    def _find(self, row: int) -> int:
        """Return the number of the shard that contains a row."""
        return min(bisect_right(self._starts, row), len(self._paths)) - 1

    def _turn_to(self, number: int) -> Source:
        if self._current is None or self._number != number:
            self.close()
            opened = self._open(number)
            if isinstance(opened, Table):
                opened.close()
                raise _mixed(self._paths[0], self._paths[number])
            self._current, self._number = opened, number
        return self._current

    def _check(self, shard: Source, path: Path) -> None:
        if shard.scalar:
            raise DataError(
                f"{path} contains one number, without an axis: it cannot be a shard",
                "Save an array of at least one axis.",
            )
        if shard.trailing != self.trailing or shard.dtype.type != self.dtype.type:
            raise _different(
                "rows",
                (self._paths[0], (self.dtype, self.trailing)),
                (path, (shard.dtype, shard.trailing)),
            )


class ShardedTable(Table):
    """Tables in several files, one after another."""

    def __init__(
        self, path: Path, paths: Sequence[Path], open_shard: OpenShard, first: Table
    ) -> None:
        self.path = path
        self.called = str(path)
        self.names = first.names
        self.text = first.text
        self._paths = paths
        self._open = open_shard
        self._first = first
        self._current: Table | None = None
        self._begun: list[tuple[int, Table]] = []
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._start = paths.index(first.path)
        self._kinds: dict[object, Table] = {}
        if first.length is not None:
            self.length = first.length + sum(
                self._measure(number) for number in range(len(paths)) if number != self._start
            )

    def pieces(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Read one shard after another, after checking that their layouts match."""
        for table in self._kinds.values():
            for column in columns:
                self._find(table, column)
        rows = 0
        for number in range(len(self._paths)):
            table = self._first if number == self._start else self._open_table(number)
            self._current = table
            if not table.names:
                table.close()
                continue
            self._begun.append((rows, table))
            places = {column: self._find(table, column) for column in columns}
            table.as_cells = frozenset(
                places[column] for column in columns if column in self.as_cells
            )
            for arrays in table.pieces(sorted(places.values())):
                piece = {column: arrays[place] for column, place in places.items()}
                self._check_shapes(piece, table.path)
                rows += len(next(iter(piece.values())))
                yield piece
            table.close()

    def layout(self, column: int) -> Layout | None:
        """Return the layout in the first shard."""
        return (CELL, ()) if column in self.as_cells else self._first.layout(column)

    def non_numeric_columns(self) -> Mapping[int, str]:
        """Return the non-numeric columns of the first shard."""
        return self._first.non_numeric_columns()

    def hidden(self, column: int) -> bool:
        """Return whether the first shard hides the column."""
        return self._first.hidden(column)

    def check_header(self, fragment: str | None) -> None:
        """Check the header of the first shard."""
        self._first.check_header(fragment)

    def reopen(self) -> ShardedTable:
        """Reopen the shards at their beginning."""
        return ShardedTable(self.path, self._paths, self._open, self._first.reopen())

    def locate_row(self, row: int) -> Location:
        """Return the location of a row: the shard, and the place in it."""
        number = bisect_right(self._begun, row, key=lambda begun: begun[0]) - 1
        first, table = self._begun[max(number, 0)] if self._begun else (0, self._first)
        return table.locate_row(row - first).replace(file=str(table.path))

    def close(self) -> None:
        """Close the open shard."""
        self._first.close()
        if self._current is not None:
            self._current.close()

    def _open_table(self, number: int) -> Table:
        opened = self._open(number)
        if type(opened) is not type(self._first):
            opened.close()
            raise _mixed(self._first.path, self._paths[number])
        assert isinstance(opened, Table)
        return opened

    def _measure(self, number: int) -> int:
        table = self._open_table(number)
        table.close()
        self._kinds.setdefault(table.signature(), table)
        assert table.length is not None
        return table.length

    def _find(self, table: Table, column: int) -> int:
        """Return the position of a column of the first shard in another one."""
        if table.names == self.names:
            place = column
        elif table.names.count(self.names[column]) == 1:
            place = find_column(self.names[column], table.names, table.path)
        else:
            raise DataError(
                f"{self._first.path} has the columns {_list(self.names)}, "
                f"but {table.path} has {_list(table.names)}",
                "Shards need the same columns.",
            )
        if column in self.as_cells:
            return place
        ours, theirs = self._first.layout(column), table.layout(place)
        if ours is not None and theirs is not None and not _fits(ours, theirs):
            what = f"column {self.names[column]!r}"
            raise _different(what, (self._first.path, ours), (table.path, theirs))
        return place

    def _check_shapes(self, piece: Mapping[int, Array], path: Path) -> None:
        for column, array in piece.items():
            if len(array) and self._shapes.setdefault(column, array.shape[1:]) != array.shape[1:]:
                raise _different(
                    f"column {self.names[column]!r}",
                    (self._first.path, (array.dtype, self._shapes[column])),
                    (path, (array.dtype, array.shape[1:])),
                )


def _fits(ours: Layout, theirs: Layout) -> bool:
    # A 0 means a list whose length is known only from the rows.
    sizes = zip(ours[1], theirs[1], strict=False)
    return (
        ours[0].type == theirs[0].type
        and len(ours[1]) == len(theirs[1])
        and all(one == other or 0 in (one, other) for one, other in sizes)
    )


def _different(what: str, ours: tuple[Path, Layout], theirs: tuple[Path, Layout]) -> DataError:
    return DataError(
        f"the shards differ: {what} of {ours[0]} are {_describe(*ours[1])}, "
        f"of {theirs[0]} {_describe(*theirs[1])}",
        "Shards need the same dtype, and the same shape except for the number of rows.",
    )


def _mixed(first: Path, other: Path) -> DataError:
    return DataError(
        f"the shards differ: {first} and {other} have different formats",
        "Name files that have the same format.",
    )


def _describe(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    sizes = " × ".join(str(size or "?") for size in shape)
    return f"{sizes} numbers of {dtype}" if sizes else f"single numbers of {dtype}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
