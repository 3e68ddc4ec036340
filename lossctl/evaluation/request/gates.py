"""Gates: conditions that make an evaluation fail."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossctl.errors import UsageError, did_you_mean, nearest
from lossctl.evaluation.request.conditions import FUNCTIONS, Condition, parse
from lossctl.evaluation.request.decisions import (
    Decision,
    decide_limit,
    decide_worse,
    find_p_values,
)
from lossctl.evaluation.result import Comparison, Estimate, SliceRow, Verdict
from lossctl.findings import OptionName, Sentence

COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition whose names are known to exist."""

    condition: Condition
    loss: str
    models: tuple[str, ...]
    """Each of them must not meet the condition."""

    @property
    def grouping(self) -> tuple[str, ...]:
        """The columns of the slices that it judges; none for all rows."""
        picked = (column for column, _ in self.condition.where)
        return tuple(dict.fromkeys((*picked, *self.condition.by)))


@dataclass(frozen=True, slots=True)
class Known:
    """The names that conditions may use."""

    losses: Mapping[str, str]
    """The losses by the names that they have in full."""
    models: Sequence[str]
    columns: Sequence[str]
    """The columns that slices can be made of."""
    baseline: str | None = None
    intervals: bool = True
    """Whether there will be intervals, without which nothing is significant."""
    match: Callable[[str], str | None] = lambda _: None
    """What finds a loss by any other of its names."""

    def find_loss(self, name: str) -> str | None:
        """Return the loss that a condition calls so, or None."""
        return self.losses.get(name) or self.match(name)


def read_gates(conditions: Iterable[str], known: Known) -> tuple[Gate, ...]:
    """Return the gates of these conditions; raises UsageError before any work."""
    return tuple(_resolve(parse(text), known) for text in conditions)


def _resolve(condition: Condition, known: Known) -> Gate:
    model, loss = _find_subject(condition, known)
    several = [one for one in known.models if one != known.baseline]
    gate = Gate(condition, loss, (model,) if model else tuple(several or known.models))
    for column in gate.grouping:
        if column not in known.columns:
            hint: str | Sentence = did_you_mean(column, known.columns) or Sentence.of(
                "Name it with {by}.", OptionName("by")
            )
            if column.rpartition(":")[0] in known.columns:
                hint = Sentence.of("Bins must be declared: add {by}.", OptionName("by", column))
            raise _refuse(condition, f"there is no column {column!r}", hint)
    if condition.against_baseline:
        if known.baseline is None or not several:
            problem = "there is no baseline to compare with"
            hint = Sentence.of(
                "Give a second {pred}; the first is the baseline.", OptionName("pred")
            )
            raise _refuse(condition, problem, hint)
        if model == known.baseline:
            raise _refuse(condition, f"{model} is the baseline itself", "Name another model.")
        if condition.operator is None and not condition.three_way and not known.intervals:
            problem = "without intervals, no difference is significant"
            raise _refuse(condition, problem, Sentence.of("Add {ci}.", OptionName("ci", 0.95)))
    if condition.three_way and not known.intervals:
        problem = "without intervals there is nothing to conclude from"
        raise _refuse(condition, problem, Sentence.of("Add {ci}.", OptionName("ci", 0.95)))
    return gate


def _find_subject(condition: Condition, known: Known) -> tuple[str | None, str]:
    """Return the model that a condition names, if it does, and the loss."""
    subject = condition.subject
    found = known.find_loss(subject)
    if found is not None:
        return None, found
    splits = [
        (subject[:place], subject[place + 1 :]) for place, sign in enumerate(subject) if sign == ":"
    ]
    for model, loss in splits:
        found = known.find_loss(loss) if model in known.models else None
        if found is not None:
            return model, found
    for model, loss in splits:
        if model in known.models:
            hint = did_you_mean(loss, list(known.losses))
            raise _refuse(condition, f"{loss!r} is not one of the losses", hint)
        if known.find_loss(loss) is not None:
            hint = did_you_mean(model, known.models)
            raise _refuse(condition, f"{model!r} is not one of the models", hint)
    bare = subject.removesuffix("baseline").rstrip("-")
    if bare != subject and known.find_loss(bare) is not None:
        hint = f"Put spaces around the minus: {bare} - baseline."
    elif "(" in subject and " by " in subject:
        hint = f"Functions over slices: {', '.join(FUNCTIONS)}."
    else:
        hint = did_you_mean(subject, list(known.losses))
    place = condition.position + 1
    raise _refuse(condition, f"{subject!r} at character {place} is not one of the losses", hint)


