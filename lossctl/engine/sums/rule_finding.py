"""A rule that the numbers of an input break: how often, and where first."""

from __future__ import annotations

from dataclasses import dataclass

from lossctl.data.rules.rules import Rule
from lossctl.errors import Worded
from lossctl.findings import Location, Remedy, RemedyKind
from lossctl.losses.core.declaration import Loss, Role

Position = tuple[int, ...]


@dataclass(slots=True)
class RuleFinding(Worded):
    """How often a rule is broken in an input, and the first place with its value."""

    rule: Rule
    name: str
    count: int
    position: Position
    value: float
    classes: int = 0
    location: Location | None = None
    """Where the position is in a file, once it is known."""
    left_out: bool = False
    """Whether the values that break the rule are ignored."""
    advised: bool = True
    """Whether the message of a warning ends with its remedy."""
    lost: bool = False
    """Whether the loss is NaN because of it."""

    def merge(self, other: RuleFinding) -> None:
        """Add the other's count, and keep the earlier place."""
        self.count += other.count
        if other.position < self.position:
            self.position, self.value, self.location = other.position, other.value, other.location

    @property
    def remedy(self) -> Remedy | None:
        """What to do about a warning, if the rule has a remedy."""
        kind = self.rule.remedy
        return None if kind is None or self.rule.is_error else Remedy(kind)


def find_remedy(loss: Loss, finding: RuleFinding, *, listed: bool = False) -> Remedy:
    """Return what to do about an error of a loss, which may be one of several that are listed.

    Labels are ignored by the loss's option for it, or else left out with their samples.
    """
    kind = finding.rule.remedy or RemedyKind.CHOOSE_NAN_POLICY
    if kind == RemedyKind.RELABEL:
        option = loss.roles.get(Role.IGNORED_LABEL)
        values = {} if option is None else {"option": option.name}
        return Remedy(kind, values | ({"loss": loss.key} if listed else {}))
    if kind == RemedyKind.TAKE_LOGITS_LOSS:
        classes = finding.name == loss.inputs[0].name and finding.classes > 1
        return Remedy(RemedyKind.TAKE_CLASS_LOGITS_LOSS if classes else kind)
    return Remedy(kind)
