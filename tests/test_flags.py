"""Flags belong to the command line: other rooms name options, which the output room words."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lossctl
from lossctl.findings import OptionName, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(lossctl.__file__).parent
FLAGS_ARE_MADE_IN = ("cli", "output")
FLAG = re.compile(r"(?<![\w-])--[a-z]")
ANY_FLAG = re.compile(r"(?<![\w-])--([a-z]|$)")
"""One whose name follows in a value, as well."""
SAYING = re.compile(r"Error$|Warning$|^(warn|of|Remedy|Sentence|Repair|Program|Note|Rule|Spool)$")
"""What is called to say something: an error, a warning, a remedy."""


def find_flags(source: str) -> Iterator[str]:
    """Yield the strings with a flag in what is raised, warned of or recommended.

    Strings that are returned or assigned count as well, because messages are made of them; what
    a declaration of a loss says of it (its example, its pitfalls) does not: help shows it.
    """
    found: dict[int, str] = {}
    for node in ast.walk(ast.parse(source)):
        flag = ANY_FLAG if isinstance(node, ast.Raise | ast.Call) else FLAG
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if not SAYING.search(called):
                continue
        elif not isinstance(node, ast.Raise | ast.Return | ast.Assign | ast.AugAssign):
            continue
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                found |= {id(one): one.value} if flag.search(one.value) else {}
    yield from found.values()


NAMES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in FLAGS_ARE_MADE_IN
)


def test_no_other_room_writes_flags() -> None:
    assert len(NAMES) > 200
    found = {name: [*find_flags((PACKAGE / name).read_text())] for name in NAMES}
    assert {name: flags for name, flags in found.items() if flags} == {}


@pytest.mark.parametrize(
    "source",
    [
        "raise UsageError('none', 'Add --ci 0.95.')",
        "warn(f'--where {text!r} is long')",
        "Remedy(kind, {'option': '--mask'})",
        "def hint():\n    return f'{name}: leave --id out'",
        "Sentence.of('Give a second --pred.')",
        "raise UsageError('twice', f'Leave --{key} out.')",
        "hint = 'Name it with --by.'",
    ],
)
def test_a_planted_flag_is_found(source: str) -> None:
    assert len([*find_flags(source)]) == 1


def test_an_option_is_worded_as_a_flag() -> None:
    said = Sentence.of("Add {ci}, or {squeeze}.", OptionName("ci", 0.95), OptionName("squeeze"))
    assert str(said) == "Add --ci 0.95, or --squeeze."
    asked = Sentence.of("{sample_weight} of {text!r}", OptionName("sample_weight"), text="{x}")
    assert str(asked) == "--sample-weight of '{x}'"
