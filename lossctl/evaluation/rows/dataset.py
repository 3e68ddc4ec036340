"""Where the columns of an evaluation come from, all read in one pass.

A string is a column of the dataset if it has one of that name, or else a reference to a file. All
columns have the same rows in the same order, or are put in order by a key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from lossctl.data import open_sources
from lossctl.data.arrays.source import Source
from lossctl.data.references.columns import read_data_names, read_names
from lossctl.data.references.open import is_reference
from lossctl.data.references.parse import parse_reference
from lossctl.data.tables.columns import choose_columns
from lossctl.errors import DataError, UsageError, did_you_mean
from lossctl.findings import OptionName, Sentence

FILE_WORDS = ("#", "/", "\\", "*")
"""Characters that mark a string as a file rather than a column."""


@dataclass(frozen=True)
class Asked:
    """Something that is to be read: what was given for it, and whether it is labels."""

    given: Any
    labels: bool = False
    what: str = ""
    """Its purpose, for messages."""
    single: bool = False
    """Whether it is one value a row, by which rows are named or grouped."""


@dataclass
class Dataset:
    """The dataset that columns are named in: a file or its shards, a DataFrame, or none."""

    data: Any = None
    names: list[str] = field(default_factory=list)
    key: str | None = None
    """The column that rows are matched by."""

    @classmethod
    def open(cls, data: Any, key: str | None = None) -> Dataset:
        """Look at what columns there are."""
        if data is None:
            return cls(key=key)
        if is_reference(data):
            return cls(_plain(data), read_names(_plain(data)), key)
        frame = to_frame(data)
        if not all(isinstance(name, str) for name in frame.columns):
            frame = frame.rename(columns=str)
        return cls(frame, list(frame.columns), key)

    @property
    def stored(self) -> bool:
        """Whether the dataset is in files."""
        return is_reference(self.data)

    def resolve(self, asked: Asked) -> Any:
        """Return what to open for something: a reference, or an array."""
        given = asked.given
        if asked.labels and isinstance(given, list | tuple):
            return np.array(given, np.object_)  # labels, not the names of files
        if not isinstance(given, str):
            return self._without_key(given)
        if self.data is None or not self.has(given):
            return self._without_key(self._check_file(asked))
        columns = self.choose(given)
        if asked.labels and len(columns) > 1:
            raise UsageError(f"{asked.what} {given!r} names {len(columns)} columns, not one")
        if not self.stored:
            return self.data[columns[0]] if len(columns) == 1 else self.data[columns]
        fragment = given if len(columns) > 1 or given in self.names else columns[0]
        return _with_fragment(self.data, fragment)

    def choose(self, given: str) -> list[str]:
        """Return the names of the dataset's columns that a string names."""
        return [self.names[place] for place in choose_columns(given, self.names, self._called)]

    def has(self, given: str) -> bool:
        """Whether a string names columns of the dataset."""
        if given in self.names:
            return True
        parts = [end for part in given.split(",") for end in (part, *part.split(":"))]
        if "#" in given:  # columns of another file may be called like this dataset's
            parts = [part for part in parts if "#" in part]
        return any(part in self.names for part in parts)

    def _check_file(self, asked: Asked) -> str:
        """Return a string that is not a column of the dataset, if it may be a file."""
        given = str(asked.given)
        reference = parse_reference(given)
        if reference.standard or reference.path.exists() or self.data is None:
            return given
        if any(word in given for word in FILE_WORDS):
            return given
        raise UsageError(
            f"{asked.what}: {self._called} has no column {given!r}, and there is no such file",
            did_you_mean(given, self.names),
        )

    def _without_key(self, given: Any) -> Any:
        """Leave the key out where all columns of a table are meant."""
        if self.key is None:
            return given
        if is_frame(given) and self.key in given.columns:
            return given.drop(columns=self.key)
        if not is_reference(given) or parse_reference(_first(given)).fragment is not None:
            return given
        if self.key not in read_names(given):
            return given
        return _with_fragment(given, ",".join(read_data_names(given, self.key)))

    @property
    def _called(self) -> str:
        return str(_first(self.data)) if self.stored else "the DataFrame"


def open_columns(dataset: Dataset, asked: Mapping[Any, Asked]) -> dict[Any, Source]:
    """Open everything that is asked for; columns of the same file share one pass over it."""
    references = [dataset.resolve(one) for one in asked.values()]
    labels = {place for place, one in enumerate(asked.values()) if one.labels}
    inputs = frozenset(place for place, one in enumerate(asked.values()) if not one.single)
    pairing = (inputs, _pair_rows) if dataset.key is None else None
    sources = open_sources(references, labels, pairing=pairing)
    for one, source, reference in zip(asked.values(), sources, references, strict=True):
        if not is_reference(reference):
            source.name = one.given if isinstance(one.given, str) else one.what
    try:
        for one, source in zip(asked.values(), sources, strict=True):
            if one.single and any(size != 1 for size in source.trailing):
                raise _reject_several(one, source)
    except DataError:
        for source in sources:
            source.close()
        raise
    return dict(zip(asked, sources, strict=True))


def _reject_several(asked: Asked, source: Source) -> DataError:
    shape = ", ".join("N" if size is None else str(size) for size in source.shape)
    return DataError(
        f"{asked.what} needs one value per row, but {source.name} has the shape ({shape})",
        "Name one of its columns, or save one value per row.",
    )


def _pair_rows(column: str) -> Sentence:
    return Sentence.of("Pair them by that column: add {on}.", OptionName("on", column))


def list_references(dataset: Dataset, asked: Mapping[Any, Asked]) -> list[Any]:
    """Return everything that may be a file that is read."""
    return [dataset.data, *(dataset.resolve(one) for one in asked.values())]


def is_frame(given: Any) -> bool:
    """Whether something is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def to_frame(data: Any) -> Any:
    """Return data in memory as a pandas DataFrame."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        try:
            return pd.DataFrame(data)
        except ValueError as error:
            raise UsageError(f"the columns of the dataset do not fit together: {error}") from error
    if hasattr(data, "to_pandas"):
        return data.to_pandas()
    raise UsageError(
        f"a {type(data).__name__} is not a dataset",
        "Give a path, a DataFrame, or a dict of columns.",
    )


def _plain(data: Any) -> Any:
    """Return the path or paths of a dataset, without columns."""
    for one in _listed(data):
        if parse_reference(one).fragment is not None:
            raise UsageError(
                f"{one!r} names columns, but the dataset is a whole file",
                "Name its columns where they are used.",
            )
    return data


def _listed(given: Any) -> list[str]:
    several: Sequence[str | PathLike[str]] = given if isinstance(given, list | tuple) else [given]
    return [fspath(one) for one in several]


def _first(given: Any) -> str:
    return _listed(given)[0]


def _with_fragment(given: Any, fragment: str) -> Any:
    strings = [f"{one}#{fragment}" for one in _listed(given)]
    return strings if isinstance(given, list | tuple) else strings[0]
