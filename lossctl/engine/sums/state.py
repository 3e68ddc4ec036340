"""States: stored sums of a part of a run. Many machines each save a state, one merges them.

A state is a JSON file. It says what it is (loss, options, settings, shapes of the inputs, part,
version), so that states that do not belong together are rejected, and contains the exact
running sums, so that merged parts give the same bits as one run over everything. Its
fingerprint tells a copy of a state from the state of another run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossctl.data.rules.rules import Rule
from lossctl.engine.exact_sum import ExactSum
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.engine.sums.summary import Summary, plain_option
from lossctl.errors import DataError, FileError
from lossctl.findings import Location, Remedy, RemedyKind
from lossctl.losses.core.terms import Denominator

STATE_FORMAT = "lossctl.state/2"
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

    fingerprint: str = ""
    """A digest of everything above and of the sources of the inputs."""

    @classmethod
    def of(cls, name: str, version: str, summary: Summary, partial: Partial, samples: int) -> State:
        """Return the state of a finished run, with its fingerprint."""
        state = cls(name, version, summary, partial, samples)
        places = [os.path.abspath(source) for _, source in state.sources]  # noqa: PTH100 - a digest
        text = json.dumps([state._describe(), places], ensure_ascii=True)
        return replace(state, fingerprint=hashlib.sha256(text.encode()).hexdigest())

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """Name and source of everything that was read: inputs, sample weight, mask."""
        inputs = tuple((name, source) for name, source, _ in self.summary.inputs)
        return inputs + self.summary.extras

    def encode(self) -> str:
        """Return the state as JSON."""
        record = self._describe() | {"fingerprint": self.fingerprint}
        return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)

    def _describe(self) -> dict[str, Any]:
        summary, partial = self.summary, self.partial
        return {
            "format": STATE_FORMAT,
            "version": self.version,
            "loss": summary.loss,
            "reduction": summary.reduction,
            "settings": summary.settings,
            "options": {name: plain_option(v) for name, v in summary.options.items()},
            "given": summary.given,
            "inputs": summary.inputs,
            "shape": summary.shape,
            "extras": summary.extras,
            "sample_axes": summary.sample_axes,
            "part": summary.part,
            "notes": summary.notes,
            "samples": self.samples,
            "total": _encode_sum(partial.total),
            "denominator": _encode_sum(partial.denominator),
            "denominator_name": partial.divided_by.name,
            "single": summary.single,
            "weight": [repr(one) for one in summary.weight],
            "keeps_ignored": summary.keeps_ignored,
            "transform": summary.transform,
            "ignored_label": summary.ignored_label,
            "sums": {
                name: [_encode_sum(one) for one in parts] for name, parts in partial.sums.items()
            },
            **{count: getattr(partial, count) for count in COUNTS},
            "findings": [_encode_finding(one) for one in partial.findings.values()],
        }

    @classmethod
    def decode(cls, name: str, text: str) -> State:
        """Return the state in a JSON string; raises DataError."""
        try:
            raw = json.loads(text)
            if raw["format"] != STATE_FORMAT:
                raise DataError(
                    f"{name} is not a lossctl state: its format is {raw['format']!r}",
                    Remedy(RemedyKind.SAVE_STATE, {"format": STATE_FORMAT}),
                )
            _check(raw)
            return cls(
                name,
                raw["version"],
                _decode_summary(raw),
                _decode_partial(raw),
                int(raw["samples"]),
                str(raw["fingerprint"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(
                f"{name} is not a lossctl state, or is damaged", Remedy(RemedyKind.SAVE_AGAIN)
            ) from error


def read_state(path: Path) -> State:
    """Read a state file."""
    try:
        return State.decode(str(path), path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a lossctl state: it is not text") from error
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}", Remedy(RemedyKind.NAME_STATES)) from error


def _check(raw: dict[str, Any]) -> None:
    """Raise ValueError if a state cannot have been written by this version."""
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
        and len(raw["extras"]) == raw["settings"]["sample_weight"] + raw["settings"]["mask"]
    )
    if not right:
        raise ValueError("not consistent")


def _encode_sum(total: ExactSum) -> dict[str, Any]:
    special = repr(total.special) if not math.isfinite(total.special) else 0
    return {"parts": total.parts, "special": special, "huge": str(total.huge)}


def _decode_sum(raw: dict[str, Any]) -> ExactSum:
    parts = [float(part) for part in raw["parts"]]
    return ExactSum(parts, float(raw["special"]), int(raw["huge"]))


def _encode_finding(finding: RuleFinding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "code": rule.code,
        "text": rule.text,
        "remedy": rule.remedy,
        "unit": rule.unit,
        "first": rule.first,
        "name": finding.name,
        "count": finding.count,
        "position": finding.position,
        "value": repr(finding.value),
        "classes": finding.classes,
        "place": None if finding.location is None else finding.location.to_dict(),
    }


def _decode_finding(raw: dict[str, Any]) -> RuleFinding:
    rule = Rule(
        raw["code"],
        raw["text"],
        RemedyKind(raw["remedy"]) if raw.get("remedy") else None,
        is_error=False,
        unit=raw["unit"],
        first=raw["first"],
    )
    position = tuple(int(place) for place in raw["position"])
    return RuleFinding(
        rule,
        raw["name"],
        int(raw["count"]),
        position,
        float(raw["value"]),
        int(raw["classes"]),
        _decode_place(raw["place"]),
    )


def _decode_place(raw: dict[str, Any] | str | None) -> Location | None:
    """Return a location; states of older versions contain its words."""
    if raw is None or isinstance(raw, str):
        return Location(words=raw or "")
    return Location(**raw | {"position": tuple(raw["position"])})


def _decode_partial(raw: dict[str, Any]) -> Partial:
    partial = Partial(
        total=_decode_sum(raw["total"]),
        denominator=_decode_sum(raw["denominator"]),
        divided_by=Denominator(raw["denominator_name"]),
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
        extras=tuple((name, source) for name, source in raw["extras"]),
        sample_axes=tuple(raw["sample_axes"]),
        part=tuple(raw["part"]) if raw["part"] else None,
        notes=tuple(raw["notes"]),
        single=bool(raw["single"]),
        weight=tuple(map(float, raw["weight"])),
        keeps_ignored=bool(raw["keeps_ignored"]),
        transform=str(raw["transform"]),
        ignored_label=raw.get("ignored_label"),
    )
