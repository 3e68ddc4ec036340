"""lossctl: loss values from prediction files and arrays, without a framework.

>>> import lossctl
>>> lossctl.compute("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0]).value
1.3333333333333333
>>> lossctl.losses.huber([0.0, 4.0], [0.0, 0.0], delta=2.0).value
3.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lossctl import losses
    from lossctl.api import compute, describe, describe_all, elements, merge
    from lossctl.engine.result import Result

_HOMES = {
    "Result": "lossctl.engine.result",
    "compute": "lossctl.api",
    "describe": "lossctl.api",
    "describe_all": "lossctl.api",
    "elements": "lossctl.api",
    "merge": "lossctl.api",
}

__all__ = [
    "Result",
    "__version__",
    "compute",
    "describe",
    "describe_all",
    "elements",
    "losses",
    "merge",
]


def __getattr__(name: str) -> Any:
    """Import parts of the API when they are first asked for: the command starts faster so."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("losses", "errors"):
        return importlib.import_module(f"lossctl.{name}")
    raise AttributeError(f"module 'lossctl' has no attribute {name!r}")
