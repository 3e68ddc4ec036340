"""Slices against pandas, scikit-learn and fairlearn, and what must hold of them always."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lossctl
from lossctl.data.arrays.cells import wrap_cells
from lossctl.evaluation.request.specs import parse_by, parse_loss
from lossctl.evaluation.rows import reader as reading
from lossctl.evaluation.slices import quantiles, slices
from lossctl.evaluation.slices.groups import Bins, Categories, Grouping, cut_evenly
from lossctl.output.evaluation.write import write_evaluation
from tests.support.datasets import by_label, make_frame, write

FRAME = make_frame()
LOSSES = (FRAME.pred - FRAME.target) ** 2
ASKED: dict[str, Any] = {"pred": "pred", "target": "target", "loss": "mse"}


@pytest.fixture(params=[None, 1, 37])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the rows in chunks of the usual size, and of small ones."""
    if request.param is not None:
        monkeypatch.setattr(reading, "CHUNK_ROWS", request.param)


@pytest.mark.parametrize("by", ["region", "age", "region,device", "region,device,label"])
@pytest.mark.usefixtures("chunks")
def test_slices_are_those_of_pandas(by: str) -> None:
    groups = LOSSES.groupby([FRAME[name].astype(str) for name in by.split(",")])
    means = groups.mean()
    wanted = dict(zip(map(tuple, means.index.to_frame().to_numpy().tolist()), means, strict=True))
    found = lossctl.evaluate(FRAME, **ASKED, by=by)
    rows = by_label(found)
    assert {labels: row.value for labels, row in rows.items()} == pytest.approx(wanted, rel=1e-12)
    assert sum(row.rows for row in found.slices) == len(FRAME)
    assert sorted(row.rows for row in found.slices) == sorted(groups.size())


def test_slices_are_those_of_fairlearn() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    sklearn = pytest.importorskip("sklearn.metrics")
    probabilities = 1 / (1 + np.exp(-FRAME.logit_0))
    happened = (FRAME.label == 0).astype(int)

    def log_loss(true: Any, predicted: Any) -> float:
        return float(sklearn.log_loss(true, predicted, labels=[0, 1]))

    frame = metrics.MetricFrame(
        metrics={"bce": log_loss, "mse": sklearn.mean_squared_error},
        y_true=happened,
        y_pred=probabilities,
        sensitive_features=FRAME[["region", "device"]],
    )
    found = lossctl.evaluate(
        FRAME, pred=probabilities, target=happened, loss=["bce", "mse"], by="region,device"
    )
    for loss in ("bce", "mse"):
        wanted = frame.by_group[loss].to_dict()
        rows = by_label(found, loss)
        assert {key: row.value for key, row in rows.items()} == pytest.approx(wanted, rel=1e-12)
        values = [row.value for row in rows.values()]
        assert max(values) - min(values) == pytest.approx(frame.difference()[loss], rel=1e-9)
        assert frame.overall[loss] == pytest.approx(
            next(one.value for one in found.overall if one.loss == loss), rel=1e-12
        )


def test_losses_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    found = lossctl.evaluate(
        FRAME,
        pred="pred",
        target="target",
        loss=["mse", "mae", "pinball:alpha=0.9"],
        sample_weight="weight",
    )
    weights = {"sample_weight": FRAME.weight}
    assert [one.value for one in found.overall] == pytest.approx(
        [
            sklearn.mean_squared_error(FRAME.target, FRAME.pred, **weights),
            sklearn.mean_absolute_error(FRAME.target, FRAME.pred, **weights),
            sklearn.mean_pinball_loss(FRAME.target, FRAME.pred, alpha=0.9, **weights),
        ],
        rel=1e-12,
    )


@pytest.mark.usefixtures("chunks")
def test_bins_are_those_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "HELD", 100)
    found = lossctl.evaluate(FRAME, **ASKED, by=["pred:4", "pred:q5", "age:q4"])
    for name, cut in (
        ("pred:4", pd.cut(FRAME.pred, 4)),
        ("pred:q5", pd.qcut(FRAME.pred, 5)),
        ("age:q4", pd.qcut(FRAME.age, 4)),
    ):
        wanted = LOSSES.groupby(cut, observed=True).mean()
        values = sorted(row.value for row in found.slices if row.by == (name,))
        assert values == pytest.approx(sorted(wanted), rel=1e-12)


