"""Finding a loss by any of the names that people know it by.

Built-in losses come first. Packages that offer losses are looked at only for a name that none of
them has, and for listings.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lossctl.errors import UsageError, did_you_mean, warn
from lossctl.losses.core.declaration import DECLARED, Loss
from lossctl.losses.core.names import LIBRARIES, Names, name_library, rank, split, title

ROOM = __name__.removesuffix(".core.registry")
MACHINERY = ("core", "maths", "custom")
"""The folders of this room that are not families of losses."""


@functools.cache
def registry() -> dict[str, Loss]:
    """Return every loss of lossctl by key, in the order of libraries, families, declarations."""
    for name in family_modules():
        importlib.import_module(name)
    order = sorted(DECLARED.items(), key=lambda item: (rank(item[1].library), item[1].family))
    return dict(order)


def family_modules() -> Iterator[str]:
    """Yield the names of the modules of all families."""
    for family in _list_names(sys.modules[ROOM].__path__[0]):
        if family.name.isidentifier() and family.name not in MACHINERY:
            for file in _list_names(family.path):
                if file.name.endswith(".py") and file.name != "__init__.py":
                    yield f"{ROOM}.{family.name}.{file.name.removesuffix('.py')}"


def _list_names(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder in the order of names: pkgutil takes three times as long."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


@functools.cache
def built_in() -> Names:
    """Return the names of the registry; raises ValueError where one means two losses."""
    return Names(registry().values())


def names() -> Iterable[str]:
    """Return every name of every built-in loss as it is typed."""
    return iter(built_in())


def find(name: str | Loss | None) -> Loss:
    """Return the loss of that name.

    Ignores case, ``-`` against ``_`` and a trailing ``Loss``. A prefix (``torch.nn.``, ``F.``,
    ``keras.losses.``, ``optax.``) asks for the definition of that library. ``FILE.py:NAME`` is a
    custom loss. Raises UsageError with the nearest names.
    """
    if isinstance(name, Loss):
        return name
    if not isinstance(name, str):
        raise UsageError(
            f"{name!r} is neither the name of a loss nor a declared one",
            "Declare a custom loss with @lossctl.loss.",
        )
    from_file = _find_in_file(name)
    if from_file is not None:
        return from_file
    found = built_in().find(name)
    if found is None:
        from lossctl.losses.custom.plugins import find_offered

        found = find_offered(name)
    if found is None:
        raise UsageError(f"there is no loss named {name!r}", f"{_hint(name)} {_LIST}")
    return found


def choose(name: str | Loss | None) -> Loss:
    """Return the loss of a name that a user typed.

    Warns of a name to which other libraries give other numbers, and names theirs.
    """
    found = find(name)
    others = built_in().find_others(name) if isinstance(name, str) and ":" not in name else []
    if others and found.origin is None:
        theirs = " and ".join(f"{call(one)}'s {one.key}" for one in others)
        verb = "is another loss" if len(others) == 1 else "are other losses"
        warn(f"{name!r} is read as {call(found)}'s {found.key}; {theirs} {verb}")
    return found


def call(loss: Loss) -> str:
    """Return what the library of a loss is called in a sentence."""
    return title(loss.library).partition(",")[0]


def tell_who_has(loss: Loss, option: str) -> str:
    """Say which other losses of the same name have an option; nothing where none has it."""
    have = [
        f"{other.key} has {one.flag}."
        for other in namesakes(loss)
        for one in other.parameters
        if one.name == option
    ]
    return " ".join(have)


def libraries() -> list[str]:
    """Return the labels of the libraries whose losses there are."""
    return list(dict.fromkeys(loss.library for loss in registry().values()))


@dataclass(frozen=True)
class Dialect:
    """The losses of one library as attributes."""

    library: str

    def __getattr__(self, name: str) -> Loss:
        found = None if name.startswith("_") else built_in().find(f"{self.library}.{name}")
        if found is None:
            raise AttributeError(f"{self.library} has no loss {name!r}")
        return found

    def __dir__(self) -> list[str]:
        keys = [loss.key for loss in registry().values() if loss.library == self.library]
        return [split(key)[1] for key in keys]


def list_losses() -> list[Loss]:
    """Return every loss: those of lossctl, then those that installed packages offer."""
    from lossctl.losses.custom.plugins import offered

    return [*registry().values(), *offered().losses]


def choose_losses(
    losses: Sequence[Loss], family: str | None = None, library: str | None = None
) -> list[Loss]:
    """Return the losses of a library and a family; raises UsageError for one that is not there."""
    chosen = list(losses)
    wanted = {"library": None if library is None else name_library(library), "family": family}
    for what, name in wanted.items():
        if name is None:
            continue
        known = list(dict.fromkeys(getattr(one, what) for one in chosen))
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}", did_you_mean(name, known))
        chosen = [one for one in chosen if getattr(one, what) == name]
    return chosen


def list_file(path: str) -> list[Loss]:
    """Return the losses that a Python file declares."""
    from lossctl.losses.custom.files import load_file, split_reference

    reference = split_reference(path)
    if reference is None or reference[1]:
        raise UsageError(f"{path!r} is not a Python file", "Give a path that ends with .py.")
    return list(load_file(reference[0]).values())


def namesakes(loss: Loss) -> list[Loss]:
    """Return the losses of other dialects that share a name with this one, but differ."""
    return built_in().namesakes(loss)


def _find_in_file(name: str) -> Loss | None:
    if ".py" not in name:
        return None
    from lossctl.losses.custom.files import find_in_file, split_reference

    reference = split_reference(name)
    return None if reference is None else find_in_file(*reference)


_LIST = "'lossctl list' shows all."


def _hint(name: str) -> str:
    from lossctl.losses.custom.plugins import offered

    if not split(name)[1]:
        return "Name one."
    known = [built_in(), offered()]
    if split(name)[0] not in ("", *LIBRARIES):  # a package is asked for
        known.reverse()
    close = [one for names_of in known for one in names_of.nearest(name)]
    return f"Did you mean {' or '.join(close[:4])}?" if close else "No name is near it."
