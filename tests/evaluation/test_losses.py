"""Every loss of the registry, evaluated over the sample data: whole, and slice by slice."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.data import load_array
from lossctl.engine.plan import blocks
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.evaluation.request.specs import parse_loss
from lossctl.evaluation.rows import reader as reading
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import registry
from tests.support.command_line import SAMPLE_DATA

LOSSES = registry()
ROWS = [key for key, loss in LOSSES.items() if not loss.needs_all_samples]
OF_COMPUTE = ("r", "reduction", "sample_weight", "class_axis")


@pytest.fixture(autouse=True)
def in_sample_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SAMPLE_DATA)


def read_example(loss: Loss) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arrays of a loss's example by input, and its options."""
    words = shlex.split(loss.example)
    places: list[str] = []
    options: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            places.append(word)
        elif words and not words[0].startswith("--"):
            options[word.strip("-").replace("-", "_")] = words.pop(0)
        else:
            options[word.strip("-").replace("-", "_")] = "true"
    arrays = {one.name: load_array(place) for one, place in zip(loss.inputs, places, strict=True)}
    return arrays, {name: text for name, text in options.items() if name not in OF_COMPUTE}


def sample_axis(loss: Loss, name: str) -> int | None:
    axes = next(one for one in loss.inputs if one.name == name).forms[0].axes
    return axes.index("N") if "N" in axes else 0 if "*" in axes else None


def take(loss: Loss, arrays: dict[str, Any], rows: Any) -> list[Any]:
    """Return some samples of the inputs."""
    found = []
    for name, array in arrays.items():
        axis = sample_axis(loss, name)
        found.append(array if axis is None or not array.ndim else np.compress(rows, array, axis))
    return found


@pytest.mark.parametrize("key", ROWS)
def test_every_loss_whole_and_sliced(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = LOSSES[key]
    arrays, texts = read_example(loss)
    monkeypatch.setattr(reading, "CHUNK_ROWS", 100)
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 70)
    first, *rest = arrays
    target = parse_loss(key).target
    spec = parse_loss(f"{key}:{','.join(f'{n}={v}' for n, v in texts.items())}" if texts else key)
    further = {name: arrays[name] for name in rest if name != target}
    axis = sample_axis(loss, first)
    assert axis is not None
    groups = np.arange(arrays[first].shape[axis]) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        found = lossctl.evaluate(
            pred={"model": arrays[first]},
            target=None if target is None else arrays[target],
            loss=[(key, {**spec.options, **further})],
            by={"group": groups},
            worst=3,
        )
        wanted = lossctl.compute(key, *arrays.values(), **spec.options)
        assert found.overall[0].value == wanted.value
        if spec.loss.predicate is None:
            for row in found.slices:
                some = take(loss, arrays, groups == int(row.labels[0]))
                part = lossctl.compute(key, *some, **spec.options)
                assert row.value == pytest.approx(part.value, rel=1e-12)
    assert len(found.slices) == 3
    assert len(found.worst) == 3
    assert found.worst[0].value >= found.worst[1].value


@pytest.mark.parametrize("key", sorted(set(LOSSES) - set(ROWS)))
def test_losses_of_all_rows_together_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match="compares all rows"):
        lossctl.evaluate(pred="preds.npy", target="labels.npy", loss=key)


def test_transforms_are_of_the_mean() -> None:
    asked: dict[str, Any] = {"target": "labels.npy", "ci": 0.95, "by": {"half": [0, 1] * 400}}
    labels = np.load("labels.npy")
    kept = np.arange(800)
    asked["target"] = labels[kept]
    pred = np.load("preds.npy")[kept]
    found = lossctl.evaluate(pred=pred, loss=["ce", "perplexity"], **asked)
    ce, perplexity = found.overall
    assert perplexity.value == pytest.approx(np.exp(ce.value), rel=1e-12)
    assert ce.interval is not None
    assert perplexity.interval is not None
    assert perplexity.interval.low == pytest.approx(np.exp(ce.interval.low), rel=1e-9)
    slices = {(row.loss, row.labels): row.value for row in found.slices}
    for labels_of in {row.labels for row in found.slices}:
        assert slices["perplexity", labels_of] == pytest.approx(
            np.exp(slices["ce", labels_of]), rel=1e-12
        )


def test_the_mean_may_be_another() -> None:
    rng = np.random.default_rng(0)
    target = rng.dirichlet(np.ones(4), size=30)
    pred = np.log(rng.dirichlet(np.ones(4), size=30))
    wanted = lossctl.compute("kl_div", pred, target, reduction="batchmean").value
    found = lossctl.evaluate(pred=pred, target=target, loss="kl_div:reduction=batchmean")
    assert found.overall[0].value == pytest.approx(wanted, rel=1e-12)
    assert found.overall[0].denominator == 30
    with pytest.raises(UsageError, match="not a mean"):
        lossctl.evaluate(pred=pred, target=target, loss="kl_div:reduction=sum")


def test_ratios_of_sums_have_no_intervals() -> None:
    maps = np.random.default_rng(0).uniform(size=(20, 8))
    with pytest.raises(UsageError, match="no confidence interval"):
        lossctl.evaluate(pred=maps, target=maps, loss="keras.dice", ci=0.95)


def test_answers_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Labels 0 and 1 are taken as signs only if all of them are such, whatever the chunks."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    rng = np.random.default_rng(1)
    pred = rng.normal(size=(12, 2))
    for last in (1.0, 0.5):
        target = np.tile([0.0, 1.0], (12, 1))
        target[-1, -1] = last
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            found = lossctl.evaluate(pred=pred, target=target, loss="keras.hinge")
            wanted = lossctl.compute("keras.hinge", pred, target)
        assert found.overall[0].value == pytest.approx(wanted.value, rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    ["ce", "multilabel_soft_margin", "keras.categorical_crossentropy", "keras.kl_divergence"],
)
def test_the_rows_of_one_column_are_no_classes(loss: str) -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(DataError, match="needs several numbers in each row"):
        lossctl.evaluate(pred=rng.random(20), target=rng.integers(0, 2, 20) + 0.0, loss=loss)
