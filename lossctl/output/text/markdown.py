"""Markdown rendered for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, TextIO

from rich.console import Console, ConsoleOptions
from rich.markdown import CodeBlock, Markdown, MarkdownElement, TableElement
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

LOCAL_LINK = re.compile(r"!?\[([^\]]+)\]\((?!\w+:)[^)]*\)")
"""A link to a local file, which a terminal cannot follow."""

STYLES = Theme({"markdown.code": "cyan"})
"""Styles without rich's black background of code, which stands out on a light terminal."""


class Verbatim(CodeBlock):
    """A block of code whose lines are never wrapped, because they may be tables."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in str(self.text).rstrip().splitlines():
            style = "bold" if line.startswith(("$ ", ">>> ", "... ")) else "none"
            yield Text(f"  {line}", style, no_wrap=True, overflow="ignore")


class FoldedTable(TableElement):
    """A table whose long words wrap, where rich would cut them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        for drawn in super().__rich_console__(console, options):
            if isinstance(drawn, Table):
                for column in drawn.columns:
                    column.overflow = "fold"
            yield drawn


class Page(Markdown):
    """Markdown with verbatim blocks of code and tables that are never cut."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": Verbatim,
        "code_block": Verbatim,
        "table_open": FoldedTable,
    }


def draw(text: str, stream: TextIO) -> str:
    """Return the Markdown rendered, with styles, for a terminal of the stream's width."""
    console = Console(file=stream, highlight=False, emoji=False, theme=STYLES)
    plain = LOCAL_LINK.sub(r"\1", text).replace("<br>", ", ")
    with console.capture() as capture:
        console.print(Page(plain), crop=False)
    return capture.get()
