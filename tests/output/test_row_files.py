"""Every row's losses in a file: streamed in chunks, and read back."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.errors import UsageError
from lossctl.output.evaluation.row_files import open_rows
from tests.support.command_line import read_json

IDS = ["a", 'b "c", d', "two\nlines", None, "x\ty"]
LOSSES = np.array([0.1, 1 / 3, 1e-300, math.nan, math.inf])


def make_chunk(start: int, ids: Any = IDS) -> dict[str, Any]:
    return {
        "row": np.arange(start, start + len(ids)),
        "id": pa.array(ids),
        "ce": LOSSES[: len(ids)],
        "net,1:mse": LOSSES[: len(ids)] * 2,
    }


def write(path: Path, *chunks: dict[str, Any]) -> None:
    with open_rows(path) as add:
        for chunk in chunks:
            add(chunk)


@pytest.mark.parametrize(("name", "delimiter"), [("csv", ","), ("tsv", "\t"), ("csv.gz", ",")])
def test_text(tmp_path: Path, name: str, delimiter: str) -> None:
    path = tmp_path / f"rows.{name}"
    write(path, make_chunk(0), make_chunk(5))
    data = path.read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    rows = list(csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter))
    assert [row["row"] for row in rows] == [str(row) for row in range(10)]
    assert [row["id"] for row in rows] == [one or "" for one in IDS] * 2
    np.testing.assert_array_equal([float(row["ce"]) for row in rows], [*LOSSES, *LOSSES])
    np.testing.assert_array_equal([float(row["net,1:mse"]) for row in rows[:5]], LOSSES * 2)


def test_lines_of_json(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", make_chunk(0), make_chunk(5))
    rows = [read_json(line) for line in (tmp_path / "rows.jsonl").read_text().split("\n")[:-1]]
    assert [row["id"] for row in rows] == IDS * 2
    assert [row["ce"] for row in rows[:5]] == [0.1, 1 / 3, 1e-300, "NaN", "Infinity"]
    assert rows[9]["row"] == 9


def test_parquet(tmp_path: Path) -> None:
    write(tmp_path / "rows.parquet", make_chunk(0), make_chunk(5))
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column_names == ["row", "id", "ce", "net,1:mse"]
    assert table["row"].to_pylist() == list(range(10))
    assert table["id"].to_pylist() == IDS * 2
    np.testing.assert_array_equal(table["ce"].to_numpy(), [*LOSSES, *LOSSES])


def test_numbers_as_ids(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", make_chunk(0, [7, 9]))
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("0,7,0.1")


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), open_rows(tmp_path / "rows.parquet") as add:
        add(make_chunk(0))
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["rows.json", "rows.npy", "rows"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    said = r"Valid suffixes: \.parquet \.csv \.tsv \.jsonl"
    with pytest.raises(UsageError, match=said), open_rows(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []
