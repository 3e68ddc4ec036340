"""``lossctl check``: what is wrong with predictions and targets, and how to fix it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from lossctl.cli.compute import make_argument
from lossctl.cli.compute import make_option as make_loss_option
from lossctl.cli.evaluate import make_command
from lossctl.cli.shared import DATA, OUTPUT, SHARED, make_option, make_output_option, take_output
from lossctl.cli.values import MARK
from lossctl.errors import CheckError, UsageError, did_you_mean

if TYPE_CHECKING:
    from lossctl.losses.core.declaration import Loss

EXAMPLE = "lossctl check ce preds.npy labels.npy"

HELP = (
    "Find what is wrong with predictions and targets, and how to fix it.\n\n"
    "One pass over the data shows what the files contain, common mistakes in such files, and how "
    "the loss compares with guessing. Each finding comes with its evidence and a command that "
    "fixes it. Without LOSS, losses that fit are suggested. With LOSS, its options can be set: "
    "see lossctl check ce --help."
)
TAKEN = (
    "sample_weight", "mask", "class_axis", "classes", "squeeze", "nan", "dtype", "threads",
    "progress", "debug",
)  # fmt: skip
LOOKS_LIKE_FILE = frozenset("#/*?\\")


def build_command(words: Sequence[str] = ()) -> Any:
    """Return the command for these words, with the inputs and options of the loss they name."""
    loss = find_loss(words)
    if loss is None:
        parameters = [_take_inputs()]
    else:
        name = typer.Argument(
            metavar="LOSS", help="Any name or alias of a loss.", show_default=False
        )
        parameters = [
            inspect.Parameter(
                "loss", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, name]
            ),
            *(make_argument(one) for one in loss.inputs),
            *(make_loss_option(loss, one) for one in loss.parameters),
        ]
    example = EXAMPLE if loss is None else f"lossctl check {loss.key} {loss.example}"

    def run(values: dict[str, Any]) -> None:
        _run(loss, values)

    return make_command("check", run, HELP, example, [*parameters, *list_options()])


def _take_inputs() -> inspect.Parameter:
    text = "The loss (omit it to get suggestions), then predictions, targets and further inputs."
    argument = typer.Argument(metavar="[LOSS] PREDS TARGETS", help=text, show_default=False)
    return inspect.Parameter(
        "inputs",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[list[str] | None, argument],
    )


def list_options() -> list[inspect.Parameter]:
    """Return the options that every check has."""
    return [
        make_option(
            "id", str | None, None, "column of sample ids, which must be unique", DATA,
            metavar="REF", envvar=None,
        ),
        *(one for one in SHARED if one.name in TAKEN),
        make_option(
            "strict", bool, False, "exit with 1 if a finding has severity error", OUTPUT,
            "--strict", envvar=None,
        ),
        make_option(
            "format", str | None, None,
            "table, json, jsonl, csv, tsv or markdown"
            " [default: table, or by the suffix of --output]",
            OUTPUT, "-f", "--format", metavar="FORMAT",
        ),
        make_output_option(".json .jsonl .csv .tsv .md, also with .gz or .zst"),
        *(one for one in SHARED if one.name == "precision"),
    ]  # fmt: skip


def find_loss(words: Sequence[str]) -> Loss | None:
    """Return the loss that is named before the files, if one is.

    Raises UsageError for a first word that is neither a loss nor a file.
    """
    valued = {
        flag
        for kind, option in (get_args(one.annotation) for one in list_options())
        if kind is not bool
        for flag in (option.default, *option.param_decls)  # typer takes the first for a default
    }
    waiting = False
    for word in words:
        if waiting and not word.startswith("--"):
            waiting = False
            continue
        if word.startswith("-") and word != "-" and not word.startswith((MARK, "-#")):
            waiting = word in valued
            continue
        return _find_named(word)
    return None


def _find_named(word: str) -> Loss | None:
    from lossctl.losses.core.registry import choose, names

    if word.startswith((MARK, "-")):
        return None
    own = ".py" in word
    if not own and LOOKS_LIKE_FILE & set(word):
        return None
    try:
        return choose(word)
    except UsageError:
        if own:
            raise
        if "." in word or Path(word).exists():
            return None
    raise UsageError(f"{word!r} is neither a loss nor a file", did_you_mean(word, list(names())))


def _run(loss: Loss | None, values: dict[str, Any]) -> None:
    """Call the public API, write the check, and exit by its findings."""
    from lossctl.api.checks import check
    from lossctl.api.written_files import check_written
    from lossctl.cli.gates import write_out
    from lossctl.output.checks.write import check_output, write_check
    from lossctl.output.files.formats import CHECK_FORMATS
    from lossctl.output.text.progress import show_progress

    output = take_output({**values, "limit": 0}, CHECK_FORMATS)
    for name in ("format", "output", "precision", "debug", "loss"):
        values.pop(name, None)
    strict, shown = values.pop("strict"), values.pop("progress")
    for target in output.targets:
        check_output(output.format, target)
    if loss is None:
        inputs = values.pop("inputs") or []
    else:
        inputs = [values.pop(one.name) for one in loss.inputs]
        given = {one.name: one.default for one in loss.parameters}
        values = {
            name: value
            for name, value in values.items()
            if name not in given or value != given[name]
        }
    check_written(output.targets, loss, inputs, values)
    with show_progress(shown) as progress:
        found = check(loss, *inputs, **values, progress=progress)
    errors = found.count("error") if strict else 0

    def write() -> None:
        for target in output.targets:
            write_check(found, output.format, target, output.precision)

    write_out(write, verdict=bool(errors))
    if errors:
        codes = ", ".join(one.code for one in found.findings if one.severity == "error")
        word = "finding" if errors == 1 else "findings"
        raise CheckError(f"{errors} {word} of severity error: {codes}")
