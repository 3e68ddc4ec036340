"""The rows of an evaluation, some at a time: matched, filtered, and every column of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cell_values import ValueType
from lossctl.data.arrays.class_names import INDICES, Accepted, ClassNames
from lossctl.data.arrays.source import Array, Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.errors import DataError
from lossctl.evaluation.rows.dataset import Asked, Dataset, open_columns
from lossctl.evaluation.rows.filter import Filter
from lossctl.evaluation.rows.join import Matching, ReorderedSource, table_of
from lossctl.findings import OptionName, Sentence

CHUNK_NUMBERS = 1 << 21
CHUNK_ROWS = 1 << 17
"""Rows come in chunks of so many numbers, or so many rows. As the blocks of a plan, these depend on
the shape of a row alone, never on threads or files: every run adds up the same chunks."""

CHUNKS_AT_ONCE = 2
"""Short rows are read by so many chunks: a block of one number a row is as long."""

WHERE = "where"


@dataclass(slots=True)
class Chunk:
    """Some rows: their numbers in the dataset, and every column that was asked for."""

    numbers: NDArray[np.int64]
    columns: dict[Any, Any]
    stop: int
    """The row of the dataset where the next chunk begins."""


@dataclass
class Recipe:
    """Which rows are read, and how class names become indices."""

    dataset: Dataset
    filter: Filter | None = None
    matching: Matching | None = None
    classes: ClassNames | None = None
    indexed: frozenset[Any] = frozenset()
    """Columns that are class indices, or the names of classes."""
    accepted: Accepted = INDICES
    """The numbers that may be labels beside the indices of the classes."""
    time_major: frozenset[Any] = frozenset()
    """Arrays whose second axis is the rows: they are held in memory."""

    @property
    def selective(self) -> bool:
        """Whether rows may be left out."""
        return self.filter is not None or self.matching is not None


class TimeMajorSource(DelegatingSource):
    """A source of ``T N …`` as one whose rows are the samples."""

    def __init__(self, source: Source) -> None:
        if len(source.shape) < 2:
            raise DataError(f"{source.name} has no second axis for the samples")
        self._values = np.moveaxis(source.whole(), 1, 0)
        super().__init__(source, self._values.shape[1:])

    @property
    def length(self) -> int:  # type: ignore[override]  # known, unlike that of other sources
        """The number of samples."""
        return len(self._values)

    def read(self, start: int, stop: int) -> Array:
        """Return samples."""
        return self._values[start:stop]

    def whole(self) -> Array:
        """Return all samples."""
        return self._values

    def count(self) -> int:
        """Return the number of samples."""
        return self.length

    def expect(self) -> int:
        """Return the number of samples."""
        return self.length

    def release(self, stop: int) -> None:
        """Keep the samples, which are held in memory."""


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
        where = {
            (WHERE, name): Asked(name, labels=True, what="where", single=True) for name in names
        }
        wanted = {**self.asked, **where}
        self.sources = open_columns(recipe.dataset, wanted)
        self._kinds: dict[str, ValueType] = {}
        for key in recipe.time_major & self.sources.keys():
            self.sources[key] = TimeMajorSource(self.sources[key])
        if recipe.matching is not None:
            for key, one in wanted.items():
                places = recipe.matching.places.get(table_of(recipe.dataset, one.given))
                if places is not None:
                    self.sources[key] = ReorderedSource(self.sources[key], places)

    def __iter__(self) -> Iterator[Chunk]:
        try:
            for chunk in self.chunks():
                yield chunk
                self.release(chunk.stop)
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

    def release(self, stop: int) -> None:
        """Let go of the memory behind the rows of the dataset before ``stop``."""
        for source in self.sources.values():
            source.release(stop)

    def count_selected(self) -> int | None:
        """Return how many rows will be evaluated; None where it takes reading to tell."""
        if self.recipe.filter is not None:
            return None
        if self.recipe.matching is not None:
            return int(np.count_nonzero(self.recipe.matching.keep))
        lengths = (source.length for source in self.sources.values())
        return next((one for one in lengths if one is not None), None)

    def check_lengths(self) -> None:
        """Raise DataError where columns are known to differ in length."""
        if len({source.length for source in self.sources.values()} - {None}) > 1:
            raise self._uneven()

    def read_whole(self, key: Any) -> tuple[Array, NDArray[np.int64] | None]:
        """Return all rows of one column that are evaluated, and their numbers if some are not."""
        recipe = self.recipe
        if recipe.filter is not None:
            chunks = list(Reader(recipe, {key: self.asked[key]}))
            numbers = np.concatenate([chunk.numbers for chunk in chunks])
            return np.concatenate([chunk.columns[key] for chunk in chunks]), numbers
        values: Any = self.sources[key].whole()
        numbers = np.arange(len(values))
        if recipe.matching is not None:
            numbers = np.flatnonzero(recipe.matching.keep)
            values = _take(values, numbers)
        return np.asarray(self._index(key, values, numbers)), numbers

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows, and leave it to the caller to release and close what they are from."""
        self.check_lengths()
        numbers = sum(math.prod(source.trailing) or 1 for source in self.sources.values())
        step = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // max(1, numbers)))
        short = CHUNKS_AT_ONCE * step * numbers <= CHUNK_NUMBERS
        window = CHUNKS_AT_ONCE * step if short else step
        while True:
            start = self.seen
            columns = {
                key: source.read(start, start + window) for key, source in self.sources.items()
            }
            counts = {len(column) for column in columns.values()}
            if len(counts) > 1:
                raise self._uneven()
            count = counts.pop() if counts else 0
            for first in range(0, count or start == 0, step):
                rows = min(step, count - first)
                self.seen += rows
                some = {key: column[first : first + rows] for key, column in columns.items()}
                yield self._select(start + first, rows, some)
            if count < window:
                return

    def _select(self, start: int, count: int, columns: dict[Any, Any]) -> Chunk:
        """Leave out what is not matched or filtered out, and make indices of class names."""
        recipe = self.recipe
        keep: NDArray[np.bool_] | None = None
        if recipe.matching is not None:
            keep = recipe.matching.keep[start : start + count]
            self.matched += int(np.count_nonzero(keep))
        if recipe.filter is not None:
            names = recipe.filter.columns
            filtered = recipe.filter.keep(
                {name: columns[WHERE, name] for name in names},
                [name for name in names if self.sources[WHERE, name].text],
                self._kinds,
            )
            keep = filtered if keep is None else keep & filtered
        columns = {key: column for key, column in columns.items() if key in self.asked}
        if keep is None or keep.all():
            numbers = np.arange(start, start + count)
        else:
            places = np.flatnonzero(keep)
            numbers = places + start
            columns = {key: _take(column, places) for key, column in columns.items()}
        self.kept += len(numbers)
        for key in recipe.indexed & columns.keys():
            columns[key] = self._index(key, columns[key], numbers)
        return Chunk(numbers, columns, start + count)

    def _index(self, key: Any, column: Any, numbers: NDArray[np.int64]) -> Any:
        """Return a column with class names as the indices of the classes."""
        recipe = self.recipe
        if key not in recipe.indexed or recipe.classes is None:
            return column
        source, what = self.sources[key], self.asked[key].what
        if is_matrix(source):
            return column
        return recipe.classes.index(column, source, numbers, what, accepted=recipe.accepted)

    def _uneven(self) -> DataError:
        counts = dict.fromkeys(
            f"{source.name} has {source.count()} rows" for source in self.sources.values()
        )
        return DataError(
            f"the columns differ in length: {', '.join(counts)}",
            Sentence.of(
                "All must have the same rows in the same order, or name a key with {on}.",
                OptionName("on"),
            ),
        )


def is_matrix(source: Source) -> bool:
    """Return whether targets are numbers for each class, and not labels."""
    return bool(source.trailing) and source.dtype.kind == "f"


def _take(column: Any, places: NDArray[np.int64]) -> Any:
    """Return some rows of a column; a matrix may have its columns one after another."""
    return column.take(places) if len(column.shape) == 1 else column[places]
