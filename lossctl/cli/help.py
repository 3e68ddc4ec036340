"""``lossctl help``: the help of lossctl; with words behind it, that of a command."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lossctl.cli.evaluate import make_command

EXAMPLE = "lossctl help compute ce"


def build_command() -> Any:
    """Return the command without words; with words, the root command asks theirs for help."""
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    words = inspect.Parameter(
        "words",
        inspect.Parameter.KEYWORD_ONLY,
        default=(),
        annotation=Annotated[
            list[str], typer.Argument(metavar="COMMAND...", help="A command, as it is typed.")
        ],
    )
    return make_command("help", _run, "Show the help of a command.", EXAMPLE, [context, words])


def _run(values: dict[str, Any]) -> None:
    typer.echo(values["context"].parent.get_help())
