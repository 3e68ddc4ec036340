"""The public API of explanations: how the number of one row comes about, step by step."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.api.call import is_text, plan_computation
from lossctl.data import is_live, load_array
from lossctl.data.arrays.class_names import load_classes
from lossctl.engine.plan.build import has_class_axis
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.run.elements import Elements, compute
from lossctl.engine.run.threads import available_threads
from lossctl.engine.sums.reduce import fill
from lossctl.engine.sums.summary import is_default
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.explanation.comparison import TOLERANCE, compare_walks
from lossctl.explanation.element import check_row, count_rows, locate_largest, take_losses
from lossctl.explanation.elements import Run
from lossctl.explanation.listing import list_variants
from lossctl.explanation.result import Difference, Explanation
from lossctl.explanation.row_means import find_farthest, measure_gaps
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.description import describe
from lossctl.losses.core.registry import find
from lossctl.losses.core.steps import Step

Array = NDArray[Any]
Row = int | str | Sequence[int]
Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a loss."""

    loss: Loss
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    settings: Settings
    sample_weight: Any = None
    mask: Any = None
    classes: Any = None
    progress: Progress | None = None

    def plan(self, row: int | None = None) -> Plan:
        """Open the inputs; a row can still be read when they have been read."""
        return plan_computation(
            self.loss,
            self.inputs,
            self.sample_weight,
            self.mask,
            self.settings,
            dict(self.options),
            self.classes,
            row=row,
        )


