"""Whole tables: an index or id column is never data in silence, in any format; natural order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.data.tables.columns import choose_columns
from lossctl.errors import LossctlWarning, UsageError
from tests.support.command_line import Run, compute, run
from tests.support.source_files import TABLES, encode, write
from tests.support.standard_input import standard_input

SCORES = {"a": [2.0, 0.1, 0.3], "b": [0.5, 1.5, 0.2]}
LABELS = [0, 1, 0]
ALONE = 0.35540911599159153
"""torch.nn.functional.cross_entropy of the two scores."""

CALLED = ("Unnamed: 0", "Unnamed: 0.1", "index", "level_0", "rownames", "row_names", "id", "ID")
ALIKE = ("patient_id", "ImageId", "row_id", "sample idx", "uuid")
SHUFFLED = [17, 4, 99]

COMMANDS: list[list[str]] = [
    ["compute", "ce", "PREDS", "y.csv"],
    ["check", "ce", "PREDS", "y.csv"],
    ["grad", "ce", "PREDS", "y.csv"],
    ["explain", "ce", "PREDS", "y.csv", "--row", "1"],
    ["evaluate", "--pred", "PREDS", "--target", "y.csv", "--loss", "ce"],
]


def write_scores(folder: Path, name: str, values: Sequence[Any], kind: str = "csv") -> str:
    """Write the scores after a column of this name, and the labels."""
    write(folder / "y.csv", encode({"y": LABELS}, "csv"))
    write(folder / f"preds.{kind}", encode({name: list(values), **SCORES}, kind))
    return f"preds.{kind}"


def call(folder: Path, words: list[str], preds: str) -> Run:
    """Run a command of the list."""
    return run(*(preds if word == "PREDS" else word for word in words), cwd=folder)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", CALLED)
def test_what_is_called_an_index_is_left_out_and_said(tmp_path: Path, kind: str, name: str) -> None:
    preds = write_scores(tmp_path, name, SHUFFLED, kind)
    found = compute("ce", preds, "y.csv", "-f", "value", cwd=tmp_path)
    assert found.value == pytest.approx(ALONE, rel=1e-12)
    (warning,) = found.warnings
    assert warning.startswith(f"{preds}: the column {name!r} was left out as an index; ")
    assert f"{preds}#{name}:b" in warning


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("name", ALIKE)
def test_what_looks_like_an_id_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    preds = write_scores(tmp_path, name, SHUFFLED, kind)
    found = compute("ce", preds, "y.csv", cwd=tmp_path)
    assert found.code == 2
    assert repr(name) in found.err
    assert f"{preds}#a:b without" in found.err


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("first", [0, 1])
def test_what_counts_the_rows_is_refused(tmp_path: Path, kind: str, first: int) -> None:
    preds = write_scores(tmp_path, "n", range(first, first + 3), kind)
    found = compute("ce", preds, "y.csv", cwd=tmp_path)
    assert found.code == 2
    assert f"'n' looks like an index and may be no data: counts {first}, {first + 1}" in found.err
    named = compute("ce", f"{preds}#a:b", "y.csv", "-f", "value", cwd=tmp_path)
    assert named.value == pytest.approx(ALONE, rel=1e-12)
    with_it = compute("ce", f"{preds}#n:b", "y.csv", "-f", "value", cwd=tmp_path)
    assert with_it.value != pytest.approx(ALONE, rel=1e-3)
    assert not with_it.err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_says_it(tmp_path: Path, words: list[str]) -> None:
    preds = write_scores(tmp_path, "Unnamed: 0", [0, 1, 2])
    found = call(tmp_path, words, preds)
    assert found.code == 0, found.err
    assert len(found.warnings) == 1
    assert "'Unnamed: 0' was left out" in found.warnings[0]
    preds = write_scores(tmp_path, "n", [0, 1, 2])
    found = call(tmp_path, words, preds)
    assert found.code == 2
    assert "'n' looks like an index" in found.err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrows"])
def test_standard_input_and_shards(tmp_path: Path, kind: str) -> None:
    write_scores(tmp_path, "index", SHUFFLED, kind)
    content = (tmp_path / f"preds.{kind}").read_bytes()
    labels = np.array(LABELS)
    with standard_input(content), pytest.warns(LossctlWarning, match="'index' was left out"):
        assert lossctl.compute("ce", "-", labels).value == pytest.approx(ALONE, rel=1e-12)
    for number in range(2):
        write(tmp_path / "shards" / f"{number}.{kind}", content)
    with pytest.warns(LossctlWarning, match="'index' was left out"):
        found = lossctl.compute("ce", str(tmp_path / f"shards/*.{kind}"), np.tile(labels, 2))
    assert found.value == pytest.approx(ALONE, rel=1e-12)


def test_ids_of_both_tables_are_no_data(tmp_path: Path) -> None:
    write(tmp_path / "sub.csv", b"id,pred\n1,10\n2,20\n")
    write(tmp_path / "sol.csv", b"id,target\n1,11\n2,22\n")
    found = compute("mse", "sub.csv", "sol.csv", "-f", "value", cwd=tmp_path)
    assert found.value == 2.5
    assert len(found.warnings) == 2


def test_outputs_of_the_same_names_are_data(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", b"cat,dog\n0.5,1\n1.5,0\n3,0\n")
    write(tmp_path / "t.csv", b"cat,dog\n1,1\n1.5,0\n2,1\n")
    found = compute("mse", "p.csv", "t.csv", "-f", "value", cwd=tmp_path)
    assert found.value == pytest.approx((0.25 + 1 + 1) / 6)
    assert not found.err


def test_a_table_of_one_column_and_one_where_all_count(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", b"id\n0\n1\n2\n")
    write(tmp_path / "t.csv", b"y\n0\n1\n4\n")
    assert compute("mse", "p.csv", "t.csv", "-f", "value", cwd=tmp_path).value == 4 / 3
    write(tmp_path / "both.csv", b"u,v\n0,1\n1,2\n2,3\n")
    assert compute("mse", "both.csv", "both.csv", "-f", "value", cwd=tmp_path).value == 0
    write(tmp_path / "ids.csv", b"id,index\n4,1\n5,2\n6,7\n")
    found = compute("mse", "ids.csv", "both.csv", cwd=tmp_path)
    assert found.code == 2
    assert "all of its 2 columns are called as indices are" in found.err


def test_the_example_of_columns_names_no_index(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", b",Unnamed: 0,a,b\n0,0,2.0,0.5\n")
    write(tmp_path / "y.csv", b"y\n0\n")
    found = compute("ce", "p.csv", "y.csv", cwd=tmp_path)
    assert found.code == 2
    assert found.err.splitlines()[-1] == "  Choose columns with '#', for instance p.csv#a:b"
    write(tmp_path / "p.csv", b"note,a 1,b,c\nx,0,2.0,0.5\n")
    found = compute("ce", "p.csv", "y.csv", cwd=tmp_path)
    assert found.err.splitlines()[-1].endswith("for instance 'p.csv#a 1:c'")


def test_ranges_out_of_natural_order() -> None:
    names = sorted(f"p_{number}" for number in range(12))
    by_number = [names.index(f"p_{number}") for number in range(12)]
    with pytest.warns(LossctlWarning, match=r"stand as p_0, p_1, p_10, p_11, …; all 12"):
        assert choose_columns("p_0:p_11", names, "f") == by_number
    with pytest.warns(LossctlWarning):
        assert choose_columns("p_2:p_10", names, "f") == by_number[2:11]
    with pytest.raises(UsageError, match=r"12 in the file's order, 10 by number") as refused:
        choose_columns("p_0:p_9", names, "f")
    assert "f#p_0:p_11 takes all 12 by number" in refused.value.remedy
    assert "f#p_0:p_1,p_2:p_9 takes those between by number" in refused.value.remedy
    assert choose_columns("p_0:p_1,p_2:p_9", names, "f") == by_number[:10]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("p1:p3", ["p1", "x", "p2", "y", "p3"]),
        ("p3:p1", ["p3", "p2", "p1"]),
        ("p01:p10", ["p01", "p02", "p10"]),
        ("p1:s", ["p1", "p0", "s"]),
        ("a:c", ["a", "b", "c"]),
    ],
)
def test_other_ranges_are_as_the_file_has_them(text: str, names: list[str]) -> None:
    assert choose_columns(text, names, "f") == list(range(len(names)))


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_classes_in_the_order_of_their_numbers(tmp_path: Path, words: list[str]) -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(12), 5)
    labels = random.integers(0, 12, 5)
    order = sorted(range(12), key=str)
    columns = {f"prediction_{number}": scores[:, number] for number in order}
    write(tmp_path / "l.csv", encode(columns, "csv"))
    write(tmp_path / "y.csv", encode({"y": labels}, "csv"))
    words = ["log_loss" if word == "ce" else word for word in words]
    for preds in ("l.csv", "l.csv#prediction_0:prediction_11"):
        found = call(tmp_path, words, preds)
        assert found.code == 0, found.err
        assert "were taken by number, prediction_0 to prediction_11" in found.warnings[0]
        assert words[0] == "grad" or "4.37" in found.out
    found = call(tmp_path, words, "l.csv#prediction_0:prediction_9")
    assert found.code == 2
    assert "the range 'prediction_0:prediction_9' is ambiguous" in found.err
