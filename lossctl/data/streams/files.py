"""Opening files, with the errors of the operating system worded for users."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG
from typing import IO, BinaryIO, cast

from lossctl.errors import FileError, nearest


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading bytes, with ``peek``."""
    try:
        return cast("BinaryIO", path.open("rb"))
    except OSError as error:
        raise explain_os_error(path, error) from error


def explain_os_error(path: Path, error: OSError) -> FileError:
    """Return the error for users for an OSError about ``path``."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileError(f"{path}: there is no such file", _suggest_files(path))
    if isinstance(error, IsADirectoryError):
        return FileError(f"{path}: is a directory, not a file", "Name a file in it.")
    if isinstance(error, PermissionError):
        return FileError(
            f"{path}: no permission to read it", f"Allow it, for instance with: chmod u+r {path}"
        )
    return FileError(f"{path}: could not be read: {error.strerror or error}")


def is_regular(file: IO[bytes]) -> bool:
    """Return whether an open file is an ordinary one: not a pipe, with a size, mappable."""
    return S_ISREG(os.fstat(file.fileno()).st_mode)


def exists(path: Path) -> bool:
    """Return whether a path exists (a name too long for the system does not)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _suggest_files(path: Path) -> str:
    parent = path.parent
    try:
        names = sorted(entry.name for entry in parent.iterdir())
    except OSError:
        return f"The directory {parent} does not exist." if not exists(parent) else ""
    close = nearest(path.name, names)
    if not close:
        return f"Check the name: {parent.absolute()} contains {len(names)} other files."
    return f"Did you mean {' or '.join(str(parent / name) for name in close)}?"
