"""The catalogue of losses: as a list, as a page of one loss, as JSON, as Markdown, compared."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Any

from lossctl.output.files.fields import encode_json, read_version
from lossctl.output.text.wording import fit_text, read_encoding

Description = dict[str, Any]

NAME_COLUMNS = 28
"""Width of the names in a list; the summary of a longer name is on the next line."""

INDENT = 4

FORMULA, INPUTS, OPTIONS = "Formula", "Inputs, in this order", "Options"
"""Headings of the sections about the computation."""


def print_json(described: Description | list[Description]) -> None:
    """Print one description, or all of them, as a JSON object."""
    header = {"format": "lossctl.losses/1", "version": read_version()}
    every = described if isinstance(described, list) else [described]
    print(encode_json({**header, "losses": every}))


def print_comparison_json(compared: dict[str, Any]) -> None:
    """Print a comparison as a JSON object."""
    print(encode_json({"format": "lossctl.comparison/1", "version": read_version(), **compared}))


def print_markdown(losses: Iterable[Description]) -> None:
    """Print the losses as Markdown: a table for each library, with a row for each family."""
    for number, (library, members) in enumerate(groupby(losses, key=_library)):
        print(f"{'' if number == 0 else chr(10)}**{library}**\n")
        print("| loss | inputs | options (default) | formula |")
        print("|---|---|---|---|")
        for family, ones in groupby(members, key=lambda one: one["family"]):
            print(f"| *{family}* | | | |")
            for one in ones:
                _print_row(one)


def _print_row(one: Description) -> None:
    name = ", ".join([f"**`{one['key']}`**", *(f"`{alias}`" for alias in one["aliases"])])
    inputs = "<br>".join(f"{i['name']} {i['shown_shapes']}" for i in one["inputs"])
    options = "<br>".join(f"{o['name']} ({o['shown_default']})" for o in one["options"])
    cells = (name, inputs, options or "-", one["formula"] or "-")
    escaped = (
        cell.replace("|", "\\|").replace("*", "\\*").replace("\\*\\*", "**") for cell in cells
    )
    print(f"| {' | '.join(escaped)} |")


def print_list(losses: list[Description]) -> None:
    """Print the losses by library and family."""
    from rich.padding import Padding
    from rich.text import Text

    from lossctl.output.text.console import KEY_STYLE, open_console

    console, encoding = open_console(sys.stdout), read_encoding(sys.stdout)
    for library, members in groupby(losses, key=_library):
        console.print(Text(fit_text(library, encoding), "bold"))
        for family, ones in groupby(members, key=lambda one: one["family"]):
            console.print(Padding(Text(family, "italic"), (0, 0, 0, 2), expand=False))
            for one in ones:
                _print_entry(console, Text(one["key"], KEY_STYLE), _summarize(one, encoding))
        console.print()
    counted = f"{len(losses)} losses." if len(losses) != 1 else "1 loss."
    print(f"{counted} 'lossctl show LOSS' describes one, 'lossctl compute LOSS' runs it.")


def _library(one: Description) -> str:
    title = str(one["library_title"])
    return f"{title} (package {one['package']})" if one["package"] else title


def _summarize(one: Description, encoding: str) -> Any:
    from rich.text import Text

    what = Text(fit_text(one["summary"], encoding))
    if one["aliases"]:
        what.append(fit_text(f" ({', '.join(one['aliases'])})", encoding), "dim")
    return what


def _print_entry(console: Any, name: Any, what: Any) -> None:
    """Print a name and its summary: beside it, or below a long name on a terminal."""
    from rich.padding import Padding
    from rich.table import Table

    column = INDENT + NAME_COLUMNS + 2
    fits = len(name) <= NAME_COLUMNS or not console.is_terminal
    if not fits:
        console.print(Padding(name, (0, 0, 0, INDENT), expand=False))
        console.print(Padding(what, (0, 0, 0, column), expand=False))
        return
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(no_wrap=True, min_width=NAME_COLUMNS)
    row.add_column()
    row.add_row(name, what)
    console.print(Padding(row, (0, 0, 0, INDENT), expand=False))


def print_loss(described: Description, headings: Collection[str] | None = None) -> None:
    """Print the description of a loss, or the sections with these headings."""
    from rich.padding import Padding
    from rich.text import Text

    from lossctl.output.text.console import open_console

    console = open_console(sys.stdout)
    encoding = read_encoding(sys.stdout)
    title = Text(described["key"], "bold cyan")
    if described["aliases"]:
        title.append(f"  ({', '.join(described['aliases'])})", "dim")
    console.print(title)
    if described["summary"]:
        console.print(Text(fit_text(described["summary"], encoding)))
    for heading, lines in list_sections(described):
        if headings is not None and heading not in headings:
            continue
        console.print()
        console.print(Text(heading, "bold"))
        for line in lines:
            console.print(Padding(Text(fit_text(line, encoding)), (0, 0, 0, 2), expand=False))


def list_sections(described: Description) -> Iterator[tuple[str, list[str]]]:
    """Yield the sections of a loss's page: a heading, and the lines below it."""
    yield "Definition", list(_place_definition(described))
    if described["formula"]:
        yield FORMULA, described["formula"].split(";  ")
    names = [(one["name"], one) for one in described["inputs"]]
    width = max(len(name) for name, _ in names)
    yield (
        INPUTS,
        [
            f"{name:<{width}}  {one['shown_shapes']}  {one['help']}{': ' if one['help'] else ''}"
            f"{', or '.join(one['kinds'])}"
            for name, one in names
        ],
    )
    if described["options"]:
        flags = [
            (f"{one['flag']} {_placeholder(one)}".rstrip(), one) for one in described["options"]
        ]
        width = max(len(flag) for flag, _ in flags)
        yield OPTIONS, [f"{flag:<{width}}  {_explain(one)}" for flag, one in flags]
    if described["unit"]:
        yield "Unit of the losses", [described["unit"]]
    yield "Range of the losses", [described["range"]["label"]]
    yield "Gradient", list(_describe_gradient(described["gradient"]))
    if described["traps"] or described["family"] != "own":
        traps = [f"- {trap}" for trap in described["traps"]]
        yield "Notes", traps or ["- none"]
    if described["source"]:
        yield "Source", [described["source"]]
    built_in = bool(described["source"])
    yield "Try it in sample_data/" if built_in else "Example", [described["example"]]


