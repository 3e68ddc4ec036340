"""Explanations of every loss: the steps end at the loss of the kernel, and add up to the mean.

Every golden case is computed once, and all of its elements are explained.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from lossctl.engine.plan.call import Call
from lossctl.engine.plan.plan import Settings
from lossctl.engine.plan.reduced_axes import COUNT
from lossctl.errors import LossctlWarning
from lossctl.explanation.element import count_rows, find_positions
from lossctl.explanation.elements import Run
from lossctl.explanation.result import Explanation
from lossctl.explanation.row import run
from lossctl.losses.core.registry import registry
from lossctl.losses.core.steps import LEFT_OUT
from tests.losses.cases.case import Case
from tests.losses.declare import known
from tests.losses.golden_values import load_golden

LOSSES = registry()
KEYS = tuple(LOSSES)
RELATIVE = 1e-12


def finish(key: str, case: Case, reduction: str | None = None) -> Run:
    """Compute a case."""
    loss = LOSSES[key]
    settings = Settings(reduction or loss.reduction, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        return run(Call(loss, case.inputs, dict(case.options), settings), 0)


def explain_all(done: Run) -> Iterator[Explanation]:
    """Yield the explanations of all elements of a computation."""
    rows = count_rows(done.plan, done.result.samples)
    for row in range(rows):
        for position in np.ndindex(*find_positions(done.plan)):
            yield done.explain(row, position, chosen=False)


def is_left_out(one: Explanation) -> bool:
    """Whether an element adds nothing, so that its steps end with its inputs."""
    return any(step.key == LEFT_OUT for step in one.steps)


@pytest.mark.parametrize("key", KEYS)
def test_every_loss_tells_its_steps(key: str) -> None:
    assert LOSSES[key].declared_steps is not None


@pytest.mark.parametrize("key", KEYS)
def test_steps_end_at_the_loss_and_add_up_to_the_mean(key: str) -> None:
    wrong = []
    for golden in load_golden(key):
        case = golden.case
        if case.inputs[0].size == 0:
            continue
        done = finish(key, case)
        found = list(explain_all(done))
        if done.totals:
            wrong += disagree_in_sums(done, found)
            continue
        for one in found:
            if not is_left_out(one) and not agree(one["loss"], one.value, slack(key, one)):
                wrong.append(f"{case.id} {one.row}, {one.position}: {one['loss']!r} {one.value!r}")
        expected = golden.expected.get("none")
        values = [one.value for one in found]
        if not done.plan.single and not np.allclose(
            values, expected.reshape(-1), rtol=1e-6, equal_nan=True
        ):
            wrong.append(f"{case.id}: {values} {expected}")
        total = add(one.contribution for one in found)
        if not agree(total, divide(done.result.total, done.result.denominator), 1e-300):
            wrong.append(f"{case.id}: {total!r} {done.result.value!r}")
    assert not wrong, "\n".join(wrong[:10])


def disagree_in_sums(done: Run, found: list[Explanation]) -> Iterator[str]:
    """Yield where the sums of the rows are not those of all, or do not finish as the result."""
    for name, total in done.totals.items():
        if name == COUNT:
            continue
        word = name if name.startswith("y_") else name.replace("_", " ")
        rows = np.sum([one[f"{word} of the row"] for one in found], axis=0)
        if not np.allclose(rows, total, rtol=RELATIVE, atol=0):
            yield f"{name}: {rows} {total}"
    for one in found:
        losses = np.asarray(one["loss"])
        if not agree(losses.mean(), done.result.value):
            yield f"loss of {one.row}: {losses} {done.result.value}"
        effect = one["loss"] - one["loss without the row"]
        if not np.array_equal(one["effect of the row"], effect, equal_nan=True):
            yield f"effect of {one.row}"


def add(values: Iterable[float]) -> float:
    """Return an exact sum; NaN and infinities as floats add them."""
    listed = list(values)
    return math.fsum(listed) if np.isfinite(listed).all() else float(np.sum(listed))


def divide(total: float, denominator: float) -> float:
    return total / denominator if denominator else math.nan


def agree(told: float, expected: float | None, absolute: float = 0.0) -> bool:
    """Whether two numbers are the same but for the rounding."""
    return bool(np.isclose(told, expected, rtol=RELATIVE, atol=absolute, equal_nan=True))


def slack(key: str, one: Explanation) -> float:
    """Return what a loss may be off by where its terms cancel by definition."""
    if not known(key).cancelling_steps:
        return 0.0
    sizes = [np.abs(step.value) for step in one.steps if np.ndim(step.value) == 0]
    return 1e-15 * max(size for size in sizes if np.isfinite(size))
