"""The files of a reference: one, those that match a pattern, or those of a directory."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lossctl.data.formats.detect import expect
from lossctl.data.streams.files import exists
from lossctl.errors import FileError, UsageError

DIGITS = re.compile(r"(\d+)")
HIDDEN = (".", "_")
SHOWN_NAMES = 12


def find_shards(path: Path) -> list[Path] | None:
    """Return the files of a pattern or directory in natural order; None for one plain file."""
    if exists(path):
        return _list_directory(path) if path.is_dir() else None
    if not glob.has_magic(str(path)):
        return None
    found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - as typed
    files = [one for one in found if not one.is_dir()]
    if not files:
        raise FileError(
            f"{path}: no such file, and no file matches the pattern",
            _show_surroundings(path),
        )
    return sort_naturally(files)


def sort_naturally(paths: Sequence[Path]) -> list[Path]:
    """Sort files as people number them: part-2 comes before part-10."""
    return sorted(paths, key=lambda path: (_split_numbers(str(path)), str(path)))


def _split_numbers(name: str) -> list[tuple[int, str]]:
    parts = DIGITS.split(name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]


def _list_directory(path: Path) -> list[Path]:
    names = _list_names(path)
    expected = {name: expect(name) for name in names}
    kinds = Counter(kind.value for kind in expected.values() if kind is not None)
    if not kinds:
        raise FileError(
            f"{path}: no file in this directory has the suffix of a supported format",
            _show_names(names) or "It is empty.",
        )
    if len(kinds) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise UsageError(
            f"{path} contains files of several formats: {counts}",
            f"Name the files that are meant, for example '{path}/*.npy', or one file.",
        )
    return sort_naturally([path / name for name, kind in expected.items() if kind is not None])


def _list_names(path: Path) -> list[str]:
    try:
        entries = [one for one in path.iterdir() if not one.name.startswith(HIDDEN)]
        return sorted(one.name for one in entries if not one.is_dir())
    except OSError as error:
        raise FileError(f"{path}: could not be listed: {error.strerror or error}") from error


def _show_surroundings(path: Path) -> str:
    """List the files in the last directory of a pattern that has no wildcard."""
    directory = path.parent
    while glob.has_magic(str(directory)):
        directory = directory.parent
    if not exists(directory):
        return f"The directory {directory} does not exist."
    return _show_names(_list_names(directory), f"{directory} contains") or f"{directory} is empty."


def _show_names(names: Sequence[str], intro: str = "Available") -> str:
    shown = sort_naturally([Path(name) for name in names])[:SHOWN_NAMES]
    more = ", …" if len(names) > SHOWN_NAMES else ""
    return f"{intro}: {', '.join(map(str, shown))}{more}." if names else ""
