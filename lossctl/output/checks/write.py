"""Examinations: tables and findings for people, records for programs."""

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
    EXAMINATION_FILES,
    EXAMINATION_FORMATS,
    FileFormat,
    check_format,
    pick_file_format,
)
from lossctl.output.files.records import write_delimited, write_json_lines
from lossctl.output.text.wording import read_encoding

if TYPE_CHECKING:
    from lossctl.checks.result import Examination

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


def check_output(format: str | None, target: str | PathLike[str] | None) -> FileFormat:
    """Return the format to write in, before any work; raises UsageError."""
    if target is None:
        return FileFormat(check_format(format or "table", EXAMINATION_FORMATS))
    return pick_file_format(target, format, EXAMINATION_FILES, EXAMINATION_FORMATS)


def write_examination(
    examination: Examination,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    precision: int = 6,
) -> None:
    """Write an examination to a stream, or to a file whose suffix means the format.

    ``precision`` is the number of significant digits in tables and Markdown; the other formats
    give every number in full.
    """
    if not isinstance(target, str | PathLike):
        name = check_format(format or "table", EXAMINATION_FORMATS)
        _write(examination, name, target or sys.stdout, precision)
        return
    name, compression = check_output(format, target)
    with open_text(target, compression) as stream:
        _write(examination, name, stream, precision)


def _write(examination: Examination, name: str, stream: TextIO, precision: int) -> None:
    if name == "table":
        from lossctl.output.checks.tables import print_page

        print_page(examination, stream, precision)
    elif name == "markdown":
        from lossctl.output.checks.tables import write_markdown_page

        write_markdown_page(examination, stream, precision)
    elif name == "json":
        stream.writelines(encode_examination(examination, read_encoding(stream)))
    else:
        records = read_records(examination)
        if name == "jsonl":
            write_json_lines(map(make_block, records), stream)
        else:
            flat = (make_block(_flatten(record)) for record in records)
            write_delimited(KINDS, flat, stream, "," if name == "csv" else "\t")


def encode_examination(examination: Examination, encoding: str | None) -> Iterator[str]:
    """Yield one JSON object: a key on each line, and a record on each line of a list."""
    from lossctl.checks.result import FORMAT

    encode = partial(encode_json, encoding=encoding)
    yield f'{{\n  "format": {encode(FORMAT)},\n  "version": {encode(read_version())},\n'
    for one in fields(examination):
        value = getattr(examination, one.name)
        yield f"  {encode(one.name)}: "
        if one.name in {"inputs", "findings", "baselines", "proposals"}:
            lines = [f"\n    {encode(_describe(record))}" for record in value]
            yield f"[{','.join(lines)}\n  ]" if lines else "[]"
        else:
            yield encode(value)
        yield ",\n"
    yield f'  "passed": {encode(examination.passed)}\n}}\n'


def read_records(examination: Examination) -> Iterator[Record]:
    """Yield a record for each finding, input, baseline and proposal, and one for the whole."""
    yield {
        "record": "loss",
        "name": examination.loss,
        "value": examination.value,
        "count": examination.samples,
    }
    for kind, records in (
        ("finding", examination.findings),
        ("input", examination.inputs),
        ("baseline", examination.baselines),
    ):
        for record in records:
            yield {"record": kind, **_describe(record)}
    for proposal in examination.proposals:
        yield {
            "record": "proposal",
            "name": proposal.loss,
            "message": f"{proposal.summary} {proposal.reason}",
            "commands": [proposal.command],
        }


def _describe(record: Any) -> Record:
    described = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: str(value) if name == "severity" else value for name, value in described.items()}


def _flatten(record: Record) -> Record:
    """Return a record with a text in place of each list."""
    flat = dict(record)
    if "commands" in flat:
        flat["command"] = " && ".join(flat.pop("commands")) or None
    if "evidence" in flat:
        flat["evidence"] = encode_json(flat["evidence"])
    if "shape" in flat:
        flat["shape"] = " ".join(map(str, flat["shape"]))
    return flat
