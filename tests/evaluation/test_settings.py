"""The settings of an evaluation: what was asked for, enough to ask for it again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.output.evaluation.write import write_evaluation
from tests.support.datasets import make_frame, write

FRAME = make_frame()
ASKED: dict[str, Any] = {
    "pred": {"new": "pred", "old": "target"},
    "target": "target",
    "by": ["region", "region,device"],
    "where": "device != 'none'",
    "on": "id",
    "id": "id",
    "ci": 0.9,
    "ci_method": "bootstrap",
    "replicates": 50,
    "seed": 7,
    "baseline": "old",
    "worst": 2,
    "show": ["region"],
    "min_size": 1,
    "fail_if": ["mse > 1e9"],
    "nan": "omit",
    "dtype": "float32",
}


@pytest.mark.filterwarnings("ignore:.* all rows have the same loss")
def test_settings_are_what_was_asked_with_defaults(tmp_path: Path) -> None:
    data = write(FRAME, tmp_path / "eval.csv")
    found = lossctl.evaluate(data, loss=["mse", "huber:delta=2"], **ASKED).settings
    losses = found.pop("loss")
    assert found == {
        **ASKED,
        "dataset": str(data),
        "how": "exact",
        "sample_weight": None,
        "mask": None,
        "classes": None,
        "cluster_by": None,
        "class_axis": 1,
        "squeeze": False,
    }
    assert [one["name"] for one in losses] == ["mse", "huber:delta=2"]
    assert losses[1]["loss"] == "huber"
    assert losses[1]["options"] == {"delta": 2.0}
    assert losses[1]["reduction"] == "mean"


@pytest.mark.filterwarnings("ignore:.* all rows have the same loss")
def test_json_settings_ask_for_the_same_again(tmp_path: Path) -> None:
    data = write(FRAME, tmp_path / "eval.csv")
    first = lossctl.evaluate(data, loss=["mse", "huber:delta=2"], **ASKED)
    stream = io.StringIO()
    write_evaluation(first, "json", stream)
    asked = json.loads(stream.getvalue())["settings"]
    asked["loss"] = [(one["loss"], one["options"]) for one in asked["loss"]]
    again = lossctl.evaluate(asked.pop("dataset"), **asked)
    assert [(one.value, one.interval) for one in again.overall] == [
        (one.value, one.interval) for one in first.overall
    ]
    assert again.slice_frame.value.tolist() == first.slice_frame.value.tolist()


def test_arrays_are_told_by_their_shape() -> None:
    settings = lossctl.evaluate(
        FRAME, pred=np.zeros(len(FRAME)), target=FRAME.target.tolist(), loss="mse",
        by={"half": FRAME.region.tolist()},
    ).settings  # fmt: skip
    assert settings["dataset"] == {"source": "DataFrame", "shape": list(FRAME.shape)}
    assert settings["pred"] == {"pred": {"source": "ndarray", "shape": [len(FRAME)]}}
    assert settings["target"] == {"source": "list", "shape": [len(FRAME)]}
    assert settings["ci"] is settings["ci_method"] is settings["seed"] is None


def test_long_lists_of_labels_are_not_repeated() -> None:
    pred, labels = np.zeros((1500, 2)), ["cat", "dog", "dog"] * 500
    settings = lossctl.evaluate(pred=pred, target=labels, loss="ce", classes="cat,dog").settings
    assert settings["target"] == {"source": "list", "shape": [1500]}
    assert settings["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(("size", "large"), [(3, False), (5000, True)])
def test_options_that_are_tensors(tmp_path: Path, size: int, large: bool) -> None:
    path, random = tmp_path / "weight.npy", np.random.default_rng(1)
    np.save(path, np.ones(size))
    found = lossctl.evaluate(
        pred=random.normal(size=(4, size)), target=np.arange(4) % 3, loss=f"ce:weight={path}"
    )
    (loss,) = found.settings["loss"]
    shown = {"source": str(path), "shape": [size]} if large else [1.0] * size
    assert loss["options"]["weight"] == shown
    assert found.to_dict()["settings"] == found.settings


def test_inputs_beside_predictions_and_targets() -> None:
    frame = FRAME.assign(sigma2=1.0)
    found = lossctl.evaluate(frame, pred="pred", target="target", loss="gaussian_nll:var=sigma2")
    assert found.settings["loss"][0]["inputs"] == {"var": "sigma2"}
