"""The fields of a result: one declaration that all formats share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from lossctl import __version__
from lossctl.engine.sums.result import LARGE_TENSOR
from lossctl.output.text.wording import can_encode

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

RESULT_FORMAT = "lossctl.result/1"
"""Name and version of the JSON object's shape."""

NON_FINITE = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
"""How numbers that JSON cannot represent are written."""


@dataclass(frozen=True)
class Field:
    """One fact of a result: its key in JSON, and whether it is a column of tabular files."""

    key: str
    column: bool = False
    read: Callable[[Result], Any] | None = None
    sparse: bool = False
    """Whether the field is omitted when it is empty."""

    def __call__(self, result: Result) -> Any:
        """Return the field of the result."""
        return (self.read or attrgetter(self.key))(result)


def read_version() -> str:
    """Return the version of lossctl that is running."""
    return __version__


def describe_inputs(result: Result) -> list[dict[str, Any]]:
    """Return the inputs as objects."""
    return [
        {"name": name, "source": source, "shape": shape} for name, source, shape in result.inputs
    ]


def describe_options(result: Result) -> dict[str, Any]:
    """Return the options; a large tensor as the place it came from and its shape."""
    return {
        name: {"source": result.given.get(name, "array"), "shape": value.shape}
        if isinstance(value, np.ndarray) and value.size > LARGE_TENSOR
        else value
        for name, value in result.options.items()
    }


FIELDS = (
    Field("loss"),
    Field("name", column=True),
    Field("options", read=describe_options),
    Field("reduction", column=True),
    Field("value", column=True),
    Field("total"),
    Field("denominator", column=True),
    Field("denominator_name", column=True),
    Field("transform", sparse=True),
    Field("counted", column=True),
    Field("ignored", column=True),
    Field("masked", column=True),
    Field("omitted", column=True),
    Field("clamped", column=True),
    Field("nan", column=True),
    Field("samples", column=True),
    Field("part"),
    Field("shape"),
    Field("dtype"),
    Field("inputs", read=describe_inputs),
    Field("warnings"),
)

COLUMNS = tuple(field for field in FIELDS if field.column)


def read_header() -> dict[str, str]:
    """Return what a JSON object begins with: what it is, and what wrote it."""
    return {"format": RESULT_FORMAT, "version": read_version()}


def read_record(result: Result, fields: Iterable[Field] = FIELDS) -> dict[str, Any]:
    """Return the fields of the result by their keys."""
    record = {field.key: (field, field(result)) for field in fields}
    return {key: value for key, (field, value) in record.items() if value or not field.sparse}


def encode_json(value: Any, encoding: str | None = None) -> str:
    """Return strict JSON on one line, escaped where the encoding lacks a character."""
    dump = partial(json.dumps, _make_plain(value), allow_nan=False)
    text = dump(ensure_ascii=False)
    return text if can_encode(text, encoding) else dump()


def _make_plain(value: Any) -> Any:
    """Return the value in the types that JSON has."""
    if isinstance(value, np.ndarray | np.generic):
        return _make_plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _make_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_make_plain(item) for item in value]
    if isinstance(value, float):
        special = NON_FINITE.get(repr(value))
        return value if special is None else special.strip('"')
    return value if value is None or isinstance(value, str | int) else str(value)
