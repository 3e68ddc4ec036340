"""``lossctl grad LOSS``: the gradient of a loss, with the flags of the loss."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossctl.api.shared_settings import REDUCED
from lossctl.cli.compute import LossGroup, make_argument, make_option, wrap_command
from lossctl.cli.gates import leave_pipe
from lossctl.cli.shared import OUTPUT, SHARED, Output, take_output
from lossctl.errors import CheckError, UsageError

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Loss

LEFT_OUT = ("part", "save_state")
"""Shared options that do not apply to a gradient."""

HELP = {
    "reduction": REDUCED,
    "format": "format of the summary: table, json, jsonl, csv or tsv; with -o - the format of the"
    " gradient: also value, npy, parquet or arrow [default: table]",
    "output": "output file of the gradient (repeatable): .npy .csv .tsv .parquet .arrow .json"
    " .jsonl; {input} in the name becomes the input's name; - is standard output",
    "limit": "partial derivatives shown in a table with -o -; 0 shows all",
}
CHECK = inspect.Parameter(
    "check",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--check",
            help="compare with finite differences at a few hundred sampled elements; exit 1 if"
            " they disagree",
            rich_help_panel=OUTPUT,
        ),
    ],
)


class GradGroup(LossGroup):
    """A group whose commands are the losses that have a gradient."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the keys of all losses that have one."""
        from lossctl.losses.core.registry import list_losses

        return [loss.key for loss in list_losses() if not loss.undifferentiable]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build the command of one loss, found by any of its names."""
        from lossctl.losses.core.registry import find

        loss = find(cmd_name)
        several = len(loss.prediction_inputs) > 1
        target = "grad_{input}.npy" if several else "grad.npy"
        return wrap_command(loss, "grad", _callback(loss), more=f" -o {target}")


def _callback(loss: Loss) -> Callable[..., None]:
    def run(**values: Any) -> None:
        inputs = [values.pop(one.name) for one in loss.inputs]
        _differentiate(loss, inputs, values)

    parameters = [make_argument(one) for one in loss.inputs]
    parameters += [make_option(loss, parameter) for parameter in loss.parameters]
    parameters += [_adapt(loss, one) for one in SHARED if one.name not in LEFT_OUT]
    run.__signature__ = inspect.Signature([*parameters, CHECK])  # type: ignore[attr-defined]
    run.__doc__ = loss.summary
    return run


def _adapt(loss: Loss, shared: inspect.Parameter) -> inspect.Parameter:
    """Return a shared option with the help text that suits a gradient."""
    default = loss.reduction if shared.name == "reduction" else shared.default
    if shared.name not in HELP:
        return shared.replace(default=default)
    kind, option = shared.annotation.__origin__, copy(shared.annotation.__metadata__[0])
    option.help = HELP[shared.name].replace("[", "\\[")
    return shared.replace(default=default, annotation=Annotated[kind, option])


def _differentiate(loss: Loss, inputs: list[str], values: dict[str, Any]) -> None:
    """Call the public API and write the result."""
    from lossctl.output.gradients.summary import check_summary_format, write_summary

    del values["debug"]
    asked, given = values["format"], values["output"]
    output = take_output(values)
    if "-" in given:
        _print_elements(loss, inputs, values, output)
        return
    form = check_summary_format(asked, output.format)
    found = _call(loss, inputs, values, output=given, keep=False)
    _judge(loss, found, partial(write_summary, found, form, precision=output.precision))


def _print_elements(loss: Loss, inputs: list[str], values: dict[str, Any], output: Output) -> None:
    """Print the gradient itself, as per-element losses are printed."""
    from lossctl.output.files.formats import check_stream_format
    from lossctl.output.gradients.files import print_gradient, store_gradient

    if len(loss.prediction_inputs) > 1:
        raise UsageError(
            f"{loss.key} has {len(loss.prediction_inputs)} prediction inputs, but standard output"
            " takes one gradient",
            "Write files: -o grad_{input}.npy",
        )
    form = check_stream_format(output.format or "table", sys.stdout)
    with store_gradient() as place:
        files = [one for one in output.targets if one is not None]
        found = _call(loss, inputs, values, output=[place, *files])
        write = partial(print_gradient, place, found.result, form, output.limit, output.precision)
        _judge(loss, found, write)


def _call(loss: Loss, inputs: list[str], values: dict[str, Any], **more: Any) -> Any:
    """Return the gradient, with progress shown meanwhile."""
    from lossctl.api.gradients import gradient
    from lossctl.output.text.progress import show_progress

    with show_progress(values.pop("progress")) as progress:
        return gradient(loss, *inputs, progress=progress, **values, **more)


def _judge(loss: Loss, found: Any, write: Callable[[], None]) -> None:
    """Write a result, then raise CheckError if a check failed, even if nobody read the result."""
    agreement = found.agreement
    agrees = agreement is None or agreement.agrees
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        if agrees:
            raise
        leave_pipe()
    if not agrees:
        raise CheckError(
            f"the gradient of {loss.key} differs from finite differences by"
            f" {agreement.relative:.3g} of its size"
        )
