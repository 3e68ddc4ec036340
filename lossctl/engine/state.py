"""Sums of a part of the work, stored: many machines each save a state, one merges them.

A state is a JSON file. It says what it is (loss, options, settings, shapes of the inputs, part,
version), so that states that do not belong together are refused, and holds the exact running
sums, so that merged parts give the same bits as one run over everything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossctl.data.kinds import Rule
from lossctl.engine.partial import Finding, Partial
from lossctl.engine.reduction import finish
from lossctl.engine.result import Result
from lossctl.engine.summary import Summary, plain_option
from lossctl.engine.summation import ExactSum
from lossctl.errors import DataError, FileError, UsageError
from lossctl.losses.declaration import Loss
from lossctl.losses.registry import find

STATE_FORMAT = "lossctl.state/1"
SETTINGS = {"dtype", "nan", "class_axis", "squeeze", "sample_weight", "mask", "answers"}
COUNTS = ("elements", "counted", "ignored", "masked", "omitted", "clamped", "nan")


@dataclass(slots=True)
class State:
    """A summary with its sums; ``name`` is the file it came from."""

    name: str
    version: str
    summary: Summary
    partial: Partial
    samples: int

    def encode(self) -> str:
        """Return the state as JSON."""
        summary, partial = self.summary, self.partial
        return json.dumps(
            {
                "format": STATE_FORMAT,
                "version": self.version,
                "loss": summary.loss,
                "reduction": summary.reduction,
                "settings": summary.settings,
                "options": {name: plain_option(v) for name, v in summary.options.items()},
                "given": summary.given,
                "inputs": summary.inputs,
                "shape": summary.shape,
                "sample_axes": summary.sample_axes,
                "part": summary.part,
                "notes": summary.notes,
                "samples": self.samples,
                "total": _encode_sum(partial.total),
                "denominator": _encode_sum(partial.denominator),
                "denominator_name": partial.denominator_name,
                "single": summary.single,
                "weight": [repr(one) for one in summary.weight],
                "keeps_ignored": summary.keeps_ignored,
                "transform": summary.transform,
                "sums": {
                    name: [_encode_sum(one) for one in parts]
                    for name, parts in partial.sums.items()
                },
                **{count: getattr(partial, count) for count in COUNTS},
                "findings": [_encode_finding(one) for one in partial.findings.values()],
            },
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )

    @classmethod
    def decode(cls, name: str, text: str) -> State:
        """Return the state that a JSON text holds; raises DataError."""
        try:
            raw = json.loads(text)
            if raw["format"] != STATE_FORMAT:
                raise DataError(
                    f"{name} is no state of lossctl: its format is {raw['format']!r}",
                    f"States are written by --save-state; this version reads {STATE_FORMAT!r}.",
                )
            _check(raw)
            return cls(
                name,
                raw["version"],
                _decode_summary(raw),
                _decode_partial(raw),
                int(raw["samples"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(
                f"{name} is no state of lossctl, or is damaged", "Save it again with --save-state."
            ) from error

    def identity(self) -> dict[str, Any]:
        """Return what states that belong together have in common."""
        summary = self.summary
        of_parts = summary.part is not None
        shapes = [shape for _, _, shape in (summary if of_parts else _unsized(summary)).inputs]
        return {
            "version of lossctl": self.version,
            "loss": summary.loss,
            "options": {name: plain_option(value) for name, value in summary.options.items()},
            "reduction": summary.reduction,
            **summary.settings,
            "sample weights": repr(summary.weight) if summary.single else None,
            "number of parts": summary.part[1] if summary.part else None,
            "shapes of the inputs": shapes,
        }


def read_state(path: Path) -> State:
    """Read a state file."""
    try:
        return State.decode(str(path), path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no state of lossctl: it is not text") from error
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error


def merge(states: Sequence[State]) -> Result:
    """Add up states; raises UsageError where they do not belong together or parts are missing."""
    if not states:
        raise UsageError("there is nothing to merge", "Name the files that --save-state wrote.")
    first = states[0]
    for other in states[1:]:
        _compare(first, other)
    _check_parts(states)
    ordered = sorted(states, key=lambda state: state.summary.part or (0, 0))
    total = Partial()
    for state in ordered:
        total.merge(state.partial)
    summary = replace(first.summary, part=None, declared=_declared(first))
    samples = sum(state.samples for state in states)
    if first.summary.part is not None:
        samples = _count_samples(summary)
    elif len(states) > 1:
        summary = _unsized(summary, f" and {len(states) - 1} more")
    return finish(summary, total, samples)


def _declared(state: State) -> Loss | None:
    """Return the loss itself, where sums have to be finished or the mean transformed with it."""
    if state.summary.declared is not None:
        return state.summary.declared
    return find(state.summary.loss) if state.partial.sums or state.summary.transform else None


def _count_samples(summary: Summary) -> int:
    """Return the number of samples of a run of which all parts are there."""
    for (_, _, shape), axis in zip(summary.inputs, summary.sample_axes, strict=True):
        if axis is not None:
            return shape[axis] or 0
    return 1


def _unsized(summary: Summary, more: str = "") -> Summary:
    """Return the summary with the number of samples left open."""
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
    mine, theirs = first.identity(), other.identity()
    for key, value in mine.items():
        if theirs[key] != value:
            raise UsageError(
                f"{first.name} and {other.name} do not belong together: {key} is"
                f" {value!r} in the first and {theirs[key]!r} in the second",
                "Merge states of one computation only.",
            )


def _check_parts(states: Sequence[State]) -> None:
    seen: dict[int, str] = {}
    for state in states:
        if state.summary.part is None:
            continue
        number = state.summary.part[0]
        if number in seen:
            raise UsageError(
                f"part {number} is given twice: {seen[number]} and {state.name}",
                "Name each part once.",
            )
        seen[number] = state.name
    part = states[0].summary.part
    if part is None:
        return
    missing = [number for number in range(1, part[1] + 1) if number not in seen]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        raise UsageError(
            f"{len(missing)} of {part[1]} parts missing: {shown}",
            "Merge when every part has been saved.",
        )


def _check(raw: dict[str, Any]) -> None:
    """Raise ValueError where a state cannot have been written by this version."""
    part = raw["part"]
    named = [one for parts in raw["sums"].values() for one in parts]
    sums = [part for one in (raw["total"], raw["denominator"], *named) for part in one["parts"]]
    right = (
        set(raw["settings"]) == SETTINGS
        and (part is None or (len(part) == 2 and 1 <= part[0] <= part[1]))
        and all(isinstance(raw[count], int) and raw[count] >= 0 for count in (*COUNTS, "samples"))
        and all(math.isfinite(one) for one in sums)
        and sum(raw[count] for count in COUNTS[1:5]) == raw["elements"]
        and len(raw["inputs"]) == len(raw["sample_axes"])
    )
    if not right:
        raise ValueError("not consistent")


def _encode_sum(total: ExactSum) -> dict[str, Any]:
    special = repr(total.special) if not math.isfinite(total.special) else 0
    return {"parts": total.parts, "special": special, "huge": str(total.huge)}


def _decode_sum(raw: dict[str, Any]) -> ExactSum:
    parts = [float(part) for part in raw["parts"]]
    return ExactSum(parts, float(raw["special"]), int(raw["huge"]))


def _encode_finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "code": rule.code,
        "text": rule.text,
        "unit": rule.unit,
        "first": rule.first,
        "name": finding.name,
        "count": finding.count,
        "position": finding.position,
        "value": repr(finding.value),
        "classes": finding.classes,
        "place": finding.place,
    }


def _decode_finding(raw: dict[str, Any]) -> Finding:
    rule = Rule(
        raw["code"],
        raw["text"],
        is_error=False,
        unit=raw["unit"],
        first=raw["first"],
    )
    position = tuple(int(place) for place in raw["position"])
    return Finding(
        rule,
        raw["name"],
        int(raw["count"]),
        position,
        float(raw["value"]),
        int(raw["classes"]),
        raw["place"],
    )


def _decode_partial(raw: dict[str, Any]) -> Partial:
    partial = Partial(
        total=_decode_sum(raw["total"]),
        denominator=_decode_sum(raw["denominator"]),
        denominator_name=raw["denominator_name"],
        sums={name: [_decode_sum(one) for one in parts] for name, parts in raw["sums"].items()},
    )
    for count in COUNTS:
        setattr(partial, count, int(raw[count]))
    for finding in raw["findings"]:
        partial.note(_decode_finding(finding))
    return partial


def _decode_summary(raw: dict[str, Any]) -> Summary:
    return Summary(
        loss=raw["loss"],
        reduction=raw["reduction"],
        settings=dict(raw["settings"]),
        options=dict(raw["options"]),
        given=dict(raw["given"]),
        inputs=tuple((name, source, tuple(shape)) for name, source, shape in raw["inputs"]),
        shape=tuple(raw["shape"]),
        sample_axes=tuple(raw["sample_axes"]),
        part=tuple(raw["part"]) if raw["part"] else None,
        notes=tuple(raw["notes"]),
        single=bool(raw["single"]),
        weight=tuple(map(float, raw["weight"])),
        keeps_ignored=bool(raw["keeps_ignored"]),
        transform=str(raw["transform"]),
    )
