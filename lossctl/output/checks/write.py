"""Checks: tables and findings for people, records for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, TextIO

from lossctl.output.evaluation.records import Record, make_block
from lossctl.output.files.fields import encode_json, read_version
from lossctl.output.files.files import open_text
from lossctl.output.files.formats import (
    CHECK_FILES,
    CHECK_FORMATS,
    FileFormat,
    check_format,
    pick_file_format,
)
from lossctl.output.files.records import write_delimited, write_json_lines
from lossctl.output.text.wording import read_encoding

if TYPE_CHECKING:
    from lossctl.checks.result import CheckResult

KINDS: dict[str, type] = {
    "record": str,
    "severity": str,
    "code": str,
    "input": str,
    "message": str,
    "repair": str,
    "command": str,
    "evidence": str,
    "name": str,
    "source": str,
    "shape": str,
    "dtype": str,
    "count": int,
    "minimum": float,
    "maximum": float,
    "mean": float,
    "nan": int,
    "infinite": int,
    "constant_columns": int,
    "value": float,
    "exact": bool,
}
"""The columns of flat records, each with the type of its cells."""


EMPTY: tuple[Any, ...] = (None, "", ())
"""Values of unknown fields of a location, which are omitted."""


def check_output(format: str | None, target: str | PathLike[str] | None) -> FileFormat:
    """Return the format to write in, before any work; raises UsageError."""
    if target is None:
        return FileFormat(check_format(format or "table", CHECK_FORMATS))
    return pick_file_format(target, format, CHECK_FILES, CHECK_FORMATS)


def write_check(
    result: CheckResult,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    precision: int = 6,
) -> None:
    """Write a check to a stream, or to a file in the format of its suffix.

    ``precision`` is the number of significant digits in tables and Markdown; the other formats
    keep full precision.
    """
    if not isinstance(target, str | PathLike):
        name = check_format(format or "table", CHECK_FORMATS)
        _write(result, name, target or sys.stdout, precision)
        return
    name, compression = check_output(format, target)
    with open_text(target, compression) as stream:
        _write(result, name, stream, precision)


def _write(result: CheckResult, name: str, stream: TextIO, precision: int) -> None:
    if name == "table":
        from lossctl.output.checks.tables import print_page

        print_page(result, stream, precision)
    elif name == "markdown":
        from lossctl.output.checks.tables import write_markdown_page

        write_markdown_page(result, stream, precision)
    elif name == "json":
        stream.writelines(encode_check(result, read_encoding(stream)))
    else:
        records = read_records(result)
        if name == "jsonl":
            write_json_lines(map(make_block, records), stream)
        else:
            flat = (make_block(_flatten(record)) for record in records)
            write_delimited(KINDS, flat, stream, "," if name == "csv" else "\t")


def encode_check(result: CheckResult, encoding: str | None) -> Iterator[str]:
    """Yield one JSON object: a key on each line, and a record on each line of a list."""
    from lossctl.checks.result import FORMAT

    encode = partial(encode_json, encoding=encoding)
    yield f'{{\n  "format": {encode(FORMAT)},\n  "version": {encode(read_version())},\n'
    for one in fields(result):
        value = getattr(result, one.name)
        yield f"  {encode(one.name)}: "
        if one.name in {"inputs", "findings", "baselines", "proposals"}:
            lines = [f"\n    {encode(_describe(record))}" for record in value]
            yield f"[{','.join(lines)}\n  ]" if lines else "[]"
        else:
            yield encode(value)
        yield ",\n"
    yield f'  "passed": {encode(result.passed)}\n}}\n'


def read_records(result: CheckResult) -> Iterator[Record]:
    """Yield a record for the loss, and for each finding, input, baseline and proposal."""
    yield {
        "record": "loss",
        "name": result.loss,
        "value": result.value,
        "count": result.samples,
    }
    for kind, records in (
        ("finding", result.findings),
        ("input", result.inputs),
        ("baseline", result.baselines),
    ):
        for record in records:
            yield {"record": kind, **_describe(record)}
    for proposal in result.proposals:
        yield {
            "record": "proposal",
            "name": proposal.loss,
            "message": f"{proposal.summary} {proposal.reason}",
            "commands": [proposal.command],
        }


def _describe(record: Any) -> Record:
    described = {one.name: getattr(record, one.name) for one in fields(record)}
    if "severity" in described:
        described["severity"] = str(described["severity"])
    if described.get("place") is not None:
        place = described["place"].to_dict()
        described["place"] = {name: value for name, value in place.items() if value not in EMPTY}
    return described


def _flatten(record: Record) -> Record:
    """Return a record with a string in place of each list."""
    flat = dict(record)
    if "commands" in flat:
        flat["command"] = " && ".join(flat.pop("commands")) or None
    if "evidence" in flat:
        flat["evidence"] = encode_json(flat["evidence"])
    if "shape" in flat:
        flat["shape"] = " ".join(map(str, flat["shape"]))
    return flat
