"""The root command: its subcommands, and how errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from lossctl import __version__
from lossctl.cli.compute import LossGroup
from lossctl.cli.gates import leave_pipe
from lossctl.cli.grad import GradGroup
from lossctl.cli.shared import complete_loss
from lossctl.cli.stopping import find_stop
from lossctl.cli.values import MARK, TRUE, take_plain_values
from lossctl.errors import Exit, LossctlError, LossctlWarning, UsageError, did_you_mean

EPILOG = "Try it on the sample data:  lossctl compute ce preds.npy labels.npy --ignore-index 0"


LAZY_COMMANDS = {
    "evaluate": "lossctl.cli.evaluate",
    "run": "lossctl.cli.run",
    "check": "lossctl.cli.check",
    "explain": "lossctl.cli.explain",
    "docs": "lossctl.cli.docs",
    "help": "lossctl.cli.help",
}
"""The modules of commands that would make others start later."""

FIRST = ("compute", "evaluate", "run", "check", "grad", "explain")
"""The commands that the help lists first, in this order."""

LAST = ("docs", "help")
"""The commands that it lists last."""


class ClosedPipeError(Exception):
    """Whoever reads our standard output has stopped reading."""


class Root(TyperGroup):
    """The root group: one message on standard error for every kind of failure."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; exit codes are those of :class:`lossctl.errors.Exit`."""
        words = [_name_columns(word) for word in (sys.argv[1:] if args is None else args)]
        _take_any_text()
        try:
            code = self._run(words, prog_name, complete_var)
        except LossctlError as error:
            _fail(error, error.exit_code, words)
        except TyperException as error:
            _fail(explain_usage(error, words), Exit.USAGE, words)
        except ClosedPipeError:
            leave_pipe()
            code = Exit.DONE
        except SystemExit as leaving:
            if leaving.code != 1 or not _reader_is_gone():
                raise
            code = Exit.DONE
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        except MemoryError:
            _fail(LossctlError("not enough memory", "Use fewer threads (-j 1)."), Exit.FILE, words)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _fail(LossctlError(f"{place}{error.strerror}"), Exit.FILE, words)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
            AssertionError,
        ) as error:
            bug = LossctlError(
                f"internal error: {type(error).__name__}: {error}",
                "This is a defect of lossctl, not of your data. --debug shows where it happened.",
            )
            _fail(bug, Exit.INTERNAL, words)
        sys.exit(int(code or 0))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the subcommands."""
        names = super().list_commands(ctx)
        return [*FIRST, *(name for name in names if name not in FIRST), *LAST]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a subcommand; some are built only when they are asked for."""
        if cmd_name in LAZY_COMMANDS:
            return importlib.import_module(LAZY_COMMANDS[cmd_name]).build_command()
        command = super().get_command(ctx, cmd_name)
        return command if command is None else take_plain_values(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the subcommand; that of a check has the options of the loss in its words.

        ``help`` before other words is ``--help`` behind them.
        """
        if args[:1] == ["help"] and args[1:] and not args[1].startswith("-"):
            args = [*args[1:], "--help"]
        if args[:1] == ["check"]:
            from lossctl.cli.check import build_command

            return "check", build_command(args[1:]), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; a reader that has gone away is no failure of ours."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipeError from error

    def _run(
        self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None
    ) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("always", LossctlWarning)
            warnings.showwarning = _show_warning
            take_plain_values(self)
            code = super().main(args, prog_name, complete_var, standalone_mode=False)
        try:
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise ClosedPipeError from error
        return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    from lossctl.output.text.messages import print_warning

    print_warning(str(message))


def _name_columns(word: str) -> str:
    """Mark ``-#columns`` so that it is not taken for a flag."""
    return MARK + word if word.startswith("-#") else word


def _take_any_text() -> None:
    """Let help be printed where the encoding lacks its symbols."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not encoding.casefold().startswith("utf") and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _reader_is_gone() -> bool:
    """Whether a library found standard output closed while it printed help, and left."""
    if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's mark
        return True
    with contextlib.suppress(OSError, ValueError):  # rich turns it to the null device
        return os.path.samestat(os.fstat(sys.stdout.fileno()), Path(os.devnull).stat())
    return False


def _fail(error: LossctlError, code: int, words: list[str]) -> NoReturn:
    """Print what went wrong, and exit; --debug shows where it was raised."""
    from lossctl.output.text.messages import print_error

    stopped = find_stop()
    if stopped is not None:  # the rest has failed for it
        sys.exit(stopped)
    if "--debug" in words or os.environ.get("LOSSCTL_DEBUG", "0").casefold() in TRUE:
        traceback.print_exc()
    print_error(error)
    sys.exit(int(code))


def explain_usage(error: Any, words: list[str]) -> UsageError:
    """Turn what the command-line parser says into our own message, with the nearest names."""
    context = getattr(error, "ctx", None)
    named = [word for word in words if not word.startswith("-") and word != "help"]
    named = named[: 2 if named[:1] in (["compute"], ["grad"], ["explain"]) else 1]
    path = context.command_path if context is not None else " ".join(["lossctl", *named])
    remedy = f"See '{path} --help'."
    unknown = getattr(error, "option_name", None)
    if unknown and context is not None:
        flags = [flag for parameter in context.command.params for flag in parameter.opts]
        flags += [flag for parameter in context.command.params for flag in parameter.secondary_opts]
        if unknown in flags:
            return UsageError(str(error.message), remedy)
        long = [flag for flag in flags if flag.startswith("--")]
        from lossctl.losses.core.deprecated import explain_replacement

        name = unknown.lstrip("-").removeprefix("no-").replace("-", "_")
        hint = explain_replacement(name, flags=True) or did_you_mean(unknown, long)
        return UsageError(f"{path} has no flag {unknown}", f"{hint} {remedy}")
    text = error.format_message().rstrip(".")
    parameters = context.command.params if context is not None else []
    wanted = ", ".join(one.name for one in parameters if one.required)
    example = getattr(getattr(context, "command", None), "epilog", None) or ""
    if text.startswith("Missing argument"):
        text = f"{path} needs {wanted}; missing: {error.param.name}"
        remedy = f"{example}\n{remedy}"
    if text.startswith("Got unexpected extra argument"):
        taken = ", ".join(one.name for one in parameters if one.param_type_name == "argument")
        text = f"{path} takes {taken or 'no words'}; too many: {text.partition('(s) ')[2]}"
    if text.startswith("No such command") and context is not None:
        name = text.partition("'")[2].partition("'")[0]
        known = context.command.list_commands(context)
        return UsageError(
            f"{path} has no command {name!r}", f"{did_you_mean(name, known)} {remedy}"
        )
    if not text:  # without any words, the help has been printed
        sys.exit(int(Exit.USAGE))
    return UsageError(text, remedy)


app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
GROUPS = (
    (
        "compute",
        LossGroup,
        "Compute a loss: one subcommand per loss, e.g. lossctl compute ce --help."
        " FILE.py:NAME is a loss of your own.",
    ),
    (
        "grad",
        GradGroup,
        "Compute the gradient of a loss by its predictions, e.g."
        " lossctl grad ce preds.npy labels.npy -o grad.npy.",
    ),
)
for _name, _group, _help in GROUPS:
    app.add_typer(
        typer.Typer(
            cls=_group,
            no_args_is_help=True,
            help=_help,
            subcommand_metavar="LOSS FILES... [OPTIONS]",
            context_settings={"help_option_names": ["-h", "--help"]},
        ),
        name=_name,
    )


def _print_version(value: bool) -> None:
    if value:
        print(f"lossctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Compute loss values from prediction files, and evaluate datasets."""


@app.command(
    "merge",
    epilog="For example:  lossctl merge 'part-*.json'",
)
def merge_command(
    states: Annotated[
        list[str],
        typer.Argument(metavar="STATE...", help="Files of states, or patterns in quotes."),
    ],
    format: Annotated[
        str | None,
        typer.Option("-f", "--format", help="table, json, jsonl, csv, tsv or value"),
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="write there")] = None,
    precision: Annotated[int, typer.Option(min=1, max=17, help="significant digits in tables")] = 6,
) -> None:
    """Add up the states that compute --save-state stored: parts of a run, or several files."""
    from lossctl.api.computation import merge
    from lossctl.output.results import write_reduced

    write_reduced(merge(states), format, output, precision=precision)


