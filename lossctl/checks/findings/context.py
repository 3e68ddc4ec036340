"""The data for detectors: the plan, the measurements of the probes, and the loss itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lossctl.checks.measurements.confusion import Confusion
from lossctl.checks.measurements.duplicates import Repeats
from lossctl.checks.measurements.pairs import Together
from lossctl.checks.measurements.probes import is_elementwise
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.measurements.shifts import Shift
from lossctl.checks.repairs.repairs import Command
from lossctl.checks.result import Baseline
from lossctl.engine.plan.plan import Plan
from lossctl.engine.sums.partial import Partial
from lossctl.engine.sums.result import Result
from lossctl.engine.sums.rule_finding import RuleFinding
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Parameter, Role

Array = NDArray[Any]


@dataclass(slots=True)
class CheckContext:
    """Everything that a detector may look at."""

    plan: Plan
    call: Command
    partial: Partial
    profiles: Sequence[Profile]
    samples: int
    result: Result | None = None
    """The loss; None where it cannot be computed."""
    confusion: Confusion | None = None
    together: Together | None = None
    shift: Shift | None = None
    repeats: Repeats | None = None
    ids: Repeats | None = None
    id_source: str = ""
    labels: Array | None = None
    """How often each class is the label."""
    baselines: Sequence[Baseline] = ()
    head: Sequence[Array] = ()
    """The first rows of the inputs, in the kernel's view."""

    @property
    def elementwise(self) -> bool:
        """Whether each prediction has its own target, and its loss depends on nothing else."""
        beside = [one for one in self.plan.inputs[2:] if one.kind != Kind.VARIANCE]
        return not beside and is_elementwise(self.plan)

    def inputs(self, *kinds: Kind) -> Iterator[Profile]:
        """Yield the inputs of these kinds that have numbers."""
        for profile in self.profiles:
            if profile.bound.kind in kinds and profile.measures.count:
                yield profile

    def found(self, code: str, name: str) -> RuleFinding | None:
        """Return what the checks of the blocks found of a rule in an input."""
        return self.partial.findings.get((code, name))

    @property
    def ignoring(self) -> Parameter | None:
        """The option of the loss that names the label which does not count."""
        return self.plan.loss.roles.get(Role.IGNORED_LABEL)