def test_bins_name_their_edges() -> None:
    bins = cut_evenly(0, 10, 4)
    assert [bins.label(code) for code in range(7)] == [
        "[0, 2.5]",
        "(2.5, 5]",
        "(5, 7.5]",
        "(7.5, 10]",
        "(missing)",
        "-inf",
        "inf",
    ]
    codes = bins.encode(np.array([0, 2.5, 2.6, 10, np.nan, -np.inf, np.inf]))
    assert codes.tolist() == [0, 0, 1, 3, 4, 5, 6]
    assert Bins(np.array([3.0, 3.0])).label(0) == "[3, 3]"
    assert Bins(np.array([])).encode(np.array([np.nan])).tolist() == [0]


@settings(max_examples=50)
@given(
    st.lists(st.floats(allow_nan=True, width=64), min_size=1, max_size=200),
    st.integers(1, 9),
    st.integers(1, 8),
)
def test_quantiles_of_many_are_those_of_numpy(numbers: list[float], pieces: int, bins: int) -> None:
    values = np.array(numbers)
    finite = values[np.isfinite(values) & (np.abs(values) < 1e300)]
    if not len(finite):
        return
    shares = np.linspace(0, 1, bins + 1)
    found = quantiles._select(lambda: iter(np.array_split(finite, pieces)), shares)
    np.testing.assert_array_equal(found, np.quantile(finite, shares))


def test_missing_labels_are_a_slice_of_their_own(tmp_path: Path) -> None:
    frame = FRAME.assign(region=FRAME.region.where(FRAME.age > 30))
    for suffix in ("csv", "parquet", "jsonl"):
        found = lossctl.evaluate(write(frame, tmp_path / f"a.{suffix}"), **ASKED, by="region")
        assert by_label(found)["(missing)",].rows == int((FRAME.age <= 30).sum())


def test_the_whole_is_the_slices_weighted() -> None:
    found = lossctl.evaluate(
        FRAME,
        pred=["pred", "other"],
        target="target",
        loss=["mse", "huber:delta=0.5"],
        by=["region", "age:7"],
        sample_weight="weight",
    )
    weights = FRAME.weight.groupby(FRAME.region).sum()
    for one in found.overall:
        rows = by_label(found, one.loss, one.model)
        regions = {key[0]: row for key, row in rows.items() if row.by == ("region",)}
        mean = sum(regions[name].value * weights[name] for name in weights.index) / weights.sum()
        assert mean == pytest.approx(one.value, rel=1e-12)
        for by in ("region", "age:7"):
            shares = [row.share for row in rows.values() if row.by == (by,)]
            assert math.fsum(shares) == pytest.approx(1, rel=1e-12)
        for row in rows.values():
            assert row.gap == pytest.approx(row.value - one.value, abs=1e-15)


def test_slices_are_sorted_worst_first() -> None:
    found = lossctl.evaluate(FRAME, **ASKED, by=["region", "age"])
    for by in ("region", "age"):
        values = [row.value for row in found.slices if row.by == (by,)]
        assert values == sorted(values, reverse=True)
    assert len(found.slice_frame) == len(found.slices)
    assert found.slice_frame.value.tolist() == [row.value for row in found.slices]


def test_small_slices_are_left_out_and_counted() -> None:
    with pytest.warns(lossctl.errors.LossctlWarning, match=r"slices by age with fewer than 8"):
        found = lossctl.evaluate(FRAME, **ASKED, by="age", min_size=8)
    assert {row.labels[0] for row in found.slices} == {
        str(age) for age, rows in FRAME.age.value_counts().items() if rows >= 8
    }


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = FRAME.sample(frac=1, random_state=5)
    asked: dict[str, Any] = {**ASKED, "by": ["region,device", "age:q4"], "ci": 0.9, "id": "id"}
    one = lossctl.evaluate(FRAME, **asked, worst=7)
    other = lossctl.evaluate(shuffled, **asked, worst=7)
    assert one.overall[0].value == pytest.approx(other.overall[0].value, rel=1e-13)
    assert [row.labels for row in one.slices] == [row.labels for row in other.slices]
    for mine, theirs in zip(one.slices, other.slices, strict=True):
        assert mine.value == pytest.approx(theirs.value, rel=1e-12)
        assert mine.interval is not None
        assert theirs.interval is not None
        assert mine.interval.low == pytest.approx(theirs.interval.low, rel=1e-9)
    assert [row.id for row in one.worst] == [row.id for row in other.worst]


