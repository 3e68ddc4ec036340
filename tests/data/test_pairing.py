"""Rows of two tables that a shared column has in another order are never paired by position."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import lossctl
from lossctl.data.arrays.cells import Cells
from lossctl.data.arrays.hashes import chain, hash_column
from lossctl.data.tables import pairing
from lossctl.errors import DataError
from tests.support.command_line import run
from tests.support.source_files import TABLES, encode, read_in_pieces, write
from tests.support.standard_input import standard_input

RANDOM = np.random.default_rng(5)
ROWS = 300
PRED = RANDOM.normal(size=ROWS)
TARGET = PRED + RANDOM.normal(size=ROWS) / 10
ORDER = RANDOM.permutation(ROWS)
LATE = np.array([*range(ROWS - 2), ROWS - 1, ROWS - 2])
"""An order in which only the last two rows differ."""

IDS: dict[str, Any] = {
    "numbers": RANDOM.permutation(ROWS) + 17,
    "strings": np.array([f"patient {'x' * (number % 11)}{number}" for number in range(ROWS)]),
    "mixed": np.array([f"{number}" if number % 3 else f"a{number}" for number in range(ROWS)]),
}

COMMANDS: list[list[str]] = [
    ["compute", "rmse", "PREDS", "TRUTH"],
    ["compute", "l1", "PREDS", "TRUTH", "-r", "none", "-f", "csv"],
    ["check", "rmse", "PREDS", "TRUTH"],
    ["check", "PREDS", "TRUTH"],
    ["check", "rmse", "PREDS", "TRUTH", "--id", "preds.csv#key"],
    ["grad", "mse", "PREDS", "TRUTH"],
    ["explain", "mse", "PREDS", "TRUTH", "--row", "1"],
    ["evaluate", "--pred", "PREDS", "--target", "TRUTH", "--loss", "rmse"],
    ["evaluate", "preds.csv", "--pred", "pred", "--target", "TRUTH", "--loss", "rmse"],
    ["evaluate", "preds.csv", "--pred", "pred", "--target", "TRUTH", "--loss", "l1", "--by", "key"],
]


def write_tables(
    folder: Path, ids: Any, order: Any, kinds: tuple[str, str] = ("csv", "csv"), name: str = "key"
) -> tuple[str, str]:
    """Write predictions and targets, each beside the ids, the targets in an order of their own."""
    preds = {name: ids, "pred": PRED[: len(ids)]}
    truth = {name: np.asarray(ids)[order], "y": TARGET[: len(ids)][order]}
    write(folder / f"preds.{kinds[0]}", encode(preds, kinds[0]))
    write(folder / f"truth.{kinds[1]}", encode(truth, kinds[1]))
    return f"preds.{kinds[0]}#pred", f"truth.{kinds[1]}#y"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_refuses(tmp_path: Path, words: list[str]) -> None:
    preds, truth = write_tables(tmp_path, IDS["numbers"], ORDER)
    given = [{"PREDS": preds, "TRUTH": truth}.get(word, word) for word in words]
    found = run(*given, cwd=tmp_path)
    assert (found.code, found.out) == (3, "")
    assert "both have a column 'key', with the same 300 unique values in another order" in found.err
    assert "--on key" in found.err


def test_the_command_that_is_named_pairs_them(tmp_path: Path) -> None:
    preds, truth = write_tables(tmp_path, IDS["strings"], ORDER)
    found = run("compute", "huber", preds, truth, "--delta", "0.05", cwd=tmp_path)
    (line,) = [line for line in found.err.splitlines() if "lossctl evaluate" in line]
    _, *words = shlex.split(line[line.index("lossctl evaluate") :])
    paired = run(*words, "-f", "value", cwd=tmp_path)
    assert paired.value == pytest.approx(lossctl.compute("huber", PRED, TARGET, delta=0.05).value)
    assert paired.value < lossctl.compute("huber", PRED, TARGET[ORDER], delta=0.05).value


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("order", [ORDER, LATE], ids=["all rows", "the last rows"])
@pytest.mark.parametrize("kind", TABLES)
def test_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, order: Any, ids: str
) -> None:
    read_in_pieces(monkeypatch, 1500)
    monkeypatch.setattr(pairing, "KEPT", 100)
    monkeypatch.setattr(pairing, "HEAD", 20)
    for kinds in ((kind, kind), ("csv", kind), (kind, "parquet")):
        preds, truth = (
            str(tmp_path / name) for name in write_tables(tmp_path, IDS[ids], order, kinds)
        )
        with pytest.raises(DataError, match="300 unique values in another order"):
            lossctl.compute("mse", preds, truth)
        write_tables(tmp_path, IDS[ids], np.arange(ROWS), kinds)
        assert lossctl.compute("mse", preds, truth).value == pytest.approx(
            np.mean((PRED - TARGET) ** 2)
        )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrows"])
def test_standard_input_and_shards(tmp_path: Path, kind: str) -> None:
    _, truth = write_tables(tmp_path, IDS["numbers"], ORDER, (kind, kind))
    content = (tmp_path / f"preds.{kind}").read_bytes()
    with standard_input(content), pytest.raises(DataError, match=r"standard input and .*'key'"):
        lossctl.compute("mse", "-#pred", f"{tmp_path}/{truth}")
    for number, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        columns = {"key": IDS["numbers"][rows], "pred": PRED[rows]}
        write(tmp_path / "shards" / f"{number}.{kind}", encode(columns, kind))
    with pytest.raises(DataError, match="'key'"):
        lossctl.compute("mse", f"{tmp_path}/shards/*.{kind}#pred", f"{tmp_path}/{truth}")


def test_what_does_not_show_another_order(tmp_path: Path) -> None:
    repeated = np.arange(ROWS) // 2
    other = np.arange(ROWS)
    for ids, theirs in ((repeated, repeated[ORDER]), (other, other[ORDER] + 1), (PRED, TARGET)):
        write(tmp_path / "p.csv", encode({"key": ids, "pred": PRED}, "csv"))
        write(tmp_path / "t.csv", encode({"key": theirs, "y": TARGET}, "csv"))
        found = run("compute", "mse", "p.csv#pred", "t.csv#y", "-f", "value", cwd=tmp_path)
        assert found.value == pytest.approx(np.mean((PRED - TARGET) ** 2))
        assert not found.err


def test_a_column_in_the_same_order_shows_that_rows_belong_together(tmp_path: Path) -> None:
    ids = IDS["numbers"]
    write(tmp_path / "p.csv", encode({"key": ids, "rank": ids, "pred": PRED}, "csv"))
    write(tmp_path / "t.csv", encode({"key": ids, "rank": ids[ORDER], "y": TARGET}, "csv"))
    found = run("compute", "mse", "p.csv#pred", "t.csv#y", "-f", "value", cwd=tmp_path)
    assert found.value == pytest.approx(np.mean((PRED - TARGET) ** 2))


def test_inputs_of_the_call_are_compared_by_the_loss(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", encode({"score": PRED}, "csv"))
    write(tmp_path / "t.csv", encode({"score": PRED[ORDER]}, "csv"))
    for columns in ("", "#score"):
        found = run("compute", "mse", f"p.csv{columns}", f"t.csv{columns}", cwd=tmp_path)
        assert found.code == 0


def test_whole_tables(tmp_path: Path) -> None:
    ids = IDS["numbers"]
    for order in (np.arange(ROWS), ORDER):
        write(tmp_path / "p.csv", encode({"key": ids, "pred": PRED}, "csv"))
        write(tmp_path / "t.csv", encode({"key": ids[order], "y": TARGET[order]}, "csv"))
        found = run("compute", "mse", "p.csv", "t.csv", cwd=tmp_path)
        assert found.code == 2
        assert "'key', with the same unique values: it names the rows" in found.err
    write(tmp_path / "p.csv", encode({"id": ids, "pred": PRED}, "csv"))
    write(tmp_path / "t.csv", encode({"id": ids[ORDER], "y": TARGET[ORDER]}, "csv"))
    found = run("compute", "mse", "p.csv", "t.csv", cwd=tmp_path)
    assert found.code == 3
    assert "'id', with the same 300 unique values in another order" in found.err
    found = run(
        "evaluate", "--pred", "p.csv", "--target", "t.csv", "--loss", "mse", "--on", "id",
        "-f", "value", cwd=tmp_path,
    )  # fmt: skip
    assert found.value == pytest.approx(np.mean((PRED - TARGET) ** 2))


STRINGS = ["", "a", "b", "12345678", "123456789", "1234567890123456", "x" * 40, "é", "007", "7a"]


def test_hashes_are_the_same_however_values_are_stored() -> None:
    whole = np.array([0, 1, -1, 10, 12345, -(2**62), 10**17])
    wanted = hash_column(whole)
    for values in (
        whole.astype(object).astype(str),
        pa.array(whole),
        pa.chunked_array([whole[:3].astype(str), whole[3:].astype(str)]),
    ):
        cells = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        assert np.array_equal(hash_column(Cells(cells)), wanted)
    small = np.array([0.0, 3.0, -7.0])
    for values in (small.astype(np.float32), small.astype(np.int8), small.astype(np.int64)):
        assert np.array_equal(hash_column(values), hash_column(small))
    assert np.array_equal(hash_column(Cells(pa.array(["0", "3.0", "-7"]))), hash_column(small))


def test_hashes_of_different_strings_differ_wherever_they_are_cut() -> None:
    cells = pa.array(STRINGS)
    hashes = hash_column(Cells(cells))
    assert hashes is not None
    assert len(set(hashes.tolist())) == len(STRINGS)
    for start in range(len(STRINGS)):
        assert np.array_equal(hash_column(Cells(cells.slice(start))), hashes[start:])
        sums = chain(chain((0, 0), Cells(cells.slice(0, start))), Cells(cells.slice(start)))
        assert sums == chain((0, 0), Cells(cells))
    assert chain((0, 0), Cells(pa.array(["ab", "c"]))) != chain(
        (0, 0), Cells(pa.array(["a", "bc"]))
    )
    assert hash_column(Cells(pa.array([[1], [2]]))) is None
