"""JSON Lines read object by object: slowly, but errors name their line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossctl.data.tables.text_file import Text
from lossctl.errors import DataError
from lossctl.findings import Location, TextFinding

NUMBER_WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
NUMBER_WORD = re.compile(rb'"(NaN|-?Infinity)"')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHOWN_CHARACTERS = 60
INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a segment, and the lines they are on."""

    rows: list[dict[str, Any]]
    lines: list[int]

    def find_misfit(self, name: str) -> Any:
        """Return the first value of a field that is not a single number, or None."""
        for row in self.rows:
            value = row.get(name)
            if isinstance(value, list) or not is_number(value):
                return value
        return None


def unquote_numbers(data: Text) -> bytes:
    """Return the text with strings such as "NaN" as bare words, as in JSON5.

    A quotation mark inside a string has a backslash before it: should the text of a string end
    in such a word, the rest is not valid JSON, and the segment is read object by object.
    """
    return NUMBER_WORD.sub(rb"\1", bytes(data))


def is_number(value: Any) -> bool:
    """Return whether a value is a number, a string such as "NaN", or missing."""
    return value is None or isinstance(value, int | float) or _is_word(value)


def read_objects(data: bytes, path: Path, first_line: int) -> Objects:
    """Parse the objects of a segment that begins on a line (from 1)."""
    rows, lines = [], []
    for line, text in enumerate(data.removeprefix(BYTE_ORDER_MARK).split(b"\n"), first_line):
        if text.strip():
            rows.append(_read_object(text, path, line))
            lines.append(line)
    return Objects(rows, lines)


def find_line(data: bytes, row: int) -> int | None:
    """Return the line (from 0) of a row; blank lines are not rows."""
    filled = (line for line, text in enumerate(data.split(b"\n")) if text.strip())
    return next((line for at, line in enumerate(filled) if at == row), None)


def to_arrow(objects: Objects, name: str, path: Path, first_row: int) -> Any:
    """Return the values of a field, which must be numbers or lists of numbers."""
    import pyarrow as pa

    values = []
    booleans: bool | None = None
    for row, one in enumerate(objects.rows):
        given = one.get(name)
        value = _to_number(given)
        if value is not None:
            boolean = isinstance(value, bool)
            if value is NOT_A_NUMBER or (booleans is not None and boolean != booleans):
                raise _reject(given, name, path, first_row + row, objects.lines[row])
            booleans = boolean
        values.append(value)
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    try:
        return pa.chunked_array([pa.array(_to_floats(values))])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path}: column {name!r} contains numbers in some rows and lists in others",
            "Write lists of one length in every row.",
        ) from error


NOT_A_NUMBER = object()


def _to_number(value: Any) -> Any:
    """Return a number, a list of numbers or None unchanged, and "NaN" and the like as numbers."""
    if isinstance(value, list):
        inner = [_to_number(one) for one in value]
        return NOT_A_NUMBER if any(one is NOT_A_NUMBER for one in inner) else inner
    if _is_word(value):
        return NUMBER_WORDS[value]
    if not is_number(value):
        return NOT_A_NUMBER
    too_large = isinstance(value, int) and not -INT64 <= value < INT64
    return float(value) if too_large else value


def _to_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_floats(one) for one in value]
    return None if value is None else float(value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value in NUMBER_WORDS


def _read_object(text: bytes, path: Path, line: int) -> dict[str, Any]:
    place = Location(line=line, file=str(path))
    try:
        value = json.loads(text, object_pairs_hook=_reject_twins)
    except UnicodeDecodeError as error:
        raise DataError(TextFinding("is not UTF-8 text", place), "Write it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            TextFinding(f"{_show(text)} is not valid JSON: {error}", place),
            "Every line needs one whole JSON object: jq -c . writes them so.",
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            TextFinding(f"{_show(text)} is not a JSON object", place),
            'Every line needs one object, as {"pred": 0.5, "target": 1}.',
        )
    return value


def _reject_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twin!r} appears twice")
    return found


def _reject(value: Any, name: str, path: Path, row: int, line: int) -> DataError:
    shown = _show(json.dumps(value, ensure_ascii=False))
    return DataError(
        TextFinding(f"{shown} is not a number", Location(row, line, name, file=str(path))),
        "Choose a numeric field, or correct the value; null, a missing key "
        'and "NaN" are missing values.',
    )


def _show(text: bytes | str) -> str:
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace").strip()
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[: SHOWN_CHARACTERS - 1]}…"