@pytest.mark.parametrize("method", ["normal", "bootstrap", "jackknife", "cluster"])
def test_threads_change_no_bit(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_ROWS", 64)
    found = [
        lossctl.evaluate(
            FRAME,
            pred=["pred", "other"],
            target="target",
            loss=["mse", "huber"],
            by="region",
            ci=0.95,
            ci_method=method,
            cluster_by=None if method == "normal" else "patient",
            replicates=50,
            worst=5,
            threads=threads,
        ).to_dict()
        for threads in (1, 2, 8)
    ]
    assert repr(found[0]) == repr(found[1]) == repr(found[2])


def test_a_model_against_itself_wins_nothing() -> None:
    found = lossctl.evaluate(
        FRAME, pred=["a=pred", "b=pred"], target="target", loss="mse", by="region", ci=0.95
    )
    for one in found.comparisons:
        assert one.difference == 0
        assert (one.wins, one.losses) == (0, 0)
        assert not one.significant


@pytest.mark.usefixtures("chunks")
def test_the_worst_rows_are_those_of_pandas() -> None:
    found = lossctl.evaluate(FRAME, **ASKED, worst=12, id="id", show=["region", "age"])
    wanted = LOSSES.nlargest(12)
    assert [row.row for row in found.worst] == wanted.index.tolist()
    assert [row.value for row in found.worst] == pytest.approx(wanted.tolist(), rel=1e-12)
    assert [row.id for row in found.worst] == [f"row-{row}" for row in wanted.index]
    assert found.worst[0].shown == {
        "region": FRAME.region[wanted.index[0]],
        "age": str(FRAME.age[wanted.index[0]]),
    }


@pytest.mark.usefixtures("chunks")
def test_the_earlier_of_equal_rows_is_the_worse() -> None:
    ones = np.ones(200)
    found = lossctl.evaluate(pred=ones, target=0 * ones, loss="mse", worst=5)
    assert [row.row for row in found.worst] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.usefixtures("chunks")
def test_every_rows_loss_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"losses.{suffix}"
    lossctl.evaluate(FRAME, **ASKED, id="id", elements=path, where="age > 30")
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}.get(suffix)
    back = read(path) if read else pd.read_json(path, lines=True)
    kept = LOSSES[FRAME.age > 30]
    assert list(back.columns) == ["row", "id", "mse"]
    assert back["row"].tolist() == kept.index.tolist()
    assert back["id"].tolist() == [f"row-{row}" for row in kept.index]
    assert back.mse.tolist() == pytest.approx(kept.tolist(), rel=1e-12)


def test_rows_of_several_numbers_count_once() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(20, 4, 6, 5)), rng.integers(0, 4, (20, 6, 5))
    labels[2, :3] = -100
    groups = np.arange(20) % 3
    found = lossctl.evaluate(
        pred=logits, target=labels, loss="ce:weight=1,2,3,4", by={"group": groups}, worst=1
    )
    wanted = lossctl.compute("ce", logits, labels, weight=[1, 2, 3, 4])
    assert found.overall[0].value == pytest.approx(wanted.value, rel=1e-12)
    assert found.overall[0].ignored == wanted.ignored
    for row in found.slices:
        some = groups == int(row.labels[0])
        part = lossctl.compute("ce", logits[some], labels[some], weight=[1, 2, 3, 4])
        assert row.value == pytest.approx(part.value, rel=1e-12)
        assert row.counted == part.counted


def test_huge_rows_are_cut() -> None:
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(size=(2, 2, 700, 500)), rng.integers(0, 2, (2, 700, 500))
    found = lossctl.evaluate(pred=logits, target=labels, loss="ce", by={"image": ["a", "b"]})
    for place, name in enumerate("ab"):
        wanted = lossctl.compute("ce", logits[place : place + 1], labels[place : place + 1])
        assert by_label(found)[name,].value == pytest.approx(wanted.value, rel=1e-12)


def test_many_slices() -> None:
    rng = np.random.default_rng(5)
    keys = rng.permutation(300_000)
    values = rng.normal(size=300_000)
    found = lossctl.evaluate(
        pred=values, target=np.zeros(300_000), loss="mse", by={"key": keys}, ci=0.95
    )
    assert len(found.slices) == 300_000
    worst = found.slices[0]
    assert worst.labels == (str(keys[np.abs(values).argmax()]),)
    assert worst.interval is None