def explain(
    loss: str | Loss,
    *inputs: Any,
    row: Row | None = None,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Explanation:
    """Tell how the loss of one row comes about, step by step, and what it adds to the mean.

    Takes what :func:`~lossctl.compute` takes; ``reduction`` is any but none. ``row`` is counted
    from 0; where a row has several losses (the pixels of an image), ``row=(3, 10, 20)`` names one
    of them, and ``row=3`` means its largest. The inputs are read once. Without inputs, the steps
    have formulas and no values.

    >>> import lossctl
    >>> found = lossctl.explain("huber", [1.0, 5.0], [1.0, 2.0], row=1)
    >>> for step in found.steps:
    ...     print(f"{step.key}: {step.value}")
    prediction: 5.0
    target: 2.0
    difference: 3.0
    distance: 3.0
    clipped distance: 1.0
    loss: 2.5
    denominator: 2.0
    contribution: 1.25
    result: 1.25

    Returns an :class:`~lossctl.explanation.result.Explanation`. Warns with LossctlWarning. Raises
    UsageError (there is no such row), DataError or FileError.
    """
    declared = find(loss)
    settings = Settings(
        reduction=declared.reduction if reduction is None else reduction,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        threads=available_threads() if threads is None else threads,
    )
    call = Call(declared, inputs, options, settings, sample_weight, mask, classes, progress)
    if not _has_inputs(call):
        if row is not None:
            raise UsageError(f"row {row} of what? No inputs are given", "Name the files.")
        return _list_steps(call)
    place = parse_row(row)
    finished = run(call, place[0])
    return finished.explain(place[0], finished.find(place[0], place[1:]), chosen=not place[1:])


def explain_difference(
    loss: str | Loss,
    other: str | Loss,
    *inputs: Any,
    row: Row | None = None,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Difference:
    """Walk through two definitions over the same row, and tell at which step they part.

    ``other`` may have options of its own (``"keras.huber:delta=2"``); it gets those of ``loss``
    that it has too, and each is reduced in its own way unless ``reduction`` is given. Without a
    ``row``, that on which the two differ most is explained. The rest is as for :func:`explain`;
    files are read again for each definition, so that a pipe will not do.

    >>> import lossctl
    >>> found = lossctl.explain_difference("mse", "optax.l2", [1.0, 5.0], [1.0, 2.0])
    >>> found.left.row, found.pairs[found.parting].key
    (1, 'loss')

    Returns a :class:`~lossctl.explanation.result.Difference`. Raises what :func:`explain` raises.
    """
    from lossctl.evaluation.request.specs import parse_loss

    declared, spec = find(loss), parse_loss(other)
    _refuse_pipes([*inputs, *options.values(), sample_weight, mask])
    settings = Settings(
        reduction=declared.reduction if reduction is None else reduction,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        threads=available_threads() if threads is None else threads,
    )
    call = Call(declared, inputs, options, settings, sample_weight, mask, classes, progress)
    if not _has_inputs(call):
        raise UsageError(
            f"{declared.key} and {spec.loss.key} are walked through on a row, and no inputs are"
            " given",
            "Name the files.",
        )
    own = spec.loss.reduction if reduction is None else reduction
    second = replace(
        _lend_options(call, spec.loss, spec.options | spec.inputs),
        settings=replace(settings, reduction=spec.mean or own),
    )
    first, second = call, _share_axis(call, second, spec.options)
    place = None if row is None else parse_row(row)
    return _compare(first, second, place)


def _has_inputs(call: Call) -> bool:
    return bool(call.inputs) or any(one.name in call.options for one in call.loss.inputs)


def _compare(first: Call, second: Call, place: tuple[int, ...] | None) -> Difference:
    """Explain one row by two definitions: the one named, or that on which they differ most."""
    farthest = _find_farthest(first, second) if place is None else None
    row, *position = place or (farthest or 0,)
    one = run(first, row)
    with _naming(second.loss):
        other = run(second, row)
    shown = tuple(position) or _locate_gap(one, other, row)
    left, right = (
        each.explain(row, each.find(row, each.fit(shown)), chosen=not position)
        for each in (one, other)
    )
    found = compare_walks([first.loss, second.loss], left, right)
    if found.parting is None and found.results_differ:
        farthest = _find_farthest(first, second) if place is not None else farthest
        if farthest is None:  # no row tells: they part where all rows are brought together
            found = replace(found, parting=[pair.key for pair in found.pairs].index("result"))
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
        hint = f"Its options are set so: {other.key}:NAME=VALUE."
        raise DataError(f"for {other.key}, {error.message}", f"{error.remedy}\n{hint}") from error


def _locate_gap(first: Run, second: Run, row: int) -> tuple[int, ...]:
    """Return where in a row two definitions differ most; nothing if they have other positions."""
    if () in (first.positions, second.positions) or first.positions != second.positions:
        return ()
    gaps = measure_gaps(take_losses(first.plan, row), take_losses(second.plan, row), TOLERANCE)
    return locate_largest(gaps) if gaps.any() else ()


def _lend_options(call: Call, other: Loss, given: dict[str, Any]) -> Call:
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
    return replace(call, loss=other, options=lent | given)


def _share_axis(first: Call, second: Call, given: dict[str, Any]) -> Call:
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
    options = {other: second.settings.class_axis} | second.options | given
    return replace(second, options=options, settings=replace(second.settings, class_axis=1))


def _count_axes(call: Call) -> int:
    plan = call.plan()
    close(plan)
    return len(plan.inputs[0].source.shape)


def _refuse_pipes(references: Sequence[Any]) -> None:
    for reference in references:
        if is_text(reference) and is_live(reference):
            raise UsageError(
                "two definitions take two readings, and standard input or a pipe can be read once",
                "Write it to a file first.",
            )


def parse_row(row: Row | None) -> tuple[int, ...]:
    """Return a row, and a position in it, as whole numbers."""
    if row is None:
        raise UsageError("no row is named", "Rows are counted from 0: --row 0 is the first one.")
    try:
        if isinstance(row, str):
            places = tuple(map(int, row.split(",")))
        else:
            several: Any = row if isinstance(row, Sequence | np.ndarray) else [row]
            places = tuple(operator.index(one) for one in several)
    except (TypeError, ValueError):
        places = ()
    if not places:
        raise UsageError(
            f"{row!r} is no row", "A row is a whole number from 0 on; 3,10,20 is a place in row 3."
        )
    return places


def close(plan: Plan) -> None:
    """Close the inputs of a plan that is not carried out."""
    for bound in plan.streams:
        bound.source.close()


def run(call: Call, row: int) -> Run:
    """Compute the reduced loss, and keep a row."""
    if call.settings.reduction == "none":
        raise UsageError(
            "the reduction none adds nothing up, and a row is explained with what it adds",
            "Choose another one, such as mean or sum.",
        )
    check_row(row, None, "")
    plan = call.plan(row)
    source = plan.inputs[0].source
    try:
        check_row(row, count_rows(plan, plan.samples), source.name)
    except UsageError:
        close(plan)
        raise
    stream = Elements(plan, call.progress)
    result = compute(stream)
    check_row(row, count_rows(plan, result.samples), source.name)
    named = load_classes(call.classes)
    names = () if named is None else named.names
    return Run(call.loss, plan, result, _total(plan, stream), names)


def _total(plan: Plan, stream: Elements) -> dict[str, Array]:
    """Return the named sums over all rows, in the shape of the losses made of them."""
    if plan.gathering is None or not plan.single:
        return {}
    shape = fill(plan.gathering.shape, 0)
    return {
        name: np.array([one.value for one in parts]).reshape(shape)
        for name, parts in stream.partial.sums.items()
    }


def _list_steps(call: Call) -> Explanation:
    """Return the steps of a loss without values: those of the options given, and of others."""
    loss = call.loss
    check_options(loss, call.options, load_array)
    defaults = {one.name: one.default for one in loss.parameters}
    given = {name: v for name, v in call.options.items() if not is_default(v, defaults[name])}
    settings = Settings(call.settings.reduction)

    def try_out(inputs: tuple[Array, ...], more: dict[str, Any]) -> tuple[Step, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            finished = run(Call(loss, inputs, given | more, settings), 0)
            return finished.explain(0, finished.find(0, ()), chosen=False).steps

    steps = [
        replace(step, value=None, before=None, mark=None)
        for step in list_variants(loss, try_out, given)
    ]
    return Explanation(loss.key, loss.key, describe(loss), tuple(steps))
