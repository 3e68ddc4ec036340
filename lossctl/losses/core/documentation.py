"""The docstring of a loss, composed from its declaration when it is first asked for."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from lossctl.kinds import Kind
from lossctl.losses.core.inputs import Input
from lossctl.losses.core.options import Parameter

WIDTH = 88
"""How long the lines below a heading are at most."""
ANY_NUMBER = {Kind.REAL, Kind.LOGIT, Kind.SCORE, Kind.LOG_AMOUNT}
"""Kinds that every number is of."""


class Documented(Protocol):
    """What a docstring is composed of."""

    formula: str
    source: str
    unit: str
    inputs: tuple[Input, ...]
    reduction: str
    reduce_axes: str
    traps: tuple[str, ...]
    undifferentiable: str

    @property
    def kernel(self) -> Callable[..., Any]:
        """The function that has the docstring to begin with."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options."""

    @property
    def prediction_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that the loss is differentiated with respect to."""

    @property
    def form_count(self) -> int:
        """In how many combinations of shapes the inputs may come."""

    def result_axes(self, form: int) -> tuple[str, ...]:
        """Return the axes of the losses in a form of the inputs."""


def compose(loss: Documented) -> str:
    """Return what a declaration says, in the sections of a docstring."""
    sections = {
        "Formula": [loss.formula] if loss.formula else [],
        "Inputs": [_show_input(one) for one in loss.inputs],
        "Options": [_show_option(one) for one in loss.parameters],
        "Returns": list(_show_returns(loss)),
        "Raises": list(_show_errors(loss)),
        "Gradient": [_show_gradient(loss)],
        "Notes": list(loss.traps),
        "Source": [loss.source] if loss.source else [],
    }
    parts = [inspect.getdoc(loss.kernel) or ""]
    for heading, lines in sections.items():
        if lines:
            parts.append("\n".join([f"{heading}:", *map(_wrap, lines)]))
    return "\n\n".join(parts)


def _wrap(line: str) -> str:
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def show_default(default: Any) -> str:
    """Return the default of an option as it is written."""
    if default is None:
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def show_losses(loss: Documented, before_options: str = "") -> str:
    """Say which losses there are without a reduction; names of options may have a prefix."""
    first, forms = loss.inputs[0], range(loss.form_count)
    if loss.reduce_axes not in ("", "last", "all"):
        return f"what {before_options}{loss.reduce_axes} leaves, or one number"
    if all(loss.result_axes(form) == first.form(form).axes for form in forms):
        return "one per element"
    return " or ".join(dict.fromkeys(show_axes(loss.result_axes(form)) for form in forms))


def show_axes(axes: Sequence[str]) -> str:
    """Return axes as a person reads a shape."""
    return f"({', '.join(axes)})" if axes else "one number"


def _show_input(one: Input) -> str:
    return f"{one.name}: {f'{one.help}; ' if one.help else ''}shape {one.shapes}; {one.kinds}"


def _show_option(one: Parameter) -> str:
    bounds = f", {one.option.bounds}" if one.option.bounds else ""
    help_text = f": {one.option.help}" if one.option.help else ""
    default = show_default(one.default)
    return f"{one.name}: {one.type_name}{bounds}, {default} by default{help_text}"


def _show_returns(loss: Documented) -> Iterator[str]:
    yield f"Result: the losses reduced, by {loss.reduction} unless reduction= says otherwise."
    losses = show_losses(loss)
    yield f"Without a reduction there are these losses: {losses}."
    if loss.unit:
        yield f"Their unit: {loss.unit}."


def _show_errors(loss: Documented) -> Iterator[str]:
    bounded = [one.name for one in loss.parameters if one.option.bounds]
    yield "UsageError: an unknown option" + (
        f", or a value out of bounds of {_enumerate(bounded)}." if bounded else "."
    )
    checked = [
        one.name for one in loss.inputs if not {form.kind for form in one.forms} <= ANY_NUMBER
    ]
    yield "DataError: shapes that do not fit" + (
        f", or numbers of {_enumerate(checked)} that are not of their kind." if checked else "."
    )
    yield "FileError: a file that cannot be read."


def _show_gradient(loss: Documented) -> str:
    if loss.undifferentiable:
        return f"none: {loss.undifferentiable}"
    return f"with respect to {_enumerate(loss.prediction_inputs)}"


def _enumerate(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
