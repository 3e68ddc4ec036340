"""What ``--where`` compares: the cells of columns and literals, each of a known type.

The cells of a text file have no type: what they are compared with says what they are read as.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossctl.data.arrays.cell_values import (
    CellValues,
    Truths,
    ValueType,
    cast_strings,
    take_values,
)
from lossctl.data.arrays.cell_values import read_numbers as read_all_numbers
from lossctl.data.arrays.cell_values import read_times as read_all_times


class MisfitError(Exception):
    """Operands do not fit each other: what is wrong, and what to write.

    ``comparison`` is what to write as left side, sign and right side; it follows the remedy.
    """

    def __init__(
        self, said: str, remedy: str = "", comparison: tuple[str, str, str] | None = None
    ) -> None:
        super().__init__(said)
        self._advice, self._comparison = remedy, comparison

    @property
    def remedy(self) -> str:
        """What to write."""
        if self._comparison is None:
            return self._advice
        return f"{self._advice} {' '.join(self._comparison)}."

    def with_sign(self, sign: str) -> MisfitError:
        """Return the same of a comparison with another sign."""
        if self._comparison is None:
            return self
        left, _, right = self._comparison
        return MisfitError(str(self), self._advice, (left, sign, right))


@dataclass(frozen=True)
class Operand:
    """A literal, or the cells of some rows."""

    kind: ValueType
    data: Any
    """Of a literal a value of Python; an array of NumPy (times count units from 1970), or of Arrow
    where these are strings."""
    spelled: str
    valid: Truths | None = None
    """Which cells are not missing; None where none is."""
    literal: bool = False
    column: str | None = None
    unit: str = ""
    zone: str | None = None
    kinds: MutableMapping[str, ValueType] | None = None
    """As what the cells of text files were read so far, by column."""

    def __str__(self) -> str:
        return self.spelled if self.column is None else f"column {self.column!r}"

    @property
    def present(self) -> Truths | bool:
        """Which cells are not missing."""
        if self.kind == ValueType.NUMBER and not self.literal and self.data.dtype.kind == "f":
            there: Truths = ~np.isnan(self.data)
            return there if self.valid is None else there & self.valid
        return True if self.valid is None else self.valid

    def describe(self) -> str:
        """Say what it is, for a message."""
        if self.literal:
            words = {
                ValueType.NUMBER: "number",
                ValueType.TRUTH: "truth",
                ValueType.STRING: "string",
            }
            return f"{self.spelled} is a {words[self.kind]}"
        if self.kind == ValueType.OTHER:
            return f"{self} contains {self.data.type}, which cannot be compared"
        return f"{self} contains {self.kind.value}"

    # What the cells of a text file are, which have no type.

    @property
    def _filled(self) -> Any:
        return self.data.drop_null()

    @property
    def empty(self) -> bool:
        """Whether all cells of a text file are missing."""
        return bool(self.data.null_count == len(self.data))

    def read_numbers(self) -> Operand | None:
        """Return cells of a text file as numbers, if all are."""
        return self._take(read_all_numbers(self.data))

    def read_truths(self) -> Operand | None:
        """Return cells of a text file as true and false, if all are."""
        return self._take(cast_strings(self.data, "bool"))

    def read_times(self) -> Operand | None:
        """Return strings as times, if all of them are: all in some zone, or none."""
        return self._take(read_all_times(self.data))

    def _take(self, values: CellValues | None) -> Operand | None:
        return None if values is None else make_operand(values, self.spelled, self.column)

    def as_numbers(self) -> Operand:
        """Return an operand as numbers; true and false are 1 and 0."""
        if self.kind == ValueType.TRUTH:
            data = int(self.data) if self.literal else self.data.astype(np.int64)
            return replace(self, kind=ValueType.NUMBER, data=data)
        if self.kind != ValueType.LOOSE:
            return self
        found = self.read_numbers()
        if found is not None:
            return found
        truths = self.read_truths()
        if truths is not None:
            return truths
        raise MisfitError(f"{self} contains {self._odd_one()!r}, which is not a number", "")

    def as_strings(self) -> Operand:
        """Return cells of a text file as they are written."""
        return replace(self, kind=ValueType.STRING)

    def decide(self) -> Operand:
        """Return cells of a text file as what they are by themselves: the same for all rows."""
        if self.kind != ValueType.LOOSE:
            return self
        if self.empty:  # true or false of nothing
            return replace(self, kind=ValueType.TRUTH, data=np.zeros(len(self.data), np.bool_))
        assert self.kinds is not None
        assert self.column is not None
        ways: dict[ValueType, Callable[[], Operand | None]] = {
            ValueType.NUMBER: self.read_numbers,
            ValueType.TRUTH: self.read_truths,
            ValueType.STRING: self.as_strings,
        }
        known = self.kinds.get(self.column)
        for kind, read in ways.items():
            if known in (None, kind):
                found = read()
                if found is not None:
                    self.kinds[self.column] = kind
                    return found
        assert known is not None
        raise MisfitError(
            f"{self} contains {known.value} in its first rows, but not in all: {self._odd_one()!r}",
            "Correct the cell, or compare a column that contains one type.",
        )

    def _odd_one(self) -> str:
        """Return the first cell that is not a number."""
        for start in range(len(self._filled)):
            one = replace(self, data=self._filled.slice(start, 1))
            if one.read_numbers() is None:
                return str(self._filled[start])
        return ""


def take_column(
    values: Any, name: str, spelled: str, kinds: MutableMapping[str, ValueType], *, loose: bool
) -> Operand:
    """Return the cells of a column; ``loose`` are those of a text file."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.ndim == 1:
        return Operand(ValueType.NUMBER, values, spelled, column=name)
    found = make_operand(take_values(values, name), spelled, name)
    if loose and found.kind == ValueType.STRING:
        return replace(found, kind=ValueType.LOOSE, kinds=kinds)
    return found


def make_operand(values: CellValues, spelled: str, column: str | None) -> Operand:
    """Return values of cells as an operand."""
    return Operand(
        values.kind,
        values.data,
        spelled,
        values.valid,
        column=column,
        unit=values.unit,
        zone=values.zone,
    )


def take_literal(value: Any, spelled: str) -> Operand:
    """Return a literal of an expression."""
    kind = ValueType.STRING if isinstance(value, str) else ValueType.NUMBER
    kind = ValueType.TRUTH if isinstance(value, bool | np.bool_) else kind
    return Operand(kind, value, spelled, literal=True)


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_number(text: str) -> float | int | None:
    """Return the number that a string spells, if any."""
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)
