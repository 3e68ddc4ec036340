"""Tables of a check: findings with their repairs, inputs, baselines, suggested losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from lossctl.output.evaluation.tables import count
from lossctl.output.text.tables import Column, Grid, Row, fit_lines, print_grids, write_markdown
from lossctl.output.text.wording import fit_text, format_number, format_shape, read_encoding

if TYPE_CHECKING:
    from lossctl.checks.result import CheckResult, Finding, InputFacts

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
CALLED = {"error": "error", "warning": "warning", "info": "note"}
FEW_CLASSES = 2
MOST_PROPOSED = 5


def print_page(result: CheckResult, stream: TextIO, precision: int) -> None:
    """Print a check, coloured and fitted on a terminal, plain and complete elsewhere."""
    from lossctl.output.text.console import open_console

    grids = list(_build_grids(result, precision))
    heading = [*_describe_heading(result, precision), _summarize(result)]
    print_grids(heading, grids, stream)
    console = open_console(stream)
    for finding in result.findings:
        console.print()
        _print_finding(finding, stream)


def _print_finding(finding: Finding, stream: TextIO) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from lossctl.output.text.console import open_console

    console, encoding = open_console(stream), read_encoding(stream)
    name = CALLED[finding.severity]
    about = f" ({finding.input})" if finding.input else ""
    title = Text.assemble((f"{name}", f"bold {COLOURS[finding.severity]}"), f" {finding.code}")
    console.print(title.append(fit_text(about, encoding), "dim"), soft_wrap=True)
    lines = [finding.message, *([f"→ {finding.repair}"] if finding.repair else [])]
    for line in lines:
        console.print(Padding(Text(fit_text(line, encoding)), (0, 0, 0, 2), expand=False))
    for command in finding.commands:
        # The terminal wraps the line, so that the command can be copied in one piece.
        shown = Text.assemble(("  $ ", "dim"), (fit_text(command, encoding), "green"))
        console.print(shown, soft_wrap=True)


def write_markdown_page(result: CheckResult, stream: TextIO, precision: int) -> None:
    """Write a check in GitHub's Markdown."""
    heading = [" ".join(_describe_heading(result, precision)), _summarize(result)]
    grids = list(_build_grids(result, precision))
    if result.findings:
        grids.insert(0, _list_findings(result.findings))
    write_markdown([". ".join(heading)], grids, stream)
    encoding = read_encoding(stream)
    for finding in result.findings:
        if finding.commands:
            lines = "\n".join(finding.commands)
            text = f"\n{finding.code}:\n\n```sh\n{lines}\n```\n"
            stream.write(fit_lines(text, encoding))


def _list_findings(findings: Sequence[Finding]) -> Grid:
    columns = [
        Column(name, right=False) for name in ("", "finding", "input", "description", "repair")
    ]
    rows = [
        Row(
            [CALLED[one.severity], one.code, one.input, one.message, one.repair],
            "bad" if one.severity == "error" else "",
        )
        for one in findings
    ]
    return Grid(columns, rows, "Findings")


def _describe_heading(result: CheckResult, precision: int) -> Iterator[str]:
    line = count(result.samples, "sample")
    if result.loss:
        value = result.value
        shown = "cannot be computed" if value is None else format_number(value, precision)
        line += f", {result.loss} ({result.reduction}): {shown}"
    if result.accuracy is not None:
        line += f", accuracy {100 * result.accuracy:.1f} %"
    yield line


def _build_grids(result: CheckResult, precision: int) -> Iterator[Grid]:
    yield _show_inputs(result, precision)
    if result.baselines:
        yield _show_baselines(result, precision)
    if result.proposals:
        yield _show_proposals(result)


def _show_proposals(result: CheckResult) -> Grid:
    columns = [Column("loss", right=False), Column("description", right=False)]
    shown = result.proposals[:MOST_PROPOSED]
    rows = [Row([one.loss, one.summary]) for one in shown]
    hidden = len(result.proposals) - len(shown)
    notes = [f"… {hidden} more (-f json lists all)"] if hidden else []
    checked = result.loss.partition("(")[0] == shown[0].loss
    if not checked or all(one.severity != "error" for one in result.findings):
        notes.append(f"  $ {shown[0].command}")
    return Grid(columns, rows, "Losses that fit, best match first", notes)


def _show_inputs(result: CheckResult, precision: int) -> Grid:
    inputs = result.inputs
    odd = [name for name in ("nan", "infinite") if any(getattr(one, name) for one in inputs)]
    columns = [Column("input", right=False), Column("source", right=False)]
    columns += [Column("shape", right=False), Column("dtype", right=False)]
    columns += [Column(name) for name in ("min", "max", "mean")]
    columns += [Column({"nan": "NaN", "infinite": "inf"}[name]) for name in odd]
    digits = min(precision, 4)
    rows = []
    for one in inputs:
        numbers = (
            "-" if number is None else format_number(number, digits)
            for number in (one.minimum, one.maximum, one.mean)
        )
        cells = [one.name, one.source, format_shape(one.shape), one.dtype, *numbers]
        rows.append(Row([*cells, *(str(getattr(one, name)) for name in odd)]))
    notes = [*(note for one in inputs for note in _note_classes(one))]
    return Grid(columns, rows, notes=notes)


def _note_classes(one: InputFacts) -> Iterator[str]:
    counts = one.classes or {}
    if len(counts) < FEW_CLASSES:
        return
    least = min(counts, key=lambda place: counts[place])
    most = max(counts, key=lambda place: counts[place])
    yield (
        f"{one.name}: {len(counts)} classes, from {counts[least]} labels (class {least}) to"
        f" {counts[most]} (class {most})"
    )


def _show_baselines(result: CheckResult, precision: int) -> Grid:
    columns = [Column("predictions", right=False), Column("loss")]
    rows = []
    if result.value is not None:
        rows.append(Row(["your predictions", format_number(result.value, precision)], "good"))
    rows += [Row([one.name, format_number(one.value, precision)]) for one in result.baselines]
    exact = all(one.exact for one in result.baselines)
    return Grid(columns, rows, notes=[] if exact else ["estimated from a sample of the targets"])


def _summarize(result: CheckResult) -> str:
    counts = [
        count(number, CALLED[severity]) for severity in CALLED if (number := result.count(severity))
    ]
    return ", ".join(counts) or "No problems found."
