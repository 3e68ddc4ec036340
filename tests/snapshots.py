"""Texts that were reviewed once and must stay as they are, each in a file of its own.

``LOSSCTL_WRITE_SNAPSHOTS=1 pytest tests/test_check_output.py`` writes them anew; what has changed
is then seen in the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
WRITES = "LOSSCTL_WRITE_SNAPSHOTS"


def compare_snapshot(name: str, text: str) -> None:
    """Compare a text with the one that was kept, or keep it where that is asked for."""
    path = FOLDER / name
    if os.environ.get(WRITES):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing: run with {WRITES}=1"
    assert text == path.read_text(encoding="utf-8")
