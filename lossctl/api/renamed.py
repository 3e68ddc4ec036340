"""Public names of the version before, which still work, with a warning."""

from __future__ import annotations

from lossctl.errors import warn

RENAMED = {"Examination": "CheckResult"}
"""What a name is called now."""


def follow_rename(name: str) -> str | None:
    """Warn of a name of the version before, and return today's; None for any other name."""
    found = RENAMED.get(name)
    if found is not None:
        warn(f"lossctl.{name} is called lossctl.{found} now; the old name will go")
    return found
