"""What calling a loss does: the package registers it, for losses know neither files nor blocks."""

from __future__ import annotations

import importlib
from typing import Any

_place = ""


def register_compute(place: str) -> None:
    """Name the function (as ``module:name``) that computes a loss; it is imported when called."""
    global _place  # noqa: PLW0603 - set once, when the package is imported
    _place = place


def compute(loss: Any, *inputs: Any, **options: Any) -> Any:
    """Compute a declared loss of arrays or files."""
    module, _, name = _place.partition(":")
    return getattr(importlib.import_module(module), name)(loss, *inputs, **options)
