"""CSV and TSV files as sources."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.source import Array, Source
from lossctl.data.formats import csv as csv_tables
from lossctl.errors import DataError, LossctlWarning, UsageError

Text = Callable[..., str]


@pytest.fixture
def text(tmp_path: Path) -> Text:
    """Return a function that writes a file and returns its path."""

    def write_text(content: str | bytes, name: str = "eval.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_text


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into very short segments."""
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", 8)


def load(reference: str) -> Array:
    """Read one reference whole."""
    (source,) = open_sources([reference])
    array = source.whole()
    source.close()
    return array


def refuse(reference: str) -> str:
    """Return the message of the DataError that reading ends in."""
    with pytest.raises(DataError) as caught:
        (source,) = open_sources([reference])
        try:
            source.whole()
        finally:
            source.close()
    return str(caught.value)


def test_segments_read_the_same_bits_as_pandas_and_pyarrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", 100_000)
    chance = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "p": chance.normal(size=20_000) * 10.0 ** chance.integers(-300, 300, 20_000),
            "q": chance.normal(size=20_000).astype(np.float32),
            "note": np.where(chance.random(20_000) < 0.5, 'a, "b"', "line\nbreak"),
            "target": chance.integers(-5, 2**60, 20_000),
        }
    )
    table.loc[777, "q"] = np.nan
    path = tmp_path / "eval.csv"
    table.to_csv(path, index=False)
    at_once = pd.read_csv(path)
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    arrow = pyarrow.csv.read_csv(path, parse_options=options)
    sources = open_sources([f"{path}#{name}" for name in ("p", "q", "target")])
    assert [source.length for source in sources] == [None] * 3
    for source, name in zip(sources, ("p", "q", "target"), strict=True):
        read = np.concatenate([source.read(at, at + 999) for at in range(0, 20_000, 999)])
        assert read.tobytes() == at_once[name].to_numpy().tobytes()
        assert read.tobytes() == arrow[name].to_numpy().tobytes()
        assert source.length == 20_000
    scan = sources[0]._scan  # type: ignore[attr-defined]
    assert len(scan.table._segments) > 10
    for source in sources:
        source.close()


def test_length_is_known_at_once_where_the_file_is_short(text: Text) -> None:
    (source,) = open_sources([text("a\n1\n2\n")])
    assert (source.length, source.text, source.dtype) == (2, True, np.dtype(np.int64))
    source.close()


@pytest.mark.usefixtures("short_segments")
def test_types_may_change_on_the_way(text: Text) -> None:
    path = text("a,b\n1,true\n2,false\n3.5,\n4,true\n5,1\n\n6,\n")
    (a, b) = open_sources([f"{path}#a", f"{path}#b"])
    assert a.dtype == np.int64
    rows = [a.read(row, row + 1)[0] for row in range(6)]
    assert rows == [1, 2, 3.5, 4, 5, 6]
    assert a.dtype == np.float64
    assert np.array_equal(b.whole(), [1, 0, np.nan, 1, 1, np.nan], equal_nan=True)
    a.close()
    b.close()


