"""The text of the remedies for a finding, and the commands that apply them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np

from lossctl.checks.repairs.remedies import Program, Repair
from lossctl.checks.repairs.remedies import RepairKind as Kind
from lossctl.checks.repairs.repairs import Command, Name
from lossctl.findings import OptionName, Remedy

PLAIN = re.compile(r"[\w@%+=:,./-][\w@%+=:,./#-]*", re.ASCII)
MOST_WRITTEN = 64
"""Most numbers of an array that a command spells out."""

REMEDIES: dict[Kind, str] = {
    Kind.IGNORE_OR_CORRECT: "if {label} means 'no label', use {option}; else correct the labels",
    Kind.LEAVE_OUT_OR_CORRECT: "exclude them, or correct them",
    Kind.LEAVE_OUT_UNLABELLED: "exclude samples without a label (or use --nan omit)",
    Kind.ROUND: "if they are inexactly stored indices, round them",
    Kind.TURN_BITS_INTO_SIGNS: "convert labels 0 and 1 to -1 and 1",
    Kind.TAKE_THEIR_SIGNS: "take their signs",
    Kind.TURN_SIGNS_INTO_BITS: "convert -1 and 1 to labels 0 and 1",
    Kind.SCALE: "scale them to [0, 1]",
    Kind.DIVIDE_PERCENT: "if these are percentages, divide them by 100",
    Kind.THRESHOLD: "convert them to labels 0 and 1",
    Kind.TURN_SIZES_INTO_CORNERS: "if they are corner and size, convert them to corners",
    Kind.ORDER_CORNERS: "sort their corners",
    Kind.KEEP_LOGITS_OR_CLIP: "use logits, which lose no precision; or clip explicitly",
    Kind.NORMALISE: "divide them by their sums",
    Kind.SOFTMAX_OF_LOGITS: "if these are logits, take the softmax",
    Kind.RAISE_AND_NORMALISE: "clip them at 0 and divide by the sums",
    Kind.LOG_SOFTMAX_OF_LOGITS: "if these are logits, take log_softmax",
    Kind.LEAVE_OUT_NOT_FINITE: "exclude samples with NaN or infinity",
    Kind.LEAVE_OUT_INFINITE: "exclude samples with infinity",
    Kind.LEAVE_OUT_NAN: "exclude samples with NaN (or use --nan omit)",
    Kind.CLIP: "clip them",
    Kind.EXPONENTIATE_LOGS: "if these are log-variances, exponentiate them",
    Kind.LEAVE_OUT: "exclude these samples",
    Kind.LEAVE_OUT_EMPTY_BOXES: "exclude boxes without an area",
    Kind.CLIP_OPENLY: "clip them explicitly",
    Kind.SUBTRACT_1: "subtract 1 from them",
    Kind.TAKE_BINARY_LOSS: "for one score and a label of 0 or 1 per sample, use a binary loss",
    Kind.DROP_IGNORED_LABEL: "omit the option, or give the value that means 'no label'",
    Kind.CHANGE_WHAT_IS_LEFT_OUT: "change what is excluded",
    Kind.NAME_LABELS: "each label is {label}, which means 'no label': name the labels' column",
    Kind.CHANGE_IGNORED_LABEL: "{label} is a real label here: omit the option, or"
    " choose another value",
    Kind.ORDER_CLASS_NAMES: "name the classes in the order of the predictions' columns",
    Kind.ORDER_COLUMNS: "reorder the columns to match the labels",
    Kind.EXCHANGE_LABELS: "swap the labels",
    Kind.LOOK_AT_MODEL: "inspect the model: its scores do not separate the classes",
    Kind.SAVE_INTEGERS: "save integers",
    Kind.SAVE_FLOAT32: "save float32 where they are computed; here, exclude these samples",
    Kind.IGNORE_WRAPPED: "exclude them: {option} (or save {dtype})",
    Kind.READ_AS: "read it as {dtype}",
    Kind.SAVE_FLOATS: "save floats",
    Kind.LOOK_AT_PREDICTIONS: "inspect the model, or how its predictions were saved",
    Kind.CHECK_COLUMN: "check that the column is the right one",
    Kind.CHECK_FILLED: "check that the model, or the file, fills them",
    Kind.KEEP_FIRST_SAMPLES: "keep only the first of them",
    Kind.KEEP_FIRST_IDS: "keep only the first of each",
    Kind.DROP_UNPAIRED_ROWS: "drop the rows without a partner",
    Kind.FIND_ROWS_NEAR: "find the missing or extra rows near row {row}, roughly",
    Kind.CHECK_INPUTS: "check that each input has its own file or column",
    Kind.RESCALE: "bring both to the same scale; fitted to the data, that is",
    Kind.CHECK_PAIRING: "check that predictions and targets belong together, and are"
    " what the loss expects",
    Kind.CHECK_FILES: "check the files",
    Kind.NORMALISE_LOGS: "normalise them: take log_softmax",
    Kind.UNDO_SOFTMAX: "undo one of them",
    Kind.SAY_CLASS_AXIS: "set the class axis: {option}",
    Kind.MOVE_CLASS_AXIS: "the loss expects the classes on another axis: move the axis",
    Kind.LEAVE_OUT_IMPOSSIBLE: "exclude them, or count them as 0 if the loss has an option for it",
    Kind.DROP_AXES: "drop the axes of length 1: {option}",
    Kind.EXCHANGE_INPUTS: "swap the inputs",
    Kind.EXCHANGE_AXES: "swap its first two axes",
    Kind.FIND_MISSING_ROWS: "find the missing rows; if they are the last ones,"
    " truncate the other input",
    Kind.TAKE_INDICES: "convert them to indices",
    Kind.TAKE_ONE_HOT: "convert them to one-hot rows",
    Kind.NAME_IDS: "give the ids of these rows, in their order",
    Kind.NAME_CLASSES: "name the classes in the order of the predictions' columns"
    " (here alphabetical)",
    Kind.LIST_CLASSES_IN_FILE: "name the classes with --classes FILE, one per line, without"
    " leading or trailing spaces",
    Kind.NAME_ALL_CLASSES: "name all {count} classes with --classes, and correct other labels",
    Kind.ADD_CLASSES: "add them to --classes, or correct them",
    Kind.FILL_CELLS: "exclude the empty cells with --nan omit, or fill them",
    Kind.NAME_LOSS: "name the intended loss to see what does not fit: lossctl check LOSS …",
    Kind.COMPUTE_OTHER: "Or compute {loss}, which fits these inputs.",
    Kind.SAY_FORM: "these are {form}: use {option}",
    Kind.CONVERT: "these are {form}: convert them",
    Kind.TAKE_OTHER_LOSS: "these are {form}: use {loss}, which takes them",
    Kind.CONVERT_BY: "these are {form}: {conversion}",
    Kind.TAKE_LOGARITHMS: "take their logarithms",
    Kind.TAKE_ODDS: "take log(p / (1 - p))",
    Kind.EXPONENTIATE: "exponentiate them",
    Kind.TAKE_SIGMOID: "take the sigmoid",
    Kind.TAKE_LOG_SIGMOID: "take the logarithm of the sigmoid",
    Kind.TAKE_SOFTMAX: "take the softmax",
    Kind.TAKE_LOG_SOFTMAX: "take log_softmax",
    Kind.SAVE_INPUT: "save standard input to a file, and check the file",
    Kind.GIVE_INPUT_AGAIN: "pipe standard input again",
}
"""The text of each kind of remedy."""


def word_remedy(remedy: Remedy) -> str:
    """Return the text of a remedy."""
    return REMEDIES[Kind(remedy.kind)].format(**remedy.values)


def word_repair(repair: Repair) -> str:
    """Return the text of all remedies of a repair, in order."""
    words = ""
    for remedy in repair.remedies:
        words += (" " if words.endswith(".") else "; " if words else "") + str(remedy)
    return f"{words} ({repair.aside})" if repair.aside is not None else words


def word_program(program: Program) -> str:
    """Return the command that runs statements: in a shell, or in Python."""
    code = "; ".join(program.statements)
    return f"python -c {shlex.quote(code)}" if program.files else code


def word_command(command: Command) -> str:
    """Return the command that computes a loss: in a shell, or in Python for arrays."""
    origin = command.loss.origin
    name = command.loss.key if origin is None else origin.refer(command.loss.key)
    if command.textual:
        words = [quote(fspath(one)) for one in command.references]
        words += [word for item in command.options.items() for word in _write_option(*item)]
        return " ".join(["lossctl compute", quote(name), *words])
    arguments = [json.dumps(name), *map(_write_input, command.names, command.references)]
    arguments += [f"{name}={_write_value(value)}" for name, value in command.options.items()]
    return f"lossctl.compute({', '.join(arguments)})"


def write_evaluation(loss: str, given: Mapping[str, str], more: Mapping[str, Any]) -> str:
    """Return the command that evaluates a loss, with these flags and inputs and options beside."""
    settings = ",".join(f"{name}={value}" for name, value in more.items())
    words = {"loss": f"{loss}:{settings}" if settings else loss} | dict(given)
    written = " ".join(f"{OptionName(name)} {quote(word)}" for name, word in words.items())
    return f"lossctl evaluate {written}"


def quote(word: str) -> str:
    """Return a word quoted for a shell; a # within it needs no quotes."""
    return word if PLAIN.fullmatch(word) else shlex.quote(word)


def _write_option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [str(OptionName(name, value))]
    shown = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return [str(OptionName(name)), quote(shown)]


def _write_input(name: str, given: Any) -> str:
    return json.dumps(fspath(given)) if isinstance(given, str | PathLike) else name


def _write_value(value: Any) -> str:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, np.ndarray) and value.size <= MOST_WRITTEN:
        return repr(value.tolist())
    return "…" if isinstance(value, np.ndarray) else repr(value)


WORDING: dict[type, Callable[[Any], str]] = {
    Command: word_command,
    Program: word_program,
    Repair: word_repair,
}
"""The function that gives the text of each type of data."""
