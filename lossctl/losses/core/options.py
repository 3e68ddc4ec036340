"""The options of a loss: their bounds and help, as the signature of a kernel declares them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from lossctl.losses.core.deprecated import warn_renamed

WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}
"""The words for values that are no numbers."""


class Role(StrEnum):
    """What an option means to the rooms that do not know the losses and their options by name."""

    IGNORED_LABEL = "ignored label"
    """The label that does not count: the kernel marks its elements in ``Terms.ignored``."""
    SMOOTHING = "smoothing"
    """How much of each label is spread over all classes."""
    INFINITE_AS_ZERO = "infinite as zero"
    """Whether a sample without any finite loss counts as 0."""


@dataclass(frozen=True, slots=True)
class Option:
    """Bounds and help of an option; stands inside ``Annotated`` in the kernel's signature."""

    help: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    gap: tuple[float, float] | None = None
    """Two numbers between which the value may not lie."""
    shape: str | None = None
    """Symbolic shape of a tensor-valued option, such as ``C``."""
    broadcast_to: str | None = None
    """Symbolic shape that a tensor-valued option is broadcast to, as torch does."""
    axes: bool = False
    """Whether the value lists axes: an integer, several, or none for all."""
    role: Role | None = None
    """What it means to checks, messages and other losses, whatever its name is."""
    fits: InitVar[str | None] = None
    """What ``broadcast_to`` was called in the version before."""

    def __post_init__(self, fits: str | None) -> None:
        if self.role is not None:
            object.__setattr__(self, "role", Role(self.role))
        if fits is not None:
            warn_renamed("fits= of Option", "broadcast_to=")
        target = self.broadcast_to or fits
        object.__setattr__(self, "broadcast_to", "N *D" if target == "*" else target)

    @property
    def bounds(self) -> str:
        """The bounds as a person reads them."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.shape is not None:
            return f"shape ({', '.join(self.shape.split())})"
        if self.broadcast_to is not None:
            return f"broadcast to ({', '.join(self.broadcast_to.split())})"
        said = [
            f"{word} {bound:g}"
            for word, bound in (
                ("above", self.above),
                ("at least", self.at_least),
                ("at most", self.at_most),
                ("below", self.below),
            )
            if bound is not None
        ]
        if self.gap is not None:
            said.append(f"not between {self.gap[0]:g} and {self.gap[1]:g}")
        return ", ".join(said)

    def objection(self, value: Any) -> str | None:
        """Say what is wrong with a value, or return None."""
        if self.choices:
            return None if value in self.choices else f"must be {self.bounds}"
        if isinstance(value, float) and np.isnan(value):
            return "must be a number"
        low = self.above is not None and not value > self.above
        low = low or (self.at_least is not None and value < self.at_least)
        high = self.at_most is not None and value > self.at_most
        high = high or (self.below is not None and not value < self.below)
        amid = self.gap is not None and self.gap[0] < value < self.gap[1]
        return f"must be {self.bounds}" if low or high or amid else None


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option of a loss as its signature declares it."""

    name: str
    type: type
    default: Any
    option: Option
    optional: bool = False
    """Whether the value may be none."""

    @property
    def tensor(self) -> bool:
        """Whether the value is an array (a file or a comma list on the command line)."""
        return self.option.shape is not None or self.option.broadcast_to is not None

    @property
    def flag(self) -> str:
        """The flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def type_name(self) -> str:
        """The type as a person reads it."""
        if self.option.axes:
            return "axes"
        return "array" if self.tensor else self.type.__name__


_BEGIN = re.compile(r":\s*[A-Za-z_][\w-]*\s*=")
_CALL = re.compile(r"([^()]*[^()\s])\s*\((\s*[A-Za-z_][\w-]*\s*=.*)?\)\s*", re.DOTALL)


def split_options(text: str) -> tuple[str, list[str]]:
    """Split ``ce:x=1,y=2``, or ``ce(x=1, y=2)``, into the name of a loss and its options.

    The path of a custom loss may have colons, and the value of an option commas.
    """
    called, begin = _CALL.fullmatch(text), _BEGIN.search(text)
    if called is not None:
        name, options = called[1], called[2] or ""
    elif begin is not None:
        name, options = text[: begin.start()], text[begin.start() + 1 :]
    else:
        name, options = text, ""
    parts: list[str] = []
    for part in options.split(",") if options.strip() else ():
        if "=" in part or not parts:
            parts.append(part)
        else:  # a comma list goes on
            parts[-1] += f",{part}"
    return name.strip(), [part.strip() for part in parts]


def read_words(parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of options that are written as ``NAME=VALUE``."""
    for part in parts:
        name, _, value = (word.strip() for word in part.partition("="))
        yield name.replace("-", "_"), WORDS.get(value.casefold(), value)
