"""One row of a call and of the same call of another loss: where do the definitions part?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lossctl.data import is_streaming
from lossctl.engine.plan.build import has_class_axis
from lossctl.engine.plan.call import Call, is_text
from lossctl.engine.run.elements import Progress
from lossctl.engine.sums.summary import is_default
from lossctl.errors import DataError, UsageError
from lossctl.explanation.comparison import TOLERANCE, compare_steps
from lossctl.explanation.element import locate_largest, take_losses
from lossctl.explanation.elements import Run
from lossctl.explanation.result import Difference
from lossctl.explanation.row import Row, close, parse_row, run
from lossctl.explanation.row_means import find_farthest, measure_gaps
from lossctl.findings import Remedy, RemedyKind, Sentence
from lossctl.losses.core.declaration import Loss


def explain_difference(
    first: Call,
    other: Loss,
    given: Mapping[str, Any],
    reduction: str,
    row: Row | None,
    progress: Progress | None,
) -> Difference:
    """Explain one row by two definitions: the one named, or that on which they differ most.

    The other loss has options (and inputs) of its own, and its own reduction.
    """
    if not first.has_inputs:
        raise UsageError(
            f"{first.loss.key} and {other.key} can only be compared on a row of inputs, and none"
            f" are given",
            "Name the files.",
        )
    second = _lend_options(first, other, given)
    second = replace(second, settings=replace(second.settings, reduction=reduction))
    second = _share_axis(first, second, given)
    return _compare(first, second, None if row is None else parse_row(row), progress)


def refuse_pipes(call: Call) -> None:
    """Raise UsageError for what cannot be read again for another definition."""
    if any(is_text(one) and is_streaming(one) for one in call.references):
        raise UsageError(
            "two definitions read the inputs twice, but standard input or a pipe can be read only"
            " once",
            "Write it to a file first.",
        )


def _compare(
    first: Call, second: Call, place: tuple[int, ...] | None, progress: Progress | None
) -> Difference:
    """Explain a row of both, and find the step at which they part."""
    farthest = _find_farthest(first, second) if place is None else None
    row, *position = place or (farthest or 0,)
    one = run(first, row, progress)
    with _naming(second.loss):
        other = run(second, row, progress)
    shown = tuple(position) or _locate_gap(one, other, row)
    left, right = (
        each.explain(row, each.find(row, each.fit(shown)), chosen=not position)
        for each in (one, other)
    )
    found = compare_steps([first.loss, second.loss], left, right)
    if found.divergence is None and found.results_differ:
        farthest = _find_farthest(first, second) if place is not None else farthest
        if farthest is None:  # no row shows it: they diverge where all rows are reduced
            found = replace(found, divergence=[pair.key for pair in found.pairs].index("result"))
    return replace(found, farthest=farthest, chosen=place is None)


def _find_farthest(first: Call, second: Call) -> int | None:
    """Return the row on which two definitions differ most; None if they differ on none."""
    left = first.plan()
    try:
        with _naming(second.loss):
            right = second.plan()
    except BaseException:
        close(left)
        raise
    return find_farthest(left, right, TOLERANCE)


@contextmanager
def _naming(other: Loss) -> Iterator[None]:
    """Say of trouble with the data that it is the other loss which has it."""
    try:
        yield
    except DataError as error:
        said = Sentence("for {loss}, {finding}", {"loss": other.key, "finding": error.finding})
        hint = Remedy(RemedyKind.SET_OPTIONS_OF, {"loss": other.key})
        raise DataError(said, *error.remedies, hint) from error


def _locate_gap(first: Run, second: Run, row: int) -> tuple[int, ...]:
    """Return where in a row two definitions differ most; nothing if they have other positions."""
    if () in (first.positions, second.positions) or first.positions != second.positions:
        return ()
    gaps = measure_gaps(take_losses(first.plan, row), take_losses(second.plan, row), TOLERANCE)
    return locate_largest(gaps) if gaps.any() else ()


def _lend_options(call: Call, other: Loss, given: Mapping[str, Any]) -> Call:
    """Return the call of another loss, with those of the options that both have, or mean."""
    names = {one.name for one in other.parameters} | {one.name for one in other.inputs}
    defaults = {one.name: one.default for one in call.loss.parameters}
    twins = {
        one.name: other.roles[role].name
        for role, one in call.loss.roles.items()
        if role in other.roles and one.name not in names
    }
    lent = {
        twins.get(name, name): value
        for name, value in call.options.items()
        if name not in defaults or not is_default(value, defaults[name])
    }
    lent = {name: value for name, value in lent.items() if name in names}
    return replace(call, named=other, options={**lent, **given})


def _share_axis(first: Call, second: Call, given: Mapping[str, Any]) -> Call:
    """Let the second loss have the classes where the first one has them.

    The losses of Keras say it by an option and have them last, the others by a setting and have
    them second: with two axes that is the same.
    """
    along, other = first.loss.class_axis_option, second.loss.class_axis_option
    choosing = all(has_class_axis(one) for one in (first.loss, second.loss))
    if not choosing or bool(along) == bool(other) or _count_axes(first) < 3:
        return second
    if along:
        axis = first.options.get(along, -1)
        return replace(second, settings=replace(second.settings, class_axis=axis))
    options = {other: second.settings.class_axis, **second.options, **given}
    return replace(second, options=options, settings=replace(second.settings, class_axis=1))


def _count_axes(call: Call) -> int:
    plan = call.plan()
    close(plan)
    return len(plan.inputs[0].source.shape)
