"""The rooms of the house: who may import what, how long files are, what importing loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lossctl
from tests.support.command_line import environment

PACKAGE = Path(lossctl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {
    "losses": {"numpy"},
    "data": {"numpy", "pyarrow"},
    "engine": {"numpy", "lossctl.losses", "lossctl.data"},
    "explanation": {"numpy", "lossctl.engine", "lossctl.losses"},
    "diagnosis": {"numpy", "lossctl.engine", "lossctl.losses", "lossctl.data"},
    "evaluation": {"numpy", "pandas", "lossctl.engine", "lossctl.losses", "lossctl.data"},
    "output": {
        "rich",
        "pyarrow",
        "numpy",
        "lossctl.engine.sums.result",
        "lossctl.engine.gradients.result",
        "lossctl.checks.result",
        "lossctl.evaluation.result",
        "lossctl.evaluation.suite",
        "lossctl.explanation.result",
        "lossctl.losses.core.steps",
        "lossctl.__version__",
    },
    "cli": {
        "typer",
        "lossctl.api.computation",
        "lossctl.losses",
        "lossctl.output",
        "lossctl.__version__",
    },
}
"""What the files of a room may import, beside the standard library and lossctl.errors.

numpy is the language of results, so the output room may speak it. The command line hands what
the public API returns to the output room.
"""
STANDARD = {*sys.stdlib_module_names, "_typeshed"}
OPEN_TO_ALL = "lossctl.errors"
EXCEPTIONS = {
    ("losses/declaration.py", "lossctl"): "a loss, called, is a call of the public API",
    ("cli/root.py", "lossctl"): "the public API itself",
}
LONGEST_FILE = 400
HEAVY = ("numpy", "pandas", "pyarrow", "rich", "typer")


def find_imports(source: str) -> Iterator[str]:
    """Yield the full names of all that a file imports, inside of functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the room they reach into"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def find_trespasses(name: str, source: str) -> list[str]:
    """Return what a file of a room imports against the plan of the house."""
    room = name.partition("/")[0]
    allowed = (*ROOMS[room], f"lossctl.{room}", OPEN_TO_ALL)
    return [
        imported
        for imported in find_imports(source)
        if imported.partition(".")[0] not in STANDARD
        and not any(f"{imported}.".startswith(f"{one}.") for one in allowed)
        and (name, imported) not in EXCEPTIONS
    ]


def files_in_rooms() -> list[str]:
    names = (path.relative_to(PACKAGE).as_posix() for path in FILES)
    return [name for name in names if "/" in name]


@pytest.mark.parametrize("name", files_in_rooms())
def test_imports_stay_within_the_plan(name: str) -> None:
    assert find_trespasses(name, (PACKAGE / name).read_text(encoding="utf-8")) == []


def test_every_room_is_on_the_plan() -> None:
    assert {name.partition("/")[0] for name in files_in_rooms()} == set(ROOMS)


def test_every_exception_is_needed() -> None:
    for name, imported in EXCEPTIONS:
        assert imported in set(find_imports((PACKAGE / name).read_text(encoding="utf-8"))), name


@pytest.mark.parametrize(
    ("name", "source", "trespass"),
    [
        ("losses/new.py", "import pandas", "pandas"),
        (
            "losses/new.py",
            "from lossctl.engine.plan.blocks import cut",
            "lossctl.engine.plan.blocks.cut",
        ),
        ("losses/new.py", "def f():\n    import lossctl", "lossctl"),
        ("data/new.py", "from lossctl import losses", "lossctl.losses"),
        ("engine/new.py", "import rich.table", "rich.table"),
        ("engine/new.py", "from lossctl.output import tables", "lossctl.output.text.console"),
        ("explanation/new.py", "import lossctl.data", "lossctl.data"),
        ("evaluation/new.py", "import pyarrow", "pyarrow"),
        ("evaluation/new.py", "from lossctl.output import rows", "lossctl.output.elements.rows"),
        (
            "output/new.py",
            "from lossctl.engine.plan.plan import Plan",
            "lossctl.engine.plan.plan.Plan",
        ),
        ("cli/new.py", "import numpy as np", "numpy"),
        ("cli/new.py", "import typerx", "typerx"),
    ],
)
def test_trespasses_are_found(name: str, source: str, trespass: str) -> None:
    assert find_trespasses(name, source) == [trespass]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("statement", ["import lossctl", "import lossctl.errors"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == []
