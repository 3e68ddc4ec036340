"""String labels: the names of class indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.arrow import ColumnPlace
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.errors import DataError, FileError, UsageError, did_you_mean
from lossctl.findings import OptionName, Remedy, RemedyKind, Sentence

UNKNOWN = -1


class ClassNames:
    """The names of the classes, in the order of their indices."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        if not self.names:
            raise UsageError("no class names were given", Remedy(RemedyKind.LIST_CLASSES))
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"the class {twice!r} appears twice", "Name each class once.")
        self._indices = {name: index for index, name in enumerate(self.names)}
        if not any(_is_index(name) for name in self.names):  # no name is an index
            self._indices |= {str(index): index for index in range(len(self.names))}

    def index(
        self,
        cells: Cells,
        source: Source,
        numbers: NDArray[np.int64],
        what: str,
        unknown: Counter[str] | None = None,
    ) -> NDArray[Any]:
        """Return the class index of each cell; numbers are indices already.

        A label that is not a class is an error, or counted in ``unknown`` (empty cells as "") and
        has the index -1.
        """
        given = cells.numbers(ColumnPlace(source.name, what))
        if given is not None:
            return given
        codes, found = cells.encode(source.name)
        indices = np.array([self._indices.get(str(one), UNKNOWN) for one in found], np.int64)
        values = indices[codes] if len(found) else np.empty(0, np.int64)
        if unknown is not None:
            for code, count in enumerate(np.bincount(codes, minlength=len(found)).tolist()):
                if count and indices[code] == UNKNOWN:
                    unknown["" if found[code] is None else str(found[code])] += count
        elif len(values) and values.min() == UNKNOWN:
            self._reject(
                values,
                [found[code] for code in codes[values == UNKNOWN][:1]],
                source,
                numbers,
                what,
            )
        return values

    def _reject(
        self,
        values: NDArray[np.int64],
        first: Sequence[Any],
        source: Source,
        numbers: NDArray[np.int64],
        what: str,
    ) -> None:
        unknown = values == UNKNOWN
        count = int(np.count_nonzero(unknown))
        place = source.locate((int(numbers[int(np.argmax(unknown))]),))
        empty = first[0] is None
        called = "an empty cell" if empty else repr(str(first[0]))
        message = Sentence(
            "{what}: {count} {labels} not among the {classes} classes; the first is {called} at"
            " {place}",
            {
                "what": what,
                "count": count,
                "labels": "labels are" if count > 1 else "label is",
                "classes": len(self.names),
                "called": called,
                "place": place,
            },
            place,
        )
        raise DataError(
            message,
            Remedy(RemedyKind.FILL_CELLS) if empty else did_you_mean(str(first[0]), self.names),
        )


class IndexedSource(DelegatingSource):
    """A column of labels, read as class indices."""

    def __init__(
        self,
        source: Source,
        classes: ClassNames,
        what: str,
        unknown: Counter[str] | None = None,
    ) -> None:
        super().__init__(source, (), np.dtype(np.int64))
        self.text = False
        self._classes = classes
        self._what = what
        self._unknown = unknown

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the indices of the rows."""
        return self._index(self.source.read(start, stop), start)

    def whole(self) -> NDArray[Any]:
        """Return all indices."""
        return self._index(self.source.whole(), 0)

    def _index(self, cells: Any, start: int) -> NDArray[Any]:
        numbers = np.arange(start, start + len(cells))
        indices = self._classes.index(cells, self.source, numbers, self._what, self._unknown)
        if indices.dtype.kind not in "iu":
            raise DataError(
                f"{self._what}: {self.name} contains {indices.dtype}, neither class names nor"
                " class indices",
                "Convert it to integers or to strings.",
            )
        return indices


def load_classes(given: Any) -> ClassNames | None:
    """Return the names in a list, a comma list, or a file with one name per line."""
    if given is None:
        return None
    if not isinstance(given, str | PathLike):
        return ClassNames([str(name) for name in given])
    path = Path(given)
    if isinstance(given, str) and not path.is_file():
        names = [name.strip() for name in given.split(",")]
        if len(names) == 1:
            raise UsageError(
                Sentence(
                    "{option} {given!r} is neither a file nor a list",
                    {"option": OptionName("classes"), "given": given},
                ),
                "List the names: cat,dog",
            )
        return ClassNames(names)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the class names are not UTF-8 text") from error
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    return ClassNames([line.strip() for line in lines if line.strip()])


def _is_index(name: str) -> bool:
    return name.removeprefix("-").isdecimal()
