"""The findings there are: each declared once, with its code, its severity and what it means.

A symptom that is judged from what the scan has gathered is declared by a decorator on the
function that judges it. The rules that are checked in every block (of this command and of every
computation alike) are symptoms, too.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from lossctl.checks.findings.case import Case
    from lossctl.checks.repairs.repairs import Repair


@dataclass(frozen=True, slots=True)
class Sign:
    """What a judge saw of a symptom in one input (empty: in several)."""

    input: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    repair: Repair | None = None
    severity: Severity | None = None
    """Where it is not as severe as it is elsewhere."""


Judge = Callable[["Case"], Iterator[Sign]]


@dataclass(frozen=True, slots=True)
class Symptom:
    """A kind of finding."""

    code: str
    severity: Severity
    summary: str
    hides: tuple[str, ...] = ()
    """Codes of findings that this one explains, and is as severe as, if about the same input."""

    def report(self, sign: Sign) -> Finding:
        """Return the finding of a sign."""
        repair = sign.repair
        return Finding(
            self.code,
            sign.severity or self.severity,
            sign.input,
            sign.message,
            sign.evidence,
            "" if repair is None else repair.words,
            () if repair is None else repair.commands,
        )


SYMPTOMS: dict[str, Symptom] = {}
JUDGES: dict[str, Judge] = {}


def declare(code: str, severity: Severity, summary: str, hides: tuple[str, ...] = ()) -> Symptom:
    """Declare a symptom."""
    if code in SYMPTOMS:
        raise ValueError(f"finding {code!r} is declared twice")
    SYMPTOMS[code] = Symptom(code, severity, summary, hides)
    return SYMPTOMS[code]


def symptom(
    code: str, severity: Severity, summary: str, hides: tuple[str, ...] = ()
) -> Callable[[Judge], Judge]:
    """Declare a symptom; the decorated function yields the signs of it."""

    def register(judge: Judge) -> Judge:
        declare(code, severity, summary, hides)
        JUDGES[code] = judge
        return judge

    return register


def judges(symptom: Symptom) -> Callable[[Judge], Judge]:
    """Let a function judge a symptom that is declared elsewhere, where others find it too."""

    def register(judge: Judge) -> Judge:
        JUDGES[symptom.code] = judge
        return judge

    return register


def judge_rule(rule: Rule, hides: tuple[str, ...] = ()) -> Callable[[Judge], Judge]:
    """Let a function find what a rule of the blocks is about, where the blocks cannot."""

    def register(judge: Judge) -> Judge:
        SYMPTOMS[rule.code] = replace(SYMPTOMS[rule.code], hides=hides)
        JUDGES[rule.code] = judge
        return judge

    return register


def grade(rule: Rule) -> Severity:
    """Return how severe it is that a rule is broken."""
    return Severity.ERROR if rule.is_error or rule.grave else Severity.WARNING


def list_symptoms() -> list[Symptom]:
    """Return all symptoms, the severe ones first, by their codes."""
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
    order = list(Severity)
    return sorted(SYMPTOMS.values(), key=lambda one: (order.index(one.severity), one.code))


def _declare_rules() -> None:
    for module in (rules, work):
        for rule in vars(module).values():
            if isinstance(rule, Rule) and rule.code not in SYMPTOMS:
                declare(rule.code, grade(rule), rule.summary)


_declare_rules()
