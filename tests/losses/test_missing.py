"""What is missing is left out where NaN is omitted: of every loss, wherever a NaN stands."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.engine.plan.call import make_call
from lossctl.engine.sums.result import Result
from lossctl.errors import DataError, LossctlError, LossctlWarning
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Array, Case
from tests.losses.matrix import draw_seeded

LOSSES = registry()
SUMS = tuple(key for key, one in LOSSES.items() if not one.needs_all_samples)
LEAST_ROWS = 3
MOST_CASES = 12
LOST = 1
"""The row in which a NaN is planted."""


def compute(key: str, inputs: list[Array], case: Case, reduction: str, **settings: Any) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        return lossctl.compute(key, *inputs, **case.options, reduction=reduction, **settings)


def find_rows(loss: Loss, case: Case) -> list[bool]:
    """Return which inputs of a case have a row for each sample; none if rows cannot be deleted."""
    arrays = [name for name, one in case.options.items() if isinstance(one, np.ndarray)]
    shapes = {one.name: one.option.shape for one in loss.parameters}
    if any(shapes.get(name) != "C" for name in arrays):
        return []
    try:
        plan = make_call(loss, case.inputs, case.options).plan()
    except LossctlError:
        return []
    first = plan.inputs[0]
    if not first.batched or first.order[0] != 0 or (plan.samples or 0) < LEAST_ROWS:
        return []
    return [
        one.batched and not one.shared and one.order[:1] == (0,) and 0 not in one.fixed
        for one in plan.inputs
    ]


def list_cases(key: str) -> Iterator[tuple[Case, list[bool]]]:
    """Yield cases of a loss that have rows which can be deleted, of different shapes first."""
    found = [(case, find_rows(LOSSES[key], case)) for case in draw_seeded(key, 3)]
    usable = [pair for pair in found if any(pair[1])]
    shapes: dict[Any, int] = {}

    def count(pair: tuple[Case, list[bool]]) -> int:
        shape = tuple(one.shape for one in pair[0].inputs)
        shapes[shape] = shapes.get(shape, 0) + 1
        return shapes[shape]

    yield from sorted(usable, key=count)[:MOST_CASES]


def delete(case: Case, rows: list[bool]) -> list[Array]:
    pairs = zip(case.inputs, rows, strict=True)
    return [np.delete(one, LOST, axis=0) if has_rows else one for one, has_rows in pairs]


def lose(values: Array) -> Array:
    lost = values.astype(np.float64)
    lost[LOST] = np.nan
    return lost


def same(one: Result, other: Result) -> None:
    assert one.value == pytest.approx(other.value, rel=1e-12, abs=1e-300, nan_ok=True)
    assert one.counted == other.counted


@pytest.mark.parametrize("key", [key for key in LOSSES if key not in SUMS])
def test_a_loss_of_all_samples_together_refuses_to_leave_one_out(key: str) -> None:
    case, _ = next(list_cases(key))
    given = [lose(case.inputs[0]), *case.inputs[1:]]
    with pytest.raises(DataError, match="compares all samples with each other") as refusal:
        compute(key, given, case, "mean", nan="omit")
    assert "row 1" in str(refusal.value)
    assert np.isnan(compute(key, given, case, "mean").value or 0)


REDUCED = {key: ("mean",) if LOSSES[key].transform else ("mean", "sum") for key in SUMS}


@pytest.mark.parametrize("key", SUMS)
def test_a_row_that_is_missing_in_any_input_is_left_out(key: str) -> None:
    planted = 0
    for case, rows in list_cases(key):
        for place, bound in enumerate(LOSSES[key].inputs):
            kinds = {form.kind for form in bound.forms}
            if not rows[place] or kinds & {Kind.LABELS, Kind.LENGTH}:
                continue
            given = list(case.inputs)
            given[place] = lose(given[place])
            for reduction in REDUCED[key]:
                without = compute(key, delete(case, rows), case, reduction)
                found = compute(key, given, case, reduction, nan="omit")
                same(found, without)
            planted += 1
    assert planted >= (0 if "ctc" in key else len(LOSSES[key].inputs) // 2)


@pytest.mark.parametrize("name", ["sample_weight", "mask"])
@pytest.mark.parametrize("key", SUMS)
def test_a_row_whose_weight_or_mask_is_missing_is_left_out(key: str, name: str) -> None:
    for case, rows in list_cases(key):
        plan = make_call(LOSSES[key], case.inputs, case.options).plan()
        if plan.single and name == "sample_weight":
            continue  # one loss of all rows: a row has no weight
        count = len(case.inputs[rows.index(True)])
        extra = np.random.default_rng(1).uniform(0.5, 2, count)
        for reduction in REDUCED[key]:
            without = compute(
                key, delete(case, rows), case, reduction, **{name: np.delete(extra, LOST)}
            )
            lost = {name: lose(extra)}
            same(compute(key, list(case.inputs), case, reduction, nan="omit", **lost), without)
