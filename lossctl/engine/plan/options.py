"""Options: checked against the declaration, and the part of a tensor that belongs to a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.rules.shapes import show
from lossctl.engine.plan.blocks import Region
from lossctl.errors import DataError, UsageError, did_you_mean
from lossctl.findings import OptionName, Remedy, RemedyKind
from lossctl.losses.core.declaration import Loss, Parameter
from lossctl.losses.core.deprecated import explain_replacement
from lossctl.losses.core.registry import tell_who_has

Array = NDArray[Any]


def check_options(
    loss: Loss, given: dict[str, Any], load: Callable[[Any], Array]
) -> dict[str, Any]:
    """Return all options of a loss, with defaults filled in and tensors loaded.

    Raises UsageError for an unknown option (with the nearest) and for values out of bounds.
    """
    known = {parameter.name: parameter for parameter in loss.parameters}
    for name in given:
        replacement = explain_replacement(name)
        if replacement is not None:
            raise UsageError(f"{name} is a deprecated option of torch", replacement)
        if name not in known:
            near = did_you_mean(name, list(known)) or "It takes no options."
            hint = tell_who_has(loss, name) or near
            raise UsageError(f"{loss.key} has no option {name!r}", hint)
    return {
        name: _check(loss, parameter, given.get(name, parameter.default), load)
        for name, parameter in known.items()
    }


def _check(loss: Loss, parameter: Parameter, value: Any, load: Callable[[Any], Array]) -> Any:
    if parameter.tensor:
        return None if value is None else load(value)
    label = f"{parameter.name} of {loss.key}"
    if parameter.type is bool:
        if not isinstance(value, bool | np.bool_):
            raise UsageError(f"{label} must be true or false, but is {value!r}")
        return bool(value)
    if value is None and (parameter.optional or parameter.default is None):
        return None
    if parameter.option.axes:
        return _axes(label, value)
    if parameter.type is str:
        value = str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
    else:
        value = _number(label, parameter.type, value)
    objection = parameter.option.objection(value)
    if objection:
        hint = ""
        if parameter.option.choices and isinstance(value, str):
            hint = did_you_mean(value, [str(choice) for choice in parameter.option.choices])
        raise UsageError(f"{label} {objection}, but is {value}", hint)
    return value


def _axes(label: str, value: Any) -> tuple[int, ...]:
    """Return axes given as one number, several, or a comma list."""
    listed = value.split(",") if isinstance(value, str) else value
    if np.ndim(listed) == 0:
        listed = [listed]
    return tuple(_number(label, int, one) for one in listed)


def _number(label: str, kind: type, value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        wanted = "an integer" if kind is int else "a number"
        raise UsageError(f"{label} must be {wanted}, but is {value!r}") from None
    if kind is not int:
        return number
    if not number.is_integer():
        raise UsageError(f"{label} must be an integer, but is {value}")
    return int(number) if abs(number) < 2**53 else int(value)


@dataclass(slots=True)
class TensorOption:
    """A tensor-valued option, and where its axes lie in the kernel's view."""

    array: Array
    axes: tuple[str, ...]
    """Axes of the view that it is broadcast to; empty if it is passed as it is."""

    def block(self, region: Region) -> Array:
        """Return the part that belongs to a region, broadcastable against the kernel's view."""
        if not self.axes:
            return self.array
        cuts = iter(region.trailing)
        box = []
        for word, size in zip(self.axes, self.array.shape, strict=True):
            cut = slice(None)
            if word == "N":
                cut = slice(region.start, region.stop)
            elif word == "*":
                cut = next(cuts)
            box.append(slice(None) if size == 1 else cut)
        return self.array[tuple(box)]


def bind_tensor(
    loss: Loss,
    parameter: Parameter,
    array: Array,
    sizes: dict[str, int | None],
    trailing: tuple[int, ...],
) -> TensorOption:
    """Check a tensor's shape against the sizes of the inputs.

    Symbols that no input has are bound to the sizes of the first option that has them.
    """
    option = parameter.option
    words: list[str] = []
    wanted: list[int | None] = []
    for word in (option.shape or option.broadcast_to or "").split():
        words += ["*"] * len(trailing) if word == "*D" else [word]
        wanted += trailing if word == "*D" else [sizes.get(word)]
    if option.shape is not None:
        if array.ndim == len(words):
            pairs = zip(words, array.shape, strict=True)
            new = {w: size for w, size in pairs if w != "*" and w not in sizes}
            sizes |= new
            wanted = [new.get(word, size) for word, size in zip(words, wanted, strict=True)]
        if array.shape != tuple(wanted):
            raise DataError(
                f"{parameter.name} of {loss.key} has shape {show(array.shape)}, but should be"
                f" {show(tuple(wanted))}: one number per {_meaning(option.shape)}",
                Remedy(RemedyKind.GIVE_ARRAY, {"option": OptionName(parameter.name)}),
            )
        return TensorOption(array, ())
    padded = array.reshape((1,) * (len(words) - array.ndim) + array.shape)
    misfit = padded.ndim != len(words) or any(
        have not in (1, size) and size is not None
        for have, size in zip(padded.shape, wanted, strict=True)
    )
    if misfit:
        raise DataError(
            f"{parameter.name} of {loss.key} has shape {show(array.shape)}, which does not"
            f" broadcast to the input's {show(tuple(wanted))}",
            "It may have the input's shape, or lack leading axes, or have axes of length 1.",
        )
    return TensorOption(padded, tuple(words))


def _meaning(shape: str) -> str:
    if len(shape.split()) == 1 and shape != "C":
        return f"entry of ({shape})"
    return "class" if shape == "C" else f"position of ({', '.join(shape.split())})"