def _describe_gradient(gradient: Description) -> Iterator[str]:
    """Yield the inputs that the gradient is with respect to, and its note."""
    if not gradient["by"]:
        yield f"none: {gradient['note']}"
        return
    how = "" if gradient["declared"] else ", by finite differences: the loss declares none"
    yield f"with respect to {', '.join(gradient['by'])}{how}"
    if gradient["note"]:
        yield gradient["note"]


def _place_definition(described: Description) -> Iterator[str]:
    """Yield the library of the definition, and other definitions that share a name with it."""
    yield _library(described)
    key = described["key"]
    for other in described["namesakes"]:
        yield f"not the same as {other} ('lossctl show --compare {key} {other}')"


def print_comparison(compared: dict[str, Any]) -> None:
    """Print side by side where the definitions of losses differ."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from lossctl.output.text.console import BORDER_STYLE, KEY_STYLE, open_console

    console, encoding = open_console(sys.stdout), read_encoding(sys.stdout)
    if not compared["differences"]:
        console.print("The declarations do not differ.")
        return
    table = Table(
        box=box.ROUNDED,
        border_style=BORDER_STYLE,
        safe_box=True,
        show_lines=console.is_terminal,  # where cells are folded
    )
    table.add_column("", style=KEY_STYLE)
    for key in compared["losses"]:
        table.add_column(Text(fit_text(key, encoding)), overflow="fold")
    for one in compared["differences"]:
        cells = (_break_cases(value, encoding) for value in one["values"])
        table.add_row(Text(one["fact"]), *map(Text, cells))
    console.print(table)
    same = ", ".join(one["fact"] for one in compared["same"])
    if same:
        console.print(Text(fit_text(f"identical: {same}", encoding)))


def _break_cases(text: str, encoding: str) -> str:
    """Return a formula with each case on its own line."""
    return "\n".join(fit_text(case, encoding) for case in text.split(";  "))


def _placeholder(option: Description) -> str:
    named = {"bool": "", "int": "INTEGER", "float": "NUMBER", "str": "TEXT", "array": "FILE|LIST"}
    return named.get(option["type"], str(option["type"]).upper())


def _explain(option: Description) -> str:
    said = [option["bounds"]] if option["bounds"] else []
    said.append(f"default {option['shown_default']}")
    return f"{option['help']} ({'; '.join(said)})".strip()
