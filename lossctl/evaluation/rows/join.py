"""Rows of several files put in one order by a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data import open_sources
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.data.references.columns import read_names
from lossctl.data.references.open import find_files, is_reference
from lossctl.data.references.parse import parse_reference
from lossctl.errors import DataError, UsageError, did_you_mean
from lossctl.evaluation.rows.dataset import Asked, Dataset, is_frame
from lossctl.findings import Location, OptionName, Sentence

HOWS = ("exact", "inner")
SHOWN = 5
Places = NDArray[np.int64]


@dataclass
class Matching:
    """Which row of every other file belongs to each row of the first one."""

    keep: NDArray[np.bool_]
    """Rows of the first file that all others have."""
    places: dict[Any, Places]
    """By file: the row for each row of the first file (0 where there is none)."""
    notes: list[str] = field(default_factory=list)


class ReorderedSource(DelegatingSource):
    """A source whose rows are taken in another order; it is held in memory."""

    def __init__(self, source: Source, places: Places) -> None:
        super().__init__(source)
        self._places = places
        self._values = source.whole()
        self.dtype = source.dtype  # of a text file, it is known when all has been read

    @property
    def length(self) -> int:  # type: ignore[override]  # known, unlike that of other sources
        """The number of rows in the new order."""
        return len(self._places)

    def read(self, start: int, stop: int) -> Any:
        """Return rows, in the new order."""
        places = self._places[start:stop]
        if isinstance(self._values, Cells):
            return self._values.take(places)
        return self._values[places]

    def whole(self) -> Any:
        """Return everything, in the new order."""
        return self.read(0, len(self._places))

    def count(self) -> int:
        """Return the number of rows in the new order."""
        return self.length

    def expect(self) -> int:
        """Return the number of rows in the new order."""
        return self.length

    def place(self, position: tuple[int, ...]) -> Location:
        """Return where an element is in the source as it was given."""
        return self.source.place((int(self._places[position[0]]), *position[1:]))

    def release(self, stop: int) -> None:
        """Keep the rows, which are held in memory."""


def identify(reference: Any) -> Any:
    """Return what is equal for all columns of one table."""
    return find_files(reference).key if is_reference(reference) else id(reference)


def match(dataset: Dataset, asked: Mapping[Any, Asked], how: str) -> Matching:
    """Match the rows of all files by the dataset's key.

    Raises DataError where a key appears twice in a file, and where rows have no match, unless
    ``how`` is inner: then the rows that all files have are kept.
    """
    if how not in HOWS:
        raise UsageError(f"how must be one of {', '.join(HOWS)}, not {how!r}")
    tables = _find_tables(dataset, asked)
    keys = {name: _read_keys(table, dataset) for name, table in tables.items()}
    (first, mine), *others = keys.items()
    keep = np.ones(len(mine), np.bool_)
    places: dict[Any, Places] = {}
    notes: list[str] = []
    for name, theirs in others:
        ours, other = _same_kind(mine, theirs)
        found = np.asarray(other.get_indexer(ours), np.int64)
        called = (_call(tables[first]), _call(tables[name]))
        strays = np.ones(len(other), np.bool_)
        strays[found[found >= 0]] = False
        problems = [
            _count_strays(ours[found < 0], len(ours), *called),
            _count_strays(other[strays], len(other), *called[::-1]),
        ]
        if how == "exact" and any(problems):
            raise DataError(
                f"rows have no match by {dataset.key!r}: {'; '.join(filter(None, problems))}",
                Sentence.of("{how} keeps the rows that match.", OptionName("how", "inner")),
            )
        notes += [f"{text}: left out" for text in problems if text]
        keep &= found >= 0
        places[name] = np.maximum(found, 0)
    return Matching(keep, places, notes)


def _find_tables(dataset: Dataset, asked: Mapping[Any, Asked]) -> dict[Any, Any]:
    """Return the tables that the columns are of, the first one first."""
    tables: dict[Any, Any] = {}
    if dataset.data is not None:
        tables[table_of(dataset, dataset.data)] = dataset.data
    for one in asked.values():
        given = one.given
        if dataset.data is not None and isinstance(given, str) and dataset.has(given):
            continue
        if not is_reference(given) and not is_frame(given):
            raise UsageError(
                f"{one.what} is an array without a column {dataset.key!r}, and cannot be matched",
                "Give a DataFrame or a table with that column, or align the rows by position.",
            )
        tables.setdefault(table_of(dataset, given), given)
    return tables


def table_of(dataset: Dataset, given: Any) -> Any:
    """Return the identity of the table that something given is a column of."""
    if dataset.data is not None and isinstance(given, str) and dataset.has(given):
        return identify(dataset.data)
    return identify(given)


def _read_keys(table: Any, dataset: Dataset) -> Any:
    """Return the keys of a table as a pandas Index; raises DataError if any is missing or twice."""
    import pandas as pd

    assert dataset.key is not None
    if is_reference(table):
        source = _open_key(table, dataset.key)
        try:
            cells = source.whole()
        finally:
            source.close()
        if not isinstance(cells, Cells):
            raise UsageError(f"{_call(table)} is one array, without a column {dataset.key!r}")
        keys = pd.Index(cells.series())
    else:
        if dataset.key not in table.columns:
            raise UsageError(
                f"{_call(table)} has no column {dataset.key!r} to match rows by",
                did_you_mean(dataset.key, [str(name) for name in table.columns]),
            )
        keys = pd.Index(table[dataset.key])
    empty = int(keys.isna().sum())
    if empty:
        rows = "row has" if empty == 1 else "rows have"
        raise DataError(f"{_call(table)}: {empty} {rows} no key in {dataset.key!r}")
    twice = keys[keys.duplicated(keep="first")]
    if len(twice):
        raise DataError(
            f"{_call(table)}: {len(twice)} {'row has' if len(twice) == 1 else 'rows have'} a key in"
            f" {dataset.key!r} that duplicates an earlier one: {_show(twice.unique())}",
            "Keys must be unique; drop the duplicates.",
        )
    return keys


def _open_key(table: Any, key: str) -> Source:
    paths = [table] if not isinstance(table, list | tuple) else list(table)
    plain = [str(parse_reference(str(path)).path) for path in paths]
    names = read_names(plain if len(plain) > 1 else plain[0])
    if key not in names:
        raise UsageError(
            f"{_call(table)} has no column {key!r} to match rows by",
            did_you_mean(key, names) or "Align its rows by position, or give a table.",
        )
    references = [f"{path}#{key}" for path in plain]
    (source,) = open_sources([references if len(references) > 1 else references[0]], {0})
    return source


def _same_kind(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Return keys that can be compared: as strings if one file has strings and another numbers."""
    strings = [one.dtype.kind not in "iuf" for one in (mine, theirs)]
    if strings[0] == strings[1]:
        return mine, theirs
    return mine.astype(str), theirs.astype(str)


def _count_strays(strays: Any, rows: int, where: str, other: str) -> str:
    if not len(strays):
        return ""
    return f"{len(strays)} of {rows} rows of {where} are not in {other} ({_show(strays)})"


def _show(keys: Sequence[Any]) -> str:
    shown = ", ".join(repr(key) if isinstance(key, str) else str(key) for key in keys[:SHOWN])
    return shown + (", …" if len(keys) > SHOWN else "")


def _call(table: Any) -> str:
    if is_frame(table):
        return "a DataFrame"
    first = table[0] if isinstance(table, list | tuple) else table
    return str(parse_reference(str(first)).path)
