"""The reading of an evaluation: one plan for each task, fixed blocks, and the same bits always."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.engine.plan import blocks
from lossctl.errors import DataError, LossctlError, LossctlWarning
from lossctl.evaluation import scan
from lossctl.evaluation.rows import reader
from tests.support.datasets import make_frame, write

FRAME = make_frame()


def asked(**more: Any) -> dict[str, Any]:
    """Return what evaluates two models by three losses, of 3 numbers and of 1 number a row."""
    return {
        "pred": {"mine": "logit_0:logit_2", "other": "logit_1,logit_2,logit_0"},
        "target": "label",
        "loss": ["ce", "zero_one"],
        "by": ["region", "device,region"],
        "worst": 5,
        **more,
    }


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chunks and blocks be short, and none end where another does."""
    monkeypatch.setattr(reader, "CHUNK_ROWS", 64)
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 117)


@pytest.mark.parametrize("chunk", [7, 64, 10_000])
def test_one_plan_per_task_however_many_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_ROWS", chunk)
    plans: list[Any] = []
    make_plan = scan.make_plan
    monkeypatch.setattr(
        scan, "make_plan", lambda *given: plans.append(make_plan(*given)) or plans[-1]
    )
    found = lossctl.evaluate(FRAME, **asked())
    assert len(plans) == len(found.overall) == 4


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("where", [None, "age > 30 and region != 'EU'"])
def test_bits_do_not_depend_on_threads(suffix: str, where: str | None, tmp_path: Path) -> None:
    data = write(FRAME, tmp_path / f"rows.{suffix}")
    more: dict[str, Any] = {"where": where, "ci": 0.95, "sample_weight": "weight"}
    wanted, *others = (
        lossctl.evaluate(data, **asked(threads=threads, **more)).to_dict() for threads in (1, 2, 8)
    )
    assert wanted["rows"] > 3 * 64 or where
    for found in others:
        assert found == wanted


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("threads", [1, 4])
def test_elements_are_in_the_order_of_rows(threads: int, tmp_path: Path) -> None:
    lossctl.evaluate(
        FRAME,
        pred="pred",
        target="target",
        loss=["mse", "l1"],
        where="age > 30",
        elements=tmp_path / "rows.parquet",
        threads=threads,
    )
    written = pd.read_parquet(tmp_path / "rows.parquet")
    kept = FRAME[FRAME.age > 30]
    assert written.row.tolist() == kept.index.tolist()
    assert written.l1.tolist() == (kept.pred - kept.target).abs().tolist()
    assert written.mse.tolist() == ((kept.pred - kept.target) ** 2).tolist()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses_of_other_lengths_of_blocks_do_not_change_each_other(dtype: str) -> None:
    """A loss of 3 numbers a row has shorter blocks than one of 1: each has the bits of compute."""
    scores = FRAME[["logit_0", "logit_1", "logit_2"]].to_numpy()
    found = lossctl.evaluate(
        pred=scores,
        target=FRAME.label.to_numpy(),
        loss=["ce", "ce:label-smoothing=0.1", "zero_one", "perplexity"],
        dtype=dtype,
    )
    for estimate in found.overall:
        key, _, option = estimate.loss.partition(":")
        options = {"label_smoothing": 0.1} if option else {}
        wanted = lossctl.compute(key, scores, FRAME.label, dtype=dtype, **options)
        assert estimate.value == wanted.value


@pytest.mark.usefixtures("short")
def test_maps_larger_than_a_block_are_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(size=(9, 4, 8, 8)), rng.integers(0, 4, (9, 8, 8))
    np.save(tmp_path / "scores.npy", scores)
    results = [
        lossctl.evaluate(
            pred=str(tmp_path / "scores.npy"),
            target=labels,
            loss=["ce", "ce:ignore-index=2"],
            by={"half": [0, 1, 1] * 3},
            threads=threads,
        )
        for threads in (1, 8)
    ]
    assert results[0].to_dict() == results[1].to_dict()
    assert results[0].overall[0].value == lossctl.compute("ce", scores, labels).value
    kept = np.arange(9) % 3 != 0
    part = lossctl.compute("ce", scores[kept], labels[kept]).value
    (value,) = (row.value for row in results[0].slices if row.labels == ("1",) and row.loss == "ce")
    assert value == pytest.approx(part, rel=1e-12)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("threads", [1, 4])
def test_what_breaks_a_rule_is_placed_in_the_dataset(threads: int, tmp_path: Path) -> None:
    frame = FRAME.assign(label=np.where(np.isin(np.arange(500), (321, 400)), 7, FRAME.label))
    data = write(frame, tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"2 values are outside \[0, 3\).*row 321 \(line 323\)"):
        lossctl.evaluate(data, **asked(where="age >= 0 and id != 'row-3'", threads=threads))


def ctc_inputs(samples: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(6, samples, 4))
    return {
        "log_probs": scores - np.log(np.exp(scores).sum(axis=2, keepdims=True)),
        "targets": rng.integers(1, 4, (samples, 2)),
        "input_lengths": np.full(samples, 6),
        "target_lengths": rng.integers(1, 3, samples),
    }


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("where", [None, "half == 1"])
def test_inputs_that_are_held_whole_are_filtered_too(where: str | None) -> None:
    """CTC takes samples along the second axis, and looks at all lengths before the work."""
    given = ctc_inputs(300)
    half = np.arange(300) % 2
    log_probs, targets, *lengths = given.values()
    found = lossctl.evaluate(
        pd.DataFrame({"half": half}),
        pred=log_probs,
        target=targets,
        loss=[("ctc", dict(zip(("input_lengths", "target_lengths"), lengths, strict=True)))],
        where=where,
    )
    kept = half == 1 if where else half >= 0
    wanted = lossctl.compute(
        "ctc", log_probs[:, kept], targets[kept], *(one[kept] for one in lengths)
    )
    assert found.rows == np.count_nonzero(kept)
    assert found.overall[0].value == wanted.value


@pytest.mark.usefixtures("short")
def test_options_of_one_number_per_sample_have_one_for_each_row() -> None:
    weight = np.linspace(0.5, 2, 500)
    given = {"pred": FRAME.weight / 10, "target": FRAME.label % 2 + 0.0}
    wanted = lossctl.compute("bce", *given.values(), weight=weight).value
    found = lossctl.evaluate(loss=[("bce", {"weight": weight})], **given)
    assert found.overall[0].value == wanted
    with pytest.raises(DataError, match="weight of bce has shape"):
        lossctl.evaluate(loss=[("bce", {"weight": weight[1:]})], **given)


@pytest.mark.usefixtures("short")
def test_progress_counts_the_rows_that_were_read() -> None:
    told: list[tuple[int, int | None]] = []
    lossctl.evaluate(
        FRAME,
        pred="pred",
        target="target",
        loss="mse",
        where="age > 60",
        progress=lambda *now: told.append(now),
    )
    assert [done for done, _ in told] == [*range(64, 500, 64), 500]
    assert {total for _, total in told} == {500}


@pytest.mark.usefixtures("short")
def test_an_error_of_the_loss_ends_the_reading() -> None:
    counted = itertools.count()

    @lossctl.loss("stumble", inputs=(lossctl.real("input", "*"), lossctl.real("target", "*")))
    def stumble(input: Any, target: Any) -> Any:
        """Fail at the third block."""
        if next(counted) == 2:
            raise RuntimeError("no further")
        return input - target

    with (
        pytest.raises(LossctlError, match="no further"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", LossctlWarning)
        lossctl.evaluate(FRAME, pred="pred", target="target", loss=stumble, threads=2)
