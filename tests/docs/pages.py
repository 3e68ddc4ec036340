"""The README and the pages of the documents as data: their command blocks and Python blocks, the
tables of losses, findings and examples.

``.ci/task docs [PAGE…]`` writes what the commands print, and the tables, into the files.
"""

from __future__ import annotations

import math
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import lossctl
from lossctl.checks.findings.catalogue import list_finding_types
from tests.support.command_line import ROOT, SAMPLE_DATA, command, environment, run, run_merged

README = ROOT / "README.md"
DOCS = ROOT / "lossctl" / "docs"
PAGES = {
    "README": README,
    "sample_data": SAMPLE_DATA / "README.md",
    **{path.stem: path for path in sorted(DOCS.glob("*.md"))},
}
TABLE = re.compile(r"(?<=<!-- losses -->\n).*?(?=<!-- /losses -->)", re.DOTALL)
FINDINGS = re.compile(r"(?<=<!-- findings -->\n).*?(?=<!-- /findings -->)", re.DOTALL)
EXAMPLES = re.compile(r"(?<=<!-- examples -->\n).*?(?=<!-- /examples -->)", re.DOTALL)
ROW = re.compile(r"^\| (.+?) \| `lossctl (compute .+?)` \| (\S+) \|$", re.MULTILINE)
"""What a command computes, the command, and the value shown."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?", re.MULTILINE)
"""A command line behind a prompt; one that ends in a backslash goes on below."""
PLAIN = re.compile(r"""lossctl (?:[^|&;<>$`*?~#!()\[\]{}\\'"\n]|(?<=\S)#|\\\n|'[^']*')*""")
"""A command line that means the same without a shell."""
END = "end of the output"
NUMBER = re.compile(r"(\d+\.\d+(?:e[-+]?\d+)?)")
FULL_DIGITS = 15
RELATIVE = 1e-12


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command line, and what the page says it prints."""

    line: str
    shown: str


def read_page(name: str) -> str:
    """Return the text of a page, or of the README."""
    return PAGES[name].read_text(encoding="utf-8")


def find_blocks(text: str, language: str) -> list[Block]:
    """Return the fenced blocks of a language, in their order."""
    return [
        Block(language, found[2], text.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(text)
        if found[1] == language
    ]


def read_commands(block: str) -> list[Command]:
    """Split a block at its prompts."""
    before, *parts = COMMAND.split(block)
    if before or not parts:
        raise ValueError(f"a block of commands begins with {PROMPT!r}, not with {before!r}")
    return [Command(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def run_commands(lines: list[str], folder: Path) -> list[str]:
    """Run command lines, and return what each prints on either stream.

    Lines of plain words need no shell, and are quicker without.
    """
    if all(PLAIN.fullmatch(line) for line in lines):
        split = [shlex.split(line.replace("\\\n", " "))[1:] for line in lines]
        return [run_merged(*words, cwd=folder) for words in split]
    return run_in_shell(lines, folder)


def run_in_shell(lines: list[str], folder: Path) -> list[str]:
    """Run command lines in one shell, and return what each prints on either stream."""
    program = " ".join(command())
    script = [f'lossctl() {{ {program} "$@"; }}']
    for line in lines:
        # What follows a command leaves its exit code for the next one to see.
        script += [f"{{ {line}\n}} 2>&1", f"code=$?; echo '{END}'; (exit $code)"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=environment(LC_ALL="C.UTF-8"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.stderr:
        raise RuntimeError(done.stderr)
    return done.stdout.split(f"{END}\n")[:-1]


def agree(actual: str, shown: str) -> bool:
    """Whether a text is the one shown, digit by digit.

    Numbers in full precision may differ in their last digits: exp and log are rounded
    differently by different processors.
    """
    got, expected = NUMBER.split(actual), NUMBER.split(shown)
    return len(got) == len(expected) and all(map(_same_piece, got, expected))


def _same_piece(got: str, expected: str) -> bool:
    if got == expected:
        return True
    if not NUMBER.fullmatch(got) or not NUMBER.fullmatch(expected):
        return False
    digits = max(len(re.sub(r"^[0.]+|e.*|\.", "", number)) for number in (got, expected))
    return digits >= FULL_DIGITS and math.isclose(float(got), float(expected), rel_tol=RELATIVE)


def read_table() -> str:
    """Return the table of losses as the registry has it."""
    return run("list", "--markdown").out


def read_findings() -> str:
    """Return the table of findings as the catalogue has them."""
    rows = [f"| `{one.code}` | {one.severity} | {one.summary} |" for one in list_finding_types()]
    return "\n".join(["| finding | severity | what it is |", "|---|---|---|", *rows]) + "\n"


def is_shown_as(value: float, shown: str) -> bool:
    """Whether a value, rounded to the digits shown, is what is shown."""
    exponent = Decimal(shown).as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(Decimal(value) - Decimal(shown)) <= Decimal(5).scaleb(exponent - 1)


def read_examples(old: str, folder: Path) -> str:
    """Return the table of a command for each loss; a value that the old one shows stays so."""
    before = {line: shown for _, line, shown in ROW.findall(old)}
    rows = ["| loss | command | value |", "|---|---|---|"]
    for one in lossctl.describe_all():
        line = one["example"].removeprefix("lossctl ")
        value = run(*shlex.split(line), "-f", "value", cwd=folder).value
        shown = before.get(line, "")
        if not shown or not is_shown_as(value, shown):
            shown = f"{value:.6g}"
        rows.append(f"| {one['key']} | `lossctl {line}` | {shown} |")
    return "\n".join(rows) + "\n"


def fill(text: str, folder: Path) -> str:
    """Return a page with the real tables, and the real output behind every prompt."""
    text = TABLE.sub(lambda _: read_table(), text)
    text = FINDINGS.sub(lambda _: read_findings(), text)
    text = EXAMPLES.sub(lambda found: read_examples(found[0], folder), text)
    return BLOCK.sub(lambda found: "".join(_fill_block(found, folder)), text)


def _fill_block(found: re.Match[str], folder: Path) -> Iterator[str]:
    if found[1] != "console":
        yield found[0]
        return
    commands = read_commands(found[2])
    outputs = run_commands([one.line for one in commands], folder)
    yield "```console\n"
    for one, output in zip(commands, outputs, strict=True):
        yield f"{PROMPT}{one.line}\n{one.shown if agree(output, one.shown) else output}"
    yield "```"


def write_pages(names: list[str]) -> None:
    """Write what is generated in the pages of these names; without names, in all."""
    unknown = [name for name in names if name not in PAGES]
    if unknown:
        sys.exit(f"no page {', '.join(unknown)}; available: {', '.join(PAGES)}")
    for name in names or PAGES:
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(shutil.copytree(SAMPLE_DATA, Path(temporary, "sample_data")))
            old = read_page(name)
            new = fill(old, copy)
        PAGES[name].write_text(new, encoding="utf-8")
        print(f"{name}: {'the same' if new == old else 'written anew'}")


if __name__ == "__main__":
    write_pages(sys.argv[1:])
