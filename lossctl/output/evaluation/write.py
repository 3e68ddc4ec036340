"""Evaluations: tables for people and pull requests, records for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, TextIO

from lossctl.output.evaluation.records import Columns
from lossctl.output.files.fields import encode_json, read_version
from lossctl.output.files.files import open_binary, open_text
from lossctl.output.files.formats import (
    EVALUATION_FILES,
    EVALUATION_FORMATS,
    FileFormat,
    check_format,
    pick_file_format,
)
from lossctl.output.files.records import (
    encode_record,
    write_delimited,
    write_json_lines,
    write_parquet,
)
from lossctl.output.text.wording import read_encoding

if TYPE_CHECKING:
    from lossctl.evaluation.result import Evaluation


def check_output(format: str | None, target: str | PathLike[str] | None) -> FileFormat:
    """Return the format to write in, before any work; raises UsageError."""
    if target is None:
        return FileFormat(check_format(format or "table", EVALUATION_FORMATS))
    return pick_file_format(target, format, EVALUATION_FILES, EVALUATION_FORMATS)


def write_evaluation(
    evaluation: Evaluation,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    limit: int = 20,
    precision: int = 6,
) -> None:
    """Write an evaluation to a stream, or to a file whose suffix means the format.

    ``limit`` is the number of rows in a table of slices (0: all) and ``precision`` that of the
    significant digits in tables and Markdown; the other formats give everything in full.
    """
    if not isinstance(target, str | PathLike):
        name = check_format(format or "table", EVALUATION_FORMATS)
        _write_text(evaluation, name, target or sys.stdout, limit, precision)
        return
    name, compression = check_output(format, target)
    if name == "parquet":
        columns = Columns(evaluation)
        with open_binary(target) as file:
            write_parquet(columns.kinds, columns.read_blocks(), file)
        return
    with open_text(target, compression) as stream:
        _write_text(evaluation, name, stream, limit, precision)


def _write_text(
    evaluation: Evaluation, name: str, stream: TextIO, limit: int, precision: int
) -> None:
    if name in {"table", "markdown"}:
        _write_tables(evaluation, name, stream, limit, precision)
    elif name == "json":
        stream.writelines(encode_evaluation(evaluation, read_encoding(stream)))
        stream.write("\n")
    elif name == "value":
        stream.writelines(f"{float(one.value)!r}\n" for one in evaluation.overall)
    else:
        columns = Columns(evaluation)
        blocks = columns.read_blocks()
        if name == "jsonl":
            write_json_lines(blocks, stream)
        else:
            write_delimited(columns.kinds, blocks, stream, "," if name == "csv" else "\t")


def _write_tables(
    evaluation: Evaluation, name: str, stream: TextIO, limit: int, precision: int
) -> None:
    from lossctl.output.evaluation.tables import build_grids, describe_heading
    from lossctl.output.text.tables import print_grids, write_markdown

    grids = build_grids(evaluation, limit, precision, read_encoding(stream))
    write = print_grids if name == "table" else write_markdown
    write(describe_heading(evaluation), grids, stream)


def encode_evaluation(
    evaluation: Evaluation, encoding: str | None, indent: str = ""
) -> Iterator[str]:
    """Yield one JSON object: a key on each line, and a record on each line of a list."""
    encode = partial(encode_json, encoding=encoding)
    yield "{\n"
    yield f'{indent}  "format": {encode(read_format())},\n'
    yield f'{indent}  "version": {encode(read_version())},\n'
    for one in fields(evaluation):
        if one.metadata:  # for tables only
            continue
        value = getattr(evaluation, one.name)
        yield f"{indent}  {encode(one.name)}: "
        if isinstance(value, dict | int | None) or one.name in {"models", "losses", "warnings"}:
            yield encode(value)
        else:
            yield from _encode_records(value, encoding, indent)
        yield ",\n"
    yield f'{indent}  "passed": {encode(evaluation.passed)}\n{indent}}}'


def _encode_records(records: Iterable[Any], encoding: str | None, indent: str) -> Iterator[str]:
    separator = "["
    for record in records:
        yield f"{separator}\n{indent}    {encode_record(describe_record(record), encoding)}"
        separator = ","
    yield "[]" if separator == "[" else f"\n{indent}  ]"


def describe_record(record: Any) -> dict[str, Any]:
    """Return the fields of a record, those of its interval as an object."""
    described = {name: getattr(record, name) for name in record.__dataclass_fields__}
    if described.get("interval") is not None:
        described["interval"] = describe_record(described["interval"])
    return described


def read_format() -> str:
    """Return name and version of the JSON object's shape."""
    from lossctl.evaluation.result import FORMAT

    return FORMAT
