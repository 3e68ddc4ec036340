"""String labels: the names of class indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from os import PathLike
from pathlib import Path
from re import compile as compile_pattern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.arrow import ColumnPlace
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.source import Array, Source
from lossctl.data.arrays.views import DelegatingSource
from lossctl.errors import DataError, FileError, UsageError, did_you_mean
from lossctl.findings import Location, OptionName, Remedy, RemedyKind, Sentence

UNKNOWN = -1
TWO = 2
FALSE, TRUE = "false", "true"
WHOLE = compile_pattern(r"(-?\d+)(\.0*)?")
"""How integers are written, also in columns that became floats because labels are missing."""


class LabelForm(Enum):
    """What a loss takes as labels: class indices, shares of the second of two classes, or signs."""

    INDEX = "index"
    SHARE = "share"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The numbers that may be labels beside the indices of the classes."""

    ignored: frozenset[int] = frozenset()
    """Labels that a loss ignores; they are not among the classes."""
    shares: bool = False
    """Whether numbers from 0 to 1 are accepted."""
    signs: bool = False
    """Whether -1 is accepted, for the first of two classes."""
    missing: bool = False
    """Whether an empty cell is a label that is missing, NaN, in place of an error."""


INDICES = Accepted()
"""No numbers but indices."""


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
        self.numbered = any(
            _is_index(name) and name != str(index) for name, index in self._indices.items()
        )
        """Whether integers are names of classes that are not their indices."""
        self._truths = self._find_truths()

    @property
    def permuted(self) -> bool:
        """Whether the names are the indices of the classes, in another order."""
        indices = [str(index) for index in range(len(self.names))]
        return list(self.names) != indices and sorted(self.names) == sorted(indices)

    def index(
        self,
        labels: Cells | Array,
        source: Source,
        numbers: NDArray[np.int64],
        what: str,
        unknown: Counter[str] | None = None,
        accepted: Accepted = INDICES,
    ) -> Array:
        """Return the class index of each label: a name, or an index where no name is an integer.

        A label that is not a class is an error, or counted in ``unknown`` (empty cells as "") and
        has the index -1. Where labels may be missing, indices are floats.
        """
        values = labels
        if isinstance(labels, Cells):
            values = _read_numbers(labels, ColumnPlace(source.name, what))
        if isinstance(values, np.ndarray):
            if self._are_numbers(values, accepted):
                return values
            found, codes = np.unique(values, return_inverse=True)
            different: list[Any] = found.tolist()
            codes = codes.reshape(values.shape)
        else:
            codes, different = values.encode(source.name)
        indices = [self._find(one, accepted) for one in different]
        if unknown is not None:
            for code, count in enumerate(np.bincount(codes.ravel()).tolist()):
                if count and indices[code] is None:
                    unknown["" if _is_missing(different[code]) else str(different[code])] += count
        else:
            bad = np.array([one is None for one in indices], np.bool_)[codes] if indices else codes
            if bad.any():
                places = np.argwhere(bad)
                first = tuple(places[0].tolist())
                place = source.locate((int(numbers[first[0]]), *first[1:]))
                self._reject(different[codes[first]], place, len(places), what, source, values)
        dtype = np.float64 if accepted.shares or accepted.missing else np.int64
        known = np.array([UNKNOWN if one is None else one for one in indices], dtype)
        return known[codes] if len(known) else np.empty(codes.shape, dtype)

    def _are_numbers(self, values: Array, accepted: Accepted) -> bool:
        """Return whether all values are indices, or shares, so that nothing has to be replaced."""
        if self.numbered or values.dtype.kind not in "iuf" or not values.size:
            return False
        if values.dtype.kind == "f":
            return accepted.shares and bool(((values >= 0) & (values <= 1)).all())
        return bool(values.min() >= 0 and values.max() < len(self.names))

    def _find(self, label: Any, accepted: Accepted) -> float | None:
        """Return the index of a label, or the number that it is; None where it is not a class."""
        if _is_missing(label):
            return np.nan if accepted.shares or accepted.missing else None
        text = str(label)
        index = self._indices.get(text)
        if index is None:
            index = self._truths.get(text.casefold())
        number = WHOLE.fullmatch(text)
        if index is None and number is not None:
            index = self._find_integer(number[1], accepted)
        if index is None and accepted.shares and not self.numbered:
            return _read_share(text)
        return index

    def _find_integer(self, digits: str, accepted: Accepted) -> int | None:
        index = self._indices.get(digits)
        if index is not None:
            return index
        number = int(digits)
        if not self.numbered and 0 <= number < len(self.names) and digits == str(number):
            return number
        if not self.numbered and accepted.signs and number == -1:
            return 0
        return number if number in accepted.ignored and not 0 <= number < len(self.names) else None

    def _find_truths(self) -> dict[str, int]:
        """Return the indices of false and true, however they are written."""
        folded = {name.casefold(): index for index, name in enumerate(self.names)}
        named = {one: folded[one] for one in (FALSE, TRUE) if one in folded}
        if named or (len(folded) < len(self.names)):
            return named
        if self.numbered:
            pairs = ((FALSE, "0"), (TRUE, "1"))
            return {one: folded[digit] for one, digit in pairs if digit in folded}
        return {FALSE: 0, TRUE: 1} if len(self.names) == TWO else {}

    def _reject(
        self, label: Any, place: Location, count: int, what: str, source: Source, values: Any
    ) -> None:
        empty = _is_missing(label)
        if isinstance(label, float) and not empty and not label.is_integer():
            raise DataError(
                f"{what}: {source.name} contains {values.dtype}, neither class names nor their"
                f" indices; the first such number is {label}",
                "Convert it to integers or to strings.",
            )
        called = "an empty cell" if empty else repr(str(label))
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
            Remedy(RemedyKind.FILL_CELLS) if empty else did_you_mean(str(label), self.names),
        )


