"""Files to write against files that are read: none is overwritten, however it is spelled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike, fspath
from os.path import realpath
from pathlib import Path
from stat import S_ISREG
from typing import Any

from lossctl.data.references.open import find_files, is_reference
from lossctl.errors import LossctlError, OverwriteError

FilePath = str | PathLike[str]
STANDARD_INPUT = 0
"""The descriptor of standard input, which may be a file."""


def reject_overwriting(written: Iterable[FilePath], read: Iterable[Any]) -> None:
    """Raise OverwriteError if a file to write is one that is read, or is written twice.

    Links and other spellings of a path are the same file; devices and pipes cannot be overwritten.
    What is read may be references, lists and mappings of them, and strings that contain references
    (``ce:weight=w.npy``); all else is ignored.
    """
    targets = [(fspath(path), _identify(path)) for path in written]
    seen: list[tuple[str, set[object]]] = []
    for path, target in targets:
        for other, identity in seen:
            if identity & target:
                same = f"{other} and {path} are one file, which" if other != path else path
                raise OverwriteError(f"{same} would be written twice", "Write to another file.")
        seen.append((path, target))
    if not any(target for _, target in targets):
        return
    inputs = set[object]().union(*map(_identify_inputs, read))
    for path, target in targets:
        if inputs & target:
            raise OverwriteError(
                f"{path} is an input, and would be overwritten", "Write to another file."
            )


def _identify(path: FilePath | int) -> set[object]:
    """Return what tells a file from others: its real path, and its place on the disk."""
    names: set[object] = set() if isinstance(path, int) else {realpath(path)}
    try:
        status = os.fstat(path) if isinstance(path, int) else Path(path).stat()
    except (OSError, ValueError):
        return names
    return names | {(status.st_dev, status.st_ino)} if S_ISREG(status.st_mode) else set()


def _identify_inputs(given: Any) -> set[object]:
    found: set[object] = set()
    for reference in _list_references(given):
        try:
            files = find_files(reference)
        except LossctlError:  # what is wrong with it is found when it is opened
            continue
        found |= set().union(*map(_identify, files.paths or [STANDARD_INPUT]))
    return found


def _list_references(given: Any) -> Iterator[Any]:
    if isinstance(given, Mapping):
        for one in given.values():
            yield from _list_references(one)
    elif isinstance(given, list | tuple):
        for one in given:
            yield from _list_references(one)
    elif isinstance(given, str) and is_reference(given):
        yield from dict.fromkeys([given, *re.split("[=,:]", given)])
    elif is_reference(given):
        yield given
