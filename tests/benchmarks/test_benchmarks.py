"""The benchmarks work, on data so small that nothing is learnt about speed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lossctl.losses.core.registry import registry
from tests.benchmarks import comparison as comparing
from tests.benchmarks import contestants, memory
from tests.benchmarks.__main__ import main, make_parser
from tests.benchmarks.array_cases import ARRAY_CASES, ArrayCase
from tests.benchmarks.comparison import SIZES, Comparison, Settings, Size, find_disagreements
from tests.benchmarks.contestants import LOSSCTL, MODULES, NUMPY, PANDAS, TORCH
from tests.benchmarks.file_cases import FILE_CASES, python
from tests.benchmarks.processes import Process
from tests.benchmarks.report import write_markdown
from tests.benchmarks.turns import ContestantError, Measurement, Turn, alternate
from tests.benchmarks.workers import Timer, start_workers
from tests.support.command_line import environment

TINY = Size("tiny", 0.0001)
COUNT = 2000
BYTES = 30_000_000


class Scripted:
    """A contestant that does what a test says, and keeps a record."""

    def __init__(self, name: str, record: list[str], turns: Iterator[Turn]) -> None:
        self.name = name
        self.record = record
        self.turns = turns

    def turn(self) -> Turn:
        self.record.append(self.name)
        for turn in self.turns:
            return turn
        raise ContestantError("gave up")


def turns_of(*seconds: float, value: float | None = None) -> list[Turn]:
    return [Turn(one, 1_000_000, value) for one in seconds]


def measurement(name: str, *seconds: float, value: float | None = 2.0) -> Measurement:
    return Measurement("mse", "small", 400_000, name, turns_of(*seconds, value=value))


@pytest.fixture
def tiny(tmp_path: Path) -> Comparison:
    return Comparison(Settings(data=tmp_path, sizes=[TINY], rounds=1))


@pytest.mark.parametrize("name", ARRAY_CASES)
@pytest.mark.filterwarnings("ignore")  # what the losses warn of is no matter here
def test_contestants_agree(name: str) -> None:
    case = ARRAY_CASES[name]
    arrays = case.make_arrays(COUNT)
    answers = {
        one: contestants.prepare(one, case, arrays, 1)()
        for one in MODULES
        if contestants.takes_part(one, case) and contestants.is_installed(one)
    }
    assert LOSSCTL in answers
    assert len(answers) >= 2 + (case.numpy is not None)
    assert answers == pytest.approx(dict.fromkeys(answers, answers[LOSSCTL]), rel=1e-5)


@pytest.mark.parametrize("name", ARRAY_CASES)
def test_inputs_are_as_declared(name: str) -> None:
    case = ARRAY_CASES[name]
    arrays = case.make_arrays(COUNT * 100)
    largest = max(one.size for one in arrays)
    assert {one.dtype for one in arrays} <= {np.dtype(np.float32), np.dtype(np.int64)}
    assert largest == pytest.approx(COUNT * 100, rel=0.05)
    assert sum(one.nbytes for one in arrays) <= case.bytes_each * largest * 1.01
    for one, again in zip(arrays, case.make_arrays(COUNT * 100), strict=True):
        np.testing.assert_array_equal(one, again)


def test_cases_are_of_known_losses() -> None:
    assert {case.loss for case in ARRAY_CASES.values()} <= set(registry())
    assert not set(ARRAY_CASES) & set(FILE_CASES)


@pytest.mark.parametrize("name", [name for name, case in FILE_CASES.items() if case.sized])
def test_files_are_the_same_every_time(name: str, tmp_path: Path) -> None:
    case = FILE_CASES[name]
    settings = Settings(data=tmp_path)
    digests = []
    for _ in range(2):
        with Comparison(settings)._write_files(case, COUNT) as directory:
            files = sorted(directory.iterdir())
            digests.append([hashlib.sha256(file.read_bytes()).digest() for file in files])
            size = sum(file.stat().st_size for file in files)
    assert files
    assert digests[0] == digests[1]
    assert size <= COUNT * case.bytes_each + 5000  # headers
    assert not list(tmp_path.iterdir())


def test_kept_files_are_used_again(tmp_path: Path) -> None:
    case = FILE_CASES["mse-npy"]
    kept = Comparison(Settings(data=tmp_path, keep=True))
    with kept._write_files(case, COUNT) as directory:
        (directory / "mark").touch()
    with kept._write_files(case, COUNT) as again:
        assert (again / "mark").exists()


def test_turns_alternate() -> None:
    record: list[str] = []
    names = "ABC"
    result, notes = alternate(
        [Scripted(name, record, iter(turns_of(1, 2, 3))) for name in names], 3, settle=0
    )
    assert "".join(record) == "ABCABCABC"
    assert result == {name: turns_of(1, 2, 3) for name in names}
    assert notes == []


def test_who_fails_leaves() -> None:
    record: list[str] = []
    result, notes = alternate(
        [
            Scripted("A", record, iter(turns_of(1, 2, 3))),
            Scripted("B", record, iter(turns_of(1))),
        ],
        3,
        settle=0,
    )
    assert "".join(record) == "ABABA"
    assert set(result) == {"A"}
    assert notes == ["B gave up"]


def test_ratios_are_of_each_round() -> None:
    ours, theirs = measurement(LOSSCTL, 1, 2, 10), measurement(TORCH, 2, 8, 10)
    assert theirs.ratios(ours) == [2, 4, 1]
    found = Comparison(Settings(Path(), rounds=3), arrays=[ours, theirs])
    table = write_markdown(found, {})
    assert "| mse | 400 000 | 2 s, 1 MB | 8 s, 1 MB | 2.00 (1.00–4.00) |" in table


@pytest.mark.parametrize("value", [2.01, float("nan"), float("inf"), None])
def test_disagreements_are_found(value: float | None) -> None:
    ours = measurement(LOSSCTL, 1)
    assert find_disagreements([ours, measurement(TORCH, 1, value=2.00001)]) == []
    (line,) = find_disagreements([ours, measurement(TORCH, 1, value=value)])
    assert line.startswith(f"{TORCH} answers")


def test_a_process_is_measured_whole(tmp_path: Path) -> None:
    ours = bytearray(8 * BYTES)
    ours[::4096] = b"1" * len(ours[::4096])  # a large parent must not count
    small = Process("small", python("print(1.5)"), tmp_path).turn()
    large = Process("large", python(f"print(len(b'1' * {BYTES}))"), tmp_path).turn()
    assert small.value == 1.5
    assert large.value == BYTES
    assert small.seconds > 0
    assert small.memory is not None
    assert large.memory is not None
    assert small.memory < 2 * BYTES
    assert large.memory - small.memory == pytest.approx(BYTES, rel=0.2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (python("import sys", "sys.exit('no such loss')"), "exit code 1: no such loss"),
        (("no-such-program",), "could not be started"),
    ],
)
def test_a_process_that_fails_says_why(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ContestantError, match=message):
        Process("broken", words, tmp_path).turn()


def test_settings_of_the_user_do_not_reach_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSCTL_THREADS", "1")
    words = python("import os, lossctl", "print(int('LOSSCTL_THREADS' in os.environ))")
    assert Process("one", words, tmp_path).turn().value == 0


MEMORY_OF_A_CALL = """
import numpy as np
from tests.benchmarks import memory
from tests.benchmarks.workers import Timer

