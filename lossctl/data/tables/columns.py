"""Resolving the names of columns in a reference: ``a``, ``a,b`` and ``a:c``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from lossctl.errors import UsageError, did_you_mean, warn

NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
"""A name with a number in it, of several the last one."""

PLAIN = re.compile(r"[\w@%+=:,./#~-]+")
"""A reference that a shell takes as it is."""

SHOWN = 4


def choose_columns(fragment: str, names: Sequence[str], path: object) -> list[int]:
    """Return the positions of the columns that a fragment names, in the order given.

    ``a``, ``a,b`` and ``a:c`` (all columns from a to c in the file's order, or by number where
    these differ) can be mixed; an exact column name always wins over this syntax.
    """
    if fragment in names:
        return [find_column(fragment, names, path)]
    chosen: list[int] = []
    for part in fragment.split(","):
        chosen += _choose_part(part, names, path)
    return chosen


def find_column(name: str, names: Sequence[str], path: object) -> int:
    """Return the position of the column with exactly this name."""
    count = names.count(name)
    if count == 1:
        return names.index(name)
    if count > 1:
        places = [str(place) for place, other in enumerate(names) if other == name]
        raise UsageError(
            f"{path}: the name {name!r} appears {count} times "
            f"(at positions {', '.join(places)}, counted from 0)",
            "Give the columns different names.",
        )
    raise UsageError(f"{path} has no column {name!r}", did_you_mean(name, names))


def order_by_number(columns: Sequence[int], names: Sequence[str], path: object) -> list[int]:
    """Return the columns of a whole table by number, if their names differ in a number alone.

    Warns where that is not the order in which they stand.
    """
    family = _find_family(names[columns[0]], names)
    if not family.keys() >= set(columns):
        return list(columns)
    ordered = sorted(columns, key=family.__getitem__)
    if ordered != list(columns):
        _warn_of_order(columns, ordered, names, path)
    return ordered


def write_columns(called: object, columns: Sequence[int], names: Sequence[str]) -> str:
    """Return a reference to columns, as one writes it in a shell; runs of them as ranges."""
    runs: list[list[int]] = []
    for column in columns:
        if runs and column == runs[-1][-1] + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    ends = ([names[one] for one in dict.fromkeys((run[0], run[-1]))] for run in runs)
    word = f"{called}#{','.join(map(':'.join, ends))}"
    return word if PLAIN.fullmatch(word) else shlex.quote(word)


def _choose_part(part: str, names: Sequence[str], path: object) -> list[int]:
    if part in names or ":" not in part:
        return [find_column(part, names, path)]
    cuts = [place for place, character in enumerate(part) if character == ":"]
    fitting = [cut for cut in cuts if part[:cut] in names and part[cut + 1 :] in names]
    cut = (fitting or cuts)[0]
    first = find_column(part[:cut], names, path)
    last = find_column(part[cut + 1 :], names, path)
    family = _find_family(names[first], names)
    if family and last in family and family[first] <= family[last]:
        return _choose_by_number(part, first, last, names, path)
    if first > last:
        raise UsageError(
            f"{path}: the range {part!r} is empty: {part[:cut]!r} comes after "
            f"{part[cut + 1 :]!r} in the file",
            f"Write {part[cut + 1 :]}:{part[:cut]}, or list the columns with commas.",
        )
    return list(range(first, last + 1))


def _choose_by_number(
    part: str, first: int, last: int, names: Sequence[str], path: object
) -> list[int]:
    """Return the columns of a range whose ends differ in a number alone.

    They are taken in the file's order where that is the order of the numbers, and by number where
    the range has all that stand between its ends. Otherwise it is ambiguous, and a UsageError.
    """
    family = _find_family(names[first], names)
    standing = list(range(first, last + 1))
    between = [column for column in family if family[first] <= family[column] <= family[last]]
    counted = sorted(between, key=family.__getitem__)
    if [column for column in standing if column in family] == counted:
        return standing
    if set(standing) <= set(counted):
        _warn_of_order(sorted(counted), counted, names, path)
        return counted
    every = sorted(
        {column for column in standing if column in family} | set(counted), key=family.__getitem__
    )
    remedies = [f"{write_columns(path, counted, names)} takes those between by number"]
    if family.keys() >= set(standing):
        whole = f"{path}#{names[every[0]]}:{names[every[-1]]}"
        remedies.insert(0, f"{whole} takes all {len(every)} by number")
    raise UsageError(
        f"{path}: the range {part!r} is ambiguous: its columns do not stand by number"
        f" ({_show(standing, names)}); it has {len(standing)} in the file's order, {len(counted)}"
        " by number",
        f"{', '.join(remedies)}; or list the columns with commas.",
    )


def _find_family(name: str, names: Sequence[str]) -> dict[int, int]:
    """Return the numbers of all columns whose names differ from one in a number alone."""
    own = NUMBERED.fullmatch(name)
    if own is None:
        return {}
    found = ((place, NUMBERED.fullmatch(other)) for place, other in enumerate(names))
    return {
        place: int(other[2])
        for place, other in found
        if other is not None and (other[1], other[3]) == (own[1], own[3])
    }


def _warn_of_order(
    standing: Sequence[int], ordered: Sequence[int], names: Sequence[str], path: object
) -> None:
    warn(
        f"{path}: the columns stand as {_show(standing, names)}; all {len(ordered)} were taken by"
        f" number, {names[ordered[0]]} to {names[ordered[-1]]}"
    )


def _show(columns: Iterable[int], names: Sequence[str]) -> str:
    shown = [names[column] for column in columns]
    return ", ".join(shown[:SHOWN]) + (", …" if len(shown) > SHOWN else "")
