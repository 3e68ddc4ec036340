"""Merging states: which belong together, which are missing, and their result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from lossctl.data.references.shards import find_shards
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.reduce import finish
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.state import State
from lossctl.engine.sums.summary import Summary, plain_option
from lossctl.errors import FileError, UsageError
from lossctl.findings import Remedy, RemedyKind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import find


def find_states(given: Sequence[str | PathLike[str]]) -> list[Path]:
    """Return the files of names and patterns, those of a pattern in natural order."""
    found: dict[Path, Path] = {}
    for path in (path for one in given for path in _expand(Path(one))):
        if found.setdefault(path.resolve(), path) is not path:
            raise UsageError(f"{path} is given twice", "Name each state once.")
    return list(found.values())


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        raise FileError(
            f"{path} is a directory, not a state",
            f"Name the files, or a pattern in quotes: '{path}/*.json'.",
        )
    return find_shards(path) or [path]


def merge(states: Sequence[State]) -> Result:
    """Merge states; raises UsageError if they do not belong together or parts are missing."""
    if not states:
        raise UsageError("there is nothing to merge", Remedy(RemedyKind.NAME_STATES))
    first = states[0]
    for other in states[1:]:
        _compare(first, other)
    _check_parts(states)
    notes = dict.fromkeys(note for state in states for note in state.summary.notes)
    if first.summary.part is None:
        doubts = _check_copies(states)
    else:
        doubts = _check_names(states)
    ordered = sorted(states, key=lambda state: state.summary.part or (0, 0))
    total = Partial()
    for state in ordered:
        total.merge(state.partial)
    summary = replace(first.summary, part=None, notes=(*doubts, *notes), declared=_declared(first))
    samples = sum(state.samples for state in states)
    if first.summary.part is not None:
        samples = _count_samples(summary)
    elif len(states) > 1:
        summary = _unsized(summary, f" and {len(states) - 1} more")
    return finish(summary, total, samples)


def _declared(state: State) -> Loss | None:
    """Return the loss itself, if it is needed to finish sums or to transform the mean."""
    if state.summary.declared is not None:
        return state.summary.declared
    return find(state.summary.loss) if state.partial.sums or state.summary.transform else None


def _count_samples(summary: Summary) -> int:
    """Return the number of samples of a run, all of whose parts are given."""
    for (_, _, shape), axis in zip(summary.inputs, summary.sample_axes, strict=True):
        if axis is not None:
            return shape[axis] or 0
    return 1


def _unsized(summary: Summary, more: str = "") -> Summary:
    """Return the summary with an unknown number of samples."""
    inputs = tuple(
        (
            name,
            source + more,
            tuple(None if place == axis else size for place, size in enumerate(shape)),
        )
        for (name, source, shape), axis in zip(summary.inputs, summary.sample_axes, strict=True)
    )
    shape = summary.shape if summary.single else (None, *summary.shape[1:])
    return replace(summary, inputs=inputs, shape=shape)


def _compare(first: State, other: State) -> None:
    mine, theirs = _identify(first), _identify(other)
    for key, value in mine.items():
        if theirs[key] != value:
            raise UsageError(
                f"{first.name} and {other.name} do not belong together: {key} is"
                f" {value!r} in the first and {theirs[key]!r} in the second",
                "Merge states of one computation only.",
            )


def _identify(state: State) -> dict[str, Any]:
    """Return the properties that must be equal in states that belong together."""
    summary = state.summary
    of_parts = summary.part is not None
    shapes = [shape for _, _, shape in (summary if of_parts else _unsized(summary)).inputs]
    return {
        "version of lossctl": state.version,
        "loss": summary.loss,
        "options": {name: plain_option(value) for name, value in summary.options.items()},
        "reduction": summary.reduction,
        **summary.settings,
        "sample weights": repr(summary.weight) if summary.single else None,
        "number of parts": summary.part[1] if summary.part else None,
        "shapes of the inputs": shapes,
    }


def _check_parts(states: Sequence[State]) -> None:
    """Reject parts that are given twice, and name those that are missing."""
    seen: dict[int, str] = {}
    for state in states:
        if state.summary.part is None:
            return
        number = state.summary.part[0]
        if number in seen:
            raise UsageError(
                f"part {number} is given twice: {seen[number]} and {state.name}",
                "Name each part once.",
            )
        seen[number] = state.name
    _, parts = states[0].summary.part or (1, 1)
    missing = [number for number in range(1, parts + 1) if number not in seen]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        raise UsageError(
            f"{len(missing)} of {parts} parts missing: {shown}",
            "Merge when every part has been saved.",
        )


def _check_copies(states: Sequence[State]) -> list[str]:
    """Reject a second state of one run; return warnings if the inputs had no names."""
    seen: dict[str, State] = {}
    doubts = []
    for state in states:
        other = seen.setdefault(state.fingerprint, state)
        if other is state:
            continue
        if not _is_nameless(state):
            sources = ", ".join(source for _, source in state.sources)
            raise UsageError(
                f"{state.name} is the same run as {other.name}: the same sums of {sources}",
                "Name the state of each run once, or its samples count twice.",
            )
        doubts.append(
            f"{state.name} contains the same sums as {other.name}; if it is a copy, its samples"
            " count twice"
        )
    more = f" (and {len(doubts) - 1} more like this)" if len(doubts) > 1 else ""
    return [doubt + more for doubt in doubts[:1]]


def _is_nameless(state: State) -> bool:
    """Whether no input was a file: arrays in memory go by the input's name, pipes by a dash."""
    return all(source == name or source.startswith("-") for name, source in state.sources)


def _check_names(states: Sequence[State]) -> list[str]:
    """Return a warning if the parts come from files of different names.

    Directories may differ: machines mount the same files in different places.
    """
    first = states[0]
    different = [
        (name, mine, source, state.name)
        for state in states[1:]
        for (name, mine), (_, source) in zip(first.sources, state.sources, strict=True)
        if _base(mine) != _base(source)
    ]
    if not different:
        return []
    name, mine, source, where = different[0]
    more = f" (and {len(different) - 1} more like this)" if len(different) > 1 else ""
    return [
        f"the parts are of different files: {name} is {mine} in {first.name} and {source} in"
        f" {where}{more}"
    ]


def _base(source: str) -> str:
    """Return a reference without its directories."""
    path, _, columns = source.partition("#")
    return f"{PurePath(path).name}#{columns}"
