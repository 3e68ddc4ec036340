"""The rooms of the house: who may import what, circles, names, lengths, what importing loads.

The rules are read from the table in ``lossctl/docs/architecture.md``, and the names that several
modules may share from the one in ``lossctl/docs/glossary.md``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import lossctl
from tests.support.command_line import environment

PACKAGE = Path(lossctl.__file__).parent
DOCS = PACKAGE / "docs"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]
STANDARD = {*sys.stdlib_module_names, "_typeshed"}
EXCEPTED = "lossctl"
"""``lossctl/__init__.py``, which hands names on; no room imports it but for its version."""
OPEN_TO_ALL = {"lossctl.errors", "lossctl.findings", "lossctl.__version__"}
LONGEST_FILE = 400
MOST_MODULES = 14
HEAVY = ("numpy", "pandas", "pyarrow", "rich", "typer")


def read_rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of a page of the documents."""
    section = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    lines = section.partition("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return rows[1:]


def read_code(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def read_rooms() -> dict[str, set[str]]:
    """Return what the modules of each room may import, as the table of the page has it."""
    rows = read_rows("architecture.md", "The table of rooms")
    own = {name.rstrip("/") for row in rows for name in read_code(row[0])}
    rooms = {}
    for row in rows:
        of_row = [name.rstrip("/") for name in read_code(row[0])]
        allowed = [*of_row, *(name.rstrip("/") for name in read_code(row[2]))]
        for room in of_row:
            rooms[room] = {
                f"lossctl.{name.replace('/', '.')}" if name.partition("/")[0] in own else name
                for name in allowed
            }
    return rooms


ROOMS = read_rooms()


def name_module(name: str) -> str:
    """Return the dotted name of the module in a file."""
    return ".".join(("lossctl", *name.removesuffix(".py").split("/"))).removesuffix(".__init__")


MODULES = {name_module(name): name for name in NAMES}


def find_room(module: str) -> str:
    """Return the room of a module: the first part of its name below the package."""
    return module.split(".")[1]


@cache
def find_imports(source: str) -> list[str]:
    """Return the full names of all that a file imports.

    Imports inside of functions and those for type checkers count, and so does a string that is
    the name of a module of the package, by which it is imported later.
    """
    return list(_find_imports(source))


def _find_imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the room they reach into"
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.partition(":")[0]
            if name.startswith("lossctl.") and name in MODULES:
                yield name


def find_trespasses(name: str, source: str) -> list[str]:
    """Return what a file of the package imports against the table."""
    room = find_room(name_module(name))
    allowed = (*ROOMS[room], *OPEN_TO_ALL)
    return [
        imported
        for imported in find_imports(source)
        if imported.partition(".")[0] not in STANDARD
        and not any(f"{imported}.".startswith(f"{one}.") for one in allowed)
    ]


def read_source(module: str) -> str:
    return (PACKAGE / MODULES[module]).read_text(encoding="utf-8")


def find_module(imported: str) -> str | None:
    """Return the module of the package that an imported name is, or is a part of."""
    while imported not in MODULES:
        imported = imported.rpartition(".")[0]
        if not imported:
            return None
    return imported


def draw_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which modules of the package each module imports by name."""
    graph = {}
    for module, source in sources.items():
        found = {find_module(one) for one in find_imports(source) if one not in OPEN_TO_ALL}
        graph[module] = {one for one in found if one is not None} - {module, EXCEPTED}
    return graph


def find_circles(graph: Mapping[str, Iterable[str]]) -> set[tuple[str, str]]:
    """Return the imports, from a module to another, that close a circle."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for one in set(graph.get(waiting.pop(), ())) - seen:
                seen.add(one)
                waiting.append(one)
        reached[start] = seen
    return {(one, other) for one in graph for other in graph[one] if one in reached.get(other, ())}


def group_modules() -> dict[str, list[str]]:
    """Return the modules of each folder, without ``__init__``."""
    folders = defaultdict(list)
    for name in NAMES:
        folder, _, file = f"./{name}".rpartition("/")
        if not file.startswith("__init__"):
            folders[folder].append(file)
    return folders


def find_shared_names(sources: Mapping[str, str]) -> set[str]:
    """Return the names that several modules bear, or several public classes."""
    places = defaultdict(set)
    for module, source in sources.items():
        if not MODULES.get(module, module).endswith("__init__.py"):
            places[module.rpartition(".")[2]].add(module)
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(module)
    return {name for name, modules in places.items() if len(modules) > 1}


SOURCES = {module: read_source(module) for module in MODULES}


@cache
def read_graph() -> dict[str, set[str]]:
    """Return which modules the modules of the package import."""
    return draw_graph({key: source for key, source in SOURCES.items() if key != EXCEPTED})


@pytest.mark.parametrize("module", [one for one in MODULES if one != EXCEPTED])
def test_imports_stay_within_the_table(module: str) -> None:
    assert find_trespasses(MODULES[module], SOURCES[module]) == []


def test_every_module_is_of_a_room_of_the_table() -> None:
    rooms = {find_room(module) for module in MODULES if module != EXCEPTED}
    assert rooms == set(ROOMS)


def test_no_modules_import_each_other() -> None:
    assert find_circles(read_graph()) == set()


def test_no_room_has_the_name_of_a_public_function() -> None:
    """Importing a room would put it in the function's place."""
    assert [room for room in ROOMS if callable(getattr(lossctl, room, None))] == []


def test_only_the_package_itself_is_excepted() -> None:
    """It may import any room: that it does is why it is excepted."""
    rooms = {find_room(one) for one in draw_graph({EXCEPTED: SOURCES[EXCEPTED]})[EXCEPTED]}
    assert "api" in rooms


@pytest.mark.parametrize("folder", group_modules())
def test_folders_are_small(folder: str) -> None:
    assert len(group_modules()[folder]) <= MOST_MODULES


def list_shared() -> set[str]:
    """Return the names that the glossary allows several modules or classes to have."""
    rows = read_rows("glossary.md", "One name, one idea")
    return {name for row in rows for name in read_code(row[0])}


def test_one_name_means_one_thing() -> None:
    found = find_shared_names(SOURCES)
    assert found - list_shared() == set(), "name the one idea in glossary.md, or rename"


def test_the_glossary_lists_no_name_that_is_not_shared() -> None:
    assert list_shared() - find_shared_names(SOURCES) == set(), "take these out of glossary.md"


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
        ("losses/new.py", "ROOM = 'lossctl.engine.plan.blocks'", "lossctl.engine.plan.blocks"),
        ("data/new.py", "from lossctl import losses", "lossctl.losses"),
        (
            "data/new.py",
            "if TYPE_CHECKING:\n    from lossctl.losses.core.declaration import Loss",
            "lossctl.losses.core.declaration.Loss",
        ),
        ("engine/new.py", "import rich.table", "rich.table"),
        ("engine/new.py", "from lossctl.output.text import tables", "lossctl.output.text.tables"),
        ("explanation/new.py", "import lossctl.checks", "lossctl.checks"),
        ("evaluation/new.py", "import pyarrow", "pyarrow"),
        (
            "evaluation/new.py",
            "from lossctl.output.elements import rows",
            "lossctl.output.elements.rows",
        ),
        (
            "output/new.py",
            "from lossctl.engine.plan.plan import Plan",
            "lossctl.engine.plan.plan.Plan",
        ),
        ("api/new.py", "from lossctl.output import results", "lossctl.output.results"),
        ("api/new.py", "import rich", "rich"),
        ("cli/new.py", "import numpy as np", "numpy"),
        ("cli/new.py", "import typerx", "typerx"),
        ("cli/new.py", "from lossctl.engine.run import pool", "lossctl.engine.run.pool"),
        ("errors.py", "import numpy", "numpy"),
        ("__main__.py", "import lossctl.data", "lossctl.data"),
    ],
)
def test_trespasses_are_found(name: str, source: str, trespass: str) -> None:
    assert find_trespasses(name, source) == [trespass]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cli/new.py", "import typer\nfrom lossctl import __version__"),
        ("output/new.py", "from lossctl.engine.sums.result import Result"),
        ("api/new.py", "import numpy\nfrom lossctl.engine.plan.build import build"),
        ("errors.py", "import inspect"),
    ],
)
def test_what_the_table_allows_is_no_trespass(name: str, source: str) -> None:
    assert find_trespasses(name, source) == []


def test_circles_are_found() -> None:
    sources = {
        "lossctl.data": "from lossctl.data import arrays",
        "lossctl.data.arrays": "def f():\n    from lossctl.data.rules.kinds import check",
        "lossctl.data.rules.kinds": "if TYPE_CHECKING:\n    import lossctl.data.arrays",
    }
    one, other = "lossctl.data.arrays", "lossctl.data.rules.kinds"
    assert find_circles(draw_graph(sources)) == {(one, other), (other, one)}


def test_shared_names_are_found() -> None:
    sources = {
        "lossctl.engine.blocks": "class Plan: ...\nclass _Own: ...",
        "lossctl.data.blocks": "class _Own: ...",
        "lossctl.data.plan": "class Plan: ...",
    }
    assert find_shared_names(sources) == {"blocks", "Plan"}


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
