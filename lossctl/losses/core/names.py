"""The libraries whose losses there are, and how a name is split from its prefix.

A loss whose key begins with its library (``keras.huber``) has its names in that dialect alone;
any other loss claims its names without a prefix, and has them in its library's dialect too. A
name without a prefix that is spelled as a library spells it (``Loss.spellings``) means that of
the first that spells it so, in the order of :data:`LIBRARIES`; any other means the loss that
claims it, or else that of the first library which has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lossctl.errors import nearest
from lossctl.losses.core.declaration import Loss


@dataclass(frozen=True, slots=True)
class Library:
    """A library whose definitions there are: what it is called, and what stands before names."""

    title: str
    prefixes: tuple[str, ...]


LIBRARIES = {
    "torch": Library(
        "PyTorch, torch.nn",
        ("torch.nn.functional", "torch.nn", "nn.functional", "torch", "nn", "f"),
    ),
    "scikit-learn": Library(
        "scikit-learn, sklearn.metrics", ("sklearn.metrics", "sklearn", "scikit_learn")
    ),
    "keras": Library(
        "Keras, keras.losses", ("tf.keras.losses", "keras.losses", "tf.keras", "keras")
    ),
    "torchvision": Library("torchvision, torchvision.ops", ("torchvision.ops", "torchvision")),
    "optax": Library("Optax, optax.losses", ("optax.losses", "optax")),
    "literature": Library("other", ("literature",)),
}
"""The libraries in the order in which a name without prefix is looked up in them."""

_TITLES = {one.title.casefold(): library for library, one in LIBRARIES.items()}
_PREFIXES = sorted(
    ((prefix + ".", library) for library, one in LIBRARIES.items() for prefix in one.prefixes),
    key=lambda pair: -len(pair[0]),
)


def split(name: str) -> tuple[str, str]:
    """Return the library of a name ("" for none), and the name without the prefix."""
    plain = name.casefold().replace("-", "_")
    for prefix, library in _PREFIXES:
        if plain.startswith(prefix):
            return library, plain[len(prefix) :]
    library, _, rest = plain.rpartition(".")
    return library, rest


def fold(name: str) -> str:
    """Return a name without prefix, underscores and a trailing ``loss``."""
    return _fold(split(name)[1])


def _fold(bare: str) -> str:
    bare = bare.replace("_", "")
    return bare.removesuffix("loss") or bare


def name_library(text: str) -> str:
    """Return the label of the library of which this is a name, a prefix or the title."""
    library = _TITLES.get(text.casefold()) or split(f"{text}.")[0]
    return library if library in LIBRARIES else text


def title(library: str) -> str:
    """Return what a library is called."""
    return LIBRARIES[library].title if library in LIBRARIES else library


def rank(library: str) -> int:
    """Return the place of a library in the order of looking up."""
    known = list(LIBRARIES)
    return known.index(library) if library in known else len(known)


def spell(loss: Loss) -> list[str]:
    """Return every name of a loss as it is typed: those of a dialect with their prefix."""
    file, colon, _ = loss.key.rpartition(":")
    if colon:  # of a user's file
        return [loss.key, *(f"{file}:{alias}" for alias in loss.aliases)]
    if not speaks_dialect(loss):
        return [loss.key, *loss.aliases]
    return [loss.key, *(_in_dialect(loss.library, alias) for alias in loss.aliases)]


def speaks_dialect(loss: Loss) -> bool:
    """Whether a loss's names need its library's prefix where another one claims them."""
    return split(loss.key)[0] != ""


def _in_dialect(library: str, name: str) -> str:
    return name if split(name)[0] else f"{library}.{name}"


class Names:
    """Which loss is meant by which name. Raises ValueError for a name that means two."""

    def __init__(self, losses: Iterable[Loss]) -> None:
        self.losses = sorted(losses, key=lambda one: rank(one.library))
        self._claims: dict[str, Loss] = {}
        self._dialects: dict[tuple[str, str], Loss] = {}
        self._first: dict[str, Loss] = {}
        self._keys = {one.key: one for one in self.losses}
        self._spellers: dict[str, list[Loss]] = {}
        for one in self.losses:
            for name in one.spellings:
                self._spellers.setdefault(name, []).append(one)
            for name in spell(one):
                library, bare = split(name)
                folded = _fold(bare)
                if not library:
                    _enter(self._claims, folded, one, name)
                key = (library or one.library.casefold(), folded)
                _enter(self._dialects, key, one, f"{key[0]}.{bare}")
        for (_, name), one in self._dialects.items():
            self._first.setdefault(name, one)

    def find(self, name: str) -> Loss | None:
        """Return the loss of that name, or None."""
        library, folded = split(name)[0], fold(name)
        if library:
            return self._dialects.get((library, folded))
        spelled = self._spell(name)
        if spelled in self._spellers and spelled not in self._keys:
            return self._spellers[spelled][0]
        return self._claims.get(folded) or self._first.get(folded)

    def find_others(self, name: str) -> list[Loss]:
        """Return the losses that a name without a prefix might mean as well.

        They take as many inputs, and have other numbers.
        """
        found, folded = self.find(name), fold(name)
        if found is None or split(name)[0] or name == found.key:
            return []
        spelled = self._spell(name)
        others = [one for (_, same), one in self._dialects.items() if same == folded]
        if self._spellers.get(spelled) == [found]:
            others = []
        if spelled.casefold() in self._keys:  # which differs by its capitals alone
            others.append(self._keys[spelled.casefold()])
        return [
            one
            for one in dict.fromkeys(others)
            if one is not found
            and not (one.agrees or found.agrees)
            and len(one.inputs) == len(found.inputs)
        ]

    def _spell(self, name: str) -> str:
        """Return a name as a library might spell it: capitals count where one has them."""
        spelled = name.strip().replace("-", "_")
        return spelled if spelled in self._spellers else spelled.casefold()

    def namesakes(self, loss: Loss) -> list[Loss]:
        """Return the other losses that share a name with this one, in other dialects."""
        mine = {fold(name) for name in spell(loss)}
        found = {id(one): one for (_, name), one in self._dialects.items() if name in mine}
        return [one for one in found.values() if one is not loss]

    def nearest(self, name: str) -> list[str]:
        """Return the names most like one that nothing has: of its own dialect first."""
        asked, bare = split(name)
        known: dict[str, list[tuple[Loss, str]]] = {}
        for one in self.losses:
            for spelled in spell(one):
                known.setdefault(fold(spelled), []).append((one, spelled))
        close = [self._type(*pair, asked) for near in nearest(bare, known) for pair in known[near]]
        return sorted(dict.fromkeys(close), key=lambda one: split(one)[0] != asked)[:4]

    def _type(self, loss: Loss, name: str, asked: str) -> str:
        """Return a name as it is typed: with a prefix where one was asked for or is needed."""
        library, bare = split(name)
        if asked == loss.library:
            return f"{asked}.{bare}"
        plain = library and loss.origin is None and self.find(bare) is loss
        return bare if plain else name

    def __iter__(self) -> Iterator[str]:
        for one in self.losses:
            yield from spell(one)


def _enter(table: dict[Any, Loss], key: object, loss: Loss, name: str) -> None:
    other = table.setdefault(key, loss)
    if other is not loss:
        raise ValueError(f"{name!r} means both {other.key} and {loss.key}")
