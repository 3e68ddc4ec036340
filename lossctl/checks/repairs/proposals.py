"""Which losses fit these inputs? By shapes, and by what the numbers look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.measurements.profile import Measures, measure, measure_sums
from lossctl.checks.repairs.repairs import Command
from lossctl.checks.repairs.views import peek
from lossctl.checks.result import Proposal
from lossctl.data.arrays.source import Source
from lossctl.engine.plan.binding import kind_under
from lossctl.engine.plan.match import match_inputs
from lossctl.engine.plan.plan import Settings
from lossctl.errors import LossctlError
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import list_losses

Array = NDArray[Any]

FEW = 256
LABELS = {Kind.SIGN, Kind.INDEX, Kind.BINARY, Kind.SOFT_LABEL, Kind.INDEX_LIST}
LONE = 2.0
IGNORED = (-100, -1, 255)
"""Labels that usually mean "no label"."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What the first rows of an input look like."""

    measures: Measures
    integers: bool
    values: Array
    classes: int


Fit = Callable[[Looks], "float | None"]
"""How specific numbers like these are to a kind; None where they cannot be of that kind."""


def look(source: Source, classes: int) -> Looks:
    """Look at the first rows of an input."""
    values = peek(source)
    found = measure(values)
    if values.ndim > 1 and not found.nan:
        found.sums = measure_sums(values, 1, found)
        last = measure_sums(values, values.ndim - 1, found)
        if last.are_probabilities or last.are_logs:  # the classes may be there, too
            found.sums = last
    integers = values.dtype.kind in "iub" or (source.text and found.whole)
    return Looks(found, integers, values, classes)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A loss that fits, with what its inputs then are."""

    loss: Loss
    kinds: tuple[Kind, ...]
    fit: float

    def propose(self, references: Sequence[Any], classes: str = "") -> Proposal:
        """Return the proposal, with its command; ``classes`` are the names of its labels."""
        pairs = zip(self.loss.inputs, self.kinds, strict=True)
        reason = "; ".join(f"{one.name}: {kind.label}" for one, kind in pairs)
        named = any(form.kind.may_be_named for one in self.loss.inputs[1:] for form in one.forms)
        options = {"classes": classes} if classes and named else {}
        call = Command(self.loss, tuple(references), options)
        return Proposal(self.loss.key, self.loss.summary, reason, str(call))


def rank_losses(sources: Sequence[Source], settings: Settings) -> list[Candidate]:
    """Return the losses that fit, the most specific fit first; equal ones by library and family."""
    first = sources[0].shape
    classes = first[1] if len(first) > 1 and first[1] is not None else 1
    looks = [look(one, classes) for one in sources]
    found = []
    for loss in list_losses():
        if len(loss.inputs) == len(sources) and not loss.needs_all_samples:
            candidate = _try(loss, sources, looks, settings)
            if candidate is not None:
                found.append(candidate)
    return sorted(found, key=lambda one: -one.fit)


def _try(
    loss: Loss, sources: Sequence[Source], looks: Sequence[Looks], settings: Settings
) -> Candidate | None:
    options = {one.name: one.default for one in loss.parameters}
    if loss.class_axis_option:
        settings = replace(settings, class_axis=options[loss.class_axis_option])
    try:
        match, ordered, _ = match_inputs(loss, sources, settings)
    except LossctlError:
        return None
    if [one.name for one in ordered] != [one.name for one in sources]:
        return None
    kinds, fit = [], 0.0
    for declared, one in zip(loss.inputs, looks, strict=True):
        kind = kind_under(declared, declared.form(match.form), options)
        said = FITS.get(kind, _fit_real)(one) if one.values.size else 0.0
        if said is None:
            return None
        kinds.append(kind)
        fit += said
    # Scores are scores of something: beside labels they are likelier than other numbers.
    if kinds[0] == Kind.SCORE and LABELS & {*kinds[1:]}:
        fit += 1.0
    if not any("N" in one.form(match.form).axes for one in loss.inputs):
        fit -= LONE  # all of it would be one sample
    return Candidate(loss, tuple(kinds), fit)


def _fit_index(one: Looks) -> float | None:
    found = one.measures
    if not found.whole or found.nan:
        return None
    values = one.values[~np.isin(one.values, IGNORED)]
    inside = int(np.count_nonzero((values >= 0) & (values <= one.classes)))
    if not values.size or 2 * inside < values.size:
        return None
    return 3.0 if inside == values.size else 2.0


def _fit_sign(one: Looks) -> float | None:
    found = one.measures
    if not found.whole or not found.within(-1, 1) or found.zeros:
        return None
    return 4.0 if found.low < 0 else 1.0


def _fit_bit(one: Looks) -> float | None:
    return 3.0 if one.measures.whole and one.measures.within(0, 1) else None


def _fit_soft_label(one: Looks) -> float | None:
    if not one.measures.within(0, 1):
        return None
    return 3.0 if one.measures.whole else 2.0


def _fit_probability(one: Looks) -> float | None:
    if not one.measures.within(0, 1) or one.integers:
        return None
    return 3.0 if not one.measures.whole else 1.0


def _fit_shares(one: Looks) -> float | None:
    found = one.measures
    if found.sums.are_probabilities:  # one-hot rows of integers, too
        return 4.0
    return 2.0 if not one.integers and found.within(0, 1) and not found.sums.rows else None


def _fit_scores(one: Looks) -> float | None:
    return 0.5 if not one.measures.within(0, 1) and not one.integers else None


def _fit_logit(one: Looks) -> float | None:
    found = one.measures
    if one.integers or found.within(0, 1):
        return None
    if found.sums.are_logs:
        return 1.0
    return 2.0 if found.low < 0 < found.high else 1.75


def _fit_logs(one: Looks) -> float | None:
    found = one.measures
    if one.integers or not found.high <= 0:
        return None
    if not found.sums.rows:
        return 1.0
    return 4.0 if found.sums.are_logs else None


def _fit_list(one: Looks) -> float | None:
    found = one.measures
    fits = found.whole and one.integers and found.low == -1 and found.high < one.classes
    return 3.0 if fits else None


def _fit_label(one: Looks) -> float | None:
    if not one.measures.whole or one.measures.nan:
        return None
    return 2.0 if one.integers and len(np.unique(one.values)) <= FEW else 0.5


def _fit_length(one: Looks) -> float | None:
    return 2.0 if one.measures.whole and one.integers and one.measures.low >= 0 else None


def _fit_box(one: Looks) -> float | None:
    boxes = one.values
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        return None
    return 4.0 if bool((boxes[:, 2:] >= boxes[:, :2]).all()) else None


def _fit_positive(one: Looks) -> float | None:
    return 0.75 if one.measures.low > 0 else None


def _fit_not_negative(one: Looks) -> float | None:
    return 0.75 if one.measures.low >= 0 else None


def _fit_above_minus_one(one: Looks) -> float | None:
    return 0.75 if one.measures.low > -1 else None


def _fit_variance(one: Looks) -> float | None:
    return 2.0 if one.measures.low >= 0 else None


def _fit_log_amount(one: Looks) -> float | None:
    return 0.5 if one.measures.high < 50 and not one.integers else None


def _fit_real(one: Looks) -> float | None:
    return 1.0 if one.measures.finite else None


FITS: dict[Kind, Fit] = {
    Kind.INDEX: _fit_index,
    Kind.SIGN: _fit_sign,
    Kind.BINARY: _fit_bit,
    Kind.SOFT_LABEL: _fit_soft_label,
    Kind.PROBABILITY: _fit_probability,
    Kind.CLIPPED: _fit_probability,
    Kind.CLASS_PROBABILITY: _fit_shares,
    Kind.MASS: _fit_shares,
    Kind.DISTRIBUTION: _fit_shares,
    Kind.DENSITY: _fit_shares,
    Kind.LOGIT: _fit_logit,
    Kind.SCORE: _fit_scores,
    Kind.LOG_PROBABILITY: _fit_logs,
    Kind.LOG_AMOUNT: _fit_log_amount,
    Kind.INDEX_LIST: _fit_list,
    Kind.LABEL: _fit_label,
    Kind.LABELS: _fit_length,
    Kind.LENGTH: _fit_length,
    Kind.BOX: _fit_box,
    Kind.POSITIVE: _fit_positive,
    Kind.NOT_NEGATIVE: _fit_not_negative,
    Kind.ABOVE_MINUS_ONE: _fit_above_minus_one,
    Kind.VARIANCE: _fit_variance,
}
