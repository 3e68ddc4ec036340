"""``lossctl explain LOSS``: how a value is computed, with the flags of the loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossctl.api.shared_settings import REDUCED
from lossctl.cli.compute import LossGroup, make_argument, make_option, wrap_command
from lossctl.cli.shared import DATA, OUTPUT, SHARED, complete_loss, make_output_option, take_output
from lossctl.cli.shared import make_option as make_shared
from lossctl.cli.values import take_plain_values

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Loss
    from lossctl.losses.core.inputs import Input

LEFT_OUT = ("reduction", "dtype", "format", "output", "limit", "part", "save_state")
"""Shared options that do not apply to one row, or have another meaning there."""

EXPLAINED = [
    make_shared(
        "row",
        str | None,
        None,
        "row to explain, counted from 0; 3,10,20 is one element of row 3, which has several losses",
        DATA,
        envvar=None,
        metavar="N",
    ),
    make_shared(
        "why_differs",
        str | None,
        None,
        "explain another definition too, such as keras.huber:delta=2, and show where they diverge;"
        " without --row, on the row where they differ most",
        DATA,
        envvar=None,
        metavar="LOSS",
        autocompletion=complete_loss,
    ),
    make_shared(
        "reduction",
        str,
        "mean",
        REDUCED,
        DATA,
        "-r",
        "--reduction",
        metavar="NAME",
    ),
    make_shared(
        "format",
        str | None,
        None,
        "table, markdown or json [default: table, or by the suffix of --output]",
        OUTPUT,
        "-f",
        "--format",
        metavar="FORMAT",
    ),
    make_output_option(".md or .json"),
]


class ExplainGroup(LossGroup):
    """A group whose commands are the losses of the registry."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build the command of one loss, found by any of its names."""
        from lossctl.losses.core.registry import find

        loss = find(cmd_name)
        return wrap_command(loss, "explain", _callback(loss), more=" --row 1")


def build_command() -> Any:
    """Return the group of commands."""
    group = typer.main.get_group(
        typer.Typer(
            cls=ExplainGroup,
            name="explain",
            no_args_is_help=True,
            help="Explain a loss, or step by step how the loss of one row is computed, e.g."
            " lossctl explain ce preds.npy labels.npy --row 1.",
            subcommand_metavar="LOSS [FILES... --row N]",
            context_settings={"help_option_names": ["-h", "--help"]},
            rich_markup_mode="rich",
        )
    )
    return take_plain_values(group)


def _callback(loss: Loss) -> Callable[..., None]:
    def run(**values: Any) -> None:
        inputs = [values.pop(one.name) for one in loss.inputs]
        _explain(loss, [one for one in inputs if one is not None], values)

    parameters = [_make_optional(one) for one in loss.inputs]
    parameters += [make_option(loss, parameter) for parameter in loss.parameters]
    parameters += [
        one.replace(default=loss.reduction) if one.name == "reduction" else one
        for one in [*EXPLAINED[:3], *SHARED, *EXPLAINED[3:]]
        if one in EXPLAINED or one.name not in LEFT_OUT
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = loss.summary
    return run


def _make_optional(declared: Input) -> inspect.Parameter:
    """Return the positional parameter of an input that may be left out."""
    argument = make_argument(declared)
    annotation = Annotated[str | None, *argument.annotation.__metadata__]
    return argument.replace(default=None, annotation=annotation)


def _explain(loss: Loss, inputs: list[str], values: dict[str, Any]) -> None:
    """Call the public API and write the explanation."""
    from lossctl.api import explanations
    from lossctl.api.written_files import check_written
    from lossctl.output.explanations.difference import write_difference
    from lossctl.output.explanations.write import FORMATS, check_output, write_explanation
    from lossctl.output.text.progress import show_progress

    del values["debug"]
    output = take_output(values | {"limit": 0}, FORMATS)
    for name in ("format", "output", "precision"):
        del values[name]
    for target in output.targets:
        check_output(output.format, target)
    check_written(output.targets, loss, inputs, values)
    other = values.pop("why_differs")
    if other is None:
        with show_progress(values.pop("progress")) as progress:
            found = explanations.explain(loss, *inputs, progress=progress, **values)
        for target in output.targets:
            write_explanation(found, output.format, target, output.precision)
        return
    if values["reduction"] == loss.reduction:  # then each loss keeps its own reduction
        values["reduction"] = None
    with show_progress(values.pop("progress")) as progress:
        difference = explanations.explain_difference(
            loss, other, *inputs, progress=progress, **values
        )
    for target in output.targets:
        write_difference(difference, output.format, target, output.precision)
