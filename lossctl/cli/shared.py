"""The options that every loss's command has."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lossctl.api.shared_settings import SETTINGS

OUTPUT, DATA, PERFORMANCE = "Output", "Data", "Performance"


@dataclass(frozen=True, slots=True)
class Output:
    """How and where a result is written."""

    format: str | None
    targets: tuple[str | None, ...]
    """The files, and None for standard output: one at least."""
    limit: int
    precision: int


def make_option(
    name: str, kind: Any, default: Any, help: str, panel: str, *flags: str, **more: Any
) -> inspect.Parameter:
    """Return an option as a parameter; an environment variable sets its default."""
    option = typer.Option(
        *(flags or ("--" + name.replace("_", "-"),)),
        help=help.replace("[", "\\["),
        rich_help_panel=panel,
        show_envvar=False,
        **({"envvar": None if name == "format" else f"LOSSCTL_{name.upper()}"} | more),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def make_output_option(formats: str) -> inspect.Parameter:
    """Return the option of the files to write, which may be repeated."""
    return make_option(
        "output",
        list[str],
        [],
        f"output file (repeatable): {formats}",
        OUTPUT,
        "-o",
        "--output",
        metavar="FILE",
    )


def complete_loss(incomplete: str) -> list[str]:
    """Return the losses whose names start with what was typed."""
    from lossctl.losses.core.registry import list_losses

    return [loss.key for loss in list_losses() if loss.key.startswith(incomplete)]


SHARED = [
    make_option(
        "reduction",
        str,
        "mean",
        SETTINGS["reduction"].help,
        DATA,
        "-r",
        "--reduction",
        metavar="NAME",
    ),
    make_option(
        "sample_weight", str | None, None, SETTINGS["sample_weight"].help, DATA, metavar="FILE"
    ),
    make_option("mask", str | None, None, SETTINGS["mask"].help, DATA, metavar="FILE"),
    make_option("class_axis", int, 1, SETTINGS["class_axis"].help, DATA, metavar="AXIS"),
    make_option(
        "classes",
        str | None,
        None,
        SETTINGS["classes"].help,
        DATA,
        metavar="NAMES",
    ),
    make_option(
        "squeeze",
        bool,
        False,
        SETTINGS["squeeze"].help,
        DATA,
        "--squeeze/--no-squeeze",
    ),
    make_option("nan", str, "propagate", SETTINGS["nan"].help, DATA, metavar="POLICY"),
    make_option(
        "dtype",
        str,
        "float64",
        SETTINGS["dtype"].help,
        PERFORMANCE,
        metavar="DTYPE",
    ),
    make_option(
        "threads",
        int | None,
        None,
        SETTINGS["threads"].help,
        PERFORMANCE,
        "-j",
        "--threads",
        metavar="N",
    ),
    make_option(
        "format",
        str | None,
        None,
        "table, json, jsonl, csv, tsv or value; in a pipe also npy (buffered in a temporary file"
        " if the length is unknown), parquet or arrow (streamed)"
        " [default: table, or by the suffix of --output]",
        OUTPUT,
        "-f",
        "--format",
        metavar="FORMAT",
    ),
    make_output_option(
        ".npy .csv .tsv .parquet .arrow .json .jsonl, text formats also with .gz or"
        " .zst; - is standard output"
    ),
    make_option(
        "limit",
        int,
        20,
        "per-element losses shown in a table; 0 shows all",
        OUTPUT,
        min=0,
        metavar="N",
    ),
    make_option(
        "precision",
        int,
        6,
        "significant digits in tables (1 to 17)",
        OUTPUT,
        min=1,
        max=17,
        metavar="N",
    ),
    make_option(
        "part",
        str | None,
        None,
        SETTINGS["part"].help,
        PERFORMANCE,
        metavar="K/N",
    ),
    make_option(
        "save_state",
        str | None,
        None,
        SETTINGS["save_state"].help,
        PERFORMANCE,
        metavar="FILE",
    ),
    make_option(
        "progress",
        bool,
        True,
        SETTINGS["progress"].help,
        PERFORMANCE,
        "--progress/--no-progress",
    ),
    make_option("debug", bool, False, "show the traceback of an error", PERFORMANCE, "--debug"),
]
NAMES = [parameter.name for parameter in SHARED]
OUTPUT_NAMES = ("format", "output", "limit", "precision")


def split_shared(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Output]:
    """Separate shared settings, the loss's own inputs and options, and how output is written."""
    shared = {name: values[name] for name in NAMES}
    own = {name: value for name, value in values.items() if name not in shared}
    output = take_output(shared)
    del shared["debug"]
    return shared, own, output


def take_output(values: dict[str, Any], known: Sequence[str] = ()) -> Output:
    """Remove the output options from the values and return them.

    ``known`` are the formats of a command that lacks some: a default from the environment that is
    not among them is meant for other commands.
    """
    chosen = {name: values.pop(name) for name in OUTPUT_NAMES}
    # A dash is standard output, by its usual name.
    targets = tuple(None if one == "-" else one for one in chosen["output"]) or (None,)
    # The suffix of an output file takes precedence over a default from the environment.
    default = os.environ.get("LOSSCTL_FORMAT") if targets == (None,) else None
    if known and default not in known:
        default = None
    return Output(chosen["format"] or default, targets, chosen["limit"], chosen["precision"])
