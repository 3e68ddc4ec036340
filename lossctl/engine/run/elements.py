"""The run over a plan: per-element losses block by block, and the result at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.block import process
from lossctl.engine.run.run import work_through
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.reduce import fill, finish, locate, single_losses
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.rule_finding import find_remedy
from lossctl.engine.sums.summary import Summary
from lossctl.errors import DataError

Array = NDArray[Any]

Progress = Callable[[int, "int | None"], None]
"""Called with the number of samples done, and the total (None if not known yet)."""


class Elements:
    """The per-element losses of a plan, block by block, and the summary at the end.

    Iterating yields arrays which, flattened one after another, are the losses in C order of
    ``shape`` (whose first axis is None where the length is not known before the end).
    """

    def __init__(self, plan: Plan, progress: Progress | None = None) -> None:
        self.plan = plan
        self.progress = progress
        self.partial = Partial()
        self.samples = 0

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape of all the losses together."""
        return self.plan.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the losses."""
        return self.plan.dtype

    def __iter__(self) -> Iterator[Array]:
        first = None
        for outcome in work_through(self.plan, process):
            region = outcome.region
            first = region.start if first is None else first
            self.partial.merge(outcome.partial)
            self.samples = region.stop - first
            if self.progress is not None:
                self.progress(self.samples, self._expect())
            if outcome.losses is not None and not self.partial.broken:
                yield outcome.losses
        for finding in self.partial.findings.values():
            locate(self.plan, finding)
        _report_errors(self.plan, self.partial)
        if self.plan.single:
            yield single_losses(Summary.of(self.plan), self.partial).astype(self.dtype)

    def _expect(self) -> int | None:
        """Return about how many samples there are; None without an estimate."""
        if self.plan.samples is not None or self.plan.settings.part is not None:
            return self.plan.samples
        guesses = [bound.source.expect() for bound in self.plan.streams]
        return max((one for one in guesses if one is not None), default=None)

    def result(self, elements: Array | None = None) -> Result:
        """Return the counts and the denominator of the blocks so far."""
        return finish(Summary.of(self.plan), self.partial, self.samples, elements)


def compute(stream: Elements) -> Result:
    """Compute a stream's result: reduced, or with all per-element losses in memory."""
    plan = stream.plan
    if plan.settings.reduction != "none":
        for _ in stream:
            pass
        return stream.result()
    blocks = [block.reshape(-1) for block in stream]
    losses = np.concatenate(blocks) if len(blocks) != 1 else blocks[0]
    return stream.result(losses.reshape(fill(plan.shape, stream.samples)))


def _report_errors(plan: Plan, partial: Partial) -> None:
    """Raise the first error that the checks found, with its count and first place."""
    fatal = [one for one in partial.findings.values() if one.rule.is_error]
    if plan.settings.nan == "error":
        odd = ("nan", "nan_loss")
        fatal += [one for one in partial.findings.values() if one.rule.code in odd]
    if fatal:
        raise DataError(fatal[0], find_remedy(plan.loss, fatal[0]))
