"""What a check returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lossctl.findings import Location

FORMAT = "lossctl.check/1"
"""Name and version of the JSON object's shape."""


class Severity(StrEnum):
    """How serious a finding is."""

    ERROR = "error"
    """The loss is wrong, is meaningless, or cannot be computed."""
    WARNING = "warning"
    """Something is probably not as intended."""
    INFO = "info"
    """Nothing is wrong, but it is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found, with evidence and what to do about it.

    ``code`` is stable. ``input`` names the input it is about (empty: several, or the loss).
    ``repair`` says in words what to do, and ``commands`` does it, where a command can: a line that
    writes a repaired file where that is needed, and the computation with it.
    """

    code: str
    severity: Severity
    input: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    repair: str = ""
    commands: tuple[str, ...] = ()
    remedy: str = ""
    """The kind of the repair, which is stable."""
    place: Location | None = None
    """The first place where it occurs, if there is one."""


@dataclass(frozen=True, slots=True)
class InputFacts:
    """What one input contains.

    ``minimum``, ``maximum`` and ``mean`` are of the finite numbers (None where there is none).
    ``columns`` counts the numbers of a sample, ``constant`` lists constant columns
    (the first of them; ``constant_columns`` counts all). ``classes`` counts the labels by class.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    dtype: str
    kind: str = ""
    count: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    zeros: int = 0
    nan: int = 0
    infinite: int = 0
    columns: int = 1
    constant: tuple[int, ...] = ()
    constant_columns: int = 0
    classes: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the loss would be for predictions made without a model.

    ``exact`` is false where it was computed over a sample of the targets.
    """

    name: str
    value: float
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Proposal:
    """A loss that fits the inputs, what it is, why it fits, and the command that computes it."""

    loss: str
    summary: str
    reason: str
    command: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the files contain, what is wrong with them, and how the loss compares.

    ``loss`` is the canonical name of the loss that was checked (empty: none fits) and ``value``
    its reduced value (None where it cannot be computed). ``skipped`` says what could not be
    checked, and why.
    """

    loss: str
    value: float | None
    reduction: str
    samples: int
    inputs: tuple[InputFacts, ...]
    findings: tuple[Finding, ...]
    baselines: tuple[Baseline, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    accuracy: float | None = None
    """Share of the labels whose class has the largest score, where there are classes."""
    duplicates: int | None = None
    """How many samples repeat an earlier one (None: their values are too few to tell)."""
    duplicates_estimated: bool = False
    skipped: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is no finding of severity error."""
        return not self.count(Severity.ERROR)

    def count(self, severity: Severity | str) -> int:
        """Return the number of findings of a severity."""
        return sum(one.severity == severity for one in self.findings)
