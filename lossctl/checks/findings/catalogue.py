"""All types of findings: each declared once, with its code, its severity and its meaning.

A type that is detected in the measurements of the scan is declared by a decorator on its detector.
The rules that are checked in every block (of this command and of every computation alike) are
types of findings, too.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import lossctl.checks as room
from lossctl.checks.result import Finding, Severity
from lossctl.data.rules import rules
from lossctl.data.rules.rules import Rule
from lossctl.engine.run import block as work
from lossctl.errors import Worded
from lossctl.findings import Location

if TYPE_CHECKING:
    from lossctl.checks.findings.context import CheckContext
    from lossctl.checks.repairs.remedies import Repair


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a detector saw in one input (empty: in several)."""

    input: str
    message: str | Worded
    values: dict[str, Any] = field(default_factory=dict)
    repair: Repair | None = None
    severity: Severity | None = None
    """Its severity, where that differs from that of its type."""
    place: Location | None = None
    """The first place where it occurs, if there is one."""


Detector = Callable[["CheckContext"], Iterator[Evidence]]


@dataclass(frozen=True, slots=True)
class FindingType:
    """A type of finding: its code, its severity and a summary."""

    code: str
    severity: Severity
    summary: str
    hides: tuple[str, ...] = ()
    """Codes of findings that this one explains, and is as severe as, if about the same input."""

    def report(self, evidence: Evidence) -> Finding:
        """Return the finding that evidence makes."""
        repair = evidence.repair
        return Finding(
            self.code,
            evidence.severity or self.severity,
            evidence.input,
            str(evidence.message),
            evidence.values,
            "" if repair is None else str(repair),
            () if repair is None else tuple(map(str, repair.commands)),
            "" if repair is None else repair.kind,
            evidence.place,
        )


FINDING_TYPES: dict[str, FindingType] = {}
DETECTORS: dict[str, Detector] = {}


def declare(
    code: str, severity: Severity, summary: str, hides: tuple[str, ...] = ()
) -> FindingType:
    """Declare a type of finding."""
    if code in FINDING_TYPES:
        raise ValueError(f"finding {code!r} is declared twice")
    FINDING_TYPES[code] = FindingType(code, severity, summary, hides)
    return FINDING_TYPES[code]


def finding_type(
    code: str, severity: Severity, summary: str, hides: tuple[str, ...] = ()
) -> Callable[[Detector], Detector]:
    """Declare a type of finding; the decorated function is its detector."""

    def register(detector: Detector) -> Detector:
        declare(code, severity, summary, hides)
        DETECTORS[code] = detector
        return detector

    return register


def detects(finding_type: FindingType) -> Callable[[Detector], Detector]:
    """Let a function detect a type of finding that others report, too."""

    def register(detector: Detector) -> Detector:
        DETECTORS[finding_type.code] = detector
        return detector

    return register


def detects_rule(rule: Rule, hides: tuple[str, ...] = ()) -> Callable[[Detector], Detector]:
    """Let a function detect what a rule of the blocks is about, where the blocks cannot."""

    def register(detector: Detector) -> Detector:
        FINDING_TYPES[rule.code] = replace(FINDING_TYPES[rule.code], hides=hides)
        DETECTORS[rule.code] = detector
        return detector

    return register


def severity_of(rule: Rule) -> Severity:
    """Return how severe it is that a rule is broken."""
    return Severity.ERROR if rule.is_error or rule.invalidates_result else Severity.WARNING


def list_finding_types() -> list[FindingType]:
    """Return all types of findings, the severe ones first, by their codes."""
    _load_detectors()
    order = list(Severity)
    return sorted(FINDING_TYPES.values(), key=lambda one: (order.index(one.severity), one.code))


@functools.cache
def _load_detectors() -> None:
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)


def _declare_rules() -> None:
    for module in (rules, work):
        for rule in vars(module).values():
            if isinstance(rule, Rule) and rule.code not in FINDING_TYPES:
                declare(rule.code, severity_of(rule), rule.summary)


_declare_rules()
