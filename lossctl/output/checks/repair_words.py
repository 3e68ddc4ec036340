"""The words for what can be done about a finding, and the commands that do it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from os import PathLike, fspath
from typing import Any

import numpy as np

from lossctl.checks.repairs.remedies import Program, Repair
from lossctl.checks.repairs.remedies import RepairKind as Kind
from lossctl.checks.repairs.repairs import Command, Name
from lossctl.findings import OptionName, Remedy

PLAIN = re.compile(r"[\w@%+=:,./-][\w@%+=:,./#-]*", re.ASCII)
MOST_WRITTEN = 64
"""Numbers of an array that are written out in a command."""

REMEDIES: dict[Kind, str] = {
    Kind.IGNORE_OR_CORRECT: "if {label} means 'no label', say {option}; else correct the labels",
    Kind.LEAVE_OUT_OR_CORRECT: "leave them out, or correct them",
    Kind.LEAVE_OUT_UNLABELLED: "leave samples without a label out",
    Kind.ROUND: "if they are indices that were not stored exactly, round them",
    Kind.TURN_BITS_INTO_SIGNS: "labels 0 and 1 as signs are",
    Kind.TAKE_THEIR_SIGNS: "take their signs",
    Kind.TURN_SIGNS_INTO_BITS: "signs as labels are",
    Kind.SCALE: "scale them to [0, 1]",
    Kind.THRESHOLD: "as labels 0 and 1",
    Kind.TURN_SIZES_INTO_CORNERS: "if they are corner and size, as corners they are",
    Kind.ORDER_CORNERS: "put their corners into order",
    Kind.KEEP_LOGITS_OR_CLIP: "keep logits, from which nothing is lost; or clip openly",
    Kind.NORMALISE: "divide them by their sums",
    Kind.SOFTMAX_OF_LOGITS: "if these are logits, take the softmax",
    Kind.RAISE_AND_NORMALISE: "raise them to 0 and divide by the sums",
    Kind.LOG_SOFTMAX_OF_LOGITS: "if these are logits, take log_softmax",
    Kind.LEAVE_OUT_NOT_FINITE: "leave samples with NaN or infinity out",
    Kind.LEAVE_OUT_INFINITE: "leave samples with infinity out",
    Kind.LEAVE_OUT_NAN: "leave samples with NaN out (or --nan omit)",
    Kind.CLIP: "clip them",
    Kind.EXPONENTIATE_LOGS: "if these are log-variances, exponentiate them",
    Kind.LEAVE_OUT: "leave these samples out",
    Kind.LEAVE_OUT_EMPTY_BOXES: "leave boxes without an area out",
    Kind.CLIP_OPENLY: "clip them openly",
    Kind.SUBTRACT_1: "subtract 1 from them",
    Kind.TAKE_BINARY_LOSS: "for one score and a label of 0 or 1 per sample take a binary loss",
    Kind.DROP_IGNORED_LABEL: "leave the option out, or give the value that means 'no label'",
    Kind.CHANGE_WHAT_IS_LEFT_OUT: "change what is left out",
    Kind.NAME_LABELS: "each label is {label}, which means 'no label': name the labels' column",
    Kind.CHANGE_IGNORED_LABEL: "{label} is a real label here: leave the option out, or"
    " choose another value",
    Kind.ORDER_CLASS_NAMES: "name the classes in the order of the predictions' columns",
    Kind.ORDER_COLUMNS: "put the columns into the order of the labels",
    Kind.EXCHANGE_LABELS: "exchange the labels",
    Kind.LOOK_AT_MODEL: "look at the model: its scores do not tell the classes apart",
    Kind.SAVE_INTEGERS: "save integers",
    Kind.SAVE_FLOAT32: "save float32 where they are computed; here, leave these samples out",
    Kind.IGNORE_WRAPPED: "leave them out: {option} (or save {dtype})",
    Kind.READ_AS: "read it as {dtype}",
    Kind.SAVE_FLOATS: "save floats",
    Kind.LOOK_AT_PREDICTIONS: "look at the model, or at how its predictions were saved",
    Kind.CHECK_COLUMN: "check that the right column was named",
    Kind.CHECK_FILLED: "check that the model, or the file, fills them",
    Kind.KEEP_FIRST_SAMPLES: "leave all but the first of them out",
    Kind.KEEP_FIRST_IDS: "leave all but the first of each out",
    Kind.DROP_UNPAIRED_ROWS: "drop the rows that have no partner",
    Kind.FIND_ROWS_NEAR: "find the rows that are missing or too many near row {row}; roughly",
    Kind.CHECK_INPUTS: "check that each input names its own file or column",
    Kind.RESCALE: "bring both to one scale; fitted, that is",
    Kind.CHECK_PAIRING: "check that predictions and targets belong together, and are"
    " what the loss takes",
    Kind.CHECK_FILES: "check the files",
    Kind.NORMALISE_LOGS: "normalise them: take log_softmax",
    Kind.UNDO_SOFTMAX: "undo one of them",
    Kind.SAY_CLASS_AXIS: "say where the classes are: {option}",
    Kind.MOVE_CLASS_AXIS: "the loss looks for the classes along another axis: move the axis",
    Kind.LEAVE_OUT_IMPOSSIBLE: "leave them out, or count them as 0 where the loss can",
    Kind.DROP_AXES: "drop the axes of length 1: {option}",
    Kind.EXCHANGE_INPUTS: "exchange the inputs",
    Kind.EXCHANGE_AXES: "exchange its first two axes",
    Kind.FIND_MISSING_ROWS: "find the rows that are missing; if they are the last ones,"
    " cut the others off",
    Kind.TAKE_INDICES: "turn them into indices",
    Kind.TAKE_ONE_HOT: "turn them into rows of 0 with a 1",
    Kind.NAME_IDS: "name the ids of these rows, in their order",
    Kind.NAME_CLASSES: "name the classes in the order of the predictions' columns"
    " (here by alphabet)",
    Kind.LIST_CLASSES_IN_FILE: "name the classes with --classes FILE, one a line, without"
    " outer spaces",
    Kind.NAME_ALL_CLASSES: "name all {count} classes with --classes, and correct other labels",
    Kind.ADD_CLASSES: "add them to --classes, or correct them",
    Kind.FILL_CELLS: "fill empty cells, or leave their rows out (in 'lossctl"
    " evaluate' with --where)",
    Kind.NAME_LOSS: "name the loss that is meant, to see what does not fit: lossctl check LOSS …",
    Kind.COMPUTE_OTHER: "Or compute {loss}, which fits these inputs.",
    Kind.SAY_FORM: "these are {form}: say {option}",
    Kind.CONVERT: "these are {form}: convert them",
    Kind.TAKE_OTHER_LOSS: "these are {form}: {loss} takes them",
    Kind.CONVERT_BY: "these are {form}: {conversion}",
    Kind.TAKE_LOGARITHMS: "take their logarithms",
    Kind.TAKE_ODDS: "take log(p / (1 - p))",
    Kind.EXPONENTIATE: "exponentiate them",
    Kind.TAKE_SIGMOID: "take the sigmoid",
    Kind.TAKE_LOG_SIGMOID: "take the logarithm of the sigmoid",
    Kind.TAKE_SOFTMAX: "take the softmax",
    Kind.TAKE_LOG_SOFTMAX: "take log_softmax",
    Kind.SAVE_INPUT: "save standard input to a file, and check that",
    Kind.GIVE_INPUT_AGAIN: "give standard input again",
}
"""What each kind of remedy is in words."""


def word_remedy(remedy: Remedy) -> str:
    """Return what to do."""
    return REMEDIES[Kind(remedy.kind)].format(**remedy.values)


def word_repair(repair: Repair) -> str:
    """Return all that is to be done, one thing after another."""
    words = ""
    for remedy in repair.remedies:
        words += (" " if words.endswith(".") else "; " if words else "") + str(remedy)
    return f"{words} ({repair.aside})" if repair.aside is not None else words


def word_program(program: Program) -> str:
    """Return the line that runs statements: of a shell, or of Python itself."""
    code = "; ".join(program.statements)
    return f"python -c {shlex.quote(code)}" if program.files else code


def word_command(command: Command) -> str:
    """Return the line that computes a loss: of a shell, or of Python for arrays."""
    origin = command.loss.origin
    name = command.loss.key if origin is None else origin.refer(command.loss.key)
    if command.textual:
        words = [quote(fspath(one)) for one in command.references]
        words += [word for item in command.options.items() for word in _write_option(*item)]
        return " ".join(["lossctl compute", quote(name), *words])
    arguments = [json.dumps(name), *map(_write_input, command.names, command.references)]
    arguments += [f"{name}={_write_value(value)}" for name, value in command.options.items()]
    return f"lossctl.compute({', '.join(arguments)})"


def quote(word: str) -> str:
    """Return a word as a shell takes it; a # within it needs no quotes."""
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
"""What words each kind of data."""
