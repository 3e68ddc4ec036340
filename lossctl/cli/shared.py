"""The options that every loss's command has."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

OUTPUT, DATA, WORK = "Output", "Data", "Work"


@dataclass(frozen=True, slots=True)
class Output:
    """How and where a result is written."""

    format: str | None
    target: str | None
    limit: int
    precision: int


def make_option(
    name: str, kind: Any, default: Any, help: str, panel: str, *flags: str, **more: Any
) -> inspect.Parameter:
    """Return a parameter that is an option; a variable of the environment sets its default."""
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


def complete_loss(incomplete: str) -> list[str]:
    """Return the losses whose names start so."""
    from lossctl.losses.core.registry import list_losses

    return [loss.key for loss in list_losses() if loss.key.startswith(incomplete)]


SHARED = [
    make_option(
        "reduction",
        str,
        "mean",
        "none, mean, sum, batchmean, sum_over_batch_size, mean_with_sample_weight",
        DATA,
        "-r",
        "--reduction",
    ),
    make_option("sample_weight", str | None, None, "weight of each sample: a file", DATA),
    make_option("mask", str | None, None, "0 leaves a sample out: a file", DATA),
    make_option("class_axis", int, 1, "where the classes are", DATA),
    make_option("classes", str | None, None, "names of the classes: a comma list or a file", DATA),
    make_option(
        "squeeze",
        bool,
        False,
        "drop axes of length 1 before shapes are compared",
        DATA,
        "--squeeze/--no-squeeze",
    ),
    make_option("nan", str, "propagate", "propagate, omit or error", DATA),
    make_option("dtype", str, "float64", "float64 or float32: what elements are computed in", WORK),
    make_option("threads", int | None, None, "worker threads (all cores)", WORK, "-j", "--threads"),
    make_option(
        "format",
        str | None,
        None,
        "table, json, jsonl, csv, tsv or value; npy, parquet or arrow (a stream) in a pipe, where"
        " npy of unknown length waits in a temporary file (table, or by the suffix of --output)",
        OUTPUT,
        "-f",
        "--format",
    ),
    make_option(
        "output",
        str | None,
        None,
        "write there: .npy .csv .tsv .parquet .arrow .json .jsonl, text ones also with .gz or .zst;"
        " - is standard output",
        OUTPUT,
        "-o",
        "--output",
    ),
    make_option(
        "limit", int, 20, "per-element losses shown in a table; 0 shows all", OUTPUT, min=0
    ),
    make_option("precision", int, 6, "significant digits in tables", OUTPUT, min=1, max=17),
    make_option(
        "part",
        str | None,
        None,
        "work on one part of the blocks only, such as 3/40;"
        " the rows of text files are counted first",
        WORK,
    ),
    make_option(
        "save_state", str | None, None, "store the sums in a file for 'lossctl merge'", WORK
    ),
    make_option(
        "progress",
        bool,
        True,
        "show progress on a terminal when the work is long",
        WORK,
        "--progress/--no-progress",
    ),
    make_option("debug", bool, False, "show the traceback of an error", WORK, "--debug"),
]
NAMES = [parameter.name for parameter in SHARED]
OUTPUT_NAMES = ("format", "output", "limit", "precision")


def split_shared(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Output]:
    """Separate settings, a loss's own inputs and options, and what is to become of the result."""
    shared = {name: values[name] for name in NAMES}
    own = {name: value for name, value in values.items() if name not in shared}
    output = take_output(shared)
    del shared["debug"]
    return shared, own, output


def take_output(values: dict[str, Any], known: Sequence[str] = ()) -> Output:
    """Take out of the values what is to become of the result.

    ``known`` are the formats of a command that lacks some: a default that is none of them is that
    of other commands.
    """
    chosen = {name: values.pop(name) for name in OUTPUT_NAMES}
    if chosen["output"] == "-":  # standard output, by its usual name
        chosen["output"] = None
    # The suffix of an output file goes before a default from the environment.
    default = None if chosen["output"] else os.environ.get("LOSSCTL_FORMAT")
    if known and default not in known:
        default = None
    return Output(
        chosen["format"] or default, chosen["output"], chosen["limit"], chosen["precision"]
    )
