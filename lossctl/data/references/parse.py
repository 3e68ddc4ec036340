"""``FILE#columns``: how a reference names an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossctl.data.streams.files import exists
from lossctl.data.streams.origins import STANDARD_INPUT
from lossctl.errors import UsageError, did_you_mean

STANDARD_NAMES = (STANDARD_INPUT, "/dev/stdin")


@dataclass(frozen=True, slots=True)
class Reference:
    """A file, and the part of it that is meant (None: all of it)."""

    text: str
    path: Path
    fragment: str | None = None
    standard: bool = False
    """Whether it is standard input."""


def parse_reference(text: str) -> Reference:
    """Split ``FILE#columns``; a path that exists as a whole, ``#`` included, is that file."""
    if not text or "\0" in text:
        raise UsageError("A file name is empty." if not text else f"{text!r} is not a file name.")
    name, hash_sign, columns = text.partition("#")
    if name in STANDARD_NAMES:
        fragment = _check_fragment(text, columns) if hash_sign else None
        return Reference(text, Path("standard input"), fragment, standard=True)
    if "#" not in text or exists(Path(text)):
        return Reference(text, Path(text))
    places = [place for place, character in enumerate(text) if character == "#" and place]
    if not places:
        raise UsageError(f"{text!r} names columns but no file.", "Write FILE#columns.")
    split = next((at for at in reversed(places) if exists(Path(text[:at]))), places[0])
    return Reference(text, Path(text[:split]), _check_fragment(text, text[split + 1 :]))


def _check_fragment(text: str, fragment: str) -> str:
    if not fragment:
        raise UsageError(
            f"{text!r} ends with '#' but names no column.",
            "Name one after the '#', or leave the '#' out.",
        )
    return fragment


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
            f"{path}: the name {name!r} stands over {count} columns "
            f"(at positions {', '.join(places)}, counted from 0).",
            "Give the columns different names.",
        )
    raise UsageError(f"{path} has no column {name!r}.", did_you_mean(name, names))


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
            f"{part[cut + 1 :]!r} in the file.",
            f"Write {part[cut + 1 :]}:{part[:cut]}, or list the columns with commas.",
        )
    return list(range(first, last + 1))
