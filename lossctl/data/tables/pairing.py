"""Rows of two tables that are paired by position although a column of both has another order.

A column of the same name that is no input is digested while the tables are read, in memory that
does not grow: sums of hashes tell whether both have the same values, in the same order, and the
smallest hashes whether the values are unique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from lossctl.data.arrays.hashes import Hashes, chain, hash_column
from lossctl.data.arrays.source import Array, PairingRemedy
from lossctl.data.tables.indices import FEWEST, looks_like_index
from lossctl.data.tables.scan import Table
from lossctl.errors import DataError, UsageError

KEPT = 1 << 16
"""The smallest hashes of a column that are kept: in a column of more rows, a sample."""

HEAD = 1 << 12
"""The first rows, which are compared before the others are read."""

MOST_COLUMNS = 8
"""Columns of two tables that are compared; those that are called an index or ids come first."""

BITS = 2**64 - 1


class Digest:
    """What is kept of a column.

    Where the first rows of both tables are the same, it is a checksum, which is fast; otherwise,
    and where checksums differ in the end, sums of hashes, and the smallest of these.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.unique = True
        """Whether no value was found twice."""
        self.light = False
        """Whether it is a checksum alone."""
        self.head = np.empty(0, np.uint64)
        """The hashes of the first rows."""
        self._checksum = (0, 0)
        self._values = 0
        self._order = 0
        self._held: list[Hashes] = []
        self._limit: np.uint64 | None = None

    def add(self, values: Array) -> None:
        """Add the next rows, unless a value was found twice."""
        if not self.unique:
            return
        self._checksum = chain(self._checksum, values)
        hashes = None if self.light else hash_column(values)
        self.rows += len(values)
        if hashes is not None:
            self._add(hashes)
        elif not self.light:
            self.unique = False

    def lighten(self) -> None:
        """Keep no more than a checksum, if no value is twice so far."""
        self.compress()
        self.light = self.unique
        self._held.clear()

    def has_same_values(self, other: Digest) -> bool:
        """Whether both have the same values, none of them twice."""
        for one in (self, other):
            one.compress()
        if self.light and other.light:
            return self.unique and self.has_same_order(other)
        mine = (self.rows, self._values, self.unique)
        return self.unique and mine == (other.rows, other._values, other.unique)

    def has_same_order(self, other: Digest) -> bool:
        """Whether the same values have the same order."""
        if self.light and other.light:
            return (self.rows, self._checksum) == (other.rows, other._checksum)
        return self._order == other._order

    def compress(self) -> None:
        """Keep the smallest hashes only, and look whether a value is there twice."""
        if not self.unique or not self._held:
            return
        kept = np.sort(np.concatenate(self._held))[:KEPT]
        self.unique = not (kept[1:] == kept[:-1]).any()
        self._held = [kept]
        if len(kept) == KEPT:
            self._limit = kept[-1]

    def _add(self, hashes: Hashes) -> None:
        before = self.rows - len(hashes)
        if not before:
            self.head = hashes[:HEAD]
        numbers = np.arange(before, self.rows, dtype=np.uint64)
        self._values = (self._values + int(hashes.sum(dtype=np.uint64))) & BITS
        weighted = hashes * (numbers * np.uint64(2) + np.uint64(1))
        self._order = (self._order + int(weighted.sum(dtype=np.uint64))) & BITS
        self._held.append(hashes if self._limit is None else hashes[hashes < self._limit])
        if sum(map(len, self._held)) > 2 * KEPT:
            self.compress()


class Watch:
    """The columns of a table that another table has too, while it is read."""

    def __init__(self, table: Table, settle: Callable[[], None]) -> None:
        self.table = table
        self.digests: dict[int, Digest] = {}
        self.ended = False
        self._settle = settle

    def read(self, columns: Sequence[int]) -> Iterator[Mapping[int, Array]]:
        """Yield columns of the table in pieces, after a look at the watched ones in each."""
        for piece in self.table.pieces(sorted({*columns, *self.digests})):
            for column, digest in self.digests.items():
                digest.add(piece[column])
            yield {column: piece[column] for column in columns}

    def end(self) -> None:
        """Compare the columns, if the other tables have been read too."""
        if not self.ended:
            self.ended = True
            self._settle()

    def find(self, name: str) -> Digest:
        """Return the digest of a column."""
        return self.digests[self.table.names.index(name)]

    def read_again(self, name: str) -> None:
        """Make a full digest of a column in a pass of its own."""
        column = self.table.names.index(name)
        digest = self.digests[column] = Digest()
        again = self.table.start_over()
        try:
            for piece in again.pieces([column]):
                digest.add(piece[column])
        finally:
            again.close()


