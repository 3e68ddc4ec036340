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
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from lossctl import __version__
from lossctl.cli.compute import LossGroup, split_flags
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
"""Commands imported only when called, so that the others start faster."""

FIRST = ("compute", "evaluate", "run", "check", "grad", "explain")
"""The commands that the help lists first, in this order."""

LAST = ("docs", "help")
"""The commands that it lists last."""


class ClosedPipeError(Exception):
    """The reader of standard output is gone."""


class Root(TyperGroup):
    """The root group: every failure becomes one message on standard error."""

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
        words = [_normalize(word) for word in (sys.argv[1:] if args is None else args)]
        _replace_unencodable()
        try:
            code = self._run(words, prog_name, complete_var)
        except LossctlError as error:
            _fail(error, error.exit_code, words)
        except TyperException as error:
            from lossctl.cli.usage import explain_usage

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
                "This is a bug in lossctl, not in your data. --debug shows where it happened.",
            )
            _fail(bug, Exit.INTERNAL, words)
        sys.exit(int(code or 0))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the subcommands."""
        names = super().list_commands(ctx)
        return [*FIRST, *(name for name in names if name not in FIRST), *LAST]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a subcommand; some are built only when called."""
        if cmd_name in LAZY_COMMANDS:
            return importlib.import_module(LAZY_COMMANDS[cmd_name]).build_command()
        command = super().get_command(ctx, cmd_name)
        return command if command is None else take_plain_values(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the subcommand; ``check`` gets the options of the loss that its words name.

        ``help COMMAND`` means ``COMMAND --help``.
        """
        if args[:1] == ["help"] and args[1:] and not args[1].startswith("-"):
            args = [*args[1:], "--help"]
        if args[:1] == ["check"]:
            from lossctl.cli.check import build_command

            words = args[1:]
            if words and not words[0].startswith("-"):
                name, flags = split_flags(words[0])
                words = [name, *flags, *words[1:]] if flags else words
            return "check", build_command(words), words
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand; a closed pipe is not an error."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipeError from error

    def _run(
        self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None
    ) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("always", LossctlWarning)
            warnings.showwarning = partial(_show_warning, set())
            take_plain_values(self)
            code = super().main(args, prog_name, complete_var, standalone_mode=False)
        try:
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise ClosedPipeError from error
        return code


def _show_warning(shown: set[str], message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning, unless it was shown already: files may be opened more than once."""
    from lossctl.output.text.messages import print_warning

    if str(message) not in shown:
        shown.add(str(message))
        print_warning(str(message))


def _normalize(word: str) -> str:
    """Mark ``-#columns`` so that it is not taken for a flag, and take ``--a_flag`` for --a-flag."""
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag.replace("_", "-") + equals + value
    return MARK + word if word.startswith("-#") else word


def _replace_unencodable() -> None:
    """Print help with replacement characters where the encoding lacks its symbols."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not encoding.casefold().startswith("utf") and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _reader_is_gone() -> bool:
    """Whether a library found standard output closed while printing help, and exited."""
    if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # typer's mark
        return True
    with contextlib.suppress(OSError, ValueError):  # rich turns it to the null device
        return os.path.samestat(os.fstat(sys.stdout.fileno()), Path(os.devnull).stat())
    return False


def _fail(error: LossctlError, code: int, words: list[str]) -> NoReturn:
    """Print the error and exit; --debug shows the traceback."""
    from lossctl.output.text.messages import print_error

    stopped = find_stop()
    if stopped is not None:  # the error is a consequence of the signal
        sys.exit(stopped)
    if "--debug" in words or os.environ.get("LOSSCTL_DEBUG", "0").casefold() in TRUE:
        traceback.print_exc()
    print_error(error)
    sys.exit(int(code))


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
        " FILE.py:NAME is a custom loss.",
    ),
    (
        "grad",
        GradGroup,
        "Compute the gradient of a loss with respect to its predictions, e.g."
        " lossctl grad ce preds.npy labels.npy -o grad.npy.",
    ),
)
for _name, _group, _help in GROUPS:
    app.add_typer(
        typer.Typer(
            cls=_group,
            no_args_is_help=True,
            help=_help,
            subcommand_metavar="LOSS FILES...",
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
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
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
        typer.Argument(metavar="STATE...", help="State files, or quoted patterns."),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "-f",
            "--format",
            metavar="FORMAT",
            help="table, json, jsonl, csv, tsv or value",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", metavar="FILE", help="output file (repeatable)"),
    ] = None,
    precision: Annotated[
        int,
        typer.Option(min=1, max=17, metavar="N", help="significant digits in tables (1 to 17)"),
    ] = 6,
) -> None:
    """Merge the states that compute --save-state wrote: parts of a run, or several files."""
    from lossctl.api.computation import merge
    from lossctl.api.written_files import check_merged
    from lossctl.output.results import write_reduced

    targets = [None if one == "-" else one for one in output or ("-",)]
    check_merged(targets, states)
    result = merge(states)
    for target in targets:
        write_reduced(result, format, target, precision=precision)


def _choose_form(format: str | None, *flags: tuple[str, bool]) -> str:
    """Return the format of a listing: that of --format, or of a flag that abbreviates it."""
    asked = [name for name, given in flags if given]
    known = ["table", *(name for name, _ in flags)]
    if format is not None and format not in known:
        raise UsageError(f"unrecognised format {format!r}", did_you_mean(format, known))
    if len({*asked, *([format] if format else [])}) > 1:
        raise UsageError("more than one format was given", "Choose one.")
    return format or next(iter(asked), "table")


@app.command("list", epilog="For example:  lossctl list --family margin")
def list_command(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py", help="List the custom losses of a file instead."),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show only the losses of a library: torch, keras, …"),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show only the losses of a family.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the full declarations as JSON.")
    ] = False,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown", help="Print Markdown tables, as on the page 'lossctl docs losses'."
        ),
    ] = False,
    format: Annotated[
        str | None,
        typer.Option("-f", "--format", metavar="FORMAT", help="table, json or markdown"),
    ] = None,
) -> None:
    """List the losses by library and family, including those of installed packages."""
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
        typer.Argument(
            metavar="LOSS...", help="Any name or alias of a loss.", autocompletion=complete_loss
        ),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show side by side where the definitions differ.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the declaration as JSON.")] = False,
    format: Annotated[
        str | None, typer.Option("-f", "--format", metavar="FORMAT", help="table or json")
    ] = None,
) -> None:
    """Show a loss: formula, inputs, options, notes, and an example command."""
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
