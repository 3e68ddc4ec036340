"""Finding a loss by any of the names that people know it by."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Iterable

import lossctl.losses as room
from lossctl.errors import UsageError, did_you_mean
from lossctl.losses.declaration import DECLARED, Loss

PREFIX = re.compile(r"^(torch\.nn\.functional\.|torch\.nn\.|nn\.functional\.|torch\.|nn\.|f\.)")


@functools.cache
def registry() -> dict[str, Loss]:
    """Return every declared loss by key, in the order of family modules and declarations."""
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
    return dict(sorted(DECLARED.items(), key=lambda item: (item[1].library, item[1].family)))


def fold(name: str) -> str:
    """Return a name without case, dashes, prefix of the library and trailing ``loss``."""
    bare = PREFIX.sub("", name.casefold().replace("-", "_")).replace("_", "")
    return bare.removesuffix("loss") or bare


@functools.cache
def _by_folded_name() -> dict[str, Loss]:
    table: dict[str, Loss] = {}
    for declared in registry().values():
        for name in (declared.key, *declared.aliases):
            other = table.setdefault(fold(name), declared)
            if other is not declared:
                raise ValueError(f"{name!r} means both {other.key} and {declared.key}")
    return table


def names() -> Iterable[str]:
    """Return every key and alias."""
    for declared in registry().values():
        yield declared.key
        yield from declared.aliases


def find(name: str | Loss) -> Loss:
    """Return the loss of that name.

    Ignores case, ``-`` against ``_``, a leading ``torch.nn.``, ``nn.``, ``F.`` or ``torch.``,
    and a trailing ``Loss``. Raises UsageError with the nearest names.
    """
    if isinstance(name, Loss):
        return name
    found = _by_folded_name().get(fold(name))
    if found is None:
        hint = did_you_mean(fold(name), sorted(set(names())))
        raise UsageError(f"there is no loss named {name!r}", f"{hint} 'lossctl list' shows all.")
    return found
