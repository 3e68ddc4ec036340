"""Losses and groupings written as strings: ``huber:delta=2``, ``age:10`` (10 bins)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lossctl.errors import UsageError, did_you_mean
from lossctl.findings import OptionName, Sentence
from lossctl.losses.core.declaration import Loss, Parameter
from lossctl.losses.core.names import fold, spell, split
from lossctl.losses.core.options import WORDS, split_options
from lossctl.losses.core.registry import built_in, choose, tell_who_has

REDUCTION = "reduction"
MEANS = ("mean", "batchmean", "sum_over_batch_size", "mean_with_sample_weight")
"""Reductions that are means over rows."""


@dataclass(frozen=True)
class LossSpec:
    """A loss with its options, and the sources of inputs other than predictions and targets."""

    name: str
    """How the loss is called in results: its key, and the options as they were written."""
    loss: Loss
    options: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    mean: str = ""
    """The requested mean, if not the loss's own."""
    typed: str = ""
    """How the user called it; tables show this."""

    @property
    def reduction(self) -> str:
        """How the losses of rows are averaged."""
        return self.mean or self.loss.reduction

    @property
    def target(self) -> str | None:
        """The input for the targets: the one of that name, or else the second."""
        names = [one.name for one in self.loss.inputs]
        named = [name for name in names[1:] if name in ("target", "targets")]
        return next(iter(named or names[1:2]), None)


def parse_losses(given: Any) -> tuple[LossSpec, ...]:
    """Return the losses that are named; each is a string, a declared loss, or one with options."""
    several = isinstance(given, list) or (
        isinstance(given, tuple) and not (len(given) == 2 and isinstance(given[1], dict))
    )
    specs = tuple(parse_loss(one) for one in (given if several else [given]))
    if not specs:
        raise UsageError("no loss is given", "Name at least one, such as 'ce'.")
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"the loss {name!r} is given twice", "Name each loss once.")
    return specs


def parse_loss(given: Any) -> LossSpec:
    """Return the loss of a string such as ``ce:label_smoothing=0.1``, with its options.

    An option named like an input gives its column (``var=sigma2``), and ``reduction`` the
    requested mean (``reduction=batchmean``).
    """
    typed = ""
    if isinstance(given, tuple):
        loss = choose(given[0])
        options = {str(name).replace("-", "_"): value for name, value in given[1].items()}
        text = ",".join(f"{name}={value}" for name, value in options.items())
    elif isinstance(given, Loss):
        loss, options, text = given, {}, ""
    else:
        name, parts = split_options(str(given))
        loss, text, typed = choose(name), ",".join(parts), str(given).strip()
        options = _parse_options(loss, parts)
    names = [one.name for one in loss.inputs]
    inputs = {name: options.pop(name) for name in names if name in options}
    mean = options.pop(REDUCTION, "")
    if mean and mean not in MEANS:
        raise UsageError(
            f"{loss.key}: the reduction {mean!r} is not a mean", did_you_mean(str(mean), MEANS)
        )
    name = f"{loss.key}:{text}" if text else loss.key
    return LossSpec(name, loss, options, inputs, mean, typed or name)


def _parse_options(loss: Loss, parts: Sequence[str]) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in loss.parameters}
    inputs = [one.name for one in loss.inputs]
    options: dict[str, Any] = {}
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        name = name.replace("-", "_")
        if not equals or (name not in known and name not in (*inputs, REDUCTION)):
            near = did_you_mean(name, [*known, *inputs[1:], REDUCTION])
            hint = tell_who_has(loss, name) or near
            raise UsageError(f"{loss.key} has no option {name!r}", hint)
        if name in options:
            raise UsageError(f"{loss.key}: the option {name!r} is given twice")
        options[name] = _read(known[name], value) if name in known else value
    return options


def _read(parameter: Parameter, text: str) -> Any:
    word = text.lower()
    if parameter.type is bool or word == "none":
        if word not in WORDS:
            raise UsageError(f"{parameter.name} must be true or false, but is {text!r}")
        return WORDS[word]
    return text


