"""Names of older APIs, and what replaces them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossctl.errors import warn

REPLACED = {
    "size_average": {True: "mean", False: "sum"},
    "reduce": {True: "mean", False: "none"},
}


def explain_replacement(name: str) -> str | None:
    """Say which reduction replaces a deprecated option, in Python's words."""
    replaced = REPLACED.get(name)
    if replaced is None:
        return None
    words = [f"reduction={new!r} for {name}={old}" for old, new in replaced.items()]
    return f"Say {' and '.join(words)}."


def rename_keywords(
    given: Mapping[str, Any], renamed: Mapping[str, str], function: str
) -> dict[str, Any]:
    """Return keyword arguments under their present names, with a warning for each old one.

    Raises TypeError for a name that was never one, as Python does.
    """
    for name in given:
        if name not in renamed:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        warn_renamed(f"{name}= of {function}", f"{renamed[name]}=")
    return {renamed[name]: value for name, value in given.items()}


def warn_renamed(old: str, new: str) -> None:
    """Warn that a name of the public API has another one now."""
    warn(f"{old} is now called {new}; the old name will go in the next version")
