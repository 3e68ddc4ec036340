"""``lossctl help``: the help of lossctl, or of the command whose words follow."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from lossctl.cli.evaluate import make_command

EXAMPLE = "lossctl help compute ce"


def build_command() -> Any:
    """Return the command for no words; words that follow are handled by the root command."""
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    words = inspect.Parameter(
        "words",
        inspect.Parameter.KEYWORD_ONLY,
        default=(),
        annotation=Annotated[
            list[str], typer.Argument(metavar="COMMAND...", help="Words of a command.")
        ],
    )
    return make_command("help", _run, "Show the help of a command.", EXAMPLE, [context, words])


def _run(values: dict[str, Any]) -> None:
    typer.echo(values["context"].parent.get_help())
