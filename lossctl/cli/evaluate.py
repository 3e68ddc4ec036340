"""``lossctl evaluate``: how good is a model, where is it bad, is the new model better?"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossctl.cli.gates import report
from lossctl.cli.shared import (
    OUTPUT,
    SHARED,
    complete_loss,
    make_option,
    make_output_option,
    take_output,
)
from lossctl.cli.values import take_plain_values
from lossctl.errors import UsageError

if TYPE_CHECKING:
    from lossctl.api.datasets import OptionSpec

DATASET = "dataset"
"""The one option that is not a flag."""

EXAMPLE = (
    "lossctl evaluate digits.parquet --pred logit_0:logit_9 --target label "
    "--loss ce --loss zero_one --by ink_band --ci 0.95 --worst 3 --id id"
)

HELP = (
    "Evaluate datasets: losses, slices, intervals, comparisons, worst rows and gates.\n\n"
    "A REF names columns of DATASET, or a file and its columns: preds.npy, meta.csv#region. "
    "All losses of all models are computed in one pass over the data."
)


def list_options() -> list[inspect.Parameter]:
    """Return the options of the command, as they are declared, in the order of its help."""
    from lossctl.api import datasets

    shared = {one.name: one for one in SHARED}
    defaults = datasets.list_defaults()
    flags = [
        make_flag(name, spec, defaults.get(name)) if spec.help else shared[name]
        for name, spec in datasets.list_specs().items()
        if name != DATASET
    ]
    return [
        *flags,
        shared["progress"],
        shared["debug"],
        *list_output_options("rows shown in a table of slices; 0 shows all"),
    ]


def make_flag(name: str, spec: OptionSpec, default: Any) -> inspect.Parameter:
    """Return the flag of an option of an evaluation."""
    from lossctl.api.datasets import Value

    kinds: dict[Value, Any] = {Value.NUMBER: float, Value.INTEGER: int, Value.SWITCH: bool}
    kind = kinds.get(spec.value, str)
    more: dict[str, Any] = {"metavar": spec.metavar, "min": spec.least}
    if spec.value in (Value.STRINGS, Value.NAMES):
        kind, default = list[str], default or []
        more |= {"envvar": None} if spec.value == Value.STRINGS else {}
    if spec.names_losses:
        more["autocompletion"] = complete_loss
    return make_option(
        name,
        kind | None if default is None else kind,
        default,
        spec.help,
        spec.group,
        **{key: value for key, value in more.items() if value is not None or key == "envvar"},
    )


def list_output_options(limit: str) -> list[inspect.Parameter]:
    """Return the options for how the result is written."""
    return [
        make_option(
            "format",
            str | None,
            None,
            "table, json, jsonl, csv, tsv, markdown or value"
            " [default: table, or by the suffix of --output]",
            OUTPUT,
            "-f",
            "--format",
            metavar="FORMAT",
        ),
        make_output_option(
            ".json .jsonl .csv .tsv .md .parquet, text formats also with .gz or .zst"
        ),
        make_option("limit", int, 20, limit, OUTPUT, min=0, metavar="N"),
        *(one for one in SHARED if one.name == "precision"),
    ]


def build_command() -> Any:
    """Return the command."""
    from lossctl.api import datasets

    text = datasets.list_specs()[DATASET].help
    dataset = inspect.Parameter(
        DATASET,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, typer.Argument(metavar="DATASET", help=text)],
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
    """Call the public API and write the evaluation."""
    from lossctl.api import datasets
    from lossctl.output.evaluation.write import check_output, write_evaluation
    from lossctl.output.text.progress import show_progress

    output = take_output(values)
    del values["debug"]
    wanted = values.pop("progress")
    for target in output.targets:
        check_output(output.format, target)
    specs = datasets.list_specs()
    _check_required(values, datasets.list_required())
    for name, value in values.items():
        if specs[name].value == datasets.Value.NAMES:
            values[name] = [part for one in value for part in one.split(",")]
    planned = datasets.plan_evaluation(**values)
    planned.check_written([one for one in output.targets if one is not None])
    with show_progress(wanted) as progress:
        evaluation = planned.run(progress)

    def write() -> None:
        for target in output.targets:
            write_evaluation(evaluation, output.format, target, output.limit, output.precision)

    report(write, [(one.condition, one) for one in evaluation.verdicts])


def _check_required(values: dict[str, Any], required: Sequence[str]) -> None:
    missing = [f"--{name}" for name in required if not values[name]]
    if missing:
        raise UsageError(f"missing {' and '.join(missing)}", f"For example: {EXAMPLE}")
