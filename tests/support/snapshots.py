"""Texts that a person has read and found good, kept beside the tests, one folder per command.

``LOSSCTL_SNAPSHOTS=update pytest …`` writes what is printed now: read it with care before it is
committed.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "snapshots"


def check_snapshot(name: str, text: str) -> None:
    """Compare a text with the file of that name."""
    path = FOLDER / name
    if os.environ.get("LOSSCTL_SNAPSHOTS") == "update":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"there is no snapshot {name}: LOSSCTL_SNAPSHOTS=update makes it"
    assert text == path.read_text(encoding="utf-8")


def list_snapshots(folder: str) -> set[str]:
    """Return the names of the files that there are for a command."""
    return {path.name for path in (FOLDER / folder).iterdir()}
