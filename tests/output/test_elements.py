"""Per-element losses in every format."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lossctl.errors import UsageError
from lossctl.output.elements import rows
from lossctl.output.elements import table as element_table
from lossctl.output.elements.write import write_elements
from tests.output.samples import SampleStream, make_result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lossctl.engine.sums.result import Result

SHAPES = [(), (0,), (1,), (12,), (4, 3), (2, 3, 2), (1, 2, 1, 4), (0, 3), (3, 0), (2, 0, 3)]
KNOWN = [True, False]


@pytest.fixture(params=["plain", "arrow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take each of the two ways in which text is made."""
    monkeypatch.setattr(rows, "_PLAIN_ROWS", 0 if request.param == "arrow" else 10**9)
    return str(request.param)


def make_losses(shape: tuple[int, ...], dtype: type = np.float64) -> NDArray[Any]:
    size = int(np.prod(shape))
    return (np.random.default_rng(size).standard_normal(shape) ** 2).astype(dtype)


def make_hard_numbers(dtype: type) -> NDArray[Any]:
    """Return numbers that are written in different forms, of every size."""
    random = np.random.default_rng(0)
    powers = 10.0 ** np.arange(-40, 38)
    whole = np.arange(300)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 999999.5, 1e-3, 1e6, 1e-4, 1e15, 1e16]
    spread = random.standard_normal(3000) * 10.0 ** random.integers(-20, 20, 3000)
    decimal = random.integers(0, 10**6, 1000) / 1000
    numbers = [powers, np.nextafter(powers, 0), whole, special, spread, decimal]
    return np.concatenate(numbers).astype(dtype)


def write(stream: SampleStream, form: str | None = None, **keywords: Any) -> str:
    out = io.StringIO()
    write_elements(stream, form, out, **keywords)
    assert stream.ended
    return out.getvalue()


def count_index(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_delimited_has_an_index(
    shape: tuple[int, ...], form: str, delimiter: str, known: bool
) -> None:
    losses = make_losses(shape)
    text = write(SampleStream(losses, length_known=known), form)
    header, *lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    assert header == [*["sample", "d1", "d2", "d3"][: len(shape)], "loss"]
    assert "\r" not in text
    assert [tuple(map(int, line[:-1])) for line in lines] == list(count_index(shape))[: losses.size]
    assert [float(line[-1]) for line in lines] == losses.reshape(-1).tolist()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shape", SHAPES)
def test_json_lines_have_an_index(shape: tuple[int, ...]) -> None:
    losses = make_losses(shape)
    records = [json.loads(line) for line in write(SampleStream(losses), "jsonl").splitlines()]
    names = ["sample", "d1", "d2", "d3"][: len(shape)]
    expected = [
        dict(zip(names, index, strict=True)) | {"loss": losses[index]}
        for index in count_index(shape)
    ]
    assert records == expected


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [1, 5, 1000])
def test_json_has_nested_elements(shape: tuple[int, ...], known: bool, block: int) -> None:
    losses = make_losses(shape)
    stream = SampleStream(losses, block, length_known=known)
    record = json.loads(write(stream, "json"))
    assert record["elements"] == losses.tolist()
    assert record["format"] == "lossctl.result/1"
    assert record["counted"] == losses.size
    assert record["shape"] == list(shape)
    assert record["value"] is None


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_are_the_shortest_that_round_trip(dtype: type) -> None:
    losses = make_hard_numbers(dtype)
    lines = write(SampleStream(losses, 999), "value").splitlines()
    assert lines == [str(number) for number in losses]


@pytest.mark.usefixtures("way")
def test_not_finite_numbers() -> None:
    losses = np.array([np.nan, np.inf, -np.inf])
    assert write(SampleStream(losses), "value") == "nan\ninf\n-inf\n"
    assert write(SampleStream(losses), "csv") == "sample,loss\n0,nan\n1,inf\n2,-inf\n"
    lines = write(SampleStream(losses), "jsonl").splitlines()
    expected = ["NaN", "Infinity", "-Infinity"]
    assert [json.loads(line)["loss"] for line in lines] == expected
    assert json.loads(write(SampleStream(losses), "json"))["elements"] == expected


