"""Text for what other rooms report as data: locations, broken rules, remedies with their flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.errors import Worded
from lossctl.findings import Location, OptionName, Remedy, TextFinding
from lossctl.findings import RemedyKind as Kind
from lossctl.losses.core.terms import DenominatorName

MANY_DIGITS = 1e15
"""Up to here an integer is shown with all its digits."""

REMEDIES: dict[Kind, str] = {
    Kind.CHECK_ORDER: "Class indices are the integers 0 to C-1. If these are scores, check the"
    " order of the files.",
    Kind.RELABEL: "Labels start at 0. If yours start at 1, subtract 1; if the value means"
    " 'no label', {leave_out}.",
    Kind.END_LISTS: "Each row lists the indices of its classes, then -1.",
    Kind.TAKE_SIGNS: "Targets of 0 and 1 belong to binary cross entropy (bce, bce_with_logits);"
    " 2*y - 1 converts them to -1 and 1.",
    Kind.TAKE_LOGITS_LOSS: "If these are logits, use the loss that takes logits (bce_with_logits).",
    Kind.TAKE_CLASS_LOGITS_LOSS: "If these are logits, use the loss that takes logits (ce).",
    Kind.TAKE_VARIANCES: "If these are log-variances, exponentiate them; if standard deviations,"
    " square them.",
    Kind.TAKE_BITS: "The label of the positive class is 1, of the negative class 0; (y + 1) / 2"
    " converts -1 and 1 to labels.",
    Kind.TAKE_CLASS_LABELS: "Scores or probabilities of the classes have one more axis than the"
    " labels.",
    Kind.MASK_NOT_POSITIVE: "The loss is defined only for positive numbers; exclude the others"
    " with --mask.",
    Kind.MASK_NEGATIVE: "The loss is defined only for numbers of at least 0; exclude the others"
    " with --mask.",
    Kind.MASK_NO_AMOUNTS: "Logarithmic errors are defined only for amounts; exclude the others with"
    " --mask.",
    Kind.TAKE_CORNERS: "A box is given by its left, top, right and bottom edge. Convert boxes given"
    " as centre and size, or as corner and size.",
    Kind.TAKE_LOG_PROBABILITIES: "take log_softmax of logits, or the log of probabilities",
    Kind.TAKE_LOGITS_OF_CLASSES: "a softmax of probabilities gives a silently wrong value; the"
    " logarithms of probabilities are logits",
    Kind.TAKE_LOGITS: "a sigmoid of probabilities gives a silently wrong value; log(p / (1 - p))"
    " is the logit",
    Kind.OMIT_MISSING: "--nan omit excludes what is missing.",
    Kind.CHOOSE_NAN_POLICY: "--nan omit excludes them, --nan propagate computes them.",
    Kind.ALIGN_SAMPLES: "All inputs must contain the same samples in the same order.",
    Kind.SQUEEZE: "Nothing is broadcast. --squeeze drops axes of length 1 from all inputs.",
    Kind.MOVE_CLASS_AXIS: "If the classes are the last axis, use --class-axis {axis}.",
    Kind.SWAP_INPUTS: "They would fit in the other order: predictions come first, then targets.",
    Kind.GIVE_SHAPES: "Nothing is broadcast: give arrays of the shapes above ('lossctl show'"
    " explains them).",
    Kind.GIVE_ARRAY: "Give a file or a comma list with {option}.",
    Kind.COUNT_ROWS: "Rows are counted from 0: --row 0 is the first one.",
    Kind.CHOOSE_NUMBERS: "Choose a numeric column; names of classes become indices with --classes.",
    Kind.CORRECT_CELL: "Choose a numeric column, or correct the cell (empty or NaN is a missing"
    " value); names of classes become indices with --classes.",
    Kind.NAME_CLASSES: "Save numbers: class labels as their indices 0, 1, 2, …; names of classes"
    " become indices with --classes.",
    Kind.LIST_CLASSES: "List them: --classes cat,dog",
    Kind.FILL_CELLS: "--nan omit excludes empty cells. Or fill them, or exclude their rows (in"
    " 'lossctl evaluate' with --where).",
    Kind.SAVE_STATE: "States are written by --save-state; this version reads {format!r}.",
    Kind.SAVE_AGAIN: "Save it again with --save-state.",
    Kind.NAME_STATES: "Name the files that --save-state wrote.",
    Kind.LIST_GRADIENTS: "'lossctl grad --help' lists the losses that have one.",
    Kind.GIVE_DATASET: "Give a dataset before the options: lossctl evaluate meta.csv --pred …",
    Kind.PAIR_ROWS: "Pair them by that column: {command}",
    Kind.SET_OPTIONS_OF: "Set its options as {loss}:NAME=VALUE.",
}
"""The text of each kind of remedy."""


def word(said: Worded) -> str:
    """Return the text for something that is reported as data."""
    found = WORDING.get(type(said))
    if found is None:
        from lossctl.output.checks.repair_words import WORDING as OF_CHECKS

        found = OF_CHECKS[type(said)]
    return found(said)


DENOMINATORS: dict[str, str] = {DenominatorName.KEPT: "targets not ignored"}
"""What a denominator is called in tables, where machine formats have another name for it."""


def word_denominator(name: str) -> str:
    """Return what a denominator is, in words."""
    return DENOMINATORS.get(name, name)


def word_option(option: OptionName) -> str:
    """Return an option as it is written on the command line."""
    flag = write_flag(option.name)
    if option.value is False:
        return f"--no-{flag[2:]}"
    if option.value is None or option.value is True:
        return flag
    return f"{flag} {option.value}"


def write_flag(name: str) -> str:
    """Return the flag of an option."""
    return "--" + name.replace("_", "-")


def word_remedy(remedy: Remedy) -> str:
    """Return the text of a remedy."""
    if not isinstance(remedy.kind, Kind):
        from lossctl.output.checks.repair_words import word_remedy as word_repair

        return word_repair(remedy)
    values = dict(remedy.values)
    if remedy.kind is Kind.RELABEL:
        values["leave_out"] = _leave_out(remedy.values)
    if remedy.kind is Kind.PAIR_ROWS and "command" not in values:
        from lossctl.output.checks.repair_words import write_evaluation

        values["command"] = write_evaluation(**remedy.values)
    return REMEDIES[remedy.kind].format(**values)


def _leave_out(values: Mapping[str, Any]) -> str:
    """Say how to ignore labels: with an option of the loss, or else by masking their samples."""
    option = values.get("option")
    if option is None:
        return "mask its sample with --mask"
    flag = write_flag(option)
    if "loss" in values:  # one of several, each with options of its own
        flag = f"--loss {values['loss']}:{flag[2:]}=VALUE"
    return f"leave it out with {flag}"


def word_location(place: Location) -> str:
    """Return row, line and column, and the file."""
    if place.words:
        return place.words
    source = f" of {place.source}" if place.source else ""
    file = f" of {place.file}" if place.file else ""
    if place.sample is not None:
        return f"sample {place.sample}{source}"
    if place.row is None:
        return f"the only element{source}"
    where = f"row {place.row}" if place.line is None else f"row {place.row} (line {place.line})"
    if isinstance(place.column, str):
        return f"{where}{file}, column {place.column!r}{_word_element(place.position)}{source}"
    if place.column is not None:
        where += f", column {place.column}"
    elif place.position:
        where += f", position ({', '.join(map(str, place.position))})"
    return f"{where}{file}{source}"


def _word_element(position: tuple[int, ...]) -> str:
    if not position:
        return ""
    return f", element {position[0] if len(position) == 1 else position}"


def word_text_finding(finding: TextFinding) -> str:
    """Return the file, the cell or the line, and what is wrong there."""
    place = finding.location
    if place.row is None:
        return f"{place.file}, line {place.line}: {finding.text}"
    row = word_location(Location(place.row, place.line))
    return f"{place.file}: column {place.column!r}, {row}: {finding.text}"


def word_finding(finding: RuleFinding) -> str:
    """Return how many values break the rule, the first one, where it is, and the remedy."""
    text = _state(finding)
    if finding.remedy is not None and finding.advised:
        text += f" ({finding.remedy})"
    if finding.left_out:
        text += " (left out)"
    return f"{text}; the loss is NaN" if finding.lost else text


def _state(finding: RuleFinding) -> str:
    """Return how many values break the rule, the first one and where it is."""
    rule, count, value = finding.rule, finding.count, finding.value
    verbs = ("is", "was", "does") if count == 1 else ("are", "were", "do")
    text = rule.text.format(classes=finding.classes, are=verbs[0], were=verbs[1], do=verbs[2])
    ending = "es" if rule.unit.endswith("x") else "s"
    units = rule.unit if count == 1 else f"{rule.unit}{ending}"
    whole = isinstance(value, int) or (abs(value) < MANY_DIGITS and value.is_integer())
    first = rule.first.format(value=int(value) if whole else repr(float(value)))
    place = "" if finding.location is None else finding.location
    return f"{finding.name}: {count} {units} {text}; the first {first} {place}"


WORDING: dict[type, Callable[[Any], str]] = {
    Location: word_location,
    TextFinding: word_text_finding,
    OptionName: word_option,
    Remedy: word_remedy,
    RuleFinding: word_finding,
}
"""The function that gives the text of each type of data."""
