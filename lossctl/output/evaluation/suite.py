"""Suites: one summary of all jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, TextIO

from lossctl.output.evaluation.records import ERROR, Block, Columns
from lossctl.output.evaluation.tables import count, format_intervals, name_detail, name_interval
from lossctl.output.evaluation.write import check_output, encode_evaluation
from lossctl.output.files.fields import encode_json, read_version
from lossctl.output.files.files import open_binary, open_text
from lossctl.output.files.records import write_delimited, write_json_lines, write_parquet
from lossctl.output.text.tables import Column, Grid, Row, print_grids, write_markdown
from lossctl.output.text.wording import format_number, read_encoding

if TYPE_CHECKING:
    from lossctl.evaluation.result import Estimate
    from lossctl.evaluation.suite import JobResult, SuiteResult

FORMAT = "lossctl.suite/1"
"""Name and version of the JSON object's shape."""

__all__ = ["check_output", "write_suite"]


def write_suite(
    result: SuiteResult,
    format: str | None = None,
    target: TextIO | str | PathLike[str] | None = None,
    precision: int = 6,
) -> None:
    """Write the results of a suite's jobs to a stream, or to a file."""
    if not isinstance(target, str | PathLike):
        name, _ = check_output(format, None)
        _write_text(result, name, target or sys.stdout, precision)
        return
    name, compression = check_output(format, target)
    if name == "parquet":
        with open_binary(target) as file:
            write_parquet(_list_columns(result), _read_blocks(result), file)
        return
    with open_text(target, compression) as stream:
        _write_text(result, name, stream, precision)


def _write_text(result: SuiteResult, name: str, stream: TextIO, precision: int) -> None:
    if name in {"table", "markdown"}:
        write = print_grids if name == "table" else write_markdown
        write([_describe(result)], build_grids(result, precision), stream)
    elif name == "json":
        stream.writelines(_encode(result, read_encoding(stream)))
    elif name == "jsonl":
        write_json_lines(_read_blocks(result), stream)
    elif name == "value":
        values = (one.value for job in result.jobs for one in _list_estimates(job))
        stream.writelines(f"{float(value)!r}\n" for value in values)
    else:
        delimiter = "," if name == "csv" else "\t"
        write_delimited(_list_columns(result), _read_blocks(result), stream, delimiter)


def _list_estimates(job: JobResult) -> tuple[Estimate, ...]:
    return () if job.evaluation is None else job.evaluation.overall


def _describe(result: SuiteResult) -> str:
    passed = sum(job.passed for job in result.jobs)
    return f"{result.file}: {passed} of {count(len(result.jobs), 'job')} passed"


def build_grids(result: SuiteResult, precision: int) -> list[Grid]:
    """Return the summary of the jobs, and the gates that failed."""
    return [_summarize(result, precision), *_show_failed_gates(result, precision)]


def _summarize(result: SuiteResult, precision: int) -> Grid:
    lines: list[tuple[JobResult, Estimate | None]] = []
    for job in result.jobs:
        lines += [(job, one) for one in _list_estimates(job)] or [(job, None)]
    intervals = [None if one is None else one.interval for _, one in lines]
    head = name_interval(intervals)
    columns = [Column(name, right=False) for name in ("job", "model", "loss")]
    columns += [Column("value"), *[Column(head)] * bool(head), Column("rows")]
    columns += [Column("verdict", right=False)]
    rows, before = [], None
    for (job, one), shown in zip(lines, format_intervals(intervals, precision), strict=True):
        first = job.name != before
        before = job.name
        cells = [
            job.name if first else "",
            *(("", "", "") if one is None else _name(job, one, precision)),
        ]
        cells += [shown] * bool(head)
        cells += [str(job.evaluation.rows) if job.evaluation is not None and first else ""]
        cells += [_judge(job) if first else ""]
        rows.append(Row(cells, "" if job.passed else "bad"))
    return Grid(columns, rows)


def _name(job: JobResult, one: Estimate, precision: int) -> tuple[str, str, str]:
    loss = one.loss if job.evaluation is None else job.evaluation.call(one.loss)
    return one.model, loss, format_number(one.value, precision)


def _judge(job: JobResult) -> str:
    """Return the status of a job in a few words."""
    if job.error is not None:
        return "error"
    if job.evaluation is None:
        return "valid"
    verdicts = job.evaluation.verdicts
    failed = sum(not (one.passed or one.inconclusive) for one in verdicts)
    if failed:
        return f"{failed} of {len(verdicts)} failed"
    undecided = sum(one.inconclusive for one in verdicts)
    if undecided:
        return f"{undecided} of {len(verdicts)} inconclusive"
    return "passed" if verdicts else "done"


def _show_failed_gates(result: SuiteResult, precision: int) -> Iterator[Grid]:
    failed = [
        (job.name, one)
        for job in result.jobs
        if job.evaluation is not None
        for one in job.evaluation.verdicts
        if not one.passed
    ]
    if not failed:
        return
    columns = [Column("job", right=False), Column("gate", right=False), Column("value")]
    columns += [Column("limit"), Column(name_detail(one.detail for _, one in failed), right=False)]
    rows = []
    for name, one in failed:
        numbers = (
            "" if number is None else format_number(number, precision)
            for number in (one.value, one.limit)
        )
        rows.append(Row([name, one.condition, *numbers, one.detail], "bad"))
    undecided = any(one.inconclusive for _, one in failed)
    yield Grid(columns, rows, "Failed or inconclusive gates" if undecided else "Failed gates")


def _list_columns(result: SuiteResult) -> dict[str, type]:
    kinds: dict[str, type] = {"job": str, "record": str}
    for job in result.jobs:
        if job.evaluation is not None:
            kinds |= Columns(job.evaluation).kinds
    return kinds | {"detail": str}


def _read_blocks(result: SuiteResult) -> Iterator[Block]:
    for job in result.jobs:
        if job.error is not None:
            yield {"job": [job.name], "record": [ERROR], "detail": [job.error.message]}
        elif job.evaluation is not None:
            for block in Columns(job.evaluation).read_blocks():
                yield {"job": [job.name] * len(block["record"]), **block}


def _encode(result: SuiteResult, encoding: str) -> Iterator[str]:
    encode = partial(encode_json, encoding=encoding)
    header = {
        "format": FORMAT,
        "version": read_version(),
        "file": result.file,
        "passed": result.passed,
    }
    yield "{\n"
    yield from (f"  {encode(key)}: {encode(value)},\n" for key, value in header.items())
    separator = '  "jobs": ['
    for job in result.jobs:
        yield f"{separator}\n    {{\n"
        yield f'      "name": {encode(job.name)},\n      "passed": {encode(job.passed)},\n'
        yield f'      "error": {encode(_describe_error(job))},\n      "evaluation": '
        if job.evaluation is None:
            yield "null"
        else:
            yield from encode_evaluation(job.evaluation, encoding, indent="      ")
        yield "\n    }"
        separator = ","
    yield "\n  ]\n}\n"


def _describe_error(job: JobResult) -> dict[str, str | int] | None:
    if job.error is None:
        return None
    error = job.error
    return {"message": error.message, "remedy": error.remedy, "exit_code": int(error.exit_code)}
