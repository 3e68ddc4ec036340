"""``lossctl docs``: the pages of the documentation."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lossctl.cli.evaluate import make_command

EXAMPLE = "lossctl docs evaluate"

HELP = (
    "Show a page of the documentation; without a name, list the pages.\n\n"
    "A terminal shows the page in a pager (PAGER, by default less, where the arrow keys scroll "
    "sideways); a pipe gets Markdown."
)


def build_command() -> Any:
    """Return the command."""
    page = inspect.Parameter(
        "page",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None,
            typer.Argument(metavar="PAGE", help="Name of a page.", autocompletion=complete_page),
        ],
    )
    return make_command("docs", _run, HELP, EXAMPLE, [page])


def complete_page(incomplete: str) -> list[str]:
    """Return the pages whose names start with what was typed."""
    from lossctl.output.pages import list_pages

    return [name for name in list_pages() if name.startswith(incomplete)]


def _run(values: dict[str, Any]) -> None:
    from lossctl.output.pages import print_page, print_pages

    if values["page"] is None:
        print_pages()
    else:
        print_page(values["page"])
