"""Where an evaluation's columns come from: datasets, files by position, files by key, arrays."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lossctl
from lossctl.errors import DataError, FileError, LossctlError, LossctlWarning, UsageError
from tests.support.command_line import run
from tests.support.datasets import FORMATS, make_frame, write

FRAME = make_frame()
MSE = float(((FRAME.pred - FRAME.target) ** 2).mean())
CE = lossctl.compute("ce", FRAME[["logit_0", "logit_1", "logit_2"]], FRAME.label).value


def value(evaluation: Any, place: int = 0) -> float:
    return float(evaluation.overall[place].value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_dataset_in_every_format(tmp_path: Path, suffix: str) -> None:
    data = write(FRAME, tmp_path / f"eval.{suffix}")
    found = lossctl.evaluate(data, pred="pred", target="target", loss="mse", by="region", id="id")
    wanted = lossctl.evaluate(FRAME, pred="pred", target="target", loss="mse", by="region")
    assert value(found) == pytest.approx(MSE, rel=1e-12)
    assert [row.labels for row in found.slices] == [row.labels for row in wanted.slices]
    assert [row.value for row in found.slices] == pytest.approx(
        [row.value for row in wanted.slices], rel=1e-12
    )


def test_ranges_of_columns_are_one_prediction() -> None:
    found = lossctl.evaluate(FRAME, pred="logit_0:logit_2", target="label", loss="ce")
    assert value(found) == pytest.approx(CE, rel=1e-12)
    assert found.models == ("logit_0:logit_2",)


def test_shards_are_one_dataset(tmp_path: Path) -> None:
    for number, some in enumerate(np.array_split(np.arange(len(FRAME)), 3)):
        write(FRAME.iloc[some], tmp_path / f"part-{number}.csv")
    pattern = str(tmp_path / "part-*.csv")
    listed = [str(tmp_path / f"part-{number}.csv") for number in range(3)]
    for data in (pattern, listed):
        found = lossctl.evaluate(data, pred="pred", target="target", loss="mse", by="region")
        assert value(found) == pytest.approx(MSE, rel=1e-12)
        assert sum(row.rows for row in found.slices) == len(FRAME)


def test_files_by_position(tmp_path: Path) -> None:
    np.save(tmp_path / "pred.npy", FRAME.pred)
    np.save(tmp_path / "target.npy", FRAME.target)
    meta = write(FRAME, tmp_path / "meta.csv")
    found = lossctl.evaluate(
        pred=tmp_path / "pred.npy",
        target=str(tmp_path / "target.npy"),
        loss="mse",
        by=f"{meta}#region,device",
    )
    assert value(found) == pytest.approx(MSE, rel=1e-12)
    assert found.slices[0].by == ("region", "device")


def test_arrays_series_and_lists() -> None:
    found = lossctl.evaluate(
        pred=FRAME.pred.tolist(),
        target=FRAME.target.to_numpy(),
        loss="mse",
        by={"where": FRAME.region.tolist()},
    )
    assert value(found) == pytest.approx(MSE, rel=1e-12)
    assert {row.labels[0] for row in found.slices} == set(FRAME.region)
    series = lossctl.evaluate(pred=FRAME.pred, target=FRAME.target, loss="mse", by=[FRAME.region])
    assert series.slices[0].by == ("region",)


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", FRAME.pred[:-1])
    with pytest.raises(DataError, match=r"499 rows.*500 rows"):
        lossctl.evaluate(FRAME, pred=str(tmp_path / "short.npy"), target="target", loss="mse")


def test_rows_are_matched_by_key(tmp_path: Path) -> None:
    preds = write(FRAME[["id", "pred"]].sample(frac=1, random_state=1), tmp_path / "preds.csv")
    data = write(FRAME.drop(columns="pred"), tmp_path / "eval.parquet")
    found = lossctl.evaluate(data, pred=preds, target="target", loss="mse", on="id", worst=1)
    assert value(found) == pytest.approx(MSE, rel=1e-12)
    losses = (FRAME.pred - FRAME.target) ** 2
    assert found.worst[0].id == f"row-{losses.idxmax()}"
    assert found.matched == len(FRAME)
    frames = lossctl.evaluate(
        FRAME.drop(columns="pred"),
        pred=FRAME[["pred", "id"]][::-1],
        target="target",
        loss="mse",
        on="id",
    )
    assert value(frames) == pytest.approx(MSE, rel=1e-12)


def test_columns_of_another_file_may_be_called_like_the_datasets(tmp_path: Path) -> None:
    data = write(FRAME, tmp_path / "data.csv")
    other = write(FRAME.iloc[::-1], tmp_path / "other.csv")
    found = lossctl.evaluate(
        data, pred=f"{other}#logit_0:logit_2", target="label", loss="ce", on="id"
    )
    assert value(found) == pytest.approx(CE, rel=1e-12)
    odd = FRAME.rename(columns={"logit_0": "a#0", "logit_2": "a#2"})
    found = lossctl.evaluate(odd, pred="a#0:a#2", target="label", loss="ce")
    assert value(found) == pytest.approx(CE, rel=1e-12)


@pytest.mark.parametrize("written", ["data.csv", "./meta.parquet", "link.csv"])
def test_inputs_are_never_overwritten(tmp_path: Path, written: str) -> None:
    data = write(FRAME, tmp_path / "data.csv")
    meta = write(FRAME, tmp_path / "meta.parquet")
    (tmp_path / "link.csv").symlink_to(data)
    before = Path(data).read_bytes(), Path(meta).read_bytes()
    with pytest.raises(UsageError, match="is an input, and would be overwritten"):
        lossctl.evaluate(
            data, pred="pred", target=f"{meta}#target", loss="mse", elements=tmp_path / written
        )
    assert (Path(data).read_bytes(), Path(meta).read_bytes()) == before


def test_keys_without_a_match_are_counted_and_named(tmp_path: Path) -> None:
    preds = write(FRAME[["id", "pred"]][3:], tmp_path / "preds.csv")
    data = write(FRAME.drop(columns="pred")[:-2], tmp_path / "eval.csv")
    asked: dict[str, Any] = {"pred": preds, "target": "target", "loss": "mse", "on": "id"}
    with pytest.raises(
        DataError, match=r"3 of 498 rows.*'row-0', 'row-1', 'row-2'.*2 of 497"
    ) as no:
        lossctl.evaluate(data, **asked)
    assert "--how inner" in str(no.value)
    with pytest.warns(LossctlWarning, match="left out"):
        found = lossctl.evaluate(data, **asked, how="inner")
    kept = FRAME[3:-2]
    assert value(found) == pytest.approx(((kept.pred - kept.target) ** 2).mean(), rel=1e-12)
    assert (found.rows, found.matched, found.dropped) == (495, 495, 3)


def test_keys_that_stand_twice_are_counted_and_named(tmp_path: Path) -> None:
    twice = pd.concat([FRAME[["id", "pred"]], FRAME[["id", "pred"]][:2]])
    preds = write(twice, tmp_path / "preds.csv")
    with pytest.raises(DataError, match=r"2 rows have a key.*'row-0', 'row-1'"):
        lossctl.evaluate(FRAME, pred=preds, target="target", loss="mse", on="id")
    preds = write(twice[:-1], tmp_path / "preds.csv")
    with pytest.raises(DataError, match=r": 1 row has a key.*'row-0'"):
        lossctl.evaluate(FRAME, pred=preds, target="target", loss="mse", on="id")


def test_where_keeps_rows(tmp_path: Path) -> None:
    kept = FRAME[(FRAME.age > 30) & FRAME.region.isin(["EU", "US"])]
    wanted = ((kept.pred - kept.target) ** 2).mean()
    for data in (FRAME, *(write(FRAME, tmp_path / f"eval.{one}") for one in FORMATS)):
        found = lossctl.evaluate(
            data,
            pred="pred",
            target="target",
            loss="mse",
            where="age > 30 and region in ['EU', 'US']",
            worst=1,
        )
        assert value(found) == pytest.approx(wanted, rel=1e-12)
        assert (found.rows, found.dropped) == (len(kept), len(FRAME) - len(kept))
        assert found.worst[0].row == ((kept.pred - kept.target) ** 2).idxmax()


@pytest.mark.parametrize("given", ["list", "file"])
def test_text_labels(tmp_path: Path, given: str) -> None:
    names = ["cat", "dog", "a, b"]
    frame = FRAME.assign(label=[names[label] for label in FRAME.label])
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    classes: Any = names if given == "list" else str(tmp_path / "names.txt")
    for data in (frame, *(write(frame, tmp_path / f"eval.{one}") for one in FORMATS)):
        found = lossctl.evaluate(
            data, pred="logit_0:logit_2", target="label", loss="ce", classes=classes, by="label"
        )
        assert value(found) == pytest.approx(CE, rel=1e-12)
        assert {row.labels[0] for row in found.slices} == set(names)


def test_unknown_labels_are_counted_and_named() -> None:
    frame = FRAME.assign(label=["cat", "dgo"] * 250)
    with pytest.raises(
        DataError, match=r"250 labels are not among the 3 classes.*'dgo' at row 1 "
    ) as no:
        lossctl.evaluate(
            frame, pred="logit_0:logit_2", target="label", loss="ce", classes=["cat", "dog", "cow"]
        )
    assert "dog" in no.value.remedy


@pytest.mark.parametrize(
    ("loss", "way"), [("ce", "--loss ce:ignore-index=VALUE"), ("zero_one", "--mask")]
)
def test_a_label_out_of_range_is_left_out_as_the_loss_can(loss: str, way: str) -> None:
    frame = FRAME.assign(label=FRAME.label + 1)
    with pytest.raises(DataError, match="the indices of 3 classes") as no:
        lossctl.evaluate(frame, pred="logit_0:logit_2", target="label", loss=loss)
    assert f"with {way}." in no.value.remedy


def test_an_empty_label_is_named_with_a_way_out(tmp_path: Path) -> None:
    frame = FRAME.assign(label=["cat", "dog", None, "cow", "cat"] * 100)
    asked: dict[str, Any] = {"pred": "logit_0:logit_2", "target": "label", "loss": "ce"}
    for name in FORMATS:
        path = write(frame, tmp_path / f"eval.{name}")
        with pytest.raises(DataError, match=r"column 'label' of [^#]*$") as no:
            lossctl.evaluate(path, **asked, classes=["cat", "dog", "cow"])
        assert "--where" in no.value.remedy
        found = lossctl.evaluate(
            path, **asked, classes=["cat", "dog", "cow"], where="label in ['cat', 'dog', 'cow']"
        )
        assert found.rows == 400


def test_texts_without_classes_are_named_with_a_way_out() -> None:
    frame = FRAME.assign(label=["cat", "dog"] * 250)
    with pytest.raises(DataError, match=r"'label': dtype \w+ is not numbers") as no:
        lossctl.evaluate(frame, pred="logit_0:logit_2", target="label", loss="ce")
    assert "classes=[" in no.value.remedy


def test_weights_and_masks_are_those_of_compute() -> None:
    mask = (FRAME.age > 20).to_numpy()
    wanted = lossctl.compute("mse", FRAME.pred, FRAME.target, sample_weight=FRAME.weight, mask=mask)
    found = lossctl.evaluate(
        FRAME, pred="pred", target="target", loss="mse", sample_weight="weight", mask=mask
    )
    assert value(found) == pytest.approx(wanted.value, rel=1e-12)
    assert found.overall[0].masked == wanted.masked
    assert found.overall[0].denominator_name == wanted.denominator_name


def test_models_may_be_named() -> None:
    for pred in (["old=pred", "new=other"], {"old": FRAME.pred, "new": "other"}):
        found = lossctl.evaluate(FRAME, pred=pred, target="target", loss="mse")
        assert found.models == ("old", "new")


def test_further_inputs_are_named_with_the_loss() -> None:
    wanted = lossctl.compute("gaussian_nll", FRAME.pred, FRAME.target, FRAME.weight, full=True)
    found = lossctl.evaluate(
        FRAME, pred="pred", target="target", loss="gaussian_nll:full=true,var=weight"
    )
    assert value(found) == pytest.approx(wanted.value, rel=1e-12)
    with pytest.raises(UsageError, match="input 'var'"):
        lossctl.evaluate(FRAME, pred="pred", target="target", loss="gaussian_nll")


def test_losses_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "my.py"
    path.write_text(
        "import numpy as np\nimport lossctl\n\n"
        "@lossctl.loss('wing', inputs=(lossctl.real('input', '*'), lossctl.real('target', '*')))\n"
        "def wing(input, target, *, width: float = 5.0):\n"
        "    '''Wing.'''\n"
        "    return np.minimum(np.abs(input - target), width)\n"
    )
    found = lossctl.evaluate(FRAME, pred="pred", target="target", loss=f"{path}:wing:width=0.5")
    wanted = np.minimum((FRAME.pred - FRAME.target).abs(), 0.5).mean()
    assert value(found) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pred": "prid"}, ["no column 'prid'", "pred"]),
        ({"target": "nothing"}, ["nothing", "no column"]),
        ({"by": "regoin"}, ["regoin", "region"]),
        ({"by": "age:0"}, ["0 bins"]),
        ({"by": ["region", "region"]}, ["given twice"]),
        ({"by": "region,region"}, ["itself"]),
        ({"loss": "msee"}, ["msee"]),
        ({"loss": ["mse", "mse"]}, ["twice"]),
        ({"loss": "huber:dleta=2"}, ["dleta", "delta"]),
        ({"loss": "huber:delta=-1"}, ["delta", "above 0"]),
        ({"where": "agee > 3"}, ["agee", "age"]),
        ({"on": "idd"}, ["idd", "id"]),
        ({"how": "inner"}, ["--on"]),
        ({"baseline": "x"}, ["baseline", "'x'"]),
        ({"cluster_by": "patient"}, ["--ci"]),
        ({"worst": -1}, ["worst"]),
        ({"target": None}, ["needs targets"]),
        ({"nan": "drop"}, ["nan"]),
        ({"classes": "cat"}, ["neither a file nor a list"]),
        ({"ci": 2.0}, ["between 0 and 1"]),
        ({"fail_if": "mes > 3"}, ["mes"]),
    ],
    ids=str,
)
def test_wrong_usage_is_told_before_any_work(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    data = write(FRAME, tmp_path / "eval.parquet")
    asked: dict[str, Any] = {"pred": "pred", "target": "target", "loss": "mse"} | changes
    with pytest.raises(UsageError) as refused:
        lossctl.evaluate(data, **asked)
    for word in words:
        assert word in str(refused.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(FileError, match=r"nowhere\.csv"):
        lossctl.evaluate("nowhere.csv", pred="pred", target="target", loss="mse")


def test_broken_numbers_are_told_by_their_place_in_the_dataset(tmp_path: Path) -> None:
    frame = FRAME.assign(label=np.where(np.arange(500) == 321, 7, FRAME.label))
    data = write(frame, tmp_path / "eval.csv")
    with pytest.raises(DataError, match=r"1 value is outside \[0, 3\).*row 321 \(line 323\)"):
        lossctl.evaluate(data, pred="logit_0:logit_2", target="label", loss="ce", where="age > 0")


def test_nan_policies() -> None:
    frame = FRAME.assign(pred=np.where(np.arange(500) == 7, np.nan, FRAME.pred))
    asked: dict[str, Any] = {"pred": "pred", "target": "target", "loss": "mse"}
    with pytest.warns(LossctlWarning, match="row 7"):
        assert np.isnan(value(lossctl.evaluate(frame, **asked)))
    with pytest.warns(LossctlWarning, match="left out"):
        found = lossctl.evaluate(frame, **asked, nan="omit")
    assert found.overall[0].omitted == 1
    assert value(found) == pytest.approx(((frame.pred - frame.target) ** 2).mean(), rel=1e-12)
    with pytest.raises(DataError):
        lossctl.evaluate(frame, **asked, nan="error")


def test_nothing_left_is_nan() -> None:
    with pytest.warns(LossctlWarning, match="nothing is left"):
        found = lossctl.evaluate(
            FRAME, pred="pred", target="target", loss="mse", where="age > 1000", by="region"
        )
    assert np.isnan(value(found))
    assert len(found.slices) == 0


def test_errors_are_lossctls() -> None:
    with pytest.raises(LossctlError), warnings.catch_warnings():
        lossctl.evaluate(FRAME, pred="region", target="target", loss="mse")


@pytest.mark.parametrize("kind", ["category", "chunked", "dictionary"])
def test_labels_in_memory_of_several_pieces(kind: str) -> None:
    texts = pa.chunked_array([FRAME.region[:50].tolist(), FRAME.region[50:].tolist()])
    labels = {
        "category": FRAME.region.astype("category"),
        "chunked": texts,
        "dictionary": texts.dictionary_encode(),
    }[kind]
    found, wanted = (
        lossctl.evaluate(FRAME, pred="pred", target="target", loss="mse", by=by)
        for by in ({"region": labels}, "region")
    )
    assert found.slice_frame.equals(wanted.slice_frame)


def test_intervals_and_periods_of_pandas_are_labels() -> None:
    frame = FRAME.assign(
        bin=pd.cut(FRAME.age, 3), month=pd.period_range("2024", periods=len(FRAME))
    )
    for name in ("bin", "month"):
        found = lossctl.evaluate(frame, pred="pred", target="target", loss="mse", by=name)
        wanted = {"(missing)" if pd.isna(one) else str(one) for one in frame[name]}
        assert {row.labels[0] for row in found.slices} == wanted


def test_what_is_no_label_is_refused(tmp_path: Path) -> None:
    frame = FRAME.assign(pair=[[1, 2]] * len(FRAME))
    frame.to_parquet(tmp_path / "eval.parquet")
    for data in (frame, tmp_path / "eval.parquet"):
        with pytest.raises(DataError, match="pair contains list<"):
            lossctl.evaluate(data, pred="pred", target="target", loss="mse", by="pair")
    with pytest.raises(DataError, match="contains no labels"):
        lossctl.evaluate(FRAME.assign(x=1j), pred="pred", target="target", loss="mse", by="x")


def test_columns_that_are_called_by_numbers() -> None:
    frame = pd.DataFrame(FRAME[["pred", "target"]].to_numpy())
    assert value(lossctl.evaluate(frame, pred="0", target="1", loss="mse")) == pytest.approx(MSE)


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 2)])
@pytest.mark.parametrize(
    "words",
    [
        ("--by", "c.npy"),
        ("--by", "c.npy:2"),
        ("--id", "c.npy", "--worst", "1"),
        *(
            ("--cluster-by", "c.npy", "--ci", "0.95", "--ci-method", method)
            for method in ("cluster", "bootstrap", "jackknife")
        ),
    ],
    ids=" ".join,
)
def test_several_values_a_row_name_no_rows(
    tmp_path: Path, shape: tuple[int, ...], words: tuple[str, ...]
) -> None:
    for name, array in (("p", np.arange(4.0)), ("y", np.ones(4)), ("c", np.ones(shape))):
        np.save(tmp_path / f"{name}.npy", array)
    given = ("evaluate", "--pred", "p.npy", "--target", "y.npy", "--loss", "mse")
    found = run(*given, *words, cwd=tmp_path)
    assert found.code == 3
    assert f"{words[0][2:]} needs one value per row, but c.npy has the shape" in found.err


def test_a_key_does_not_make_an_index_data(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Unnamed: 0,key,a,b\n0,x,1,2\n1,y,3,4\n")
    (tmp_path / "t.csv").write_text("Unnamed: 0,key,a,b\n0,y,3,5\n1,x,1,2\n")
    given = ("evaluate", "--pred", "p.csv", "--target", "t.csv", "--loss", "mse", "--on", "key")
    found = run(*given, "-f", "value", cwd=tmp_path)
    assert found.value == 0.25
    assert len(found.warnings) == 2
    assert "'Unnamed: 0' was left out" in found.warnings[0]
