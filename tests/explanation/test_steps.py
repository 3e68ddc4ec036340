"""Every step that is printed is recomputed, by formulas that are written down once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lossctl.explanation.elements import Run
from lossctl.explanation.result import Explanation
from lossctl.losses.core.step_names import OF_ALL, OF_ROW, WORDS
from lossctl.losses.core.steps import LEFT_OUT, Step
from tests.explanation.endings import PARTS, finish_loss
from tests.explanation.test_golden import KEYS, LOSSES, explain_all, finish
from tests.losses.cases.case import Case
from tests.losses.declare import GUIDE, find_formula, home
from tests.losses.golden_values import load_golden
from tests.losses.steps.scope import Scope

RELATIVE = 1e-8
OF_RESULT = {"denominator", "result", "mean", "share of the denominator", "sample weight"}
"""Steps that say what the whole result does: the sum of the contributions is tested elsewhere."""

CASES = 60
ELEMENTS = 6

Chosen = list[tuple[Case, Run, Explanation]]


@pytest.fixture(scope="module", params=KEYS)
def key(request: pytest.FixtureRequest) -> str:
    """The key of each loss in turn: all tests of one loss run together, and explain it once."""
    return str(request.param)


@pytest.fixture(scope="module")
def chosen(key: str) -> Chosen:
    """The elements of a loss that are looked at."""
    return list(choose(key))


def choose(key: str) -> Iterator[tuple[Case, Run, Explanation]]:
    """Yield some elements of some golden cases, at least one of each set of options."""
    golden = [one.case for one in load_golden(key) if one.case.inputs[0].size]
    step = max(1, len(golden) // CASES)
    options = {frozenset(one.options): one for one in golden}
    for case in {id(one): one for one in (*golden[::step], *options.values())}.values():
        done = finish(key, case)
        found = list(explain_all(done))
        for one in found[:: max(1, len(found) // ELEMENTS)]:
            yield case, done, one


def take(array: Any, place: str, shape: tuple[int, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return what the index of an explanation says, and the index."""
    array = np.asarray(array).reshape(shape)
    if not place:
        return array, (...,)
    index = tuple(
        slice(None) if one.strip() == ":" else int(one) for one in place.strip("[]").split(",")
    )
    return array[index], index


def make_scope(case: Case, done: Run, one: Explanation, before: dict[str, Any]) -> Scope:
    places = one.inputs[: len(case.inputs)]
    taken = [
        take(array, place.index, place.shape)
        for array, place in zip(case.inputs, places, strict=True)
    ]
    x = tuple(values.astype(np.float64) for values, _ in taken)
    return Scope(
        before, x, done.plan.options, case.inputs, one.row, taken[0][1], one.position, key=one.loss
    )


def check(step: Step, scope: Scope, one: Explanation) -> str | None:
    """Say what is wrong with a step, or return None."""
    formula = find_formula(step.key, step.formula)
    if step.formula.startswith(one.description["formula"]) and step.key == "loss":
        formula = formula or finish_loss
    if formula is None:
        return f"nothing recomputes it: declare it in {home(LOSSES[one.loss])}. Read {GUIDE}."
    scope.told = step.value
    with np.errstate(all="ignore"):
        expected = np.asarray(formula(scope), np.float64)
    told = np.asarray(step.value, np.float64)
    if told.shape != expected.shape and (told.size != 1 or expected.size != 1):
        return f"it has the shape {told.shape}, not {expected.shape}"
    size = max([1.0, *(np.abs(v).max(initial=0) for v in scope.x if np.isfinite(v).all())])
    near = np.isclose(told, expected, rtol=RELATIVE, atol=1e-13 * size, equal_nan=True)
    return None if near.all() else f"it is {told}, not {expected}"


def test_every_step_is_recomputed(chosen: Chosen) -> None:
    wrong: dict[tuple[str, str], str] = {}
    for case, done, one in chosen:
        if any(step.key == LEFT_OUT for step in one.steps):
            continue
        before: dict[str, Any] = {}
        for step in one.steps:
            if step.key not in OF_RESULT and not step.key.endswith(" of all"):
                trouble = check(step, make_scope(case, done, one, before), one)
                if trouble:
                    told = f"{case.id} {one.row}, {one.position}: {trouble}"
                    wrong.setdefault((step.key, step.formula), told)
            before[step.key] = step.value
    assert not wrong, "\n".join(f"{step}: {told}" for step, told in wrong.items())


def test_steps_have_one_word_for_one_thing(key: str, chosen: Chosen) -> None:
    sums = {template.format(name) for name in PARTS for template in (OF_ROW, OF_ALL)}
    inputs = {one.name for one in LOSSES[key].inputs}
    for _, _, one in chosen:
        keys = [step.key for step in one.steps]
        assert set(keys) <= WORDS | sums | inputs
        assert len(set(keys)) == len(keys), "a word twice in a walk"
        assert all(step.formula for step in one.steps)


def test_what_is_changed_was_a_step_before(chosen: Chosen) -> None:
    for _, _, one in chosen:
        for place, step in enumerate(one.steps):
            if step.before is not None:
                earlier = [np.asarray(other.value) for other in one.steps[:place]]
                known = [*earlier, *(-value for value in earlier if value.dtype.kind == "f")]
                assert any(np.array_equal(step.before, v, equal_nan=True) for v in known), step.key
