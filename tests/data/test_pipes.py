"""Standard input and named pipes as sources."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossctl.data import load_array, open_sources
from lossctl.data.arrays.dtypes import raise_bfloat16
from lossctl.data.streams import spool as spools
from lossctl.errors import DataError, FileError, UsageError
from tests.support.command_line import run_process
from tests.support.source_files import (
    COMPRESSIONS,
    TABLES,
    encode,
    encode_array,
    equal_bits,
    list_open_files,
    read_in_blocks,
    read_in_pieces,
)
from tests.support.standard_input import standard_input

SCORES = np.random.default_rng(3).normal(size=5000)
LABELS = np.arange(5000) % 7
CONTENTS = {kind: encode({"score": SCORES, "label": LABELS}, kind) for kind in TABLES}
Feed = Callable[..., None]


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See that no temporary file is left behind, and none is still open."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    yield
    assert list(spool.iterdir()) == []
    assert not [path for path in list_open_files() if path.is_relative_to(spool)]


@pytest.mark.parametrize("chunk", [1, 1 << 20], ids=["slowly", "at once"])
@pytest.mark.parametrize("kind", TABLES)
def test_tables_out_of_a_pipe(kind: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, 10_000)
    with standard_input(CONTENTS[kind], max(chunk, len(CONTENTS[kind]) // 300)):
        score, label, both = open_sources(["-#score", "/dev/stdin#label", "-"])
        assert (score.name, both.name) == ("-#score", "-")
        blocks = []
        for start in range(0, 5000, 70):
            stop = start + 70
            one, two = score.read(start, stop), label.read(start, stop)
            assert np.array_equal(both.read(start, stop), np.column_stack([one, two]))
            blocks.append((one, two))
        for source in (score, label, both):
            assert source.count() == 5000
            source.close()
    assert equal_bits(np.concatenate([one for one, _ in blocks]), SCORES)
    assert equal_bits(np.concatenate([two for _, two in blocks]), LABELS)


@pytest.mark.parametrize("packed", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "arrows", "parquet"])
def test_compressed_tables_out_of_a_pipe(kind: str, packed: str) -> None:
    with standard_input(COMPRESSIONS[packed](CONTENTS[kind])):
        (source,) = open_sources(["-#score"])
        assert equal_bits(read_in_blocks(source), SCORES)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_npy_out_of_a_pipe(order: Any, pack: Callable[[bytes], bytes]) -> None:
    array = np.asarray(SCORES.reshape(1000, 5), order=order)
    with standard_input(pack(encode_array(array)), 777):
        (source,) = open_sources(["-"])
        assert source.shape == (1000, 5)
        assert equal_bits(read_in_blocks(source), array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("dtype", ["f8", "V2"])
def test_large_rows_out_of_a_pipe(
    order: Any, pack: Callable[[bytes], bytes], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "LARGE_BYTES", 1000)
    array = np.asarray(SCORES.reshape(5, 1000), order=order)
    if dtype == "V2":
        array = array.view("V2") if order == "C" else array.T.copy().view("V2").T
    with standard_input(pack(encode_array(array)), 777):
        (source,) = open_sources(["-"])
        assert source.shape == array.shape
        found = np.concatenate([source.read(row, row + 1) for row in range(len(array))])
        again = source.read_box(1, 2, (slice(3, 9),))  # it is on the disk now
        source.release(2)
        source.release_all()
        assert equal_bits(again, found[1:2, 3:9])
        assert equal_bits(source.whole(), found)
        source.close()
        expected = raise_bfloat16(array.copy()) if dtype == "V2" else array
        assert equal_bits(found, expected)


def test_large_rows_that_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "LARGE_BYTES", 1000)
    content = encode_array(SCORES.reshape(5, 1000))[:-8]
    with (
        standard_input(content),
        closing(open_sources(["-"])[0]) as source,
        pytest.raises(DataError, match=r"cut off.* 40,000 bytes, but 39,992"),
    ):
        source.read(0, 1)


def test_large_rows_in_a_member(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spools, "LARGE_BYTES", 1000)
    np.savez_compressed(tmp_path / "x.npz", score=SCORES.reshape(5, 1000))
    (source,) = open_sources([tmp_path / "x.npz"])
    assert equal_bits(read_in_blocks(source, 2), SCORES.reshape(5, 1000))


def test_members_of_an_archive_out_of_a_pipe() -> None:
    for save in (np.savez, np.savez_compressed):
        sink = io.BytesIO()
        save(sink, score=SCORES, label=LABELS)
        with standard_input(sink.getvalue()):
            score, label = open_sources(["-#score", "-#label"])
            assert equal_bits(score.whole(), SCORES)
            assert equal_bits(label.whole(), LABELS)
            score.close()
            label.close()


def test_a_short_pipe() -> None:
    with standard_input(b"x\n1\n"):
        assert load_array("-").tolist() == [1]
    with standard_input(b""), pytest.raises(DataError, match="standard input is empty"):
        open_sources(["-"])


def test_an_array_cannot_stand_for_two_inputs() -> None:
    with (
        standard_input(encode_array(SCORES)),
        pytest.raises(UsageError, match="cannot be several inputs"),
    ):
        open_sources(["-", "-"])
    with standard_input(encode_array(SCORES)), pytest.raises(UsageError, match="no columns"):
        open_sources(["-#score"])


def test_a_pipe_is_read_only_once() -> None:
    with standard_input(CONTENTS["csv"]):
        (source,) = open_sources(["-#score"])
        source.read(4000, 4100)
        assert equal_bits(source.whole(), SCORES)  # short as it is, all of it is still there
        source.close()
    with standard_input(encode_array(SCORES)):
        (source,) = open_sources(["-"])
        source.read(10, 20)
        with pytest.raises(DataError, match="can be read only once"):
            source.whole()
        source.close()


def test_rows_of_standard_input_have_lines() -> None:
    with standard_input(b"a,b\n1,2\n\n3,oops\n"):
        (source,) = open_sources(["-#a"])
        read_in_blocks(source)
        assert str(source.place((0,))).startswith("row 0")
    with (
        standard_input(b"a,b\n1,2\n\n3,oops\n"),
        pytest.raises(DataError, match=r"standard input: column 'b', row 1 \(line 4\): 'oops'"),
    ):
        open_sources(["-#b"])
    with standard_input(b'{"a": 1}\n{"a": "b"}\n'), pytest.raises(DataError, match=r"\(line 2\)"):
        open_sources(["-#a"])


def test_lines_late_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_pieces(monkeypatch, 1000)
    rows = "".join(f"{row}\n" for row in range(2000))
    with standard_input(f"a\n{rows}".encode()):
        (source,) = open_sources(["-"])
        read_in_blocks(source)
        assert str(source.place((1999,))) == "row 1999 (line 2001), column 'a'"
    with standard_input(f"a\n{rows}oops\n".encode()):
        (source,) = open_sources(["-"])
        with pytest.raises(DataError, match=r"row 2000 \(line 2002\)"):
            source.read(0, 5000)
        source.close()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_longer_than_the_window(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in_pieces(monkeypatch, 100_000)
    texts = ["ab" * size for size in (10, 3_000_000, 5, 700_000, 2_500_000, 1)]
    rows = "".join(f'{row},"{text}"\n' for row, text in enumerate(texts * 2))
    with standard_input(pack(f"x,text\n{rows}".encode())):
        (source,) = open_sources(["-#x"])
        assert read_in_blocks(source, 2).tolist() == list(range(12))


def test_tabs_are_seen_only_on_standard_input(tmp_path: Path) -> None:
    (tmp_path / "eval").write_bytes(CONTENTS["tsv"])
    with pytest.raises(DataError, match=r"(?s)1 tab.*name it .tsv"):
        open_sources([tmp_path / "eval"])


def test_a_terminal_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(UsageError, match="is a terminal"):
            open_sources(["-"])
    os.close(ours)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="nothing is piped"):
        open_sources(["-#x"])


def test_copies_of_pipes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SPOOL_BYTES", 2000)
    with (
        standard_input(CONTENTS["parquet"]),
        pytest.raises(FileError, match=r"standard input is Parquet.* is larger than.*GiB"),
    ):
        open_sources(["-#score"])


def test_a_file_that_is_broken_leaves_nothing(tmp_path: Path) -> None:
    content = CONTENTS["parquet"]
    with standard_input(content[:-10]), pytest.raises(DataError, match="broken or cut off"):
        open_sources(["-#score"])
    with standard_input(content), pytest.raises(UsageError, match="no column"):
        open_sources(["-#nothing"])


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
def test_named_pipes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CONTENTS[kind],))
    writer.start()
    (source,) = open_sources([f"{path}#score"])
    assert equal_bits(read_in_blocks(source), SCORES)
    writer.join()


def test_wrong_references() -> None:
    with pytest.raises(UsageError, match="names no column"):
        open_sources(["-#"])
    with pytest.raises(UsageError, match="cannot be one shard"):
        open_sources([["-", "x.npy"]])


@pytest.mark.parametrize("kind", TABLES)
def test_a_real_process(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"eval.{kind}").write_bytes(CONTENTS[kind])
    values = []
    for name in ("-", "/dev/stdin", f"eval.{kind}"):
        words = ("compute", "mse", "-f", "value", "--", f"{name}#score", f"{name}#label")
        done = run_process(*words, cwd=tmp_path, given=CONTENTS[kind])
        assert done.err == ""
        values.append(done.value)
    assert len(set(values)) == 1
    assert values[0] == pytest.approx(np.mean((SCORES - LABELS) ** 2), rel=1e-14)
