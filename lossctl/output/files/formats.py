"""The formats of output, by name and by the suffix of a file."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import PurePath
from typing import NamedTuple, TextIO

from lossctl.errors import UsageError, did_you_mean

TEXT_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "value")
"""Formats of a loss for any stream."""

BINARY_FORMATS = ("npy", "parquet", "arrow")
"""Formats for files and pipes, but not for a terminal."""

FORMATS = TEXT_FORMATS + BINARY_FORMATS

EVALUATION_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown", "value")
"""Formats of an evaluation for any stream."""

EVALUATION_FILES = ("parquet", "csv", "tsv", "json", "jsonl", "markdown")
"""Formats of an evaluation that the suffix of a file selects."""

CHECK_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown")
"""Formats of a check for any stream."""

CHECK_FILES = CHECK_FORMATS[1:]
"""Formats of a check that the suffix of a file selects."""

COMPRESSIONS = ("gz", "zst")
"""Suffixes that may follow the suffix of a text format."""

_FILE_FORMATS = (*BINARY_FORMATS, "csv", "tsv", "json", "jsonl")
_OTHER_SUFFIXES = {"markdown": "md"}


class FileFormat(NamedTuple):
    """A format, and the compression around it."""

    name: str
    compression: str | None = None


def check_format(name: str, known: Sequence[str] = FORMATS) -> str:
    """Return the name if it is a known format; raises UsageError."""
    if name not in known:
        raise UsageError(f"unrecognised format {name!r}", did_you_mean(name, known))
    return name


def check_stream_format(name: str, stream: TextIO) -> str:
    """Return the name if it is a format that can be written to this stream."""
    if check_format(name) not in BINARY_FORMATS:
        return name
    if stream.isatty():
        raise UsageError(
            f"{name} is a binary format, and standard output is a terminal",
            f"Pipe it into another program, or write a file: -o FILE.{name}",
        )
    if not hasattr(stream, "buffer"):
        raise UsageError(
            f"{name} is a binary format, and cannot be written to a text stream",
            "Give the name of a file.",
        )
    return name


def find_file_format(
    path: str | PathLike[str], known: Sequence[str] = _FILE_FORMATS
) -> FileFormat | None:
    """Return the format that the suffix of the path selects, or None."""
    names = {_OTHER_SUFFIXES.get(name, name): name for name in known}
    *_, inner, outer = ["", "", *PurePath(fspath(path)).suffixes]
    inner, outer = inner[1:].lower(), outer[1:].lower()
    if outer in COMPRESSIONS:
        packed = inner in names and inner not in BINARY_FORMATS
        return FileFormat(names[inner], outer) if packed else None
    return FileFormat(names[outer]) if outer in names else None


def pick_file_format(
    path: str | PathLike[str],
    requested: str | None = None,
    known: Sequence[str] = _FILE_FORMATS,
    printed: Sequence[str] = FORMATS,
) -> FileFormat:
    """Return the format to write a file in: that of its suffix, or the requested one.

    A suffix that selects a format must agree with the request. A file without such a suffix gets
    the requested format.
    """
    found = find_file_format(path, known)
    if found is None and requested is not None:
        return FileFormat(check_format(requested, printed))
    if found is None:
        suffixes = " ".join(f".{_OTHER_SUFFIXES.get(name, name)}" for name in known)
        raise UsageError(
            f"{fspath(path)}: the suffix does not say which format to write",
            f"Valid suffixes: {suffixes} (text formats also with .gz or .zst).",
        )
    if requested not in (None, found.name):
        raise UsageError(
            f"{fspath(path)}: the suffix says {found.name}, but {requested} was requested",
            "Omit the format, or give the file another suffix.",
        )
    return found
