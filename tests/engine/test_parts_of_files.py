"""Parts of files whose length only reading tells: the rows are counted first."""

from __future__ import annotations

import os
import struct
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lossctl
from lossctl.data import open_sources
from lossctl.data.tables.scan import SharedScan
from lossctl.engine.plan import blocks
from lossctl.errors import DataError, LossctlWarning, UsageError
from tests.support.command_line import run, run_shell
from tests.support.source_files import COMPRESSIONS, encode, list_open_files, read_in_pieces, write

Array = NDArray[Any]

ROWS = 5003
RANDOM = np.random.default_rng(20261122)
PRED, TRUE = (RANDOM.normal(size=ROWS) * 10.0 ** RANDOM.integers(-9, 9, ROWS) for _ in range(2))
COLUMNS = {"p": PRED, "y": TRUE}
PARTS = 7
PLAIN = ("csv", "tsv", "jsonl", "arrows")
PACKED = ("csv.gz", "csv.zst", "tsv.gz", "jsonl.gz", "jsonl.zst")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small blocks, which fit the pieces of the files nowhere."""
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", 300)
    read_in_pieces(monkeypatch, 9_000)


def save_table(
    directory: Path, kind: str, name: str = "t", first: int = 0, last: int = ROWS
) -> str:
    """Write rows of the columns to a file, and return its path."""
    form, _, packed = kind.partition(".")
    content = encode({key: values[first:last] for key, values in COLUMNS.items()}, form)
    path = directory / f"{name}.{kind}"
    return str(write(path, COMPRESSIONS[packed](content) if packed else content))


def save_array(directory: Path, name: str, array: Array) -> str:
    np.save(directory / f"{name}.npy", array)
    return str(directory / f"{name}.npy")


def wait_until_closed(directory: Path) -> None:
    """See that no file stays open; threads of pyarrow let go of a mapped one a moment later."""
    end = time.monotonic() + 5
    while still := [path for path in list_open_files() if path.is_relative_to(directory)]:
        assert time.monotonic() < end, still
        time.sleep(0.01)


def merge_parts(directory: Path, *inputs: str, parts: int = PARTS, **options: Any) -> Any:
    """Compute all parts, the last one first, and merge them."""
    for part in range(parts, 0, -1):
        state = directory / f"part-{part}.json"
        lossctl.compute("l1", *inputs, part=(part, parts), save_state=state, **options)
    wait_until_closed(directory)
    return lossctl.merge([f"{directory}/part-*.json"])


def check_bits(merged: Any, whole: Any) -> None:
    assert struct.pack("<d", merged.value) == struct.pack("<d", whole.value)
    for field in ("counted", "denominator", "samples", "shape", "inputs"):
        assert getattr(merged, field) == getattr(whole, field), field


@pytest.mark.parametrize("kind", PLAIN + PACKED)
def test_parts_of_a_table(tmp_path: Path, kind: str) -> None:
    path = save_table(tmp_path, kind)
    inputs = (f"{path}#p", f"{path}#y")
    with closing(open_sources(inputs[:1])[0]) as source:
        assert source.length is None
    whole = lossctl.compute("l1", *inputs)
    assert whole.value == lossctl.compute("l1", PRED, TRUE).value
    check_bits(merge_parts(tmp_path, *inputs), whole)


@pytest.mark.parametrize("kind", ["csv", "jsonl.gz", "arrows"])
def test_parts_of_shards(tmp_path: Path, kind: str) -> None:
    for number, (first, last) in enumerate([(0, 1), (1, 2222), (2222, 4000), (4000, ROWS)]):
        save_table(tmp_path, kind, f"t-{number}", first, last)
    inputs = (f"{tmp_path}/t-*.{kind}#p", f"{tmp_path}/t-*.{kind}#y")
    whole = lossctl.compute("l1", *inputs)
    assert whole.value == lossctl.compute("l1", PRED, TRUE).value
    check_bits(merge_parts(tmp_path, *inputs), whole)


@pytest.mark.parametrize("kind", ["csv", "tsv.gz", "jsonl", "arrows"])
def test_parts_of_a_table_and_an_array(tmp_path: Path, kind: str) -> None:
    target = save_array(tmp_path, "y", TRUE)
    weight = save_array(tmp_path, "w", np.abs(PRED))
    for inputs in (
        (f"{save_table(tmp_path, kind)}#p", target),
        (target, f"{save_table(tmp_path, kind)}#p"),
    ):
        whole = lossctl.compute("l1", *inputs, sample_weight=weight)
        check_bits(merge_parts(tmp_path, *inputs, sample_weight=weight), whole)


def test_a_weight_alone_is_a_table(tmp_path: Path) -> None:
    inputs = save_array(tmp_path, "p", PRED), save_array(tmp_path, "y", TRUE)
    weight = f"{save_table(tmp_path, 'csv')}#y"
    whole = lossctl.compute("l1", *inputs, sample_weight=weight)
    check_bits(merge_parts(tmp_path, *inputs, sample_weight=weight), whole)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_more_parts_than_rows(tmp_path: Path, rows: int) -> None:
    path = save_table(tmp_path, "csv", last=rows)
    merged = merge_parts(tmp_path, f"{path}#p", f"{path}#y", reduction="sum")
    assert merged.value == lossctl.compute("l1", PRED[:rows], TRUE[:rows], reduction="sum").value
    assert merged.samples == rows


def test_a_finding_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("p,y\n" + "1,2\n" * 4000 + "nan,2\n" + "1,2\n" * 999)
    with pytest.warns(LossctlWarning, match=r"row 4000 \(line 4002\), column 'p'"):
        merged = merge_parts(tmp_path, f"{path}#p", f"{path}#y")
    assert np.isnan(merged.value)


def test_a_missing_header_is_told_once(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"t-{number}.csv").write_text("1,2\n3,5\n" * 2000)
    inputs = (f"{tmp_path}/t-*.csv#0", f"{tmp_path}/t-*.csv#1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lossctl.compute("mse", *inputs, part="2/2", save_state=tmp_path / "s.json")
    assert len(caught) == 1
    assert "has no header" in str(caught[0].message)


def test_lengths_are_compared_before_a_part_is_worked_on(tmp_path: Path) -> None:
    long, short = save_table(tmp_path, "csv", "a"), save_table(tmp_path, "csv", "b", last=ROWS - 1)
    with pytest.raises(DataError, match=r"\(5003,\).*\(5002,\)"):
        lossctl.compute("l1", f"{long}#p", f"{short}#y", part="1/9", save_state=tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_a_part_is_worked_on_alone(tmp_path: Path) -> None:
    path = save_table(tmp_path, "csv")
    result = lossctl.compute(
        "l1", f"{path}#p", f"{path}#y", part="3/7", save_state=tmp_path / "x.json"
    )
    assert 0 < result.counted < ROWS // 4


def test_what_lies_before_a_part_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_table(tmp_path, "csv")
    kept: list[int] = []
    original = SharedScan._advance

    def advance(scan: SharedScan) -> None:
        original(scan)
        kept.append(len(scan._kept))

    monkeypatch.setattr(SharedScan, "_advance", advance)
    for squeeze in (False, True):
        merge_parts(tmp_path, f"{path}#p", f"{path}#y", squeeze=squeeze)
    assert len(kept) > 2 * PARTS * 10
    assert max(kept) <= 6  # of some 25 pieces


def test_standard_input_is_refused(tmp_path: Path) -> None:
    save_table(tmp_path, "csv")
    save_array(tmp_path, "y", TRUE)
    for inputs in ("-#p -#y", "-#p y.npy", "y.npy /dev/stdin#p"):
        done = run_shell(
            f"cat t.csv | lossctl compute l1 --part 1/2 --save-state s.json -- {inputs}", tmp_path
        )
        assert (done.code, done.out) == (2, ""), done
        assert "standard input has to be read to its end to count its rows" in done.err
        assert "\n  Write it to a file first." in done.err
    assert not (tmp_path / "s.json").exists()


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    content = Path(save_table(tmp_path, "csv", last=50)).read_bytes()
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    options: dict[str, Any] = {"part": "1/2", "save_state": tmp_path / "s.json"}
    with pytest.raises(UsageError, match=r"pipe.csv has to be .* read only once"):
        lossctl.compute("l1", f"{path}#p", np.zeros(50), **options)
    writer.join()


def test_on_the_command_line(tmp_path: Path) -> None:
    save_table(tmp_path, "csv")
    words = ("compute", "l1", "t.csv#p", "t.csv#y", "-f", "value")
    for part in range(1, 4):
        done = run(*words, "--part", f"{part}/3", "--save-state", f"{part}.json", cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
    merged = run("merge", "*.json", "-f", "value", cwd=tmp_path)
    assert (merged.code, merged.err) == (0, "")
    assert merged.out == run(*words, cwd=tmp_path).out
