"""The walk of one array, as the architecture page has it, is what happens."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.support.command_line import SAMPLE_DATA, environment
from tests.test_rooms import ROOMS, read_code, read_rows

STEPS = [read_code(row[1])[0] for row in read_rows("architecture.md", "The walk of one array")]
MOST_STEPS = 25
COMMAND = ("compute", "ce", "preds.npy", "labels.npy", "--ignore-index", "0")
MOMENTS = (
    "data.formats.npy.map_array",
    "losses.classification.losses.ce",
    "engine.sums.reduce.finish",
    "output.text.console.print_result",
)
"""The array is opened, its first block computed, the sums finished, the table printed."""
TRACE = """
import atexit, sys, threading
from pathlib import Path
import lossctl

ROOT = str(Path(lossctl.__file__).parent) + "/"
lines = []

def name(frame):
    file = frame.f_code.co_filename
    if not file.startswith(ROOT) or frame.f_code.co_qualname == "<module>":
        return None
    module = file[len(ROOT):-3].replace("/", ".").removesuffix("__init__").rstrip(".")
    return ".".join(filter(None, (module, frame.f_code.co_qualname)))

def note(frame, event, _):
    called = name(frame) if event == "call" else None
    if called is not None:
        names = [called]
        while frame := frame.f_back:
            names.append(name(frame))
        lines.append(" ".join(filter(None, names)))

@atexit.register
def stop():
    threading.setprofile(None)
    sys.setprofile(None)
    Path(sys.argv[0]).write_text("\\n".join(lines))

from lossctl.cli import main
threading.setprofile(note)
sys.setprofile(note)
main()
"""


class Call(NamedTuple):
    """A call of a function of the package, and the functions that stand above it."""

    name: str
    above: tuple[str, ...]

    def chain(self) -> tuple[str, ...]:
        """Return the function, and then those above it."""
        return (self.name, *self.above)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """All calls of the command of the page, in their order."""
    traced = tmp_path_factory.mktemp("walk") / "calls.txt"
    program = f"import sys; sys.argv[0] = {str(traced)!r}{TRACE}"
    done = subprocess.run(
        [sys.executable, "-c", program, *COMMAND],
        cwd=SAMPLE_DATA,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "0.322843" in done.stdout
    lines = traced.read_text(encoding="utf-8").splitlines()
    return [Call(first, tuple(above)) for first, *above in map(str.split, lines)]


def find_climbs(calls: list[Call]) -> set[tuple[str, str]]:
    """Return the calls from a room to one that stands above it in the table."""
    heights = {room: at for at, room in enumerate(ROOMS)}
    pairs = set()
    for call in calls:
        in_rooms = [name for name in call.chain() if name.partition(".")[0] in heights]
        pairs |= set(pairwise(reversed(in_rooms[:2])))
    return {
        (caller, called)
        for caller, called in pairs
        if heights[called.partition(".")[0]] < heights[caller.partition(".")[0]]
    }


def find_unlisted(calls: list[Call]) -> set[str]:
    """Return the modules that stand above one of the moments and have no step on the page."""
    unlisted = set()
    for moment in MOMENTS:
        call = next(call for call in calls if call.name == moment)
        for name in call.chain():
            module = find_module(name)
            if module not in {find_module(step) for step in STEPS}:
                unlisted.add(module)
    return unlisted


def find_module(name: str) -> str:
    """Return the module of a function, a method or a closure."""
    parts = name.partition(".<")[0].split(".")[:-1]
    return ".".join(part for part in parts if not part[0].isupper())


def test_there_are_few_steps() -> None:
    assert 15 < len(STEPS) <= MOST_STEPS
    assert len(set(STEPS)) == len(STEPS)


def test_steps_are_called_in_the_order_of_the_page(calls: list[Call]) -> None:
    called = list(dict.fromkeys(call.name for call in calls))
    assert [step for step in STEPS if step not in called] == []
    assert sorted(STEPS, key=called.index) == STEPS


def test_no_module_on_the_way_is_left_out(calls: list[Call]) -> None:
    assert find_unlisted(calls) == set()


def test_few_functions_are_on_the_way(calls: list[Call]) -> None:
    """Of all functions that stand above one of the moments, closures aside."""
    passed = {
        name
        for moment in MOMENTS
        for name in next(call for call in calls if call.name == moment).chain()
        if "<" not in name
    }
    assert len(passed) <= MOST_STEPS, passed


def test_no_call_climbs(calls: list[Call]) -> None:
    assert len(calls) > 500
    assert find_climbs(calls) == set()


def test_climbs_are_found() -> None:
    down = Call("data.open_sources", ("api.call.plan_computation",))
    up = Call("output.results.write_reduced", ("engine.run.run.work_through",))
    assert find_climbs([down, up]) == {("engine.run.run.work_through", up.name)}