def _choose_form(format: str | None, *flags: tuple[str, bool]) -> str:
    """Return the form of a listing: that of --format, or of a flag that is short for it."""
    asked = [name for name, given in flags if given]
    known = ["table", *(name for name, _ in flags)]
    if format is not None and format not in known:
        raise UsageError(f"there is no format {format!r} here", did_you_mean(format, known))
    if len({*asked, *([format] if format else [])}) > 1:
        raise UsageError("more than one format is asked for", "Choose one.")
    return format or next(iter(asked), "table")


@app.command("list", epilog="For example:  lossctl list --family margin")
def list_command(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE.py]", help="List the losses of your own file instead."),
    ] = None,
    library: Annotated[
        str | None, typer.Option(help="Show only the losses of a library: torch, keras, …")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Show only the losses of a family.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print everything the declarations know, as JSON.")
    ] = False,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown", help="Print Markdown tables, as 'lossctl docs losses' has them."
        ),
    ] = False,
    format: Annotated[
        str | None, typer.Option("-f", "--format", help="table, json or markdown")
    ] = None,
) -> None:
    """List the losses by library and family, those of installed packages included."""
    from lossctl.api.computation import describe_all
    from lossctl.output import catalogue

    form = _choose_form(format, ("json", json), ("markdown", markdown))
    losses = describe_all(family, library, file)
    if form == "json":
        catalogue.print_json(losses)
    elif form == "markdown":
        catalogue.print_markdown(losses)
    else:
        catalogue.print_list(losses)


@app.command("show", epilog="For example:  lossctl show ce")
def show_command(
    losses: Annotated[
        list[str],
        typer.Argument(metavar="LOSS...", help="Any of its names.", autocompletion=complete_loss),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show side by side where definitions differ.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the declaration as JSON.")] = False,
    format: Annotated[str | None, typer.Option("-f", "--format", help="table or json")] = None,
) -> None:
    """Show a loss: formula, inputs, options, traps, and a command that runs."""
    from lossctl.api.computation import compare_definitions, describe
    from lossctl.output import catalogue

    as_json = _choose_form(format, ("json", json)) == "json"
    if compare:
        compared = compare_definitions(*losses)
        (catalogue.print_comparison_json if as_json else catalogue.print_comparison)(compared)
        return
    described = [describe(loss) for loss in losses]
    if as_json:
        catalogue.print_json(described)
        return
    for number, one in enumerate(described):
        if number:
            print()
        catalogue.print_loss(one)
