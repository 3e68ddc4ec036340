"""Models are compared on the rows that all of them have, and it is said how many these are."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.errors import LossctlWarning

ROWS = 400
RNG = np.random.default_rng(12)
MODELS = ("p", "q", "r")
PLACES = {"p": [3, 50, 51, 399], "q": [4, 50], "r": []}
"""The rows that each model lacks."""
LACKING = sorted({row for rows in PLACES.values() for row in rows})


def make_frame(width: int = 1) -> pd.DataFrame:
    """Return targets in several forms, and the probabilities of three models."""
    frame = pd.DataFrame(
        {
            "y": RNG.random(ROWS),
            "label": RNG.integers(0, 2, ROWS),
            "w": RNG.integers(0, 3, ROWS).astype(float),
            "g": RNG.choice(["a", "b"], ROWS),
            "c": RNG.integers(0, 60, ROWS),
        }
    )
    for model in MODELS:
        for column in range(width):
            frame[f"{model}{column}"] = RNG.random(ROWS) + 0.1
            # Of several values, another one is missing in each model.
            one = width == 1 or (column == MODELS.index(model) % width)
            frame.loc[PLACES[model] if one else [], f"{model}{column}"] = np.nan
    return frame


def evaluate(
    frame: Any, width: int = 1, *, nothing_missing: bool = False, **asked: Any
) -> lossctl.Evaluation:
    pred = {one: f"{one}0" if width == 1 else f"{one}0:{one}{width - 1}" for one in MODELS}
    asked = {"target": "y", "nan": "omit", **asked}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = lossctl.evaluate(frame, pred=pred, **asked)
    said = [one for one in map(str, (one.message for one in told)) if "compared on" in one]
    assert bool(said) != nothing_missing
    return found


@pytest.mark.parametrize("method", [None, "normal", "bootstrap", "jackknife", "cluster"])
@pytest.mark.parametrize(
    "asked",
    [
        {"loss": "l1"},
        {"loss": "rmse"},
        {"loss": "mse", "sample_weight": "w"},
        {"loss": "bce_with_logits", "target": "label"},
        {"loss": ["l1", "huber:delta=0.3"]},
    ],
    ids=lambda asked: str(asked["loss"]),
)
def test_differences_are_those_of_the_rows_that_all_have(
    asked: dict[str, Any], method: str | None
) -> None:
    frame = make_frame()
    more: dict[str, Any] = {"by": "g"}
    if method is not None:
        more |= {"ci": 0.95, "ci_method": method}
        more |= {"replicates": 100} if method == "bootstrap" else {}
        more |= {"cluster_by": "c"} if method == "cluster" else {}
    found = evaluate(frame, **asked, **more)
    wanted = evaluate(frame.drop(index=LACKING), nothing_missing=True, **asked, **more)
    assert len(found.comparisons) == len(wanted.comparisons) > 2
    for one, other in zip(found.comparisons, wanted.comparisons, strict=True):
        assert (one.loss, one.model, one.labels) == (other.loss, other.model, other.labels)
        assert one.difference == pytest.approx(other.difference, rel=1e-9)
        assert (one.wins, one.ties, one.losses) == (other.wins, other.ties, other.losses)
        assert one.compared == one.wins + one.ties + one.losses
        if method in ("normal", "cluster"):
            assert one.interval is not None
            assert other.interval is not None
            assert one.interval.low == pytest.approx(other.interval.low, rel=1e-9)
            assert one.p_value == pytest.approx(other.p_value, rel=1e-9)
    for estimate in found.overall:  # each on its own rows
        assert estimate.omitted == len(PLACES[estimate.model])


@pytest.mark.parametrize("loss", ["ce", "bce", "l1"])
def test_a_row_is_left_out_where_one_of_its_values_is_missing(loss: str) -> None:
    frame = make_frame(2)
    target: Any = "label" if loss == "ce" else np.clip(RNG.random((ROWS, 2)), 0.1, 0.9)
    for one in MODELS:
        frame[[f"{one}0", f"{one}1"]] = frame[[f"{one}0", f"{one}1"]].clip(upper=0.9)
    found = evaluate(frame, 2, loss=loss, target=target)
    kept = np.setdiff1d(np.arange(ROWS), LACKING)
    rows = frame.iloc[kept]
    target = "label" if loss == "ce" else target[kept]
    wanted = lossctl.evaluate(
        rows, pred={one: f"{one}0:{one}1" for one in MODELS}, target=target, loss=loss
    )
    for one, other in zip(found.comparisons, wanted.comparisons, strict=True):
        assert one.difference == pytest.approx(other.difference, rel=1e-9)
        assert one.compared == other.compared == len(kept)


def test_losses_made_of_sums_over_rows_are_compared_on_the_same_rows() -> None:
    frame = make_frame()
    asked: dict[str, Any] = {"target": "label", "loss": "keras.dice", "by": "g"}
    found = evaluate(frame, **asked)
    wanted = evaluate(frame.drop(index=LACKING), nothing_missing=True, **asked)
    assert len(found.comparisons) == len(wanted.comparisons) == 6
    for one, other in zip(found.comparisons, wanted.comparisons, strict=True):
        assert one.difference == pytest.approx(other.difference, rel=1e-9)


def write_case(tmp_path: Path) -> Path:
    path = tmp_path / "q.csv"
    path.write_text("p,q,y\n0.1,0.2,0\n,0.9,0\n0.3,0.4,0\n0.5,0.3,0\n0.2,0.25,0\n")
    return path


def test_the_paired_test_is_that_of_the_common_rows(tmp_path: Path) -> None:
    stats = pytest.importorskip("scipy.stats")
    with pytest.warns(LossctlWarning) as told:
        found = lossctl.evaluate(
            write_case(tmp_path), pred=["p", "q"], target="y", loss="l1", nan="omit", ci=0.95,
            fail_if="l1 - baseline > 0.05",
        )  # fmt: skip
    said = "l1: the models are compared on the 4 rows that all of them have; 1 is missing in some"
    assert said in [str(one.message) for one in told]
    (one,) = found.comparisons
    assert one.difference == pytest.approx(0.0125)
    wanted = stats.ttest_rel([0.2, 0.4, 0.3, 0.25], [0.1, 0.3, 0.5, 0.2]).pvalue
    assert one.p_value == pytest.approx(wanted, rel=1e-9)
    assert found.passed
    assert [estimate.value for estimate in found.overall] == pytest.approx([0.275, 0.41])


def test_nothing_is_said_where_all_models_have_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("p,q,y\n0.1,0.2,0\n,,0\n0.3,0.4,\n0.5,0.3,0\n")
    with pytest.warns(LossctlWarning) as told:
        found = lossctl.evaluate(path, pred=["p", "q"], target="y", loss="l1", nan="omit")
    assert not [one for one in told if "compared on" in str(one.message)]
    assert found.comparisons[0].compared == 2