class Watches:
    """The tables of one call."""

    def __init__(
        self, remedy: PairingRemedy, tables: Sequence[tuple[Table, set[int], set[int]]]
    ) -> None:
        """Watch tables, each with its columns that are inputs, and those of its whole ones."""
        self._remedy = remedy
        self._pairs: list[tuple[Watch, Watch, tuple[str, ...], tuple[str, ...]]] = []
        self._watches = [Watch(table, self._settle) for table, _, _ in tables]
        inputs = {table.names[column] for table, named, whole in tables for column in named - whole}
        for one, other in combinations(range(len(tables)), 2):
            self._compare(one, other, tables, inputs)

    def list_watches(self) -> Mapping[int, Watch]:
        """Return the watches that have columns to look at, by the numbers of the tables."""
        return {number: one for number, one in enumerate(self._watches) if one.digests}

    def _compare(
        self,
        one: int,
        other: int,
        tables: Sequence[tuple[Table, set[int], set[int]]],
        inputs: set[str],
    ) -> None:
        (left, _, whole), (right, _, whole_too) = tables[one], tables[other]
        shared = [
            name
            for name in left.names
            if name not in inputs and left.names.count(name) == right.names.count(name) == 1
        ]
        as_data = [
            name
            for name in shared
            if left.names.index(name) in whole or right.names.index(name) in whole_too
        ]
        if {left.names[column] for column in whole} == {
            right.names[column] for column in whole_too
        }:
            shared = [name for name in shared if name not in as_data]
            as_data = []
        shared = sorted(shared, key=lambda name: not looks_like_index(name))[:MOST_COLUMNS]
        if not shared:
            return
        pair = (self._watches[one], self._watches[other])
        for watch in pair:
            for name in shared:
                watch.digests.setdefault(watch.table.names.index(name), Digest())
        beside = tuple(name for name in shared if name not in as_data)
        self._pairs.append((*pair, beside, tuple(name for name in shared if name in as_data)))

    def look_at_heads(self) -> None:
        """Make light digests of the columns whose first rows are the same in all tables."""
        found: dict[str, list[tuple[Watch, Digest]]] = {}
        for watch in self._watches:
            for column, digest in watch.digests.items():
                found.setdefault(watch.table.names[column], []).append((watch, digest))
        for several in found.values():
            if any(watch.table.streaming or watch.ended for watch, _ in several):
                continue  # it cannot be read again, or was read already
            rows = min(len(digest.head) for _, digest in several)
            heads = {digest.head[:rows].tobytes() for _, digest in several}
            for _, digest in several if len(heads) == 1 else ():
                digest.lighten()

    def _settle(self) -> None:
        for left, right, beside, as_data in self._pairs:
            if not (left.ended and right.ended):
                continue
            for name in (*beside, *as_data):
                self._deepen(left, right, name)
            for name in as_data:
                mine, theirs = left.find(name), right.find(name)
                if mine.rows >= FEWEST and mine.has_same_values(theirs):
                    raise _no_data(left, right, name)
            same = [name for name in beside if left.find(name).has_same_values(right.find(name))]
            turned = [name for name in same if not left.find(name).has_same_order(right.find(name))]
            if turned and turned == same:  # another column in the same order shows that rows fit
                raise self._reject(left, right, turned[0])

    def _deepen(self, left: Watch, right: Watch, name: str) -> None:
        """Make full digests of a column of as many rows where a light one tells too little."""
        digests = [watch.find(name) for watch in (left, right)]
        light = [one.light for one in digests]
        if not any(light) or digests[0].rows != digests[1].rows:
            return
        if all(light) and digests[0].has_same_order(digests[1]):
            return
        for watch in (left, right):
            if watch.find(name).light:
                watch.read_again(name)

    def _reject(self, left: Watch, right: Watch, name: str) -> DataError:
        return DataError(
            f"{left.table.path} and {right.table.path} both have a column {name!r}, with the same"
            f" {left.find(name).rows} unique values in another order: rows paired by position do"
            " not belong together",
            self._remedy(name),
            f"If they do, leave {name!r} out of one of the files.",
        )


def _no_data(left: Watch, right: Watch, name: str) -> UsageError:
    return UsageError(
        f"{left.table.path} and {right.table.path} both have a column {name!r}, with the same"
        " unique values: it names the rows, and may be no data",
        "Choose columns with '#', of both files.",
    )
