"""Taking a loss of a user's: is what it declares right, and is what it returns?

Nothing of a user is registered: a loss in a file, a package or a session is a loss of its own,
whatever the losses of lossctl are called.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from types import FunctionType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from lossctl.errors import CustomLossError
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import FACTS, Loss, Option, Parameter, Role
from lossctl.losses.core.inputs import Form, Input
from lossctl.losses.core.terms import InputPredicate, Terms, Transform
from lossctl.losses.custom.attribution import CodeOrigin, guard, owner_hint, show_place

NAME = re.compile(r"[A-Za-z_]\w*")
RESERVED = {
    *("loss", "inputs", "reduction", "sample_weight", "mask", "class_axis", "squeeze", "nan"),
    *("dtype", "threads", "part", "save_state", "progress", "format", "output", "limit"),
    *("precision", "debug", "help", "classes", "keep", "check", "row"),
    *("other", "why_differs"),
}
"""What every computation takes already: no input or option of a loss can be called so."""

VALUES: dict[type, tuple[type, ...]] = {
    bool: (bool, np.bool_),
    int: (int, np.integer),
    float: (int, float, np.number),
    str: (str,),
}
"""The types that options can have, and those of their defaults."""

DIGITS = "biuf"
"""Kinds of dtypes that can be losses."""


def validate(loss: Loss) -> Loss:
    """Take a user's loss: check what it declares, name it, and answer for its errors.

    Raises CustomLossError (a UsageError) with the file and line of the declaration.
    """
    kernel = loss.kernel
    if not isinstance(kernel, FunctionType):
        raise TypeError(f"@loss(...) decorates a function, and {kernel!r} is not one")
    origin = CodeOrigin(
        kernel.__module__ or "__main__", inspect.unwrap(kernel).__globals__.get("__file__")
    )
    for fault in _find_faults(loss):
        code = kernel.__code__
        place = show_place(code.co_filename, code.co_firstlineno, "")
        raise CustomLossError(f"{place}: the loss {loss.key!r} {fault}", owner_hint(origin))
    loss.key, loss.library = origin.qualify(loss.key), origin.label
    loss.origin = origin
    for field in fields(loss):
        value = getattr(loss, field.name)
        if isinstance(value, FunctionType):
            setattr(loss, field.name, guard(value, origin))
        elif isinstance(value, Transform | InputPredicate):
            setattr(loss, field.name, _guard_parts(value, origin))
    loss.kernel = _check_returns(loss, loss.kernel, origin)
    return loss


def _guard_parts(value: Any, origin: CodeOrigin) -> Any:
    parts = {field.name: getattr(value, field.name) for field in fields(value)}
    own = {name: one for name, one in parts.items() if isinstance(one, FunctionType)}
    return replace(value, **{name: guard(one, origin) for name, one in own.items()})


def _find_faults(loss: Loss) -> Iterator[str]:
    """Yield what is wrong with a declaration."""
    if not isinstance(loss.key, str) or not NAME.fullmatch(loss.key):
        yield f"needs a name of letters, digits and _, not {loss.key!r}"
    if loss.library:
        yield f"says library={loss.library!r}; the library of a custom loss is its file"
    for one in loss.inputs:
        if not isinstance(one, Input):
            yield f"has an input that is not declared: {one!r}; use real('input', '*') or similar"
            return
        if not one.forms:
            yield f"does not say the shape of {one.name!r}; '*' is any shape"
    if not loss.inputs:
        yield "has no inputs"
    yield from _find_signature_faults(loss)
    yield from _find_reduction_faults(loss)
    yield from _find_roles_faults(loss)
    for fact in loss.facts:
        if fact not in FACTS:
            yield f"says {fact!r}, which is not a fact; valid facts: {', '.join(FACTS)}"


def _find_roles_faults(loss: Loss) -> Iterator[str]:
    """Look for options that mean the same."""
    options = [one for one in loss.parameters if isinstance(one.option, Option)]
    for role in Role:
        names = [one.name for one in options if one.option.role is role]
        if len(names) > 1:
            yield f"has several options with the role {role.value!r}: {', '.join(names)}"


def _find_reduction_faults(loss: Loss) -> Iterator[str]:
    """Compare what says how the loss is made with the inputs and options that there are."""
    axes = [
        one.name for one in loss.parameters if isinstance(one.option, Option) and one.option.axes
    ]
    if loss.reduce_axes not in ("", "last", "all", *axes):
        yield (
            f"has reduce_axes={loss.reduce_axes!r}; valid are 'last', 'all', and an option that"
            " lists axes"
        )
    predicate = loss.predicate
    if predicate is not None and predicate.input not in [one.name for one in loss.inputs]:
        yield f"has a predicate of {predicate.input!r}, which is not one of its inputs"
    if predicate is not None and predicate.name not in inspect.signature(loss.kernel).parameters:
        yield f"has a predicate {predicate.name!r}, which its function does not take as a"
        " keyword-only argument"
    forms = [form for one in loss.inputs for form in one.forms]
    if any(one.kind is Kind.INDEX for one in forms) and not any("C" in one.axes for one in forms):
        yield "declares class indices, but none of its inputs has the axis C of the classes"


def _find_signature_faults(loss: Loss) -> Iterator[str]:
    """Compare the signature of the kernel with what is declared."""
    parameters = inspect.signature(loss.kernel).parameters.values()
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    declared = [one.name for one in loss.inputs]
    for name in [*declared, *(one.name for one in loss.parameters)]:
        if name in RESERVED:
            yield f"calls an input or an option {name!r}, which every loss has already; rename it"
    if taken != declared:
        yield (
            f"declares the inputs {', '.join(declared)}, but its function takes"
            f" {', '.join(taken) or 'none'} (options come after a *)"
        )
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        yield "takes *args or **kwargs: name each input, and each option after a *"
        return
    hints = get_type_hints(loss.kernel)
    for one in loss.parameters:
        fault = _find_option_faults(one, hints.get(one.name, one.type))
        if fault:
            yield fault


def _find_option_faults(one: Parameter, hint: Any) -> str | None:
    kind = one.type.__name__
    if one.default is inspect.Parameter.empty:
        return f"has an option without a default: {one.name}"
    if not isinstance(one.option, Option):
        return f"annotates {one.name} with {one.option!r}; use Annotated[{kind}, Option('help')]"
    return None if one.tensor or one.option.axes else _find_values_faults(one, hint)


def _find_values_faults(one: Parameter, hint: Any) -> str | None:
    """Compare the type, the default and the bounds of an option that is no array."""
    kind = one.type.__name__
    union = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if [type_ for type_ in union if type_ is not NoneType] != [one.type] or one.type not in VALUES:
        said = hint.__name__ if isinstance(hint, type) else str(hint)
        return (
            f"has an option {one.name} of type {said}; valid types: int, float, bool and str;"
            f" Option('help', choices=(...)) lists valid values"
        )
    if one.default is None:
        return None if one.optional else f"has {one.name} = None; say {kind} | None of it"
    if not isinstance(one.default, VALUES[one.type]):
        return f"has a default of another type: {one.name} = {one.default!r} is not of type {kind}"
    broken = one.option.objection(one.default)
    return f"has a default out of bounds: {one.name} {broken}" if broken else None


def _check_returns(
    loss: Loss, kernel: Callable[..., Any], origin: CodeOrigin
) -> Callable[..., Any]:
    """Return the kernel with read-only inputs and a check of what it returns."""

    @functools.wraps(kernel)
    def call(*inputs: Any, **options: Any) -> Any:
        views = [one.view() for one in inputs]
        for one in views:
            one.flags.writeable = False
        returned = kernel(*views, **options)
        fault = _find_returned_faults(loss, views, returned)
        if fault:
            code = inspect.unwrap(kernel).__code__
            place = show_place(code.co_filename, code.co_firstlineno, code.co_name)
            raise CustomLossError(f"{place}: {fault}", owner_hint(origin))
        return returned

    return call


def _find_returned_faults(loss: Loss, inputs: list[Any], returned: Any) -> str | None:
    """Say what is wrong with what a kernel returned, or return None."""
    losses: Any = returned.losses if isinstance(returned, Terms) else returned
    sums = returned.sums if isinstance(returned, Terms) else {}
    if sums or loss.finalize is not None or loss.reduce_axes:
        return _find_gathered_faults(loss, inputs, losses, sums)
    rule = "a kernel returns the loss of each element as an array, and never reduces"
    if np.ndim(losses) == 0 and not isinstance(losses, np.ndarray):
        return f"it returned {losses!r}, but {rule}"
    masked = isinstance(losses, np.ma.MaskedArray)
    if not isinstance(losses, np.ndarray) or losses.dtype.kind not in DIGITS or masked:
        plain = isinstance(losses, np.ndarray) and not masked
        what = losses.dtype if plain else f"a {type(losses).__name__}"
        return f"it returned {what}, but {rule}"
    wanted = _expected_shapes(loss, inputs)
    if wanted and losses.shape not in wanted:
        shapes = ", ".join(str(one.shape) for one in inputs)
        expected = " or ".join(map(str, wanted))
        axes = " or ".join(
            dict.fromkeys(f"({' '.join(loss.result_axes(at))})" for at in range(loss.form_count))
        )
        return (
            f"for inputs of shape {shapes} it returned losses of shape {losses.shape}, but"
            f" {expected} is declared: {axes}; results=... changes that"
        )
    if isinstance(returned, Terms):
        for name in ("weights", "ignored", "clamped", "mean_divisors"):
            part = getattr(returned, name)
            if part is not None and np.shape(part) != losses.shape:
                return f"its losses have shape {losses.shape}, but its {name} {np.shape(part)}"
    return None


def _find_gathered_faults(
    loss: Loss, inputs: list[Any], losses: Any, sums: dict[str, Any]
) -> str | None:
    """Say what is wrong with what is added up over axes, or return None."""
    if sums and loss.finalize is None:
        return "it returned sums, but no finalize=... is declared, which computes the loss from"
        " them"
    if loss.finalize is not None and not sums:
        return "it returned no Terms(sums=...), from which the declared finalize computes the loss"
    parts = sums or {"losses": losses}
    pairs = zip(loss.inputs, inputs, strict=True)
    rows = next((len(block) for one, block in pairs if "N" in one.form(0).axes), None)
    first = np.shape(next(iter(parts.values())))
    for name, part in parts.items():
        if not isinstance(part, np.ndarray) or part.dtype.kind not in DIGITS:
            return f"its {name!r} is a {type(part).__name__}, not an array with one number per"
            " element"
        if part.shape != first or (rows is not None and part.shape[:1] != (rows,)):
            shapes = ", ".join(str(one.shape) for one in inputs)
            return f"for inputs of shape {shapes} its {name!r} has shape {part.shape}"
    return None


def _expected_shapes(loss: Loss, inputs: list[Any]) -> list[tuple[int, ...]]:
    """Return the shapes that the losses of a block may have, by the forms that its inputs fit."""
    found = []
    for number in range(loss.form_count):
        sizes: dict[str, tuple[int, ...]] = {}
        forms = [one.form(number) for one in loss.inputs]
        fits = [
            declared.broadcasts
            or _bind(form, block.shape, sizes, shared="N" not in declared.form(0).axes)
            for declared, form, block in zip(loss.inputs, forms, inputs, strict=True)
        ]
        words = loss.result_axes(number)
        if all(fits):
            rows = () if "N" in words else sizes.get("N", (1,))  # a single sample has the axis too
            shape = [size for word in words for size in sizes.get(word, (1,))]
            found.append((*rows, *shape))
    return list(dict.fromkeys(found))


def _bind(
    form: Form, shape: tuple[int, ...], sizes: dict[str, tuple[int, ...]], *, shared: bool
) -> bool:
    """Bind the words of a form to the block in the kernel's view, samples first."""
    words = [word for word in form.axes if word not in ("N", "1")]
    words = words if shared else ["N", *words]
    further = len(shape) - len(words) + ("*D" in words)
    if further < 0 or (further and "*D" not in words):
        return False
    rest = list(shape)
    for word in words:
        count = further if word == "*D" else 1
        size, rest = tuple(rest[:count]), rest[count:]
        if word.isdigit() and size != (int(word),):
            return False
        if sizes.setdefault(word, size) != size:
            return False
    return True
