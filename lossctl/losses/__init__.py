"""The losses: what is the loss of these samples?

Every loss is an attribute of this package and a callable on arrays or files; those of a dialect
are attributes of its library::

    lossctl.losses.huber(pred, target, delta=2.0).value
    lossctl.losses.keras.huber(pred, target, delta=2.0).value
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Loss
    from lossctl.losses.core.registry import Dialect


def __getattr__(name: str) -> Loss | Dialect:
    if any(module.name == name for module in pkgutil.iter_modules(__path__)):
        # `from lossctl.losses import regression` asks here first, while the registry is filled
        raise AttributeError(f"module {__name__}.{name} is not imported yet")
    from lossctl.losses.core.names import name_library
    from lossctl.losses.core.registry import Dialect, built_in, libraries

    if "." not in name and name_library(name) in libraries():
        return Dialect(name_library(name))
    found = None if name.startswith("_") else built_in().find(name)
    if found is None or name not in (found.key, found.key.rpartition(".")[2]):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def __dir__() -> list[str]:
    from lossctl.losses.core.registry import libraries, registry

    return [*registry(), *libraries()]
