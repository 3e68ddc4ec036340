"""Shards: patterns, directories and lists of files as one input."""

from __future__ import annotations

import gzip
import shutil
import warnings
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lossctl
from lossctl.data import open_sources
from lossctl.data.arrays.source import Source
from lossctl.data.references.shards import sort_naturally
from lossctl.errors import DataError, FileError, LossctlError, UsageError
from tests.support.source_files import (
    COMPRESSIONS,
    TABLES,
    TYPED_TABLES,
    encode,
    encode_array,
    equal_bits,
    list_open_files,
    read_in_blocks,
    read_in_pieces,
    write,
)

SCORES = np.random.default_rng(6).normal(size=1000)
MATRIX = SCORES.reshape(250, 4)
CUTS = [0, 3, 3, 100, 101, 640, 1000]
"""Where the shards begin; one of them is empty."""

NUMBERS = [1, 2, 3, 4, 10, 11]


def open_one(reference: Any) -> Source:
    """Open one source."""
    (source,) = open_sources([reference])
    return source


@pytest.fixture(params=[900, 1 << 20], ids=["short pieces", "long pieces"])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, request.param)


def write_tables(directory: Path, kind: str) -> None:
    """Write the scores and their row numbers as shards of a table."""
    for number, start, stop in zip(NUMBERS, CUTS, CUTS[1:], strict=False):
        columns = {"score": SCORES[start:stop], "row": np.arange(start, stop)}
        write(directory / f"part-{number}.{kind}", encode(columns, kind))


def write_arrays(directory: Path, array: Any) -> None:
    """Write an array as shards along its first axis."""
    for number, start, stop in zip(NUMBERS, CUTS, CUTS[1:], strict=False):
        write(directory / f"part-{number}.npy", encode_array(array[start:stop]))


def test_natural_order() -> None:
    names = ["part-10", "part-2", "part-1", "part-02", "a/9/x", "a/10/x", "a/9/b"]
    expected = ["a/9/b", "a/9/x", "a/10/x", "part-1", "part-02", "part-2", "part-10"]
    assert [str(path) for path in sort_naturally([Path(name) for name in names])] == expected


