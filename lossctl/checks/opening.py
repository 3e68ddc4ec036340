"""Opening inputs without refusing what can be diagnosed: strings where indices are expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

from lossctl.checks.findings.catalogue import Evidence, declare
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.repairs.repairs import Command
from lossctl.checks.repairs.views import peekable
from lossctl.checks.result import Finding, Severity
from lossctl.data import Source, is_streaming, open_sources
from lossctl.data.arrays.arrow import ColumnPlace
from lossctl.data.arrays.cells import CELL, Cells
from lossctl.data.arrays.class_names import ClassNames, IndexedSource, LabelForm
from lossctl.data.arrays.source import PairingRemedy
from lossctl.data.references.open import is_reference
from lossctl.engine.plan.class_names import (
    check_count,
    find_cells,
    find_form,
    find_labels,
    holds_shares,
    is_one_column,
    name_columns,
    reject_classes,
)
from lossctl.engine.plan.plan import Plan
from lossctl.errors import LossctlError
from lossctl.findings import Remedy
from lossctl.losses.core.declaration import Input, Loss

MADE = ("label_out_of_range",)
"""Findings about indices that replace strings, and are in no file."""

STRINGS = declare(
    "text_labels", Severity.ERROR, "labels that are strings, without class names", MADE
)
UNKNOWN = declare("unknown_labels", Severity.ERROR, "labels that are not among the classes", MADE)

MOST_NAMES = 1000
MOST_LISTED = 10
ROWS = 65_536


@dataclass(slots=True)
class Opened:
    """The sources of inputs, weights, mask and ids, and what was found on opening them."""

    sources: list[Source]
    references: list[Any]
    strings: dict[int, ClassNames] = field(default_factory=dict)
    """Inputs that hold strings, with the names that were found in them."""
    unknown: dict[int, Counter[str]] = field(default_factory=dict)
    """Labels of inputs that are not among the classes."""
    classes: ClassNames | None = None
    """The names of the classes, where they were given."""

    def check_count(self, plan: Plan) -> None:
        """Raise UsageError where other classes were named than the loss has."""
        if self.classes is not None:
            places = [one for one in self.unknown if plan.inputs[one].kind.may_be_named]
            check_count(plan, self.classes, places)

    def close(self) -> None:
        """Close all sources."""
        for source in self.sources:
            source.close()


def open_inputs(
    declared: Sequence[Input], references: Sequence[Any], extras: Sequence[Any],
    classes: ClassNames | None, ids: int | None, remedy: PairingRemedy,
    ignored: frozenset[int] = frozenset(), *, omits_missing: bool = False,
) -> Opened:  # fmt: skip
    """Open inputs and extras; the extra number ``ids`` is read as it is, strings or numbers.

    Raises FileError, DataError or UsageError where a file cannot be read.
    """
    named = list(references)
    strings: dict[int, ClassNames] = {}
    if classes is None:
        labels: list[int] = []
        try:
            return _open(
                declared, named, [*named, *extras], [], None, ids, remedy, strings, ignored
            )
        except LossctlError:
            strings = _find_strings(declared, named)
            if not strings:
                raise
            labels, classes = list(strings), next(iter(strings.values()))
    else:
        known = dict(enumerate(declared))
        named = [
            name_columns(known[place], one, classes) if place in known else one
            for place, one in enumerate(named)
        ]
        labels = [place for place in (1,) if is_one_column(named[place])]
        if declared:
            labels = find_labels(declared, named)
            if not labels and all(new is old for new, old in zip(named, references, strict=True)):
                raise reject_classes("the loss")
    return _open(
        declared, named, [*named, *extras], labels, classes, ids, remedy, strings, ignored,
        omits_missing=omits_missing,
    )  # fmt: skip


def _open(
    declared: Sequence[Input], named: list[Any], given: list[Any], labels: list[int],
    classes: ClassNames | None, ids: int | None, remedy: PairingRemedy,
    strings: dict[int, ClassNames], ignored: frozenset[int], *, omits_missing: bool = False,
) -> Opened:  # fmt: skip
    place_of_ids = [] if ids is None else [len(named) + ids]
    cells, unknown = find_cells(labels, named)
    inputs = frozenset(range(len(given))) - frozenset(place_of_ids)
    sources = open_sources(given, [*cells, *place_of_ids], unknown, (inputs, remedy))
    opened = Opened(sources, named, strings, classes=None if strings else classes)
    for place, source in enumerate(list(sources)):
        if place in place_of_ids:
            continue
        indexed = source
        several = (
            bool(declared)
            and place in labels
            and holds_shares(declared[place], source, opened.sources[0])
        )
        if place in labels and classes is not None and not several:
            form = find_form(declared[place]) if declared else LabelForm.INDEX
            opened.unknown[place] = Counter()
            indexed = IndexedSource(
                source,
                classes,
                source.name,
                form,
                ignored,
                opened.unknown[place],
                omits_missing=omits_missing,
            )
        sources[place] = peekable(indexed)
    return opened


def _find_strings(declared: Sequence[Input], references: Sequence[Any]) -> dict[int, ClassNames]:
    """Return the inputs that hold strings where indices may be, with the names in them."""
    found = {}
    for place, one in enumerate(references):
        named = not declared or any(form.kind.may_be_named for form in declared[place].forms)
        if place == 0 or not named or not is_reference(one) or is_streaming(one):
            continue
        names = _read_names(one)
        if names:
            found[place] = ClassNames(names)
    return found


def _read_names(reference: Any) -> list[str]:
    """Return the different strings of a column; none where it holds numbers, or too many."""
    try:
        (source,) = open_sources([reference], [0])
    except LossctlError:
        return []
    if source.dtype != CELL:
        source.close()
        return []
    names: set[str] = set()
    start = 0
    try:
        while True:
            cells: Cells = source.read(start, start + ROWS)  # type: ignore[assignment]
            if not len(cells) or len(names) > MOST_NAMES:
                break
            if start == 0 and cells.numbers(ColumnPlace(source.name, "labels")) is not None:
                return []
            names |= {str(one) for one in cells.encode(source.name)[1] if one is not None}
            start += len(cells)
    finally:
        source.close()
    return sorted(names) if len(names) <= MOST_NAMES else []


def name_found(opened: Opened, call: Command, classes: int) -> Command:
    """Return the call with the classes that were found in strings, if these may be complete."""
    names = next((one.names for one in opened.strings.values() if len(one.names) == classes), None)
    if names is None or not _can_list(names):
        return call
    return call.name_classes(names, [call.names[place] for place in opened.strings])


def write_classes(given: Any, opened: Opened) -> str:
    """Return the names of the classes as they are written in a command: those given, or found."""
    if isinstance(given, str | PathLike):
        return fspath(given)
    found = next(iter(opened.strings.values()), None)
    names = [str(one) for one in given] if given is not None else found.names if found else []
    return ",".join(names) if _can_list(names) else ""


def _can_list(names: Sequence[str]) -> bool:
    """Whether names can be written as a comma list."""
    return all("," not in one and one == one.strip() for one in names)


def report_labels(opened: Opened, loss: Loss, call: Command, classes: int = 1) -> list[Finding]:
    """Return the findings about labels that are strings, or not among the classes (1: unknown)."""
    found = []
    for place, names in opened.strings.items():
        name = loss.inputs[place].name
        shown = ", ".join(names.names[:MOST_LISTED])
        more = ", …" if len(names.names) > MOST_LISTED else ""
        repair = call.advise(RepairKind.NAME_CLASSES, classes=",".join(names.names))
        if not _can_list(names.names):
            repair = Repair.of(RepairKind.LIST_CLASSES_IN_FILE)
        if classes > 1 and len(names.names) != classes:
            repair = Repair.of(RepairKind.NAME_ALL_CLASSES, count=classes)
        evidence = Evidence(
            name,
            f"{name} contains strings: {len(names.names)} different labels ({shown}{more}), without"
            " class names that give their indices",
            {"labels": list(names.names[:MOST_LISTED]), "count": len(names.names)},
            repair,
        )
        found.append(STRINGS.report(evidence))
    for place, counts in opened.unknown.items():
        if not counts or place >= len(loss.inputs):
            continue
        name = loss.inputs[place].name
        shown = ", ".join(
            f"{repr(label) if label else 'empty cells'} ({count})"
            for label, count in counts.most_common(MOST_LISTED)
        )
        total = sum(counts.values())
        remedies = [RepairKind.ADD_CLASSES] if set(counts) != {""} else []
        remedies += [RepairKind.FILL_CELLS] if "" in counts else []
        evidence = Evidence(
            name,
            f"{total} label{' of' if total == 1 else 's of'} {name}"
            f" {'is' if total == 1 else 'are'} not among the classes: {shown}",
            {"labels": dict(counts.most_common(MOST_LISTED)), "count": total},
            call.advise(RepairKind.FILL_CELLS, nan="omit")
            if set(counts) == {""}
            else Repair(tuple(map(Remedy, remedies))),
        )
        found.append(UNKNOWN.report(evidence))
    return found
