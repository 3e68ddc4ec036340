"""Losses that installed packages offer through the entry points ``lossctl.losses``.

An entry point names a declared loss, or a module in which there are some. A package that cannot be
loaded is named in a warning, and nothing else suffers.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from lossctl.errors import CustomLossError, UsageError, warn
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.names import Names, fold, split
from lossctl.losses.custom.attribution import CodeOrigin, loading
from lossctl.losses.custom.files import collect

GROUP = __name__.removesuffix(".custom.plugins")
"""The entry points are called as the room is."""


@functools.cache
def offered() -> Names:
    """Return the names of all losses that installed packages offer."""
    found: dict[str, Loss] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (_package(one), one.name)):
        try:
            loaded = _load(point)
            Names([*found.values(), *(one for one in loaded if found.get(one.key) is not one)])
            found |= {one.key: one for one in loaded}
        except (CustomLossError, ValueError) as error:
            warn(f"the losses of the package {_package(point)} are skipped: {_message_of(error)}")
            found = {key: one for key, one in found.items() if _from(one) != _package(point)}
    return Names(found.values())


def _message_of(error: CustomLossError | ValueError) -> str:
    return error.message if isinstance(error, CustomLossError) else str(error)


def _from(loss: Loss) -> str:
    return loss.origin.package if loss.origin is not None else ""


def find_offered(name: str) -> Loss | None:
    """Return the loss of that name of an installed package, or None.

    Raises UsageError where several packages have it and the name does not say which.
    """
    if split(name)[0]:
        return offered().find(name)
    same = [one for one in offered().losses if fold(name) in _folded(one)]
    if len(same) > 1:
        keys = " or ".join(one.key for one in same)
        raise UsageError(f"{name!r} names losses of several packages", f"Use {keys}.")
    return same[0] if same else None


def _folded(loss: Loss) -> list[str]:
    return [fold(name) for name in (loss.key, *loss.aliases)]


def _load(point: EntryPoint) -> list[Loss]:
    """Return the losses behind an entry point; raises CustomLossError for what goes wrong."""
    with loading(CodeOrigin(point.value.partition(":")[0].strip(), None)):
        value = point.load()
    if isinstance(value, Loss) and value.origin is not None:
        losses = [value]
    elif isinstance(value, ModuleType):
        losses = list(collect(value, value.__name__).values())
    else:
        raise CustomLossError(f"its entry point {point.name} = {point.value} is not a loss")
    for loss in losses:
        assert loss.origin is not None
        loss.origin = replace(loss.origin, package=_package(point))
    return losses


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(".")[0]