@pytest.mark.parametrize("rows", [1, 7, 100, 538, 5000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(tmp_path: Path, rows: int, order: Any) -> None:
    array = np.asarray(np.column_stack([SCORES, SCORES[::-1]]), order=order)
    write_arrays(tmp_path / "shards", array)
    source = open_one(f"{tmp_path}/shards/part-*.npy")
    assert (source.shape, source.dtype) == ((1000, 2), np.float64)
    assert equal_bits(read_in_blocks(source, rows), array)
    assert equal_bits(source.whole(), array)
    source.close()


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("rows", [7, 538])
@pytest.mark.parametrize("kind", TABLES)
def test_tables(tmp_path: Path, kind: str, rows: int) -> None:
    write_tables(tmp_path / "shards", kind)
    score, row, both = open_sources(
        [f"{tmp_path}/shards/*.{kind}{columns}" for columns in ("#score", "#row", "#score,row")]
    )
    assert score._scan is row._scan is both._scan  # type: ignore[attr-defined]
    known = kind in TYPED_TABLES and kind != "arrows"
    assert score.length == (1000 if known else None)
    for start in range(0, 1000, rows):
        block = score.read(start, start + rows)
        assert equal_bits(block, SCORES[start : start + rows])
        assert np.array_equal(row.read(start, start + rows), np.arange(1000)[start : start + rows])
        assert np.array_equal(both.read(start, start + rows)[:, 0], block)
    assert score.count() == 1000
    assert equal_bits(score.whole(), SCORES)
    for source in (score, row, both):
        source.close()


def test_members_of_archives(tmp_path: Path) -> None:
    for save, name in ((np.savez, "a"), (np.savez_compressed, "b")):
        for number, start, stop in zip(NUMBERS, CUTS, CUTS[1:], strict=False):
            save(tmp_path / f"{name}{number}.npz", x=SCORES[start:stop], y=np.zeros(4))
        source = open_one(f"{tmp_path}/{name}*.npz#x")
        assert source.length == 1000
        assert equal_bits(read_in_blocks(source), SCORES)


def test_directories_lists_and_deep_patterns(tmp_path: Path) -> None:
    write_arrays(tmp_path / "run/shards", MATRIX[:, :2])
    write(tmp_path / "run/shards/.hidden.npy", b"")
    write(tmp_path / "run/shards/_SUCCESS", b"")
    write(tmp_path / "run/shards/notes.txt", b"about the run")
    (tmp_path / "run/shards/more").mkdir()
    expected = MATRIX[:, :2]
    paths = [tmp_path / f"run/shards/part-{number}.npy" for number in NUMBERS]
    for reference in (
        tmp_path / "run/shards",
        f"{tmp_path}/run/shards/",
        f"{tmp_path}/**/*.npy",
        f"{tmp_path}/r?n/shards/part-[0-9]*.npy",
        paths,
        tuple(map(str, paths)),
    ):
        assert equal_bits(read_in_blocks(open_one(reference)), expected)


def test_a_list_has_the_order_it_is_given_in(tmp_path: Path) -> None:
    for name, value in (("b", 1.0), ("a", 2.0)):
        write(tmp_path / f"{name}.npy", encode_array(np.full(2, value)))
    source = open_one([f"{tmp_path}/b.npy", tmp_path / "a.npy"])
    assert source.name == f"{tmp_path}/b.npy and 1 more"
    assert read_in_blocks(source).tolist() == [1, 1, 2, 2]
    assert read_in_blocks(open_one([tmp_path / "a.npy"])).tolist() == [2, 2]
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv", b"x,y\n1,2\n")
    references = [[f"{tmp_path}/{name}.csv#{column}" for name in "ab"] for column in "xy"]
    x, y = open_sources(references)
    assert x._scan is y._scan  # type: ignore[attr-defined]
    assert (x.whole().tolist(), y.whole().tolist()) == ([1, 1], [2, 2])
    x.close()
    y.close()
    with pytest.raises(UsageError, match="different columns"):
        open_sources([[f"{tmp_path}/a.csv#x", f"{tmp_path}/b.csv#y"]])


def test_a_name_that_exists_is_no_pattern(tmp_path: Path) -> None:
    for name in ("x[1].npy", "x1.npy", "y*.npy", "yz.npy"):
        write(tmp_path / name, encode_array(np.full(1, len(name))))
    assert open_one(f"{tmp_path}/x[1].npy").whole().tolist() == [8]
    assert open_one(f"{tmp_path}/y*.npy").whole().tolist() == [6]
    assert open_one(f"{tmp_path}/x[12].npy").whole().tolist() == [6]


def test_nothing_matches(tmp_path: Path) -> None:
    write_arrays(tmp_path / "shards", SCORES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileError, match=r"(?s)no file matches.*shards contains: part-1.npy, part-2"
    ):
        open_sources([f"{tmp_path}/shards/part-*.csv"])
    with pytest.raises(FileError, match=r"(?s)no file matches.*absent does not exist"):
        open_sources([f"{tmp_path}/absent/*/part-*.csv"])
    with pytest.raises(FileError, match=r"(?s)no file in this directory.*It is empty"):
        open_sources([tmp_path / "empty"])
    write(tmp_path / "empty/notes.txt", b"a")
    with pytest.raises(FileError, match=r"(?s)no file in this directory.*Available: notes.txt"):
        open_sources([tmp_path / "empty"])
    write(tmp_path / "shards/part-1.csv.gz", gzip.compress(b"x\n1\n"))
    with pytest.raises(UsageError, match="several formats: 1 CSV, 6 NPY"):
        open_sources([tmp_path / "shards"])


def test_place_names_the_shard_and_the_row_in_it(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", np.column_stack([SCORES, SCORES]))
    source = open_one(f"{tmp_path}/a/*.npy")
    read_in_blocks(source)
    assert str(source.place((2, 1))) == f"row 2, column 1 of {tmp_path}/a/part-1.npy"
    assert str(source.place((3, 0))) == f"row 0, column 0 of {tmp_path}/a/part-3.npy"
    assert str(source.place((999, 0))) == f"row 359, column 0 of {tmp_path}/a/part-11.npy"
    write_tables(tmp_path / "b", "csv")
    source = open_one(f"{tmp_path}/b/*.csv#score")
    read_in_blocks(source)
    path = f"{tmp_path}/b/part"
    assert str(source.place((2,))) == f"row 2 (line 4) of {path}-1.csv, column 'score'"
    assert str(source.place((100,))) == f"row 0 (line 2) of {path}-4.csv, column 'score'"
    assert str(source.place((999,))) == f"row 359 (line 361) of {path}-11.csv, column 'score'"


def test_bad_cells_name_their_shard(tmp_path: Path) -> None:
    write_tables(tmp_path, "csv")
    write(tmp_path / "part-4.csv", b"score,row\n1,2\noops,3\n")
    source = open_one(f"{tmp_path}/*.csv#score")
    what = r"part-4.csv: column 'score', row 1 \(line 3\): 'oops'"
    with closing(source), pytest.raises(DataError, match=what):
        source.whole()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (np.zeros((2, 3)), r"rows of .*a.npy are 4 numbers of float64, of .*b.npy 3 numbers of"),
        (np.zeros((2, 4), np.float32), r"a.npy are .*float64, of .*b.npy .*float32"),
        (np.zeros(2), r"a.npy are 4 numbers.*b.npy single numbers"),
        (np.float64(1), r"b.npy contains one number"),
    ],
)
def test_arrays_that_differ(tmp_path: Path, other: Any, what: str) -> None:
    write(tmp_path / "a.npy", encode_array(np.zeros((5, 4))))
    write(tmp_path / "b.npy", encode_array(other))
    with pytest.raises(DataError, match=what):
        open_sources([f"{tmp_path}/*.npy"])


@pytest.mark.parametrize("nothing", [b"", b"\n\n"])
@pytest.mark.parametrize("packed", [None, *COMPRESSIONS])
def test_shards_of_json_lines_without_rows(
    tmp_path: Path, nothing: bytes, packed: str | None
) -> None:
    suffix = f"jsonl.{packed}" if packed else "jsonl"
    pack = COMPRESSIONS[packed] if packed else bytes
    for number, content in enumerate(
        [nothing, nothing, b'{"x": 1}\n{"x": 2}\n', nothing, b'{"x": 3}\n', nothing]
    ):
        write(tmp_path / f"{number}.{suffix}", pack(content))
    for reference in (f"{tmp_path}/*.{suffix}#x", f"{tmp_path}/*.{suffix}"):
        source = open_one(reference)
        assert read_in_blocks(source, 2).tolist() == [1, 2, 3]
        assert source.whole().tolist() == [1, 2, 3]
        assert str(source.place((2,))) == f"row 0 (line 1) of {tmp_path}/4.{suffix}, column 'x'"
        source.close()
    with pytest.raises(DataError, match="is empty"):
        open_sources([tmp_path / f"0.{suffix}"])
    with pytest.raises(DataError, match=r"\[01\].* all of its 2 files are empty"):
        open_sources([f"{tmp_path}/[01].{suffix}"])


@pytest.mark.parametrize("kind", ["csv", "npy", "parquet"])
def test_shards_without_bytes(tmp_path: Path, kind: str) -> None:
    content = encode_array(SCORES) if kind == "npy" else encode({"x": SCORES}, kind)
    write(tmp_path / f"0.{kind}", content)
    write(tmp_path / f"1.{kind}", b"")
    with pytest.raises(DataError, match=rf"1.{kind} is empty"):
        read_in_blocks(open_one(f"{tmp_path}/*.{kind}"))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_shards_are_compared_before_they_are_read(tmp_path: Path, kind: str) -> None:
    for number in range(4):
        columns = {"x": SCORES, "y": SCORES, "z" if number == 3 else "u": SCORES}
        write(tmp_path / f"{number}.{kind}", encode(columns, kind))
    assert len(read_in_blocks(open_one(f"{tmp_path}/*.{kind}#x"), 500)) == 4000
    source = open_one(f"{tmp_path}/*.{kind}#u")
    with closing(source), pytest.raises(DataError, match=rf"3.{kind} has x, y, z"):
        source.read(0, 1)


def test_one_number_in_every_file(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.npy", encode_array(np.float64(1)))
    with pytest.raises(DataError, match=r"a.npy contains one number"):
        open_sources([f"{tmp_path}/*.npy"])


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_differ(tmp_path: Path, kind: str) -> None:
    write(tmp_path / f"a.{kind}", encode({"x": [1.0, 2.0], "y": [1, 2]}, kind))

    def refuse(columns: dict[str, Any], what: str) -> None:
        write(tmp_path / f"b.{kind}", encode(columns, kind))
        with pytest.raises(DataError, match=what):
            read_in_blocks(open_one(f"{tmp_path}/*.{kind}#x"))

    refuse({"z": [1.0]}, rf"a.{kind} has the columns x, y, but .*b.{kind} has z")
    if kind in TYPED_TABLES:
        refuse({"x": [1, 2]}, rf"column 'x' of .*a.{kind} are .*float64, of .*b.{kind} .*int64")
    if kind not in ("csv", "tsv"):
        refuse({"x": [[1.0]]}, rf"column 'x' of .*a.{kind} are single.*b.{kind} . numbers")


def test_formats_that_differ(tmp_path: Path) -> None:
    contents = {
        "npy": encode_array(SCORES),
        **{kind: encode({"x": SCORES}, kind) for kind in ("parquet", "arrow", "csv", "jsonl")},
    }
    for kind, first in contents.items():
        for other, second in contents.items():
            if other != kind:
                write(tmp_path / "a", first)
                write(tmp_path / "b", second)
                with pytest.raises(DataError, match=r"/a and .*/b have different formats"):
                    read_in_blocks(open_one(f"{tmp_path}/[ab]"))


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", b"x,y\n1,2\n")
    write(tmp_path / "b.csv", b"z,y,x\n0,4,3\n")
    source = open_one(f"{tmp_path}/*.csv#x,y")
    assert source.whole().tolist() == [[1, 2], [3, 4]]
    source.close()


def test_only_the_first_header_is_questioned(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.csv", b"1.5,2\n3,4\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source = open_one(f"{tmp_path}/*.csv")
        assert len(read_in_blocks(source)) == 6
    assert [str(one.message)[: len(str(tmp_path)) + 6] for one in caught] == [f"{tmp_path}/a.csv"]


def test_shards_are_not_kept_open(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path / f"{number}.npz", b"")
        np.savez_compressed(tmp_path / f"{number}.npz", x=SCORES)
        write(tmp_path / f"{number}.csv", encode({"x": SCORES}, "csv"))
        write(tmp_path / f"{number}.parquet", encode({"x": SCORES}, "parquet"))
    for kind in ("npz", "csv", "parquet"):
        source = open_one(f"{tmp_path}/*.{kind}")
        most = 0
        for start in range(0, 50_000, 500):
            assert len(source.read(start, start + 500)) == 500
            most = max(most, sum(path.parent == tmp_path for path in list_open_files()))
        assert 1 <= most <= 3
        source.close()


def test_a_shard_that_vanishes(tmp_path: Path) -> None:
    write_tables(tmp_path / "t", "csv")
    write_arrays(tmp_path / "n", SCORES)
    for reference in (f"{tmp_path}/t/*.csv#score", f"{tmp_path}/n/*.npy"):
        source = open_one(reference)
        source.read(0, 2)
        shutil.rmtree(Path(reference).parent)
        with closing(source), pytest.raises(FileError, match="there is no such file"):
            source.read(2, 1000)


@pytest.mark.parametrize("kind", ["npy", *TABLES])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_loss_has_the_same_bits_for_any_sharding(
    tmp_path: Path, kind: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossctl.engine.plan.blocks.BLOCK_NUMBERS", 64)
    chance = np.random.default_rng(9)
    values = chance.normal(size=2000) * 10.0 ** chance.integers(-12, 12, 2000)
    target = tmp_path / "target.npy"
    write(target, encode_array(np.zeros(2000)))
    expected = lossctl.compute("mse", values, np.zeros(2000), threads=1).value
    for count in (1, 2, 7):
        cuts = [0, *sorted(chance.integers(0, 2000, count - 1).tolist()), 2000]
        directory = tmp_path / f"{count}"
        for number, (start, stop) in enumerate(pairwise(cuts)):
            part = values[start:stop]
            content = encode_array(part) if kind == "npy" else encode({"x": part}, kind)
            write(directory / f"{number}.{kind}", content)
        result = lossctl.compute("mse", directory, target, threads=threads)
        assert (result.value, result.samples) == (expected, 2000)


def test_unreadable_lists_are_arrays(tmp_path: Path) -> None:
    assert open_one([1, 2]).whole().tolist() == [1, 2]
    with pytest.raises(FileError, match="no such file"):
        open_sources([["a", "b"]])
    with pytest.raises(LossctlError):
        open_sources([["a", 1]])
