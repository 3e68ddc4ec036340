"""The steps of two losses on one row, side by side: where do the definitions diverge?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from lossctl.explanation.result import Difference, Explanation, Pair
from lossctl.losses.core.declaration import FACTS, Loss
from lossctl.losses.core.description import compare
from lossctl.losses.core.step_names import GIVEN, find_fact, find_reading
from lossctl.losses.core.steps import LEFT_OUT, Step

TOLERANCE = 1e-9
"""Values nearer to each other, relative to them, are one value computed in two ways."""


AVERAGED = "element losses"
"""The step of a loss that is the average of several."""

REDUCED = ("mean", "result")
"""Steps that are of all rows."""


def compare_steps(losses: Sequence[Loss], left: Explanation, right: Explanation) -> Difference:
    """Align the steps of two losses, and find the one at which they diverge."""
    pairs = tuple(align(left, right))
    readings = find_readings(left.steps[0], right.steps[0])
    divergence = find_divergence(pairs, differently_read=readings is not None)
    declared = compare(losses)
    key = None if divergence is None else pairs[divergence].key
    if key == "loss" and any(one.key == AVERAGED and one.same is None for one in pairs):
        key = AVERAGED
    return Difference(
        left=left,
        right=right,
        pairs=pairs,
        divergence=divergence,
        readings=readings if divergence == 0 else None,
        facts=tuple(choose_facts(declared, key)),
    )


def align(left: Explanation, right: Explanation) -> Iterator[Pair]:
    """Yield the steps of both in order; those of one word stand side by side.

    The first ones do so if both read one thing, whatever the word.
    """
    one, other = left.steps[0], right.steps[0]
    if _same_reading(one, other):
        yield Pair(one.key, one, other, has_same_value(left, one, right, other))
    else:
        yield from (Pair(one.key, one, None, None), Pair(other.key, None, other, None))
    yield from _align_rest(left, right)


def _align_rest(left: Explanation, right: Explanation) -> Iterator[Pair]:
    """Yield the steps behind the first ones."""
    steps, others = left.steps[1:], right.steps[1:]
    first, second = ([step.key for step in several] for several in (steps, others))
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for kind, start, stop, other_start, other_stop in matcher.get_opcodes():
        if kind == "equal":
            for one, other in zip(steps[start:stop], others[other_start:other_stop], strict=True):
                yield Pair(one.key, one, other, has_same_value(left, one, right, other))
            continue
        yield from (Pair(step.key, step, None, None) for step in steps[start:stop])
        yield from (Pair(step.key, None, step, None) for step in others[other_start:other_stop])


def _same_reading(one: Step, other: Step) -> bool:
    """Return whether two first steps read one thing: a prediction may be anything."""
    if one.key == other.key:
        return True
    if not {one.key, other.key} <= GIVEN:
        return False
    readings = {find_reading(one.key), find_reading(other.key)}
    return len(readings) == 1 or "prediction" in readings


def find_readings(one: Step, other: Step) -> tuple[str, str] | None:
    """Return what each loss takes the first input for, if that is not the same."""
    known = {one.key, other.key} <= GIVEN
    return (one.key, other.key) if known and not _same_reading(one, other) else None


def has_same_value(left: Explanation, one: Step, right: Explanation, other: Step) -> bool:
    """Return whether two steps have one value.

    Where one loss has an element of its own at each place of an axis, and the other takes the
    whole axis, the place is compared with the same place of the axis.
    """
    first, second = _pick(one, other, right), _pick(other, one, left)
    if first.shape != second.shape:
        return False
    if first.dtype.kind in "US" or second.dtype.kind in "US":
        return bool((first == second).all())
    return bool(np.allclose(first, second, rtol=TOLERANCE, atol=0, equal_nan=True))


def _pick(step: Step, beside: Step, at: Explanation) -> Any:
    """Return the value of a step, or its entry at the place that the step beside it is of."""
    value, single = np.asarray(step.value), np.ndim(beside.value) == 0
    if single and at.position and value.shape == at.positions[-1:]:
        return value[at.position[-1]]
    return value


def find_divergence(pairs: Sequence[Pair], *, differently_read: bool) -> int | None:
    """Return the first step by which the numbers differ.

    Where the losses differ, it is an input that they take for different things; or the first step
    that both have with two values, or a step of one of them alone, before that, which changes
    something (it clips or smooths).
    Where they do not, it is the first one behind the loss, up to what the row contributes.
    """
    keys = [pair.key for pair in pairs]
    left_out = next((n for n, pair in enumerate(pairs) if pair.key == LEFT_OUT), None)
    if left_out is not None and pairs[left_out].same is None:
        return left_out
    loss = keys.index("loss") if "loss" in keys else -1
    start, stop = loss + 1, next(n for n, key in enumerate(keys) if key in REDUCED)
    if loss >= 0 and pairs[loss].same is False:
        start, stop = 0, loss + 1
    if start == 0 and differently_read:
        return 0
    first = next((n for n in range(start, stop) if pairs[n].same is False), None)
    changing = (n for n in range(start, first or 0) if _changes_alone(pairs[n]))
    return next(changing, first)


def _changes_alone(pair: Pair) -> bool:
    """Return whether a step of one loss alone changes something."""
    step = pair.left or pair.right
    return pair.same is None and step is not None and bool(step.changes)


def choose_facts(declared: Mapping[str, Any], key: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield the declared differences, that on which the step depends first."""
    differences = {one["fact"]: tuple(one["values"]) for one in declared["differences"]}
    wanted = "" if key is None else "input 1" if key in GIVEN else find_fact(key)
    for fact in dict.fromkeys((wanted, "formula", *FACTS)):
        if fact in differences:
            left, right = differences[fact]
            yield fact, left, right
