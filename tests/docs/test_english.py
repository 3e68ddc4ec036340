"""What users read is in the field's terms: messages, help, tables, and the pages.

Where a text fails here, say it as the right-hand side of DIALECT does. A use that is right where it
stands goes into ALLOWED, with the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README, ROOT

PACKAGE = ROOT / "lossctl"
PAGES = [README, ROOT / "sample_data" / "README.md", *sorted(DOCS.glob("*.md"))]

DIALECT = {
    r"(?<![Tt]here )\b(is|are) no(?! longer| better| worse)\b": "is not a",
    r"\b[Tt]here (is|are): ": "Available: or Valid values:",
    r"\btexts\b": "strings",
    r"\bwhole numbers?\b|\b(not|holds?) whole\b": "integers",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(gradient|derivative|differentiated) by\b": "with respect to",
    r"\bdifferences of the fourth order\b": "4th-order finite differences",
    r"\bsome hundred\b": "a few hundred",
    r"\bMind\b|\b[Tt]raps?\b": "notes, pitfalls",
    r"\bagain for each\b|\bfor each cut\b": "repeatable",
    r"\bwhat names an? \w+\b": "id column",
    r"\bcut into slices\b": "slices, grouping",
    r"\bloses? most\b": "highest loss",
    r"\bright and sure\b|\bat a loss\b": "correct and confident",
    r"\bless the overlap\b|\b[Ll]ack of a margin\b": "1 − overlap, margin violation",
    r"\bthe literature\b|'s twin\b": "other, analogue",
    r"\bfades? for\b": "down-weights",
    r"\ban axis more\b": "one more axis",
    r"\bstands? (over|before|behind|under|above|below)\b": "is over, comes before, follows",
    r"\bgiven for nothing\b|\basked for twice\b": "unused, given twice",
    r"\bmatched by key\b|\bdecided by\b": "joined on KEY, worst slice",
    r"\bfalls? away\b|\bfell away\b": "is excluded",
    r"\bholds? (?!for\b)": "contains; conditions may hold",
    r"\b(is|are|was|be) told\b|\btells? of\b": "is reported, note",
    r"\bwrong \w+ quietly\b|\bclip\w* openly\b": "silently, explicitly",
    r"\b[Tt]hey part\b": "they diverge",
    r"\bbears? (the|this|these)\b": "has",
    r"\b(is|are) taken for\b|\btakes it for\b": "is read as",
    r"\bunpickled\b": "refused: pickle can run code",
    r"\bformat is not known\b": "unrecognised format",
    r"\bneeds [^;]*; missing: |; too many: ": "missing X, unexpected argument X",
    r"\b1 of 1 gate\b": "1 of 1 gates",
    r"\bof (one's|your) own\b": "custom",
    r"<(bool|str|int|float)>|\[\[[A-Z]": "names such as FILE in help",
}
"""What is not said, as a regular expression, and what is said instead."""

ALLOWED: dict[str, str] = {}
"""Texts in which such words are right, and why."""


def find_strings(source: str) -> Iterator[str]:
    """Yield the strings of a module with words in them, without docstrings.

    The values of an f-string are shown as ``…``, and its parts as one string.
    """
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            said = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value
        else:
            continue
        if id(node) not in skipped and " " in said.strip():
            yield said


def find_dialect(text: str) -> list[str]:
    """Return the words of a text that are not the field's, with what is said instead."""
    found = ((re.search(words, text), say) for words, say in DIALECT.items())
    return [f"{match[0]!r}: say {say}" for match, say in found if match]


def read_room(room: str) -> dict[str, list[str]]:
    """Return the texts of a room, a folder or a module of the package, that fail."""
    place = PACKAGE / room
    failed = {}
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        for said in find_strings(path.read_text(encoding="utf-8")):
            text = f"{path.relative_to(ROOT).as_posix()}: {said}"
            words = find_dialect(said)
            if words and text not in ALLOWED:
                failed[text] = words
    return failed


ROOMS = sorted(
    path.name
    for path in PACKAGE.iterdir()
    if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
)


@pytest.mark.parametrize("room", ROOMS)
def test_strings_of_a_room(room: str) -> None:
    assert read_room(room) == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    failed = {line: words for line in lines if (words := find_dialect(line))}
    assert failed == {}


def test_what_is_allowed_is_there() -> None:
    assert all(reason for reason in ALLOWED.values())
    said = {
        f"{path.relative_to(ROOT).as_posix()}: {text}"
        for path in PACKAGE.rglob("*.py")
        for text in find_strings(path.read_text(encoding="utf-8"))
    }
    assert {text for text in ALLOWED if text not in said} == set()


@pytest.mark.parametrize(
    "source",
    [
        "raise UsageError(f'{name} is no expression')",
        "warn('labels that are texts')",
        "help = 'predictions; again for each model'",
        "yield 'gradient by', name",
        "raise UsageError(f'{name} needs suite; missing: {argument}')",
        "Remedy('how to' ' mend it')",
    ],
)
def test_a_planted_text_is_found(source: str) -> None:
    assert any(find_dialect(text) for text in find_strings(source))


def test_docstrings_and_names_are_not_texts() -> None:
    assert [*find_strings('def mend():\n    """Mend it."""\n    return {"mend": texts}')] == []
