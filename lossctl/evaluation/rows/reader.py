"""The rows of an evaluation, some at a time: matched, filtered, and every column of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.class_names import ClassNames
from lossctl.data.arrays.source import Array, Source
from lossctl.errors import DataError, Location
from lossctl.evaluation.rows.dataset import Asked, Dataset, open_columns
from lossctl.evaluation.rows.filter import Filter
from lossctl.evaluation.rows.join import Matching, Reordered, table_of

CHUNK_NUMBERS = 1 << 21
CHUNK_ROWS = 1 << 17
"""Rows are read by so many numbers, or so many rows. Like the cutting of blocks this depends on the
shape of a row alone, never on threads or files, so that every run adds up the same chunks."""

WHERE = "where"


@dataclass(slots=True)
class Chunk:
    """Some rows: their numbers in the dataset, and every column that was asked for."""

    numbers: NDArray[np.int64]
    columns: dict[Any, Any]


@dataclass
class Recipe:
    """Which rows are read, and what makes indices of text labels."""

    dataset: Dataset
    filter: Filter | None = None
    matching: Matching | None = None
    classes: ClassNames | None = None
    indexed: frozenset[Any] = frozenset()
    """Columns that are class indices, or the names of classes."""
    turned: frozenset[Any] = frozenset()
    """Arrays whose second axis is the rows: they are held in memory."""


class Turned(Source):
    """A source of ``T N …`` as one whose rows are the samples."""

    def __init__(self, source: Source) -> None:
        if len(source.shape) < 2:
            raise DataError(f"{source.name} has no second axis for the samples")
        self.source = source
        self.name, self.dtype, self.text = source.name, source.dtype, source.text
        self._values = np.moveaxis(source.whole(), 1, 0)
        self.length, self.trailing = self._values.shape[0], self._values.shape[1:]

    def read(self, start: int, stop: int) -> Array:
        """Return samples."""
        return self._values[start:stop]

    def whole(self) -> Array:
        """Return all samples."""
        return self._values

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the source as it was given."""
        return self.source.place(position)

    def close(self) -> None:
        """Close the source."""
        self.source.close()


@dataclass
class Reader:
    """One pass over columns of a dataset."""

    recipe: Recipe
    asked: Mapping[Any, Asked]
    sources: dict[Any, Source] = field(init=False)
    seen: int = 0
    matched: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        recipe = self.recipe
        names = recipe.filter.columns if recipe.filter is not None else ()
        where = {(WHERE, name): Asked(name, labels=True, what="where") for name in names}
        wanted = {**self.asked, **where}
        self.sources = open_columns(recipe.dataset, wanted)
        self._kinds: dict[str, str] = {}
        for key in recipe.turned & self.sources.keys():
            self.sources[key] = Turned(self.sources[key])
        if recipe.matching is not None:
            for key, one in wanted.items():
                places = recipe.matching.places.get(table_of(recipe.dataset, one.given))
                if places is not None:
                    self.sources[key] = Reordered(self.sources[key], places)

    def __iter__(self) -> Iterator[Chunk]:
        try:
            yield from self._chunks()
        finally:
            self.close()

    def expect(self) -> int | None:
        """Return about how many rows there are, where that is known or can be guessed."""
        guesses = (source.expect() for source in self.sources.values())
        return next((one for one in guesses if one is not None), None)

    def close(self) -> None:
        """Close all sources."""
        for source in self.sources.values():
            source.close()

    def _chunks(self) -> Iterator[Chunk]:
        lengths = {source.length for source in self.sources.values()} - {None}
        if len(lengths) > 1:
            raise self._uneven()
        numbers = sum(math.prod(source.trailing) or 1 for source in self.sources.values())
        step = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // max(1, numbers)))
        while True:
            start = self.seen
            columns = {
                key: source.read(start, start + step) for key, source in self.sources.items()
            }
            counts = {len(column) for column in columns.values()}
            if len(counts) > 1:
                raise self._uneven()
            count = counts.pop() if counts else 0
            self.seen += count
            if count or start == 0:
                yield self._select(start, count, columns)
            for source in self.sources.values():
                source.release(start + count)
            if count < step:
                return

    def _select(self, start: int, count: int, columns: dict[Any, Any]) -> Chunk:
        """Leave out what is not matched or filtered out, and make indices of class names."""
        recipe = self.recipe
        keep: NDArray[np.bool_] | None = None
        if recipe.matching is not None:
            keep = recipe.matching.keep[start : start + count]
            self.matched += int(np.count_nonzero(keep))
        if recipe.filter is not None:
            filtered = recipe.filter.keep(
                {name: self._type(name, columns[WHERE, name]) for name in recipe.filter.columns}
            )
            keep = filtered if keep is None else keep & filtered
        numbers = np.arange(start, start + count)
        columns = {key: column for key, column in columns.items() if key in self.asked}
        if keep is not None and not keep.all():
            numbers = numbers[keep]
            columns = {key: _take(column, keep) for key, column in columns.items()}
        self.kept += len(numbers)
        for key in recipe.indexed & columns.keys():
            if isinstance(columns[key], Cells) and recipe.classes is not None:
                what = self.asked[key].what
                columns[key] = recipe.classes.index(columns[key], self.sources[key], numbers, what)
        return Chunk(numbers, columns)

    def _type(self, name: str, cells: Any) -> Any:
        """Return a column of a text file as numbers, or truths, if its first rows are such."""
        if not isinstance(cells, Cells) or not self.sources[WHERE, name].text:
            return cells
        known = self._kinds.get(name)
        for kind in (known,) if known else ("double", "bool", "string"):
            try:
                typed = cells.read_as(kind)
            except ValueError as error:  # a broken number, to Arrow too
                if known is None:
                    continue
                raise DataError(
                    f"column {name!r} holds numbers in its first rows, but not in all: {error}",
                    "Correct the cell, or compare a column that holds one kind.",
                ) from error
            if not typed.empty:
                self._kinds[name] = kind
            return typed
        return cells

    def _uneven(self) -> DataError:
        counts = dict.fromkeys(
            f"{source.name} has {source.count()} rows" for source in self.sources.values()
        )
        return DataError(
            f"the columns differ in length: {', '.join(counts)}",
            "All must hold the same rows in the same order, or name a key with --on.",
        )


def _take(column: Any, keep: NDArray[np.bool_]) -> Any:
    if isinstance(column, Cells):
        return column.take(np.flatnonzero(keep))
    return column[keep]
