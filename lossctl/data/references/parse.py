"""``FILE#columns``: how a reference names an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lossctl.data.streams.files import exists
from lossctl.data.streams.origins import STANDARD_INPUT
from lossctl.errors import UsageError

STANDARD_NAMES = (STANDARD_INPUT, "/dev/stdin")


@dataclass(frozen=True, slots=True)
class Reference:
    """A file, and the part of it that is named (None: all of it)."""

    text: str
    path: Path
    fragment: str | None = None
    standard: bool = False
    """Whether it is standard input."""


def parse_reference(text: str) -> Reference:
    """Split ``FILE#columns``; a path that exists as a whole, ``#`` included, is that file."""
    if not text or "\0" in text:
        raise UsageError("A file name is empty" if not text else f"{text!r} is not a file name")
    name, hash_sign, columns = text.partition("#")
    if name in STANDARD_NAMES:
        fragment = _check_fragment(text, columns) if hash_sign else None
        return Reference(text, Path("standard input"), fragment, standard=True)
    if "#" not in text or exists(Path(text)):
        return Reference(text, Path(text))
    places = [place for place, character in enumerate(text) if character == "#" and place]
    if not places:
        raise UsageError(f"{text!r} names columns but no file", "Write FILE#columns.")
    split = next((at for at in reversed(places) if exists(Path(text[:at]))), places[0])
    return Reference(text, Path(text[:split]), _check_fragment(text, text[split + 1 :]))


def _check_fragment(text: str, fragment: str) -> str:
    if not fragment:
        raise UsageError(
            f"{text!r} ends with '#' but names no column",
            "Name one after the '#', or leave the '#' out.",
        )
    return fragment
