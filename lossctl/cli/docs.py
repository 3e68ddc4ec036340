"""``lossctl docs``: the pages of the documents."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lossctl.cli.evaluate import make_command

EXAMPLE = "lossctl docs evaluate"

HELP = (
    "Show a page of the documents; without a name, list the pages.\n\n"
    "On a terminal a page comes in a pager (PAGER names one, else less, where the arrow keys reach "
    "what runs over the edge), in a pipe as Markdown."
)


def build_command() -> Any:
    """Return the command."""
    page = inspect.Parameter(
        "page",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None,
            typer.Argument(metavar="PAGE", help="A page.", autocompletion=complete_page),
        ],
    )
    return make_command("docs", _run, HELP, EXAMPLE, [page])


def complete_page(incomplete: str) -> list[str]:
    """Return the pages whose names start so."""
    from lossctl.output.pages import list_pages

    return [name for name in list_pages() if name.startswith(incomplete)]


def _run(values: dict[str, Any]) -> None:
    from lossctl.output.pages import print_page, print_pages

    if values["page"] is None:
        print_pages()
    else:
        print_page(values["page"])
