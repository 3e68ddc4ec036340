"""Resolving the names of columns in a reference: ``a``, ``a,b`` and ``a:c``."""

from __future__ import annotations

from collections.abc import Sequence

from lossctl.errors import UsageError, did_you_mean


def choose_columns(fragment: str, names: Sequence[str], path: object) -> list[int]:
    """Return the positions of the columns that a fragment names, in the order given.

    ``a``, ``a,b`` and ``a:c`` (all columns from a to c in the file's order) can be mixed;
    an exact column name always wins over this syntax.
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


def _choose_part(part: str, names: Sequence[str], path: object) -> list[int]:
    if part in names or ":" not in part:
        return [find_column(part, names, path)]
    cuts = [place for place, character in enumerate(part) if character == ":"]
    fitting = [cut for cut in cuts if part[:cut] in names and part[cut + 1 :] in names]
    cut = (fitting or cuts)[0]
    first = find_column(part[:cut], names, path)
    last = find_column(part[cut + 1 :], names, path)
    if first > last:
        raise UsageError(
            f"{path}: the range {part!r} is empty: {part[:cut]!r} comes after "
            f"{part[cut + 1 :]!r} in the file",
            f"Write {part[cut + 1 :]}:{part[:cut]}, or list the columns with commas.",
        )
    return list(range(first, last + 1))
