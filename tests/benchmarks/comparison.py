"""The comparison: every case, at every size, by all contestants that are here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import memory
from tests.benchmarks.array_cases import ArrayCase
from tests.benchmarks.arrays import make_generator
from tests.benchmarks.contestants import LOSSCTL, MODULES, is_installed, takes_part
from tests.benchmarks.file_cases import FileCase
from tests.benchmarks.processes import Process
from tests.benchmarks.turns import Contestant, ContestantError, Measurement, alternate
from tests.benchmarks.workers import Worker, start_workers

RELATIVE = 1e-4
"""How far answers may lie apart: sums of float32 lose this much."""
SPARE_DISK = 500_000_000
COPIES = 4
"""Inputs in memory count this often: expressions on whole arrays make copies."""


@dataclass(frozen=True)
class Size:
    """A size of the data, as a share of the largest."""

    name: str
    share: float

    def count(self, large: int) -> int:
        """Return how many elements or rows that is."""
        return max(2, round(large * self.share))


SIZES = (Size("small", 0.01), Size("medium", 0.1), Size("large", 1.0))
UNSIZED = Size("", 0.0)


@dataclass(frozen=True)
class Settings:
    """How the comparison is run; ``keep`` leaves the data in their directory for the next run."""

    data: Path
    sizes: Sequence[Size] = SIZES
    rounds: int = 5
    threads: int = 1
    keep: bool = False


@dataclass
class Comparison:
    """What was measured, and what a reader must know of it."""

    settings: Settings
    files: list[Measurement] = field(default_factory=list)
    arrays: list[Measurement] = field(default_factory=list)
    missing: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)

    def compare_files(self, case: FileCase) -> None:
        """Compare whole processes. The first round is not counted: it fills the caches."""
        names = self._present(case.commands)
        for size in self.settings.sizes if case.sized else [UNSIZED]:
            count = size.count(case.large) if case.sized else 0
            free = shutil.disk_usage(self.settings.data).free
            if case.sized and count * case.bytes_each + SPARE_DISK > free:
                self._note(case.name, size, "left out: the disk has no room for it")
                continue
            with self._write_files(case, count) as directory:
                contestants = [
                    Process(name, case.commands[name], directory, case.read) for name in names
                ]
                self._measure(self.files, case.name, size, count, contestants)

    def compare_arrays(self, case: ArrayCase) -> None:
        """Compare within processes, on the same arrays. The first round is not counted."""
        names = self._present([name for name in MODULES if takes_part(name, case)])
        with start_workers(names, case.name, self.settings.threads) as workers:
            for size in self.settings.sizes:
                count = size.count(case.large)
                needed = count * case.bytes_each * len(workers) * COPIES
                available = memory.read_available()
                if available is not None and needed > available:
                    self._note(case.name, size, "left out: the memory has no room for it")
                    continue
                ready = self._load(workers, case.name, size, count)
                self._measure(self.arrays, case.name, size, count, ready)

    def _present(self, names: Collection[str]) -> list[str]:
        """Return those of the names that are installed, in the order of turns."""
        wanted = [name for name in MODULES if name in names]
        self.missing |= dict.fromkeys(name for name in wanted if not is_installed(name))
        return [name for name in wanted if name not in self.missing]

    @contextmanager
    def _write_files(self, case: FileCase, count: int) -> Iterator[Path]:
        """Write the files of a case at a size, whole or not at all; remove them unless kept."""
        directory = self.settings.data / f"{case.name}-{count}"
        if not directory.exists():
            unfinished = directory.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            case.write(unfinished, make_generator(case.name, count), count)
            unfinished.rename(directory)
        yield directory
        if not self.settings.keep:
            shutil.rmtree(directory)

    def _load(
        self, workers: Sequence[Worker], case: str, size: Size, count: int
    ) -> list[Contestant]:
        """Give all workers their arrays, and return those that have them."""
        for worker in workers:
            worker.load(count)
        ready: list[Contestant] = []
        for worker in workers:
            try:
                worker.wait()
            except ContestantError as error:
                self._note(case, size, f"{worker.name} {error}")
                continue
            ready.append(worker)
        return ready

    def _measure(
        self,
        measurements: list[Measurement],
        case: str,
        size: Size,
        count: int,
        contestants: Sequence[Contestant],
    ) -> None:
        """Let the contestants take turns; keep the turns, and say where answers differ."""
        turns, notes = alternate(contestants, self.settings.rounds + 1)
        for note in notes:
            self._note(case, size, note)
        measured = [
            Measurement(case, size.name, count, name, taken[1:]) for name, taken in turns.items()
        ]
        measurements += measured
        for line in find_disagreements(measured):
            self._note(case, size, line)
            self.disagreements.append(line)
        times = ", ".join(f"{one.contestant} {one.seconds:.3g} s" for one in measured)
        report_progress(f"{case} {size.name}: {times}")

    def _note(self, case: str, size: Size, text: str) -> None:
        line = f"{case} {size.name}".rstrip() + f": {text}"
        self.notes.append(line)
        report_progress(line)


def find_disagreements(measured: Sequence[Measurement]) -> list[str]:
    """Say which answers to one question differ from that of lossctl in float64."""
    values = {one.contestant: one.value for one in measured}
    expected = values.get(LOSSCTL)
    if expected is None:
        return []
    return [
        f"{name} answers {value!r}, {LOSSCTL} {expected!r}"
        for name, value in values.items()
        if value is None or not abs(value - expected) <= RELATIVE * abs(expected)
    ]


def report_progress(text: str) -> None:
    """Tell who waits how far it is."""
    print(text, file=sys.stderr, flush=True)
