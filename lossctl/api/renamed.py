"""Public names of the previous version, which still work, with a warning."""

from __future__ import annotations

from lossctl.losses.core.deprecated import warn_renamed

RENAMED = {"Examination": "CheckResult", "Scan": "InputPredicate"}
"""The new name of each renamed public name."""


def rename_public(name: str) -> str | None:
    """Warn about a name of the previous version and return its new one; None for other names."""
    found = RENAMED.get(name)
    if found is not None:
        warn_renamed(f"lossctl.{name}", f"lossctl.{found}")
    return found