def test_both_ways_meet_in_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = make_hard_numbers(np.float64).reshape(-1, 1)
    expected = write(SampleStream(losses, 100), "jsonl")
    monkeypatch.setattr(rows, "_PLAIN_ROWS", 1000)
    assert write(SampleStream(losses, 100), "jsonl") == expected


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_npy_has_the_shape(
    tmp_path: Path, shape: tuple[int, ...], known: bool, dtype: type
) -> None:
    losses = make_losses(shape, dtype)
    result = write_elements(SampleStream(losses, length_known=known), target=tmp_path / "l.npy")
    loaded = np.load(tmp_path / "l.npy", allow_pickle=False)
    assert (loaded.shape, loaded.dtype) == (shape, dtype)
    np.testing.assert_array_equal(loaded, losses)
    assert result.shape == shape


def test_npy_takes_blocks_as_they_come(tmp_path: Path) -> None:
    losses = np.arange(24.0).astype(">f8").reshape(4, 6)[:, ::2]

    class Strided(SampleStream):
        def __iter__(self) -> Iterator[NDArray[Any]]:
            yield self.array[:2]
            yield np.empty(0)
            yield self.array[2:]
            self.ended = True

    write_elements(Strided(losses), target=tmp_path / "l.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), losses)


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_parquet_has_an_index(
    tmp_path: Path, shape: tuple[int, ...], known: bool, dtype: type
) -> None:
    losses = make_losses(shape, dtype)
    write_elements(SampleStream(losses, length_known=known), target=tmp_path / "l.parquet")
    table = pq.read_table(tmp_path / "l.parquet")
    assert table.column_names == [*["sample", "d1", "d2", "d3"][: len(shape)], "loss"]
    assert table.schema.field("loss").type == pa.from_numpy_dtype(dtype)
    np.testing.assert_array_equal(table["loss"].to_numpy(), losses.reshape(-1))
    index = zip(*(table[name].to_pylist() for name in table.column_names[:-1]), strict=True)
    if shape:
        assert list(index) == list(count_index(shape))
    record = json.loads(pq.read_metadata(tmp_path / "l.parquet").metadata[b"lossctl.result"])
    assert record["counted"] == losses.size


def test_parquet_is_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossctl.output.elements.binary._ROW_GROUP", 10)
    write_elements(SampleStream(make_losses((23,))), target=tmp_path / "l.parquet")
    file = pq.ParquetFile(tmp_path / "l.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [10, 10, 3]


def read_table(text: str) -> list[list[str]]:
    """Return the cells of the lines of a printed table."""
    lines = [line for line in text.splitlines() if re.match(r"[│|] ", line)]
    return [re.split(r" +[│|] +", line.strip("│| ")) for line in lines]


@pytest.mark.parametrize("known", KNOWN)
def test_table_shows_the_first_rows(known: bool) -> None:
    losses = np.array([[0.5, 1e-17 / 3], [np.nan, 12345.678], [1.0, 2.0]])
    stream = SampleStream(losses, length_known=known)
    text = write(stream, limit=4, precision=3)
    header, *lines = read_table(text)[:5]
    assert header == ["sample", "d1", "loss"]
    assert lines == [
        ["0", "0", "0.5"],
        ["0", "1", "3.33e-18"],
        ["1", "0", "nan"],
        ["1", "1", "1.23e+04"],
    ]
    assert "\n… 2 more rows (--limit 0 shows all)\n" in text
    assert ["counted", "6"] in read_table(text)
    assert ["reduction", "none"] in read_table(text)
    widths = {len(line) for line in text.split("…")[0].splitlines()}
    assert len(widths) == 1


def test_table_shows_twenty_rows_unless_told() -> None:
    losses = np.arange(21.0)
    assert "… 1 more row (" in write(SampleStream(losses))
    assert ["19", "19"] in read_table(write(SampleStream(losses)))
    assert "more row" not in write(SampleStream(losses), limit=0)
    assert "more row" not in write(SampleStream(losses), limit=21)
    assert ["20", "20"] in read_table(write(SampleStream(losses), limit=0))


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("size", [19, 20, 21, 40, 57])
def test_long_table_is_drawn_in_pages(
    monkeypatch: pytest.MonkeyPatch, size: int, known: bool
) -> None:
    monkeypatch.setattr(element_table, "_PAGE", 20)
    # Rows that come after the columns were measured are the widest.
    losses = np.where(np.arange(size) < 30, 1.0, -1e-300 / 3)
    text = write(SampleStream(losses, 7, length_known=known), limit=0)
    table = text.splitlines()[: size + 4]
    assert {len(line) for line in table} == {len(table[0])}
    assert table[-1].startswith("╰")
    expected = [[str(row), f"{loss:.6g}"] for row, loss in enumerate(losses)]
    assert read_table(text)[1 : size + 1] == expected


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
def test_table_of_one_or_no_element(shape: tuple[int, ...]) -> None:
    cells = read_table(write(SampleStream(make_losses(shape))))
    names = [*["sample", "d1"][: len(shape)], "loss"]
    assert cells[0] == names
    assert (cells[1][0] == "loss") is (len(shape) > 0)


def test_table_in_ascii() -> None:
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="ascii", newline="")
    write_elements(SampleStream(np.arange(30.0)), None, out)
    out.flush()
    text = data.getvalue().decode("ascii")
    assert "... 10 more rows" in text
    assert read_table(text)[20] == ["19", "19"]


@pytest.mark.parametrize("name", ["l.csv", "l.tsv", "l.json", "l.jsonl"])
def test_text_file_is_what_is_printed(tmp_path: Path, name: str) -> None:
    losses = make_losses((4, 3))
    expected = write(SampleStream(losses), name.removeprefix("l."))
    for suffix in ("", ".gz", ".zst"):
        write_elements(SampleStream(losses), target=tmp_path / (name + suffix))
    assert (tmp_path / name).read_text("utf-8") == expected
    assert gzip.decompress((tmp_path / f"{name}.gz").read_bytes()).decode() == expected
    with pa.input_stream(str(tmp_path / f"{name}.zst"), compression="zstd") as packed:
        assert packed.read().decode() == expected


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize(
    "name", ["l.csv", "l.json", "l.jsonl.gz", "l.csv.zst", "l.npy", "l.parquet"]
)
def test_interrupted_file_does_not_appear(tmp_path: Path, name: str, known: bool) -> None:
    stream = SampleStream(np.arange(30.0), length_known=known, fail_at=3)
    with pytest.raises(KeyboardInterrupt):
        write_elements(stream, target=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


class ClosedPipe(io.StringIO):
    """A pipe whose reader leaves after some text."""

    def write(self, text: str) -> int:
        """Write, or find the reader gone."""
        if self.tell() > 100:
            raise BrokenPipeError
        return super().write(text)


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "value", "table"])
def test_closed_pipe_is_left_to_the_caller(form: str) -> None:
    with pytest.raises(BrokenPipeError):
        write_elements(SampleStream(np.arange(1000.0)), form, ClosedPipe())


class Endless(SampleStream):
    """Many equal blocks of which only one is in memory."""

    def __init__(self, blocks: int) -> None:
        super().__init__(np.full(20_000, 0.1))
        self.blocks = blocks
        self.shape = (blocks * len(self.array),)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the block again and again."""
        for _ in range(self.blocks):
            yield self.array

    def result(self) -> Result:
        """Return counts."""
        return make_result(reduction="none", value=None, shape=self.shape)


@pytest.mark.parametrize("name", ["l.csv", "l.json", "l.npy"])
def test_memory_is_flat(tmp_path: Path, name: str) -> None:
    def measure(blocks: int) -> int:
        tracemalloc.start()
        write_elements(Endless(blocks), target=tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    measure(1)
    assert measure(8) < 1.5 * measure(2)


def test_wrong_targets(tmp_path: Path) -> None:
    stream = SampleStream(np.arange(3.0))
    with pytest.raises(UsageError):
        write_elements(stream, "parquet", io.StringIO())
    with pytest.raises(UsageError):
        write_elements(stream, target=tmp_path / "losses")
    assert not stream.ended