resident = memory.reset_peak()
arrays = [np.ones({bytes} // 8)]
for extra in (8, 2 * {bytes}):
    print(Timer(lambda: np.ones(extra // 8).sum(), arrays, resident).turn().memory)
"""


@pytest.mark.skipif(memory.reset_peak() is None, reason="the system does not tell its memory")
def test_the_memory_of_a_call_is_what_it_takes_beside_its_inputs() -> None:
    # In a process of its own: what earlier tests have freed could serve the call unseen.
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_A_CALL.format(bytes=BYTES)],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert small == pytest.approx(8, abs=5e6)
    assert large == pytest.approx(2 * BYTES, rel=0.25)


def test_a_turn_repeats_a_short_call() -> None:
    calls: list[None] = []

    def call() -> float:
        calls.append(None)
        return 1.0

    timer = Timer(call, [], None)
    turn = timer.turn()
    assert (turn.value, turn.memory) == (1.0, None)
    assert turn.seconds > 0
    assert timer.calls > 1
    assert len(calls) == timer.calls + 2  # one for the memory, one to choose the number
    timer.turn()
    assert len(calls) == 2 * timer.calls + 2


def test_a_worker_that_fails_is_noted(tiny: Comparison, capfd: pytest.CaptureFixture[str]) -> None:
    with start_workers([LOSSCTL, PANDAS], "l1", 1) as workers:
        ready = tiny._load(workers, "l1", TINY, COUNT)
    assert [one.name for one in ready] == [LOSSCTL]
    assert tiny.notes == [f"l1 tiny: {PANDAS} failed (its message is on standard error)"]
    assert f"ValueError: {PANDAS}" in capfd.readouterr().err


def test_what_is_missing_is_left_out(tiny: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, PANDAS, "no_such_module")
    assert tiny._present([NUMPY, PANDAS, LOSSCTL]) == [LOSSCTL, NUMPY]
    assert list(tiny.missing) == [PANDAS]
    assert "- pandas is not installed" in write_markdown(tiny, {})


@pytest.mark.parametrize(
    ("case", "compare", "reason"),
    [
        (FILE_CASES["mse-npy"], Comparison.compare_files, "disk"),
        (ARRAY_CASES["l1"], Comparison.compare_arrays, "memory"),
    ],
)
def test_sizes_without_room_are_left_out(
    case: Any,
    compare: Callable[[Comparison, Any], None],
    reason: str,
    tiny: Comparison,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    monkeypatch.setattr(memory, "read_available", lambda: 1000)
    monkeypatch.setattr(comparing, "takes_part", lambda name, case: name == LOSSCTL)
    compare(tiny, case)
    assert tiny.files == tiny.arrays == []
    assert tiny.notes == [f"{case.name} tiny: left out: the {reason} has no room for it"]


@pytest.mark.slow  # PyTorch takes a second to start
@pytest.mark.parametrize("name", FILE_CASES)
def test_commands_agree(name: str, tiny: Comparison) -> None:
    case = FILE_CASES[name]
    tiny.compare_files(case)
    present = [one for one in case.commands if contestants.is_installed(one)]
    assert {one.contestant for one in tiny.files} == set(present)
    assert tiny.notes == []
    assert all((one.value is not None) == case.sized for one in tiny.files)


def test_the_command_writes_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_to_start = (LOSSCTL, NUMPY, PANDAS)
    monkeypatch.setattr(comparing, "is_installed", lambda name: name in quick_to_start)
    words = ["--sizes", "0.0001", "--rounds", "2", "-o", str(tmp_path)]
    assert main([*words, "--only", "mse-parquet", "--only", "margin_ranking"]) == 0
    shown = capsys.readouterr().out
    assert shown == (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for wanted in ("| 1 000 | lossctl | ", "| 1 000 | pandas | ", "| margin_ranking | 4 000 | "):
        assert wanted in shown
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "| margin_ranking | 4 000 | " in summary
    assert f"| {LOSSCTL} | " in summary
    found = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert found["notes"] == []
    for kind in ("whole_process", "in_process"):
        names = [one["contestant"] for one in found[kind]]
        assert len(names) == len(set(names)) >= 2
        for one in found[kind]:
            assert len(one["turns"]) == 2
            assert all(turn["seconds"] > 0 for turn in one["turns"])
    drawn = {"whole-process.png", "in-process.png"} if find_spec("matplotlib") else set()
    assert {path.name for path in tmp_path.glob("*.png")} == drawn


def test_the_command_fails_on_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def disagree(comparison: Comparison, case: ArrayCase) -> None:
        comparison.disagreements.append(case.name)

    monkeypatch.setattr(Comparison, "compare_arrays", disagree)
    assert main(["--only", "mse", "-o", str(tmp_path)]) == 1


def test_sizes_are_named_or_shares() -> None:
    parser = make_parser()
    assert parser.parse_args(["--sizes", "large,small"]).sizes == [SIZES[0], SIZES[2]]
    assert parser.parse_args(["--sizes", "0.5"]).sizes == [Size("0.5 of large", 0.5)]
    assert parser.parse_args(["--only", "ce-1*", "--only", "l1"]).only == [
        "ce-10", "ce-100", "ce-1000", "l1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [["--sizes", "huge"], ["--sizes", "0"], ["--rounds", "0"], ["--only", "no-such-case"]],
)
def test_bad_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        make_parser().parse_args(words)
    assert stopped.value.code == 2
    assert words[1] in capsys.readouterr().err
