"""Turns of contestants, one after another, round by round."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

SETTLE_SECONDS = 0.02
"""Between turns: threads of OpenMP spin for a while after their work is done."""


class ContestantError(Exception):
    """A contestant could not finish its turn."""


@dataclass(frozen=True)
class Turn:
    """One timed run: its time, the memory it needed in bytes, and its answer."""

    seconds: float
    memory: int | None = None
    value: float | None = None


class Contestant(Protocol):
    """What takes turns."""

    name: str

    def turn(self) -> Turn:
        """Run once more, or raise a ContestantError."""


@dataclass(frozen=True)
class Measurement:
    """All turns of one contestant at one case and size."""

    case: str
    size: str
    count: int
    contestant: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median time."""
        return median(turn.seconds for turn in self.turns)

    @property
    def memory(self) -> int | None:
        """The largest memory."""
        return max((turn.memory for turn in self.turns if turn.memory is not None), default=None)

    @property
    def value(self) -> float | None:
        """The answer."""
        return self.turns[-1].value

    def ratios(self, other: Measurement) -> list[float]:
        """Return the time by that of the other contestant, round by round."""
        return [
            ours.seconds / theirs.seconds
            for ours, theirs in zip(self.turns, other.turns, strict=True)
        ]


def alternate(
    contestants: Sequence[Contestant], rounds: int, settle: float = SETTLE_SECONDS
) -> tuple[dict[str, list[Turn]], list[str]]:
    """Let each take one turn in every round; who fails leaves, with a note and without turns."""
    turns: dict[str, list[Turn]] = {one.name: [] for one in contestants}
    notes = []
    for _ in range(rounds):
        for one in contestants:
            if one.name not in turns:
                continue
            time.sleep(settle)
            try:
                turns[one.name].append(one.turn())
            except ContestantError as error:
                notes.append(f"{one.name} {error}")
                del turns[one.name]
    return turns, notes
