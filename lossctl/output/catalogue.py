"""The catalogue of losses: as a list, as a page of one loss, as JSON, as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from lossctl.output.fields import encode_json, read_version
from lossctl.output.wording import fit_text, read_encoding

Description = dict[str, Any]


def print_json(described: Description | list[Description]) -> None:
    """Print one description, or all of them, as a JSON object."""
    header = {"format": "lossctl.losses/1", "version": read_version()}
    every = described if isinstance(described, list) else [described]
    print(encode_json({**header, "losses": every}))


def print_markdown(losses: Iterable[Description]) -> None:
    """Print the table of losses as Markdown."""
    print("| loss | inputs | options (default) | formula |")
    print("|---|---|---|---|")
    for one in losses:
        name = ", ".join([f"**`{one['key']}`**", *(f"`{alias}`" for alias in one["aliases"])])
        inputs = "<br>".join(f"{i['name']} {i['shown_shapes']}" for i in one["inputs"])
        options = "<br>".join(f"{o['name']} ({_default(o)})" for o in one["options"])
        cells = (name, inputs, options or "-", one["formula"])
        print(
            "| "
            + " | ".join(
                cell.replace("|", "\\|").replace("*", "\\*").replace("\\*\\*", "**")
                for cell in cells
            )
            + " |"
        )


def print_list(losses: list[Description]) -> None:
    """Print the losses by family."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from lossctl.output.tables import BORDER_STYLE, KEY_STYLE, open_console

    encoding = read_encoding(sys.stdout)
    table = Table(box=box.ROUNDED, border_style=BORDER_STYLE, safe_box=True)
    table.add_column("loss", style=KEY_STYLE, no_wrap=True)
    table.add_column("what it is, and its other names")
    for family, members in groupby(losses, key=lambda one: one["family"]):
        table.add_section()
        table.add_row("", Text(f"{family}:", "bold"))
        for one in members:
            what = Text(fit_text(one["summary"], encoding))
            if one["aliases"]:
                what.append(fit_text(f" ({', '.join(one['aliases'])})", encoding), "dim")
            table.add_row(Text(one["key"]), what)
    open_console(sys.stdout).print(table)
    print(
        f"{len(losses)} losses. 'lossctl show LOSS' explains one, 'lossctl compute LOSS' runs it."
    )


def print_loss(described: Description) -> None:
    """Print all about a loss."""
    from rich.padding import Padding
    from rich.text import Text

    from lossctl.output.tables import open_console

    console = open_console(sys.stdout)
    encoding = read_encoding(sys.stdout)
    title = Text(described["key"], "bold cyan")
    if described["aliases"]:
        title.append(f"  ({', '.join(described['aliases'])})", "dim")
    console.print(title)
    console.print(Text(fit_text(described["summary"], encoding)))
    for heading, lines in _sections(described):
        console.print()
        console.print(Text(heading, "bold"))
        for line in lines:
            console.print(Padding(Text(fit_text(line, encoding)), (0, 0, 0, 2), expand=False))


def _sections(described: Description) -> Iterator[tuple[str, list[str]]]:
    yield "Formula", described["formula"].split(";  ")
    names = [(one["name"], one) for one in described["inputs"]]
    width = max(len(name) for name, _ in names)
    yield (
        "Inputs, in this order",
        [
            f"{name:<{width}}  {one['shown_shapes']}  {one['help']}: {', or '.join(one['kinds'])}"
            for name, one in names
        ],
    )
    if described["options"]:
        flags = [
            (f"{one['flag']} {_placeholder(one)}".rstrip(), one) for one in described["options"]
        ]
        width = max(len(flag) for flag, _ in flags)
        yield "Options", [f"{flag:<{width}}  {_explain(one)}" for flag, one in flags]
    yield (
        "Mind",
        [f"- {trap}" for trap in described["traps"]] or ["- nothing in particular"],
    )
    yield "Source", [described["source"]]
    yield "Try it in sample_data/", [described["example"]]


def _placeholder(option: Description) -> str:
    if option["type"] == "bool":
        return ""
    return "FILE|LIST" if option["type"] == "array" else str(option["type"]).upper()


def _explain(option: Description) -> str:
    said = [option["bounds"]] if option["bounds"] else []
    said.append(f"default {_default(option)}")
    return f"{option['help']} ({'; '.join(said)})"


def _default(option: Description) -> str:
    default = option["default"]
    if default is None:
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
