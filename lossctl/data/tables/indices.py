"""Indices and ids in a whole table: they are no data, and are never read as such in silence.

What is called an index is left out, with a warning. What looks like one, by its name or because it
counts the rows, may be data: it is refused unless it is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossctl.data.arrays.source import Array
from lossctl.data.tables.columns import write_columns
from lossctl.errors import UsageError, warn

if TYPE_CHECKING:
    from lossctl.data.tables.scan import Table

INDEX = re.compile(r"unnamed: \d+(\.\d+)?|index|level_\d+|row[ _.]?names?|id", re.IGNORECASE)
"""What pandas, R and data sets call the index of rows."""

ID = re.compile(
    r"(?i:ids|idx|uuid|guid|.*[ _.-](id|ids|idx|uuid|guid)|row[ _.]?(id|index|number))|.*[a-z]I[dD]"
)
"""Names that look like those of ids."""

FEWEST = 3
"""Rows that count by chance are fewer."""


def looks_like_index(name: str) -> bool:
    """Whether a name is that of an index or of ids."""
    return any(pattern.fullmatch(name) for pattern in (INDEX, ID))


def leave_out_indices(table: Table, columns: Sequence[int]) -> list[int]:
    """Return the columns of a whole table without those that are called an index; warns of them.

    Raises UsageError if nothing is left, or if others are called as ids are.
    """
    names = table.names
    called = [column for column in columns if INDEX.fullmatch(names[column])]
    rest = [column for column in columns if column not in called]
    if not rest:
        raise UsageError(
            f"{table.path}: all of its {len(columns)} columns are called as indices are:"
            f" {_quote(names, called)}",
            f"Name the one that is data: {write_columns(table.called, columns[-1:], names)}",
        )
    alike = [column for column in rest if ID.fullmatch(names[column])] if len(rest) > 1 else []
    if alike:
        raise _ambiguous(table, columns, alike, "as ids are called")
    if called:
        plural = len(called) > 1
        warn(
            f"{table.path}: {'columns' if plural else 'the column'} {_quote(names, called)}"
            f" {'were' if plural else 'was'} left out as {'indices' if plural else 'an index'};"
            f" {write_columns(table.called, columns, names)} takes {'them' if plural else 'it'} too"
        )
    return rest


def reject_counting(table: Table, columns: Sequence[int], rows: Mapping[int, Array]) -> None:
    """Raise UsageError if some columns of a whole table count the rows from 0 or 1."""
    counting = [column for column in columns if _counts(rows[column])]
    if counting and len(counting) < len(columns):
        first = int(rows[counting[0]][0])
        said = f"counts {first}, {first + 1}, {first + 2}, …, as an index does"
        raise _ambiguous(table, columns, counting, said)


def _counts(values: Array) -> bool:
    if len(values) < FEWEST or values.ndim != 1 or values.dtype.kind not in "iuf":
        return False
    if values[0] not in (0, 1) or values[1] != values[0] + 1:
        return False
    return bool(np.array_equal(values, np.arange(len(values)) + values[0]))


def _ambiguous(table: Table, columns: Sequence[int], found: Sequence[int], said: str) -> UsageError:
    rest = [column for column in columns if column not in found]
    without = f"{write_columns(table.called, rest, table.names)} without, " if rest else ""
    plural = "s" if len(found) > 1 else ""
    return UsageError(
        f"{table.path}: of its {len(columns)} columns, {_quote(table.names, found)}"
        f" {'look' if plural else 'looks'} like {'indices' if plural else 'an index'} and may be"
        f" no data: {said}",
        f"Choose columns with '#': {without}{write_columns(table.called, columns, table.names)}"
        f" with {'them' if plural else 'it'}.",
    )


def _quote(names: Sequence[str], columns: Iterable[int]) -> str:
    return ", ".join(repr(names[column]) for column in columns)
