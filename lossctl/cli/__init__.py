"""The command line: which call of the public API does a command line mean?"""

from __future__ import annotations

import gc

# Imports make many objects and no garbage: fewer collections save a tenth of the start-up time.
gc.set_threshold(100_000, 50, 50)

from lossctl.cli.root import app  # noqa: E402


def main() -> None:
    """Run the command line and exit."""
    app(prog_name="lossctl")


__all__ = ["app", "main"]
