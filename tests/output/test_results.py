"""A reduced result in every format."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lossctl
from lossctl.errors import FileError, UsageError
from lossctl.output.files.fields import COLUMNS, FIELDS, encode_json
from lossctl.output.results import write_reduced
from tests.output.samples import make_result

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

KEYS = [
    "format", "version", "loss", "name", "options", "reduction", "value", "total",
    "denominator", "denominator_name", "counted", "ignored", "masked", "omitted", "clamped", "nan",
    "samples", "part", "shape", "dtype", "inputs", "warnings",
]  # fmt: skip


def write(result: Result, form: str | None = None, **keywords: Any) -> str:
    stream = io.StringIO()
    write_reduced(result, form, stream, **keywords)
    return stream.getvalue()


def read_table(text: str) -> dict[str, str]:
    """Return the rows of a printed table."""
    return dict(re.findall(r"^[│|] (\S.*?) +[│|] (.*?) +[│|]$", text, re.MULTILINE))


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not strict JSON")


def test_table_says_everything_and_the_value_first() -> None:
    rows = read_table(write(make_result()))
    assert rows == {
        "value": "0.279904",
        "loss": "ce(ignore_index=0)",
        "reduction": "mean",
        "counted": "359",
        "ignored": "41",
        "denominator": "359 (elements)",
        "samples": "400",
        "input": "logits.npy    (400, 39)",
        "target": "labels.csv#y  (400,)",
    }
    assert next(iter(rows)) == "value"


def test_table_counts_what_did_not_contribute() -> None:
    result = make_result(options={}, ignored_label=None, ignored=0, masked=2, omitted=3, clamped=4)
    rows = read_table(write(result))
    assert "ignored" not in rows
    assert (rows["masked"], rows["omitted"], rows["clamped"]) == ("2", "3 (NaN)", "4")
    assert read_table(write(make_result(ignored=0)))["ignored"] == "0"


@pytest.mark.parametrize(
    ("value", "precision", "shown"),
    [
        (0.012345678, 6, "0.0123457"),
        (1.23456789e-17, 6, "1.23457e-17"),
        (12345.678, 6, "12345.7"),
        (12345.678, 12, "12345.678"),
        (math.nan, 6, "nan"),
        (-math.inf, 6, "-inf"),
    ],
)
def test_table_has_significant_digits(value: float, precision: int, shown: str) -> None:
    assert read_table(write(make_result(value=value), precision=precision))["value"] == shown


@pytest.mark.parametrize(
    ("denominator", "shown"), [(123456789.0, "123456789"), (0.0, "0"), (0.123456789, "0.123457")]
)
def test_table_keeps_all_digits_of_a_count(denominator: float, shown: str) -> None:
    result = make_result(denominator=denominator, denominator_name="Σ weight[target]")
    assert read_table(write(result))["denominator"] == f"{shown} (Σ weight[target])"


def test_table_does_not_divide_a_sum() -> None:
    result = make_result(reduction="sum", denominator=1.0, denominator_name="a sum")
    assert "denominator" not in read_table(write(result))


def test_table_is_neither_wrapped_nor_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    source = "s3://bucket/" + "long/" * 100 + "[/x][bold]:smile:.npy"
    rows = read_table(write(make_result(inputs=(("input", source, (400, 39)),))))
    assert rows["input"] == f"{source}  (400, 39)"


def test_table_shows_control_characters() -> None:
    source = "a\x1b[31m\n\t\udcff.npy"
    text = write(make_result(inputs=(("input", source, ()),)))
    assert r"a\x1b[31m\n\t\udcff.npy" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "tsv", "value"])
def test_every_format_fits_every_encoding(form: str) -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii", newline="")
    source = "größe.npy"
    inputs = (("input", source, (1,)),)
    write_reduced(make_result(denominator_name="Σ weight", inputs=inputs), form, stream)
    stream.flush()
    text = data.getvalue().decode("ascii")
    if form == "table":
        assert text.startswith("+--")
    if form in ("table", "csv", "tsv"):
        assert "sum weight" in text
    if form.startswith("json"):
        record = json.loads(text)
        assert (record["denominator_name"], record["inputs"][0]["source"]) == ("Σ weight", source)


def test_json_has_the_documented_shape() -> None:
    record = json.loads(write(make_result(), "json"))
    assert list(record) == KEYS
    assert record["format"] == "lossctl.result/1"
    assert record["version"] == lossctl.__version__
    assert record["options"] == {"ignore_index": 0}
    assert record["value"] == 0.27990381
    assert record["inputs"][1] == {"name": "target", "source": "labels.csv#y", "shape": [400]}


def test_json_line_is_the_same_on_one_line() -> None:
    result = make_result(warnings=("one\ntwo",))
    text = write(result, "jsonl")
    assert text.count("\n") == 1
    assert json.loads(text) == json.loads(write(result, "json"))


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_is_strict(form: str) -> None:
    options = {"weight": np.array([[1.5, np.nan]], np.float32), "p": np.int64(2), "log": True}
    result = make_result(value=math.nan, total=-math.inf, denominator=math.inf, options=options)
    record = json.loads(write(result, form), parse_constant=refuse_constant)
    assert (record["value"], record["total"]) == ("NaN", "-Infinity")
    assert record["denominator"] == "Infinity"
    assert record["options"] == {"weight": [[1.5, "NaN"]], "p": 2, "log": True}


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2.0])
def test_machine_formats_round_trip(value: float) -> None:
    result = make_result(value=value)
    assert repr(float(write(result, "value"))) == repr(value)
    assert repr(json.loads(write(result, "json"))["value"]) == repr(value)
    (row,) = csv.DictReader(io.StringIO(write(result, "csv")))
    assert row["value"] == repr(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_value_that_is_not_finite(value: float) -> None:
    assert write(make_result(value=value), "value") == f"{value}\n"
    assert f",{value}," in write(make_result(value=value), "csv")


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_delimited_is_a_header_and_a_row(form: str, delimiter: str) -> None:
    name = {"weight": np.array([0.5, 1.5]), "reduction": 'a\t"b'}
    text = write(make_result(options=name), form)
    assert "\r" not in text
    (row,) = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    assert list(row) == [field.key for field in COLUMNS]
    assert row["name"].startswith("ce(weight=[0.5,1.5]")
    assert (row["counted"], row["ignored"], row["denominator"]) == ("359", "41", "359.0")


def test_columns_are_fields() -> None:
    assert [field.key for field in FIELDS if not field.sparse] == KEYS[2:]
    assert {field.key for field in COLUMNS} < set(KEYS)


def test_npy_is_one_number(tmp_path: Path) -> None:
    write_reduced(make_result(), target=tmp_path / "loss.npy")
    array = np.load(tmp_path / "loss.npy", allow_pickle=False)
    assert (array.shape, array.dtype) == ((), np.float64)
    assert array == 0.27990381


def test_parquet_is_one_row(tmp_path: Path) -> None:
    write_reduced(make_result(value=math.nan), target=tmp_path / "loss.parquet")
    (row,) = pq.read_table(tmp_path / "loss.parquet").to_pylist()
    assert list(row) == [field.key for field in COLUMNS]
    assert math.isnan(row["value"])
    assert (row["name"], row["ignored"]) == ("ce(ignore_index=0)", 41)


@pytest.mark.parametrize("form", ["csv", "tsv", "json", "jsonl"])
def test_text_file_is_what_is_printed(tmp_path: Path, form: str) -> None:
    result = make_result(denominator_name="Σ weight[target]")
    write_reduced(result, target=tmp_path / f"loss.{form}")
    assert (tmp_path / f"loss.{form}").read_bytes().decode() == write(result, form)


def test_default_is_a_table_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_reduced(make_result())
    assert capsys.readouterr().out == write(make_result(), "table")


def test_wrong_targets(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write(make_result(), "npy")
    with pytest.raises(UsageError):
        write_reduced(make_result(), target=tmp_path / "loss.txt")
    with pytest.raises(FileError):
        write_reduced(make_result(), target=tmp_path / "missing" / "loss.csv")


def test_json_escapes_what_no_encoding_has() -> None:
    assert encode_json("a\udcff") == r'"a\udcff"'
    assert encode_json("Σ") == '"Σ"'
    assert encode_json("Σ", "latin-1") == r'"\u03a3"'


def test_machine_formats_load_nothing_heavy() -> None:
    code = """
import sys
import numpy as np
from lossctl.output.elements.write import write_elements
from lossctl.output.results import write_reduced
from tests.output.samples import SampleStream, make_result
for form in ("json", "jsonl", "csv", "tsv", "value"):
    write_reduced(make_result(), form)
    write_elements(SampleStream(np.ones(3)), form)
heavy = {"rich", "pyarrow", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""
    # Other tests loaded them here already: only a process of its own can tell.
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, cwd=root)
