"""``lossctl evaluate``: how good is a dataset, where is it bad, is the new model better?"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from lossctl.cli.gates import report
from lossctl.cli.shared import (
    DATA,
    OUTPUT,
    SHARED,
    WORK,
    complete_loss,
    make_option,
    take_output,
)
from lossctl.cli.values import take_plain_values
from lossctl.errors import UsageError

LOSSES = "Losses and slices"
UNCERTAINTY = "Uncertainty"
COMPARISON = "Comparison and gates"
ROWS = "Single rows"

EXAMPLE = (
    "lossctl evaluate digits.parquet --pred logit_0:logit_9 --target label "
    "--loss ce --loss zero_one --by ink_band --ci 0.95 --worst 3 --id id"
)

HELP = (
    "Evaluate datasets: losses, slices, intervals, comparisons, worst rows and gates.\n\n"
    "A REF names columns of DATASET, or a file and its columns: preds.npy, meta.csv#region. "
    "All losses of all models come in one scan over the data."
)


def _repeated(name: str, help: str, panel: str, *flags: str, **more: Any) -> inspect.Parameter:
    return make_option(name, list[str], [], help, panel, *flags, envvar=None, **more)


def _take_shared(name: str) -> inspect.Parameter:
    """Return an option that compute has too."""
    return next(one for one in SHARED if one.name == name)


def list_options() -> list[inspect.Parameter]:
    """Return the options of the command, in the order of its help."""
    return [
        _repeated(
            "pred", "predictions; NAME=REF names the model; again for each model", DATA,
            metavar="REF",
        ),
        make_option("target", str | None, None, "true values", DATA, metavar="REF"),
        make_option(
            "sample_weight", str | None, None, "weight of each row", DATA, metavar="REF"
        ),
        make_option("mask", str | None, None, "0 leaves a row out", DATA, metavar="REF"),
        make_option("id", str | None, None, "what names a row", DATA, metavar="REF"),
        make_option(
            "on", str | None, None, "join several files by this key, not by position", DATA,
            metavar="COLUMN",
        ),
        make_option(
            "how", str | None, None, "inner keeps the keys that match; exact is an error (exact)",
            DATA,
        ),
        make_option(
            "where", str | None, None, "keep the rows where this holds: 'age > 40 and sex == 1'",
            DATA, metavar="EXPRESSION",
        ),
        _take_shared("classes"),
        _take_shared("class_axis"),
        _take_shared("squeeze"),
        _take_shared("nan"),
        _repeated(
            "loss", "a loss with its options, such as huber:delta=2; again for each loss", LOSSES,
            metavar="SPEC", autocompletion=complete_loss,
        ),
        _repeated(
            "by",
            "slice by a column, a cross (region,device), bins (age:10) or quantiles (age:q4); "
            "again for each cut",
            LOSSES,
            metavar="REF",
        ),
        make_option(
            "min_size", int, 0, "leave out slices of fewer rows", LOSSES, min=0, metavar="N"
        ),
        make_option("ci", float | None, None, "level of the intervals, such as 0.95", UNCERTAINTY),
        make_option(
            "ci_method", str, "normal", "normal, bootstrap, jackknife or cluster", UNCERTAINTY
        ),
        make_option(
            "cluster_by", str | None, None, "rows of one cluster belong together", UNCERTAINTY,
            metavar="REF",
        ),
        make_option(
            "replicates", int, 1000, "resamples of the bootstrap", UNCERTAINTY, min=2, metavar="N"
        ),
        make_option("seed", int, 0, "seed of the bootstrap", UNCERTAINTY),
        make_option(
            "baseline", str | None, None, "the model to compare with (the first)", COMPARISON,
            metavar="NAME",
        ),
        _repeated(
            "fail_if",
            "exit with 1 if this holds: 'ce > 0.3', 'ce[region=EU] > 0.4', "
            "'max(ce by region) > 0.5', 'ce - baseline > 0.01', 'ce worse than baseline'",
            COMPARISON,
            metavar="CONDITION",
        ),
        make_option("worst", int, 0, "list so many rows that lose most", ROWS, min=0, metavar="N"),
        make_option(
            "show", str | None, None, "columns to show beside the worst rows", ROWS,
            metavar="COLUMNS",
        ),
        make_option(
            "elements", str | None, None, "write every row's losses: .csv .parquet …", ROWS,
            metavar="FILE",
        ),
        make_option("dtype", str, "float64", "float64 or float32: what rows are computed in", WORK),
        _take_shared("threads"),
        _take_shared("progress"),
        _take_shared("debug"),
        *list_output_options("rows in a table of slices; 0 shows all"),
    ]  # fmt: skip


def list_output_options(limit: str) -> list[inspect.Parameter]:
    """Return the options that say what becomes of the result."""
    return [
        make_option(
            "format",
            str | None,
            None,
            "table, json, jsonl, csv, tsv, markdown or value (table, or by the suffix of --output)",
            OUTPUT,
            "-f",
            "--format",
        ),
        make_option(
            "output",
            str | None,
            None,
            "write there: .json .jsonl .csv .tsv .md .parquet, text ones also with .gz or .zst",
            OUTPUT,
            "-o",
            "--output",
        ),
        make_option("limit", int, 20, limit, OUTPUT, min=0, metavar="N"),
        make_option(
            "precision", int, 6, "significant digits in tables", OUTPUT, min=1, max=17, metavar="N"
        ),
    ]


def build_command() -> Any:
    """Return the command."""
    dataset = inspect.Parameter(
        "dataset",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None,
            typer.Argument(metavar="[DATASET]", help="A table, or a glob of its shards."),
        ],
    )
    return make_command("evaluate", _run, HELP, EXAMPLE, [dataset, *list_options()])


def make_command(
    name: str, run: Any, help: str, example: str, parameters: Sequence[inspect.Parameter]
) -> Any:
    """Return a command that calls ``run`` with the values of its parameters."""

    def callback(**values: Any) -> None:
        run(values)

    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    single = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    single.command(name, help=help, epilog=f"For example:  {example}")(callback)
    return take_plain_values(typer.main.get_command(single))


def _run(values: dict[str, Any]) -> None:
    """Call the public API, and hand the evaluation to the output room."""
    from lossctl.api import datasets
    from lossctl.output.evaluation.write import check_output, write_evaluation
    from lossctl.output.text.progress import show_progress

    output = take_output(values)
    del values["debug"]
    wanted = values.pop("progress")
    check_output(output.format, output.target)
    _check_needed(values)
    values["show"] = values["show"].split(",") if values["show"] else []
    if output.target is not None:
        datasets.check_written(output.target, **values)
    with show_progress(wanted) as progress:
        evaluation = datasets.evaluate(**values, progress=progress)

    def write() -> None:
        write_evaluation(evaluation, output.format, output.target, output.limit, output.precision)

    report(write, [(one.condition, one) for one in evaluation.verdicts])


def _check_needed(values: dict[str, Any]) -> None:
    missing = [f"--{name}" for name in ("pred", "loss") if not values[name]]
    if missing:
        raise UsageError(
            f"lossctl evaluate needs --pred and --loss; missing: {', '.join(missing)}",
            f"For example: {EXAMPLE}",
        )
