"""The pages of ``lossctl docs``: stored beside the code, as Markdown."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from lossctl.errors import UsageError, did_you_mean
from lossctl.output.text.wording import fit_text, read_encoding

DOCS = Path(__file__).resolve().parents[1] / "docs"
ENTRY = re.compile(r"^- \[([\w-]+)\]\(\1\.md\): (.*)$", re.MULTILINE)
"""An entry of the index: the name of a page, and its subject."""


def list_pages() -> dict[str, str]:
    """Return the subject of each page, in the order of the index."""
    return dict(ENTRY.findall(_read("index")))


def read_page(name: str) -> str:
    """Return the Markdown of a page; raises UsageError with similar names."""
    pages = list_pages()
    if name not in pages:
        raise UsageError(
            f"there is no page {name!r}",
            f"{did_you_mean(name, list(pages))} 'lossctl docs' lists all pages.",
        )
    return _read(name)


def print_pages() -> None:
    """Print the names and subjects of all pages."""
    from rich.text import Text

    from lossctl.output.text.console import KEY_STYLE, open_console

    console, encoding = open_console(sys.stdout), read_encoding(sys.stdout)
    pages = list_pages()
    width = max(map(len, pages))
    for name, about in pages.items():
        console.print(
            Text.assemble((f"{name:<{width}}", KEY_STYLE), "  ", fit_text(about, encoding))
        )
    console.print("\n'lossctl docs PAGE' shows one.")


def print_page(name: str) -> None:
    """Print a page: rendered in a pager on a terminal, else as Markdown."""
    text = read_page(name)
    if not sys.stdout.isatty():
        encoding = read_encoding(sys.stdout)
        sys.stdout.writelines(f"{fit_text(line, encoding)}\n" for line in text.splitlines())
        return
    from lossctl.output.text.markdown import draw
    from lossctl.output.text.pager import show

    show(draw(text, sys.stdout))


def _read(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")
