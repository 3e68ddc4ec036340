"""Progress of a long run, on standard error and on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY_S = 1.0
"""Seconds before progress is shown."""


@contextmanager
def show_progress(wanted: bool = True) -> Iterator[Callable[[int, int | None], None] | None]:
    """Yield a function to call with the samples done and the total; None shows nothing."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    display = Display.current = Display()
    try:
        yield display.update
    finally:
        hide_progress()


def hide_progress() -> None:
    """Remove the bar for good, because something is about to be printed."""
    if Display.current is not None:
        Display.current.stop()
        Display.current = None


class Display:
    """A bar with samples, rate and time left, which appears when a run takes long."""

    current: ClassVar[Display | None] = None

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.stopped = False
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.total: int | None = None

    def update(self, done: int, total: int | None) -> None:
        """Update the progress."""
        if self.stopped:
            return
        if self.progress is None:
            if time.monotonic() - self.begin < DELAY_S:
                return
            self._start()
        assert self.progress is not None
        assert self.task is not None
        rate = done / (time.monotonic() - self.begin)
        # A new total resets rich's speed, so an estimate is kept while it is about right.
        if self.total is None or total is None or abs(total - self.total) > self.total // 50:
            self.total = total
        shown = None if self.total is None else max(self.total, done)
        self.progress.update(self.task, completed=done, total=shown, rate=f"{rate:,.0f}/s")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            TextColumn("samples"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task = self.progress.add_task("samples", total=None, rate="")
        self.progress.start()

    def stop(self) -> None:
        """Remove the bar; it does not come back."""
        self.stopped = True
        if self.progress is not None:
            self.progress.stop()