@pytest.mark.parametrize("size", [4, 20, 1000])
def test_numbers_as_people_write_them(
    text: Text, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", size)
    cells = ["1", " 2.5 ", "+3", "-4e-3", "1.", ".5", "", " ", "NaN", "nan", '"7.5"', '""']
    infinite = ["inf", "-inf", "Infinity", "-Infinity"]
    expected = [1, 2.5, 3, -4e-3, 1, 0.5, *[np.nan] * 4, 7.5, np.nan]
    expected += [np.inf, -np.inf, np.inf, -np.inf]
    path = text("a,b\n" + "".join(f"{cell},0\n" for cell in cells + infinite))
    assert np.array_equal(load(f"{path}#a"), expected, equal_nan=True)


@pytest.mark.parametrize("cell", ["n/a", "NA", "null", "None", "1_000", "0,5", "12:30", "-", "x"])
@pytest.mark.parametrize("size", [8, 10_000])
def test_cells_that_are_no_numbers(
    text: Text, cell: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", size)
    path = text(f'id,score\na,1\n\nb,2\n"c\nd",3\ne,"{cell}"\nf,4\n')
    said = refuse(f"{path}#score")
    assert said.startswith(f"{path}: column 'score', row 3 (line 7): {cell!r} is not a number\n")


def test_dates_are_no_numbers(text: Text) -> None:
    assert "'2026-01-31' is not a number" in refuse(text("day,x\n2026-01-31,1\n") + "#day")


@pytest.mark.parametrize("size", [8, 10_000])
@pytest.mark.parametrize(("line", "count"), [("3", "1 field"), ("1,2,3", "3 fields")])
def test_ragged_lines(
    text: Text, line: str, count: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", size)
    path = text(f'a,b\n1,2\n\n"x\ny",5\n{line}\n7,8\n')
    assert f"line 6: {count} where the header has 2" in refuse(f"{path}#b")


def test_place_names_row_line_and_column(text: Text) -> None:
    path = text('note,a,b\n"x\ny",1,2\n\nz,3,4\nw,5,6\n')
    vector, matrix = open_sources([f"{path}#b", f"{path}#b,a"])
    assert str(vector.place((0,))) == "row 0 (line 2), column 'b'"
    assert str(vector.place((1,))) == "row 1 (line 5), column 'b'"
    assert str(matrix.place((2, 1))) == "row 2 (line 6), column 'a'"
    vector.close()
    matrix.close()
    assert str(vector.place((1,))) == "row 1 (line 5), column 'b'"


@pytest.mark.usefixtures("short_segments")
def test_place_of_rows_long_gone(text: Text) -> None:
    path = text("a,b\n" + "".join(f"{row},{row}\n" + "\n" * (row == 50) for row in range(100)))
    (source,) = open_sources([f"{path}#a"])
    for row in range(100):
        source.read(row, row + 1)
    assert str(source.place((3,))) == "row 3 (line 5), column 'a'"
    assert str(source.place((50,))) == "row 50 (line 52), column 'a'"
    assert str(source.place((51,))) == "row 51 (line 54), column 'a'"
    source.close()


def test_byte_order_mark_and_windows_line_ends(text: Text) -> None:
    assert np.array_equal(load(text("\ufeffa,b\r\n1,2\r\n3,4\r\n") + "#a"), [1, 3])


def test_a_last_line_without_an_end(text: Text) -> None:
    assert np.array_equal(load(text("a,b\n1,2\n3,4")), [[1, 2], [3, 4]])


def test_only_a_header(text: Text) -> None:
    assert load(text("a,b")).shape == (0, 2)
    assert load(text("a\n\n")).shape == (0,)


def test_quoted_fields(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    path = text('"a ""x""","b, c"\n"1","2"\n')
    assert np.array_equal(load(f"{path}#b, c"), [2])
    assert np.array_equal(load(f'{path}#a "x"'), [1])
    rows = "".join(f'"{"line" + chr(10) * 3}, {row}",{row}\n' for row in range(50))
    path = text("note,x\n" + rows)
    monkeypatch.setattr(csv_tables, "BLOCK_BYTES", 50)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", size)
        assert np.array_equal(load(f"{path}#x"), np.arange(50))


@pytest.mark.usefixtures("short_segments")
def test_a_lone_quotation_mark_is_text(text: Text) -> None:
    path = text('note,x\n5" pipe,1\nplain,2\n7" pipe,3\nlast "quote,4\n')
    assert np.array_equal(load(f"{path}#x"), [1, 2, 3, 4])


def test_a_quoted_field_that_never_ends(text: Text) -> None:
    said = refuse(text('note,x\na,1\n"b,2\nc,3\n') + "#x")
    assert "line 3" in said
    assert "never ends" in said


def test_duplicate_names(text: Text) -> None:
    path = text("a,b,a\n1,2,3\n")
    assert np.array_equal(load(f"{path}#b"), [2])
    assert np.array_equal(load(path), [[1, 2, 3]])
    with pytest.raises(UsageError, match="'a' appears 2 times"):
        open_sources([f"{path}#a"])


def test_a_column_without_a_name_is_not_taken_for_data(text: Text) -> None:
    path = text(",score\n0,0.5\n1,0.25\n")
    assert np.array_equal(load(f"{path}#score"), [0.5, 0.25])
    with pytest.raises(UsageError, match=r"(?s)has no name.*#score"):
        open_sources([path])


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_without_a_header(text: Text, mark: str) -> None:
    path = text(f"{mark}0.5,1\n1.5,0\n")
    with pytest.warns(LossctlWarning, match=r"no header.*called 0 to 1"):
        (source,) = open_sources([path])
    assert np.array_equal(source.read(0, 5), [[0.5, 1], [1.5, 0]])
    assert str(source.place((1, 1))) == "row 1 (line 2), column '1'"
    source.close()
    with pytest.warns(LossctlWarning, match="no header"):
        assert np.array_equal(load(f"{path}#1"), [1, 0])
    with pytest.warns(LossctlWarning, match="called 0"):
        assert np.array_equal(load(text(f"{mark}1\n2\n")), [1, 2])


@pytest.mark.usefixtures("short_segments")
def test_without_a_header_in_many_segments(text: Text) -> None:
    path = text("".join(f"{row},{row}.5\n" for row in range(1, 100)))
    with pytest.warns(LossctlWarning, match="no header"):
        first, second = open_sources([f"{path}#0", f"{path}#1"])
    for start in range(0, 99, 9):
        assert np.array_equal(first.read(start, start + 9), np.arange(start + 1, start + 10))
        assert second.read(start, start + 9)[0] == start + 1.5
    assert second.whole()[0] == 1.5, "read anew, without a second warning"
    assert str(first.place((98,))) == "row 98 (line 99), column '0'"
    first.close()
    second.close()


def test_a_header_of_positions(text: Text) -> None:
    path = text("0,1,2\n0.5,1.5,2.5\n")
    with pytest.warns(LossctlWarning, match="was read as its header"):
        assert np.array_equal(load(path), [[0.5, 1.5, 2.5]])
    path = text("0,1\n1,0\n")
    with pytest.warns(LossctlWarning, match="no header"):
        assert np.array_equal(load(path), [[0, 1], [1, 0]])


def test_delimiters(text: Text) -> None:
    assert np.array_equal(load(text("a\tb\n1\t2\n", "x.tsv")), [[1, 2]])
    said = refuse(text("a;b;c\n1;2;3\n"))
    assert "no commas but 2 semicolons" in said
    said = refuse(text("a\tb\n1\t2\n"))
    assert "1 tab:" in said
    assert "name it .tsv" in said
    assert "name it .csv" in refuse(text("a,b\n1,2\n", "x.tsv"))
    assert np.array_equal(load(text("a;b\n1\n2\n") + "#a;b"), [1, 2])


def test_files_with_no_text_in_them(text: Text) -> None:
    assert "is empty" in refuse(text(""))
    assert "is empty" in refuse(text("\n\n"))
    assert "not text" in refuse(text(b"a,b\0\n"))
    assert "UTF-16" in refuse(text("a,b\n1,2\n".encode("utf-16")))
    assert "not UTF-8 text (byte 0xe9)" in refuse(text("caf\xe9,b\n1,2\n".encode("latin-1")))


def test_other_encodings_harm_only_the_columns_they_are_in(text: Text) -> None:
    path = text("note,b\ncaf\xe9,2\n".encode("latin-1"))
    assert np.array_equal(load(f"{path}#b"), [2])
    assert "is not a number" in refuse(f"{path}#note")


def test_text_of_any_suffix_is_csv(text: Text) -> None:
    assert np.array_equal(load(text("a\n1\n", "scores.txt")), [1])


def test_very_long_lines(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "BLOCK_BYTES", 100)
    columns = 40
    path = text(
        ",".join(f"c{column}" for column in range(columns))
        + "\n"
        + "".join(",".join([f"{row}.125"] * columns) + "\n" for row in range(5))
    )
    expected = np.repeat(np.arange(5) + 0.125, columns).reshape(5, columns)
    assert np.array_equal(load(path), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_csv_out_of_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "SEGMENT_BYTES", 64)
    os.mkfifo(tmp_path / "pipe")
    content = "a,b\n" + "".join(f"{row},{row}\n" for row in range(500))
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(content,))
    writer.start()
    a, b = open_sources([f"{tmp_path}/pipe#a", f"{tmp_path}/pipe#b"])
    assert np.array_equal(a.read(0, 500), np.arange(500))
    assert np.array_equal(b.whole(), np.arange(500))
    assert str(a.place((400,))) == "row 400 (line 402), column 'a'"
    writer.join()
    a.close()
    b.close()


def test_reading_warns_of_nothing(text: Text) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source: Source
        (source,) = open_sources([text("a,b\n1,2\n")])
        source.whole()
        source.close()
