"""Which format a name or a file's suffix means."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import PurePath
from typing import NamedTuple

from lossctl.errors import UsageError, did_you_mean

TEXT_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "value")
"""What can be printed."""

COMPRESSIONS = ("gz", "zst")
"""What may stand behind the suffix of a text format."""

_TEXT_SUFFIXES = ("csv", "tsv", "json", "jsonl")
_BINARY_SUFFIXES = ("npy", "parquet")


class FileFormat(NamedTuple):
    """A format, and the compression around it."""

    name: str
    compression: str | None = None


def check_text_format(name: str) -> str:
    """Return the name if it is a format that can be printed."""
    if name not in TEXT_FORMATS:
        raise UsageError(f"there is no format {name!r} to print", did_you_mean(name, TEXT_FORMATS))
    return name


def find_file_format(path: str | PathLike[str]) -> FileFormat | None:
    """Return the format that the suffix of the path means, or None where it means none."""
    *_, inner, outer = ["", "", *PurePath(fspath(path)).suffixes]
    inner, outer = inner[1:].lower(), outer[1:].lower()
    if outer in COMPRESSIONS:
        return FileFormat(inner, outer) if inner in _TEXT_SUFFIXES else None
    return FileFormat(outer) if outer in _TEXT_SUFFIXES + _BINARY_SUFFIXES else None


def pick_file_format(path: str | PathLike[str], requested: str | None = None) -> FileFormat:
    """Return the format to write a file in: what its suffix says, or what was asked for.

    A suffix that means a format must agree with the request. A file without such a suffix takes
    the requested format.
    """
    found = find_file_format(path)
    if found is None and requested is not None:
        return FileFormat(check_text_format(requested))
    if found is None:
        known = " ".join(f".{suffix}" for suffix in _BINARY_SUFFIXES + _TEXT_SUFFIXES)
        raise UsageError(
            f"{fspath(path)}: the suffix does not say which format to write",
            f"Known suffixes: {known} (the text ones also with .gz or .zst behind).",
        )
    if requested not in (None, found.name):
        raise UsageError(
            f"{fspath(path)}: the suffix says {found.name}, but {requested} was asked for",
            "Leave the format out, or give the file another suffix.",
        )
    return found
