"""JSON Lines as sources: what counts as a number, and what is wrong with the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lossctl.data import open_sources
from lossctl.data.arrays.source import Array
from lossctl.data.formats import json_lines as json_tables
from lossctl.errors import DataError, UsageError
from tests.support.source_files import equal_bits, read_in_blocks

NAN, INF = float("nan"), float("inf")
Text = Callable[..., str]


@pytest.fixture
def text(tmp_path: Path) -> Text:
    """Return a function that writes a file and returns its path."""

    def write_text(content: str, name: str = "eval.jsonl") -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return str(tmp_path / name)

    return write_text


@pytest.fixture(params=[1, 60, 1 << 20])
def _segments(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into segments of about so many bytes."""
    monkeypatch.setattr(json_tables, "SEGMENT_BYTES", request.param)


def load(reference: str) -> Array:
    """Read one reference block by block."""
    (source,) = open_sources([reference])
    assert source.text
    return read_in_blocks(source, 3)


def refuse(reference: str) -> str:
    """Return the message of the DataError that reading ends in."""
    with pytest.raises(DataError) as caught:
        load(reference)
    return caught.value.message


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "3"], [1, 2, 3]),
        (["1", "2.5", "-3e-3"], [1, 2.5, -3e-3]),
        (["true", "false"], [1, 0]),
        (["1", "null", "3"], [1, NAN, 3]),
        (["1", '"NaN"', "3"], [1, NAN, 3]),
        (['"NaN"', '"NaN"'], [NAN, NAN]),
        (['"Infinity"', "1", '"-Infinity"', "-0.0"], [INF, 1, -INF, -0.0]),
        (["NaN", "Infinity", "-Infinity", "2"], [NAN, INF, -INF, 2]),
        (["null", "null"], [NAN, NAN]),
        (["1", "1e400"], [1, INF]),
        (["9007199254740993", "1"], [9007199254740993, 1]),
        (["1", "99999999999999999999"], [1, 1e20]),
        (["[1, 2]", "[3, 4.5]"], [[1, 2], [3, 4.5]]),
        (['[1, "NaN"]', "[null, 2]"], [[1, NAN], [NAN, 2]]),
        (["[[1, 2], [3, 4]]", "[[5, 6], [7, 8]]"], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    ],
)
def test_what_counts_as_numbers(text: Text, values: list[str], expected: list[object]) -> None:
    lines = "".join(f'{{"id": "a", "x": {value}}}\n' for value in values)
    read = load(f"{text(lines)}#x")
    assert np.array_equal(read, np.array(expected), equal_nan=True)


@pytest.mark.usefixtures("_segments")
def test_missing_keys_are_nan(text: Text) -> None:
    path = text('{"x": 1, "y": 2}\n{"y": 3}\n{}\n{"x": 4, "z": 5}\n')
    assert np.array_equal(load(f"{path}#x"), [1, NAN, NAN, 4], equal_nan=True)
    assert np.array_equal(load(f"{path}#y"), [2, 3, NAN, NAN], equal_nan=True)


@pytest.mark.usefixtures("_segments")
def test_blank_lines_carriage_returns_and_a_byte_order_mark(text: Text) -> None:
    path = text('\ufeff{"x": 1}\r\n\r\n{"x": 2}\n\n\n{"x": 3}')
    (source,) = open_sources([path])
    assert np.array_equal(read_in_blocks(source, 2), [1, 2, 3])
    assert str(source.place((1,))) == "row 1 (line 3), column 'x'"
    assert str(source.place((2,))) == "row 2 (line 6), column 'x'"


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize(
    "value", ['"0.5"', '"yes"', "{}", '["a"]', '[1, {"a": 2}]', '"nan"', '"2026-01-31"']
)
def test_values_that_are_no_numbers(text: Text, value: str) -> None:
    rows = ['{"x": 1}', "", '{"x": null}', f'{{"x": {value}}}', '{"x": 2}']
    said = refuse(text("\n".join(rows)) + "#x")
    assert f"column 'x', row 2 (line 4): {value} is not a number" in said


