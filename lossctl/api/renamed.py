"""Public names of the version before, which still work, with a warning."""

from __future__ import annotations

from lossctl.losses.core.deprecated import warn_renamed

RENAMED = {"Examination": "CheckResult", "Scan": "InputPredicate"}
"""What a name of the package is called now."""


def rename_public(name: str) -> str | None:
    """Warn of a name of the version before, and return today's; None for any other name."""
    found = RENAMED.get(name)
    if found is not None:
        warn_renamed(f"lossctl.{name}", f"lossctl.{found}")
    return found
