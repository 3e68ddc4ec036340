"""``lossctl compute LOSS``: one subcommand per loss, made from its declaration when asked for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lossctl.cli.shared import SHARED, Output, split_shared
from lossctl.cli.values import take_plain_values

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Input, Loss, Parameter


class LossGroup(TyperGroup):
    """A group whose commands are the losses of the registry."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the keys of all losses."""
        from lossctl.losses.core.registry import list_losses

        return [loss.key for loss in list_losses()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build the command of one loss, found by any of its names."""
        from lossctl.losses.core.registry import find

        return build_command(find(cmd_name), cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command; the error for an unknown loss suggests similar names."""
        from lossctl.losses.core.registry import choose

        name, flags = split_flags(args[0])
        choose(name)  # warns of a name that several libraries have
        return name, self.get_command(ctx, name), [*flags, *args[1:]]


def split_flags(word: str) -> tuple[str, list[str]]:
    """Return the name of a loss, and the options of ``ce:x=1`` or ``ce(x=1)`` as flags."""
    from lossctl.losses.core.options import split_options

    name, options = split_options(word)
    return name, [_make_flag(*option.partition("=")[::2]) for option in options]


def _make_flag(name: str, value: str) -> str:
    name, word = name.strip().replace("_", "-"), value.strip()
    if word.casefold() in ("true", "false"):
        return f"--{'' if word.casefold() == 'true' else 'no-'}{name}"
    return f"--{name}={word}"


def build_command(loss: Loss, typed: str) -> Any:
    """Return the command of a loss: its input files, its flags, and the shared options."""
    return wrap_command(loss, "compute", _callback(loss, typed))


def wrap_command(loss: Loss, verb: str, callback: Callable[..., None], more: str = "") -> Any:
    """Return the command of one loss, with its help; ``more`` is appended to the example."""
    from lossctl.losses.core.description import show_command

    single = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    help_text = f"{loss.summary}\n\nFormula: {loss.formula}" if loss.formula else loss.summary
    example = f"For example:  {show_command(loss, verb)}{more}"
    epilog = escape_markup(example) if loss.example else ""
    single.command(loss.key, help=escape_markup(help_text), epilog=epilog)(callback)
    return take_plain_values(typer.main.get_command(single))


def escape_markup(text: str) -> str:
    """Protect square brackets from being read as markup."""
    return text.replace("[", "\\[")


def _callback(loss: Loss, typed: str) -> Callable[..., None]:
    def run(**values: Any) -> None:
        settings, own, output = split_shared(values)
        inputs = [own.pop(one.name) for one in loss.inputs]
        _compute(loss, typed, inputs, own, output, settings)

    parameters = [make_argument(one) for one in loss.inputs]
    parameters += [make_option(loss, parameter) for parameter in loss.parameters]
    parameters += [
        one.replace(default=loss.reduction) if one.name == "reduction" else one for one in SHARED
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = loss.summary
    return run


def make_argument(declared: Input) -> inspect.Parameter:
    """Return the positional parameter of an input."""
    text = f"{declared.help}, " if declared.help else ""
    text += f"{declared.shapes}: {declared.kinds}"
    argument = typer.Argument(
        metavar=declared.name.upper(), help=escape_markup(text), show_default=False
    )
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, argument]
    )


def make_option(loss: Loss, parameter: Parameter) -> inspect.Parameter:
    """Return the flag of an option."""
    bounds = parameter.option.bounds
    text = f"{parameter.option.help} ({bounds})" if bounds else parameter.option.help
    flag = parameter.flag
    kind: Any = parameter.type
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}"
    metavar = None
    if parameter.tensor:
        kind, metavar = str | None, "FILE|LIST"
        text += "; a file or comma-separated values"
    elif parameter.option.axes:
        kind, metavar = str | None, "AXES"
        text += "; comma-separated"
    elif parameter.optional:
        kind |= None
    option = typer.Option(
        flag,
        help=escape_markup(text),
        metavar=metavar,
        rich_help_panel=f"Options of {loss.key}",
    )
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default,
        annotation=Annotated[kind, option],
    )


def _compute(
    loss: Loss,
    typed: str,
    inputs: list[str],
    options: dict[str, Any],
    output: Output,
    settings: dict[str, Any],
) -> None:
    """Call the public API and write the result."""
    from lossctl.api import computation
    from lossctl.output.files.formats import check_stream_format, pick_file_format
    from lossctl.output.text.progress import show_progress

    for target in output.targets:
        if target is not None:
            pick_file_format(target, output.format)
        else:
            check_stream_format(output.format or "table", sys.stdout)
    _check_written(loss, inputs, options, output, settings)
    shown = settings.pop("progress")
    if settings["reduction"] != "none" or settings["save_state"] or settings["part"]:
        from lossctl.output.results import write_reduced

        with show_progress(shown) as progress:
            result = computation.compute(loss, *inputs, **settings, **options, progress=progress)
        for target in output.targets:
            write_reduced(result, output.format, target, output.precision, typed)
        return
    from lossctl.output.elements.stored import write_to_all

    for name in ("reduction", "part", "save_state"):
        del settings[name]
    # Lines printed to a terminal show the progress themselves.
    lines = None in output.targets and output.format not in (None, "table") and sys.stdout.isatty()
    with show_progress(shown and not lines) as progress:
        stream = computation.elements(loss, *inputs, **settings, **options, progress=progress)
        write_to_all(stream, output.format, output.targets, output.limit, output.precision)


def _check_written(
    loss: Loss, inputs: list[str], options: dict[str, Any], output: Output, settings: dict[str, Any]
) -> None:
    """Raise OverwriteError if a file to write is one that is read, or written twice."""
    written = [one for one in (*output.targets, settings["save_state"]) if one is not None]
    if written:
        from lossctl.api.written_files import check_written

        read = {name: one for name, one in settings.items() if name != "save_state"}
        check_written(written, loss, inputs, options | read)
