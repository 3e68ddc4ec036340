"""Names of classes in computations: labels that are texts, and columns called by them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.errors import DataError
from tests.support.command_line import command, environment, run

NAMES = ["cat", "dog", "owl"]
RANDOM = np.random.default_rng(3)
LOGITS = RANDOM.normal(size=(50, 3))
INDICES = RANDOM.integers(3, size=50)
LABELS = [NAMES[index] for index in INDICES]
VALUE = lossctl.compute("ce", LOGITS, INDICES).value
FRAME = pd.DataFrame(LOGITS, columns=NAMES).assign(label=LABELS, number=INDICES)


@pytest.fixture(params=["csv", "parquet"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"eval.{request.param}"
    table = FRAME[["dog", "label", "owl", "number", "cat"]]
    if request.param == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("given", [LABELS, np.array(LABELS), pd.Series(LABELS), INDICES])
def test_labels_in_memory(given: Any) -> None:
    assert lossctl.compute("ce", LOGITS, given, classes=NAMES).value == VALUE


@pytest.mark.parametrize("column", ["label", "number"])
def test_labels_and_columns_of_a_table(data: Path, column: str, tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("\n".join(NAMES))
    for classes in (NAMES, "cat,dog,owl", str(file)):
        found = lossctl.compute("ce", str(data), f"{data}#{column}", classes=classes)
        assert found.value == pytest.approx(VALUE, rel=1e-15)


def test_columns_that_are_named_stay_as_they_are(data: Path) -> None:
    found = lossctl.compute("ce", f"{data}#owl,dog,cat", f"{data}#label", classes=NAMES)
    assert found.value == pytest.approx(
        lossctl.compute("ce", LOGITS[:, ::-1], INDICES).value, rel=1e-15
    )


def test_probabilities_beside_names(tmp_path: Path) -> None:
    path = tmp_path / "soft.csv"
    soft = RANDOM.dirichlet(np.ones(3), size=50)
    pd.DataFrame(soft[:, ::-1], columns=NAMES[::-1]).to_csv(path, index=False)
    wanted = lossctl.compute("ce", LOGITS, soft).value
    found = lossctl.compute("ce", LOGITS, str(path), classes=NAMES).value
    assert found == pytest.approx(wanted, rel=1e-15)


def test_losses_of_rows(data: Path) -> None:
    stream = lossctl.elements("ce", str(data), f"{data}#label", classes=NAMES)
    found = np.concatenate([np.asarray(block) for block in stream])
    wanted = lossctl.compute("ce", LOGITS, INDICES, reduction="none").elements
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_an_unknown_label_is_named(data: Path) -> None:
    with pytest.raises(DataError, match="not among the 3 classes; the first is 'owl'") as caught:
        lossctl.compute("ce", LOGITS, f"{data}#label", classes="cat,dog,owls")
    assert "owls" in caught.value.remedy


def test_fractions_are_no_classes(tmp_path: Path) -> None:
    path = tmp_path / "eval.parquet"
    pd.DataFrame({"label": INDICES + 0.5}).to_parquet(path)
    with pytest.raises(DataError, match="float64"):
        lossctl.compute("ce", LOGITS, f"{path}#label", classes=NAMES)


def test_the_command(data: Path) -> None:
    words = ("compute", "ce", data, f"{data}#label", "--classes", "cat,dog,owl", "-f", "value")
    done = subprocess.run(
        command(*words), env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == pytest.approx(VALUE, rel=1e-15)


def test_labels_through_a_pipe(data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "logits.npy", LOGITS)
    words = ("compute", "ce", tmp_path / "logits.npy", "-#label", "--classes", "cat,dog,owl")
    with data.open("rb") as stream:
        done = subprocess.run(
            command(*words, "-f", "value"), env=environment(), stdin=stream,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == pytest.approx(VALUE, rel=1e-15)


def test_parts_of_shards(data: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    frame = FRAME[["label", *NAMES]]  # the first column is the one that rows are counted by
    for number, rows in enumerate((frame[:20], frame[20:])):
        shard = tmp_path / "shards" / f"{number}{data.suffix}"
        rows.to_csv(shard, index=False) if data.suffix == ".csv" else rows.to_parquet(shard)
    shards, states = f"{tmp_path / 'shards'}/*{data.suffix}", []
    for part in (1, 2):
        states.append(tmp_path / f"{part}.json")
        words = (f"{shards}#cat:owl", f"{shards}#label", "--classes", "cat,dog,owl")
        done = run("compute", "ce", *words, "--part", f"{part}/2", "--save-state", states[-1])
        assert done.code == 0, done.err
    assert float(run("merge", *states, "-f", "value").out) == VALUE
