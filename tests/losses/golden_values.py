"""Golden values: cases with the answers of a reference library, as JSON beside the tests.

A file holds a header (loss, version of the reference, seed) and one case a line. Numbers are
written in their shortest form that reads back the same; what JSON has no number for stands as
"NaN", "Infinity" or "-Infinity". Arrays carry dtype, shape and their elements in row order.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case

FOLDER = Path(__file__).parents[1] / "golden"
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Golden:
    """A case with the expected answer for each reduction."""

    case: Case
    expected: dict[str, Array]


def load_golden(key: str) -> list[Golden]:
    """Return the golden cases of a loss, whose arrays cannot be written to."""
    return list(_read_golden(key))


@cache
def _read_golden(key: str) -> list[Golden]:
    document = json.loads((FOLDER / f"{key}.json").read_text(encoding="utf-8"))
    found = [decode_golden(entry) for entry in document["cases"]]
    for golden in found:
        for value in (*golden.case.inputs, *golden.case.options.values()):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
    return found


def decode_golden(entry: dict[str, Any]) -> Golden:
    """Return the case that a JSON object describes."""
    inputs = tuple(decode(value) for value in entry["inputs"])
    options = {name: decode(value) for name, value in entry["options"].items()}
    expected = {name: decode_answer(value) for name, value in entry["expected"].items()}
    return Golden(Case(entry["id"], inputs, options), expected)


def decode_answer(value: Any) -> Array:
    """Return per-element losses, or one number, as an array."""
    if isinstance(value, dict):
        value = decode({"dtype": "float64", **value})
    return np.asarray(decode(value), dtype=np.float64)


def dump_golden(key: str, header: dict[str, Any], golden: list[Golden]) -> Path:
    """Write the golden cases of a loss, one a line, and return the file."""
    head = json.dumps({**header, "cases": []}).removesuffix("]}")
    lines = ",\n".join(json.dumps(encode_golden(entry), allow_nan=False) for entry in golden)
    path = FOLDER / f"{key}.json"
    path.write_text(f"{head}\n{lines}\n]}}\n", encoding="utf-8")
    return path


def encode_golden(golden: Golden) -> dict[str, Any]:
    """Return the case as a JSON object."""
    case = golden.case
    expected: dict[str, Any] = {}
    for name, value in golden.expected.items():
        expected[name] = encode_float(float(value)) if name != "none" else encode_answer(value)
    return {
        "id": case.id,
        "inputs": [encode(array) for array in case.inputs],
        "options": {name: encode(value) for name, value in case.options.items()},
        "expected": expected,
    }


def encode_answer(value: Array) -> dict[str, Any]:
    """Return per-element losses as a JSON object; they are all float64."""
    encoded: dict[str, Any] = encode(value)
    del encoded["dtype"]
    return encoded


def encode(value: Any) -> Any:
    """Return an array as an object, another option as it is."""
    if isinstance(value, np.ndarray):
        data = [encode_float(item) for item in value.reshape(-1).tolist()]
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": data}
    return encode_float(value)


def encode_float(value: Any) -> Any:
    """Return NaN and the infinities as words, everything else as it is."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def decode(value: Any) -> Any:
    """Return what ``encode`` was given."""
    if isinstance(value, dict):
        data = [WORDS[item] if isinstance(item, str) else item for item in value["data"]]
        return np.array(data, dtype=value["dtype"]).reshape(value["shape"])
    return WORDS.get(value, value) if isinstance(value, str) else value