class IndexedSource(DelegatingSource):
    """Labels, read as what a loss takes: class indices, shares or signs."""

    def __init__(
        self,
        source: Source,
        classes: ClassNames,
        what: str,
        form: LabelForm = LabelForm.INDEX,
        ignored: frozenset[int] = frozenset(),
        unknown: Counter[str] | None = None,
        *,
        omits_missing: bool = False,
    ) -> None:
        super().__init__(source, dtype=np.dtype(float) if omits_missing else dtype_of(form))
        self.text = omits_missing  # where labels may be missing, the type says nothing
        self._classes = classes
        self._what = what
        self._form = form
        self._unknown = unknown
        share, sign = form is LabelForm.SHARE, form is LabelForm.SIGN
        self._accepted = Accepted(ignored, share, sign, omits_missing)

    def read(self, start: int, stop: int) -> Array:
        """Return the labels of the rows."""
        return self._index(self.source.read(start, stop), start)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return the labels of the rows, cut to the box."""
        return self.read(start, stop)[(slice(None), *box)]

    def whole(self) -> Array:
        """Return all labels."""
        values = self.source.whole()
        return (
            self._index(values.reshape(1), 0).reshape(()) if self.scalar else self._index(values, 0)
        )

    def _index(self, labels: Any, start: int) -> Array:
        numbers = np.arange(start, start + len(labels))
        indices = self._classes.index(
            labels, self.source, numbers, self._what, self._unknown, self._accepted
        )
        return make_labels(indices, self._form)


def dtype_of(form: LabelForm) -> np.dtype[Any]:
    """Return the dtype of labels of this form."""
    return np.dtype(np.float64 if form is LabelForm.SHARE else np.int64)


def make_labels(indices: Array, form: LabelForm) -> Array:
    """Return class indices (or shares) as labels of this form."""
    if form is LabelForm.SIGN:
        signs: Array = 2 * indices - 1
        return signs if np.isnan(signs).any() else signs.astype(np.int64, copy=False)
    fractions = indices.dtype.kind == "f" and form is LabelForm.INDEX
    return indices if fractions else indices.astype(dtype_of(form), copy=False)


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


def _read_numbers(cells: Cells, place: ColumnPlace) -> Cells | Array:
    """Return cells as numbers where their type is one of numbers."""
    numbers = cells.numbers(place)
    return cells if numbers is None else numbers


def _is_missing(label: Any) -> bool:
    return label is None or label == "" or label != label  # noqa: PLR0124 - NaN is not itself


def _read_share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


def _is_index(name: str) -> bool:
    return name.removeprefix("-").isdecimal()