def _refuse(condition: Condition, problem: str, remedy: str | Sentence) -> UsageError:
    said = Sentence.of(
        "{fail_if} {text!r}: {problem}", OptionName("fail_if"), text=condition.text, problem=problem
    )
    return UsageError(said, remedy)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A number that may meet the condition, with its model and slice."""

    value: float
    model: str
    place: str = ""
    met: bool | None = False
    """Whether it meets the condition; None if that is unknown."""
    note: str = ""
    inconclusive: bool = False
    rows: int | None = None
    """How many rows would decide."""


def judge(
    gates: Iterable[Gate],
    overall: Sequence[Estimate],
    slices: Sequence[SliceRow] = (),
    comparisons: Sequence[Comparison] = (),
) -> tuple[Verdict, ...]:
    """Return the verdict of each gate, from all slices, however small.

    What cannot be judged, such as NaN or a slice that does not exist, fails.
    """
    return tuple(_judge(gate, overall, slices, comparisons) for gate in gates)


def _judge(
    gate: Gate,
    overall: Sequence[Estimate],
    slices: Sequence[SliceRow],
    comparisons: Sequence[Comparison],
) -> Verdict:
    condition = gate.condition
    rows: Sequence[Any] = overall
    if condition.against_baseline:
        rows = comparisons
    elif gate.grouping:
        rows = slices
    records = [one for one in rows if one.loss == gate.loss and one.model in gate.models]
    chosen = list(_choose(records, gate))
    if not chosen:
        return Verdict(condition.text, False, None, condition.limit, _explain(records, gate))
    found = list(_combine(chosen, condition.function, gate.models))
    found = [_decide(one, condition) for one in found]
    open_ones = [one for one in found if one.inconclusive]
    if open_ones and not any(one.met for one in found):
        known = open_ones
    else:
        known = [one for one in found if one.met is not None] or found[:1]
    lowest = condition.operator in ("<", "<=")
    met = [one for one in known if one.met is not False] or known
    odd = [one for one in met if math.isnan(one.value)]
    worst = (odd or sorted(met, key=lambda one: one.value, reverse=not lowest))[0]
    detail = ", ".join(
        part for part in (worst.model if _names_model(gate, rows) else "", worst.place) if part
    )
    note = "; ".join(part for part in (detail, worst.note) if part)
    rows = [one.rows for one in open_ones]
    return Verdict(
        condition.text,
        worst.met is False,
        worst.value,
        _find_limit(condition),
        note,
        worst.inconclusive,
        max(rows) if worst.inconclusive and None not in rows else None,
    )


def _find_limit(condition: Condition) -> float | None:
    """Return the number to show as the limit; a margin in percent is not one."""
    margin = condition.margin if condition.margin and not condition.relative else None
    return condition.limit if condition.operator is not None else margin


def _names_model(gate: Gate, rows: Sequence[Any]) -> bool:
    """Whether the verdict must name the model."""
    return len(gate.models) > 1 or len({one.model for one in rows}) > 1


def _choose(records: Sequence[Any], gate: Gate) -> Iterator[_Candidate]:
    """Yield the numbers of the slices that a gate looks at."""
    grouping, where = set(gate.grouping), gate.condition.where
    worse = gate.condition.against_baseline and gate.condition.operator is None
    p_values = find_p_values(gate.condition, records) if worse else {}
    for place, one in enumerate(records):
        by = getattr(one, "by", ())
        if set(by) != grouping:
            continue
        labels = dict(zip(by, one.labels, strict=True)) if by else {}
        if any(labels[column] != label for column, label in where):
            continue
        value = one.difference if isinstance(one, Comparison) else one.value
        found = Decision(False)
        if worse:
            found = decide_worse(gate.condition, one, p_values[place])
        elif gate.condition.three_way:
            found = decide_limit(gate.condition, one)
        name = ", ".join(f"{column}={label}" for column, label in labels.items())
        yield _Candidate(
            value, one.model, name, found.met, found.note, found.inconclusive, found.rows
        )


def _combine(
    chosen: Sequence[_Candidate], function: str | None, models: Sequence[str]
) -> Iterator[_Candidate]:
    """Yield the candidates, or what a function makes of those of each model."""
    if function is None:
        yield from chosen
        return
    for model in models:
        own = sorted((one for one in chosen if one.model == model), key=lambda one: one.value)
        odd = [one for one in own if math.isnan(one.value)]
        if odd:
            yield odd[0]
        elif own and function == "range":
            place = f"{own[0].place} to {own[-1].place}"
            yield _Candidate(own[-1].value - own[0].value, model, place)
        elif own:
            yield own[-1] if function == "max" else own[0]


def _decide(one: _Candidate, condition: Condition) -> _Candidate:
    if condition.operator is None or condition.limit is None or condition.three_way:
        return one
    if math.isnan(one.value):
        return _Candidate(one.value, one.model, one.place, True, "NaN does not pass")
    met = COMPARE[condition.operator](one.value, condition.limit)
    return _Candidate(one.value, one.model, one.place, met, one.note)


def _explain(records: Sequence[Any], gate: Gate) -> str:
    """Say why a gate has nothing to judge."""
    if not gate.grouping:
        return "there is nothing to judge"
    wanted = ", ".join(f"{column}={label}" for column, label in gate.condition.where)
    if not wanted:
        return f"there is no slice by {', '.join(gate.grouping)}"
    there = {
        label
        for one in records
        if set(getattr(one, "by", ())) == set(gate.grouping)
        for column, label in zip(one.by, one.labels, strict=True)
        if (column, label) not in gate.condition.where and column in dict(gate.condition.where)
    }
    asked = [label for _, label in gate.condition.where]
    close = [near for label in asked for near in nearest(label, sorted(there))]
    close = close or sorted(there)[:SHOWN]
    return f"there is no slice {wanted}" + (f"; available: {', '.join(close)}" if close else "")
