"""Which format a name or a file's suffix means."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import PurePath
from typing import NamedTuple, TextIO

from lossctl.errors import UsageError, did_you_mean

TEXT_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "value")
"""What can be printed anywhere."""

BINARY_FORMATS = ("npy", "parquet", "arrow")
"""What goes into files and pipes, but not to a terminal."""

FORMATS = TEXT_FORMATS + BINARY_FORMATS

COMPRESSIONS = ("gz", "zst")
"""What may stand behind the suffix of a text format."""

_TEXT_SUFFIXES = ("csv", "tsv", "json", "jsonl")


class FileFormat(NamedTuple):
    """A format, and the compression around it."""

    name: str
    compression: str | None = None


def check_format(name: str) -> str:
    """Return the name if it is a format that is written."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", did_you_mean(name, FORMATS))
    return name


def check_stream_format(name: str, stream: TextIO) -> str:
    """Return the name if it is a format that can be written to this stream."""
    if check_format(name) not in BINARY_FORMATS:
        return name
    if stream.isatty():
        raise UsageError(
            f"{name} is not text, and standard output is a terminal",
            f"Pipe it into another program, or write a file: -o FILE.{name}",
        )
    if not hasattr(stream, "buffer"):
        raise UsageError(
            f"{name} is not text, and cannot be written to a stream of text",
            "Give the name of a file.",
        )
    return name


def find_file_format(path: str | PathLike[str]) -> FileFormat | None:
    """Return the format that the suffix of the path means, or None where it means none."""
    *_, inner, outer = ["", "", *PurePath(fspath(path)).suffixes]
    inner, outer = inner[1:].lower(), outer[1:].lower()
    if outer in COMPRESSIONS:
        return FileFormat(inner, outer) if inner in _TEXT_SUFFIXES else None
    return FileFormat(outer) if outer in _TEXT_SUFFIXES + BINARY_FORMATS else None


def pick_file_format(path: str | PathLike[str], requested: str | None = None) -> FileFormat:
    """Return the format to write a file in: what its suffix says, or what was asked for.

    A suffix that means a format must agree with the request. A file without such a suffix takes
    the requested format.
    """
    found = find_file_format(path)
    if found is None and requested is not None:
        return FileFormat(check_format(requested))
    if found is None:
        known = " ".join(f".{suffix}" for suffix in BINARY_FORMATS + _TEXT_SUFFIXES)
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