@pytest.mark.filterwarnings("ignore:mse of .* a few rows make up most of the mean")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_slices_are_written_together_as_one_by_one(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BLOCK", 7)
    frame = FRAME.assign(loss=FRAME.index % 30, other=FRAME.pred + 1)
    frame.loc[0, "loss"] = 99  # alone: without an interval
    found = lossctl.evaluate(
        frame, **ASKED | {"pred": ["pred", "other"]}, by=["loss", "region,loss"], ci=0.9
    )
    paths = [tmp_path / f"{name}.{form}" for name in ("together", "single")]
    write_evaluation(found, target=paths[0])
    write_evaluation(replace(found, slices=tuple(found.slices)), target=paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_columns_called_like_facts_stay_apart_in_frames() -> None:
    frame = FRAME.assign(loss=FRAME.region, value=FRAME.device)
    found = lossctl.evaluate(
        frame, **ASKED | {"pred": ["pred", "target"]}, by="loss,value", worst=2, show=["value"]
    )
    assert set(found.slice_frame.by_loss) == set(FRAME.region)
    assert set(found.slice_frame.by_value) == set(FRAME.device)
    assert set(found.slice_frame.loss) == {"mse"}
    assert set(found.comparison_frame.by_loss.dropna()) == set(FRAME.region)
    assert set(found.worst_frame.shown_value) <= set(FRAME.device)
    assert (found.worst_frame.value >= 0).all()


def test_categories_keep_their_numbers() -> None:
    one = Categories()
    first = one.encode(np.array([5, 3, 5]))
    second = one.encode(np.array([3, 8]))
    assert first.tolist() == [0, 1, 0]
    assert second.tolist() == [1, 2]
    crossed = Grouping(("a", "b"), [Categories(), Categories()])
    codes = [crossed.encode([np.array([1, 2]), np.array([7, 7])]) for _ in range(2)]
    assert codes[0].tolist() == codes[1].tolist()
    assert [list(crossed.labels())[code] for code in codes[0]] == [("1", "7"), ("2", "7")]


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int64", "uint64", "float64", "bool", "str", "category", "Int64"]
)
@pytest.mark.parametrize("span", [3, 1 << 40])
def test_labels_of_any_type_are_numbered_as_they_appear(dtype: str, span: int) -> None:
    rng = np.random.default_rng(3)
    kept = Categories()
    seen: list[str] = []
    for _ in range(3):
        numbers = rng.integers(-span, span, 40) if dtype == "int64" else rng.integers(0, 9, 40)
        column = pd.Series(numbers).astype(dtype)
        if dtype == "Int64":
            column[::7] = pd.NA
        if dtype == "uint64" and span > 3:
            column += np.uint64(1 << 63)
        texts = ["(missing)" if value is pd.NA else str(value) for value in column.tolist()]
        seen = list(dict.fromkeys([*seen, *texts]))
        codes = kept.encode(wrap_cells(column, "by").whole())
        assert [kept.label(code) for code in codes.tolist()] == texts
        assert kept.labels == seen


@pytest.mark.parametrize(
    ("text", "key", "options", "inputs"),
    [
        ("mse", "mse", {}, {}),
        ("F.cross_entropy", "ce", {}, {}),
        ("huber:delta=2", "huber", {"delta": "2"}, {}),
        ("ce:weight=0.5,1.5,ignore-index=3", "ce", {"weight": "0.5,1.5", "ignore_index": "3"}, {}),
        ("ce: label_smoothing = 0.1", "ce", {"label_smoothing": "0.1"}, {}),
        ("kl_div:log_target=true", "kl_div", {"log_target": True}, {}),
        ("gaussian_nll:var=a b:c", "gaussian_nll", {}, {"var": "a b:c"}),
    ],
)
def test_losses_in_words(
    text: str, key: str, options: dict[str, Any], inputs: dict[str, Any]
) -> None:
    spec = parse_loss(text)
    assert (spec.loss.key, spec.options, spec.inputs) == (key, options, inputs)


def test_slices_in_words() -> None:
    (one, two, three) = parse_by(["a,b:q3", "m.csv#x,y", "odd:4"], ["a", "b", "odd:4"])
    assert one.names == ("a", "b:q3")
    assert (one.axes[1].bins, one.axes[1].quantiles) == (3, True)
    assert [axis.given for axis in two.axes] == ["m.csv#x", "m.csv#y"]
    assert three.axes[0].bins == 0
