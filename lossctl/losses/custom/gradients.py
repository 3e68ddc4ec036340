"""Taking the gradient of a user's loss: is it right what it declares, and what it returns?"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from lossctl.errors import CustomLossError
from lossctl.losses.core.deprecated import warn_renamed
from lossctl.losses.core.gradients import DeclaredGradient, name_options
from lossctl.losses.custom.attribution import CodeOrigin, guard, owner_hint, show_place

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Loss

DIGITS = "biuf"
"""Kinds of dtypes that can be derivatives."""


def validate_gradient(
    loss: Loss, gradient: DeclaredGradient, origin: CodeOrigin
) -> DeclaredGradient:
    """Take the gradient of a user's loss, and answer for its errors.

    Raises CustomLossError (a UsageError) with the file and line of the declaration.
    """
    if not isinstance(gradient.function, FunctionType):
        raise TypeError(
            f"@loss.gradient decorates a function, and {gradient.function!r} is not one"
        )
    gradient = replace(gradient, function=_rename_cotangent(gradient.function))
    for fault in _find_faults(loss, gradient):
        raise CustomLossError(f"{_place(gradient.function)}: {fault}", owner_hint(origin))
    function = _check_returns(loss, gradient, guard(gradient.function, origin), origin)
    return replace(gradient, function=function)


def _rename_cotangent(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the cotangent by that name, not by the one before: upstream."""
    signature = inspect.signature(function)
    if "upstream" not in name_options(function):
        return function
    warn_renamed("upstream, the option of a gradient's function,", "cotangent")

    @functools.wraps(function)
    def call(*inputs: Any, cotangent: Any, **options: Any) -> Any:
        return function(*inputs, upstream=cotangent, **options)

    names = {"upstream": "cotangent"}
    parameters = [
        one.replace(name=names.get(one.name, one.name)) for one in signature.parameters.values()
    ]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def _place(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return show_place(code.co_filename, code.co_firstlineno, code.co_name)


def _find_faults(loss: Loss, gradient: DeclaredGradient) -> Iterator[str]:
    """Yield what is wrong with the declaration of a gradient."""
    names = [one.name for one in loss.inputs]
    for name in gradient.by:
        if name not in names:
            yield f"the gradient is with respect to {name!r}, but the inputs are {', '.join(names)}"
    parameters = inspect.signature(gradient.function).parameters.values()
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(taken) != len(names) and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        shown = ", ".join(one.name for one in taken) or "none"
        yield f"the gradient takes the inputs {', '.join(names)}, but its function has {shown}"
    known = {"cotangent", *(one.name for one in loss.parameters)}
    if loss.predicate is not None:
        known.add(loss.predicate.name)
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and one.name not in known:
            yield f"the gradient takes {one.name!r}, which is not an option of {loss.key}"


def _check_returns(
    loss: Loss, gradient: DeclaredGradient, function: Callable[..., Any], origin: CodeOrigin
) -> Callable[..., Any]:
    """Return the function with read-only inputs and a check of what it returns."""
    by = gradient.by or (loss.inputs[0].name,)
    places = [[one.name for one in loss.inputs].index(name) for name in by]

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> Any:
        views = [one.view() for one in inputs]
        for one in views:
            one.flags.writeable = False
        returned = function(*views, **options)
        parts = returned if isinstance(returned, tuple) else (returned,)
        fault = _find_returned_faults(parts, by, [views[place] for place in places])
        if fault:
            raise CustomLossError(f"{_place(function)}: {fault}", owner_hint(origin))
        return returned

    return call


def _find_returned_faults(
    parts: tuple[Any, ...], by: tuple[str, ...], inputs: list[Any]
) -> str | None:
    """Say what is wrong with what was returned, or return None."""
    if len(parts) != len(by):
        return (
            f"it returned {len(parts)} arrays, but the gradient is with respect to {', '.join(by)}"
        )
    for name, part, given in zip(by, parts, inputs, strict=True):
        of = f"as the gradient with respect to {name}"
        if not isinstance(part, np.ndarray) or part.dtype.kind not in DIGITS:
            what = f"an array of {part.dtype}" if isinstance(part, np.ndarray) else repr(part)
            return f"it returned {what[:60]} {of}, not an array of numbers"
        if part.shape != given.shape:
            return f"it returned an array of shape {part.shape} {of}, whose shape is {given.shape}"
    return None