@pytest.mark.parametrize("value", ["true", "[1]"])
def test_kinds_do_not_mix(text: Text, value: str) -> None:
    said = refuse(text(f'{{"x": 1}}\n{{"x": {value}}}\n'))
    assert "(line 2): true is not a number" in said or "lists in others" in said


def test_lists_of_different_lengths(text: Text) -> None:
    said = refuse(text('{"x": [1, 2]}\n{"x": [1]}\n'))
    assert "row 0 has 2, row 1 has 1" in said
    assert "no list in row 1" in refuse(text('{"x": [1, "NaN"]}\n{"x": null}\n'))


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"x": 2', "is not valid JSON"),
        ("nonsense", "is not valid JSON"),
        ('{"x": 2} {"x": 3', "is not valid JSON"),
        ("[1, 2]", "is not a JSON object"),
        ('{"x": 1, "x": 2}', "the key 'x' appears twice"),
    ],
)
def test_lines_that_are_no_objects(text: Text, line: str, what: str) -> None:
    said = refuse(text(f'{{"x": 1}}\n\n{line}\n') + "#x")
    assert "line 3: " in said
    assert what in said


def test_text_in_strings_is_left_alone(text: Text) -> None:
    rows = [
        {"note": 'he said "NaN"', "x": 1},
        {"note": "NaN", "x": 2},
        {"note": '"NaN', "x": "NaN"},
        {"note": "x\\", "x": 4},
    ]
    path = text("".join(json.dumps(row) + "\n" for row in rows))
    assert np.array_equal(load(f"{path}#x"), [1, 2, NAN, 4], equal_nan=True)


def test_without_columns_all_fields_must_be_numbers(text: Text) -> None:
    path = text('{"x": 1, "y": 2}\n{"x": 3, "y": "NaN"}\n')
    assert np.array_equal(load(path), [[1, 2], [3, NAN]], equal_nan=True)
    path = text('{"id": "a7", "x": 1, "v": [1, 2]}\n')
    with pytest.raises(UsageError, match=r"'id' contains 'a7'; 'v' contains lists"):
        open_sources([path])
    with pytest.raises(UsageError, match=r"(?s)no column 'X'.*Did you mean x"):
        open_sources([f"{path}#X"])


def test_content_tells_the_format(text: Text) -> None:
    for name in ("eval", "eval.txt", "eval.json", "eval.csv"):
        assert load(text('{"x": 1}\n{"x": 2}\n', name)).tolist() == [1, 2]


def test_other_json(text: Text) -> None:
    assert "is one JSON list" in refuse(text('[{"x": 1}]', "eval.json"))
    assert "is JSON" in refuse(text('"x"', "eval.json"))
    assert "no fields and no rows" in refuse(text("{}\n{}\n"))
    assert "no fields and no rows" in refuse(text("\n\n"))


def test_types_may_change_from_segment_to_segment(
    text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_tables, "SEGMENT_BYTES", 10)
    values = [1, 2, 3.5, "NaN", 2**53 + 1, None, 7]
    path = text("".join(json.dumps({"x": value}) + "\n" for value in values))
    expected = [1, 2, 3.5, NAN, 2**53, NAN, 7]
    assert np.array_equal(load(f"{path}#x"), expected, equal_nan=True)


def test_long_lines_and_many_rows(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_tables, "BLOCK_BYTES", 64)
    values = np.random.default_rng(1).normal(size=(50, 40))
    path = text("".join(json.dumps({"v": row.tolist()}) + "\n" for row in values))
    assert equal_bits(load(path), values)


def test_a_fast_and_a_slow_segment_give_the_same_bits(text: Text) -> None:
    values = np.random.default_rng(2).normal(size=500) * 10.0 ** np.arange(-250, 250)
    lines = "".join(json.dumps({"x": value}) + "\n" for value in values.tolist())
    fast = load(f"{text(lines)}#x")
    slow = load(text(lines + '{"x": "NaN", "y": "a"}\n{"x": 1, "y": 2}\n') + "#x")
    assert equal_bits(fast, values)
    assert equal_bits(slow[:500], values)
