"""Docstrings of the public functions, completed when one is first asked for.

A docstring lists under ``Args:`` what is particular to its function. The words about shared
settings, the valid values, the defaults and the usual errors are added here, in the order of the
signature.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from lossctl.api.shared_settings import ERRORS, SETTINGS

ARGS, RETURNS, RAISES = "Args", "Returns", "Raises"
WIDTH = 92
"""How long a line is at most."""

documented: set[Callable[..., Any]] = set()
"""The functions that are complete."""


def document(function: Any) -> None:
    """Complete the docstring of a public function, once; anything else is left alone."""
    if not inspect.isfunction(function) or function in documented:
        return
    documented.add(function)
    function.__doc__ = compose(function)


def compose(function: Callable[..., Any]) -> str:
    """Return the docstring with every parameter, its default, and the errors."""
    intro, sections = split_sections(inspect.getdoc(function) or "")
    own, declared = sections.get(ARGS, {}), list_declared(function)
    parameters = {
        one.name: _show_parameter(one, own.get(one.name) or declared.get(one.name, ""))
        for one in inspect.signature(function).parameters.values()
    }
    errors = {name: text or ERRORS[name] for name, text in sections.get(RAISES, {}).items()}
    parts = [intro]
    for heading, entries in (
        (ARGS, parameters),
        (RETURNS, sections.get(RETURNS)),
        (RAISES, errors),
    ):
        if entries:
            parts.append("\n".join([f"{heading}:", *map(_show_entry, entries.items())]))
    return "\n\n".join(parts)


def split_sections(text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Return what stands before the sections, and the entries of each section."""
    intro: list[str] = []
    sections: dict[str, dict[str, str]] = {}
    heading = name = ""
    for line in text.splitlines():
        if line.rstrip(":") in (ARGS, RETURNS, RAISES) and line.endswith(":"):
            heading = line.rstrip(":")
            sections[heading] = {}
            name = ""
        elif not heading:
            intro.append(line)
        elif heading == RETURNS:
            sections[heading][""] = f"{sections[heading].get('', '')} {line.strip()}".strip()
        elif line.strip():
            if len(line) - len(line.lstrip()) == 4:
                name, _, said = line.strip().partition(":")
                sections[heading][name] = said.strip()
            else:
                sections[heading][name] += f" {line.strip()}"
    return "\n".join(intro).rstrip(), sections


def list_declared(function: Callable[..., Any]) -> Mapping[str, str]:
    """Return what is said of parameters elsewhere: where settings and options are declared."""
    said = {name: one.text for name, one in SETTINGS.items()}
    if "ci_method" in inspect.signature(function).parameters:
        from lossctl.evaluation.request.evaluation_options import list_specs

        said |= {name: one.help.replace(" (repeatable)", "; or a list of such") if one.help
                 else said[name] for name, one in list_specs().items()}  # fmt: skip
    return said


def _show_parameter(parameter: inspect.Parameter, text: str) -> str:
    text = text.rstrip(".")
    if parameter.default is inspect.Parameter.empty:
        return f"{text}."
    return f"{text}. Default: {parameter.default!r}."


def _show_entry(entry: tuple[str, str]) -> str:
    name, text = entry
    return textwrap.fill(
        f"{name}: {text}" if name else text,
        WIDTH,
        initial_indent=" " * 4,
        subsequent_indent=" " * (8 if name else 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