def match_loss(specs: Sequence[LossSpec], name: str) -> str | None:
    """Return the one of these losses that has the name, in any spelling; None if not one has.

    Its options may be left out where the loss is given once.
    """
    called, parts = split_options(name)
    library, folded = split(called)[0], fold(called)
    exact = built_in().find(called)
    named = [spec for spec in specs if exact is not None and spec.loss is exact] or [
        spec
        for spec in specs
        if not library and folded and folded in [fold(one) for one in spell(spec.loss)]
    ]
    if parts:
        named = [spec for spec in named if _sort_options(spec.name) == _sort_options(name)]
    return named[0].name if len(named) == 1 else None


def _sort_options(text: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in split_options(text)[1])
    return sorted((name.strip().replace("-", "_"), value.strip()) for name, _, value in pairs)


@dataclass(frozen=True)
class Axis:
    """A column to group by: its values, or bins of equal width or equal count."""

    given: Any
    name: str
    bins: int = 0
    quantiles: bool = False


@dataclass(frozen=True)
class BySpec:
    """One grouping of the rows: by an axis, or by several crossed."""

    axes: tuple[Axis, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(axis.name for axis in self.axes)


def parse_by(given: Any, names: Sequence[str]) -> tuple[BySpec, ...]:
    """Return the groupings: a string, an array of labels, or a list of them.

    ``names`` are the columns of the dataset: one of them wins over the syntax.
    """
    if given is None:
        return ()
    if isinstance(given, dict):
        return tuple(BySpec((Axis(labels, str(name)),)) for name, labels in given.items())
    strings = [given] if isinstance(given, str) or not _is_list(given) else list(given)
    specs = tuple(_parse_cross(one, names, place) for place, one in enumerate(strings))
    seen: set[tuple[str, ...]] = set()
    for spec in specs:
        if spec.names in seen:
            raise UsageError(f"the grouping by {', '.join(spec.names)} is given twice")
        seen.add(spec.names)
    return specs


def _is_list(given: Any) -> bool:
    """Whether a list names columns; a list of labels in memory is given in a dict."""
    return isinstance(given, list | tuple)


def _parse_cross(given: Any, names: Sequence[str], place: int) -> BySpec:
    if not isinstance(given, str):
        name = getattr(given, "name", None)
        return BySpec((Axis(given, str(name) if name is not None else f"by {place + 1}"),))
    if given in names:
        return BySpec((Axis(given, given),))
    parts = given.split(",") if "#" not in given else _split_references(given)
    axes = tuple(_parse_axis(part.strip(), names) for part in parts)
    called = [axis.name for axis in axes]
    if len(set(called)) < len(called):
        said = "{by} {given!r} crosses a column with itself"
        raise UsageError(Sentence.of(said, OptionName("by"), given=given))
    return BySpec(axes)


def _split_references(text: str) -> list[str]:
    """Split ``meta.csv#region,device``: a part without a file is of the file before it."""
    parts: list[str] = []
    file = ""
    for part in text.split(","):
        if "#" in part:
            file = part.rpartition("#")[0]
        parts.append(part if "#" in part or not file else f"{file}#{part}")
    return parts


def _parse_axis(text: str, names: Sequence[str]) -> Axis:
    if not text:
        raise UsageError(
            "the name of a column to group by is empty",
            Sentence.of("Name one: {by}", OptionName("by", "region")),
        )
    head, colon, tail = text.rpartition(":")
    count = tail[1:] if tail[:1] == "q" else tail
    if text in names or not colon or not count.isdecimal():
        return Axis(text, _call(text))
    if int(count) < 1:
        raise UsageError(
            Sentence.of("{by} {text!r} asks for 0 bins", OptionName("by"), text=text),
            "Ask for at least one: age:10",
        )
    return Axis(head, _call(text), int(count), quantiles=tail[:1] == "q")


def _call(text: str) -> str:
    return text.rpartition("#")[2]
