"""The losses: what is the loss of these samples?

Every loss is an attribute of this package and a callable on arrays or files::

    lossctl.losses.huber(pred, target, delta=2.0).value
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossctl.losses.declaration import Loss


def __getattr__(name: str) -> Loss:
    from lossctl.losses.registry import registry

    if name.startswith("_") or name not in registry():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return registry()[name]


def __dir__() -> list[str]:
    from lossctl.losses.registry import registry

    return [*registry(), "declaration", "registry"]
