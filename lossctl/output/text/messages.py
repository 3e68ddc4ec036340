"""Errors and warnings on standard error."""

from __future__ import annotations

import sys
from typing import TextIO

from lossctl.errors import LossctlError
from lossctl.output.text.progress import hide_progress
from lossctl.output.text.wording import fit_text, read_encoding


def print_error(error: LossctlError, stream: TextIO | None = None) -> None:
    """Print the message, and the remedy on the next lines."""
    remedy = [f"  {line}" for line in error.remedy.splitlines()]
    _print("error", "red", [*error.message.splitlines(), *remedy], stream)


def print_warning(text: str, stream: TextIO | None = None) -> None:
    """Print a warning."""
    _print("warning", "yellow", text.splitlines(), stream)


def _print(kind: str, color: str, lines: list[str], stream: TextIO | None) -> None:
    hide_progress()
    stream = sys.stderr if stream is None else stream
    text = "\n".join(fit_text(line, read_encoding(stream)) for line in lines)
    if not stream.isatty():
        stream.write(f"{kind}: {text}\n")
        return
    from rich.text import Text

    from lossctl.output.text.console import open_console

    # The terminal wraps the line, so that a path can be copied in one piece.
    styled = Text.assemble((f"{kind}:", f"bold {color}"), " ", text)
    open_console(stream).print(styled, soft_wrap=True)
