"""Do the inputs fit the loss? Where they do not: by what change would they?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossctl.checks.findings.catalogue import Evidence, FindingType, declare
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.repairs.repairs import Command
from lossctl.checks.repairs.views import (
    ArgmaxSource,
    LimitedSource,
    OneHotSource,
    is_one_hot,
    peek,
    swap_axes,
)
from lossctl.checks.result import Finding, Severity
from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import squeeze
from lossctl.data.rules.shapes import show
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.match import match_inputs
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.errors import DataError, LossctlError
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss

MOST_SHIFTED = 8
"""The largest difference of lengths for which the place of the missing rows is searched."""

SHAPES = declare("shape_mismatch", Severity.ERROR, "shapes that do not fit the loss, or each other")
LENGTHS = declare("length_mismatch", Severity.ERROR, "different numbers of samples")
TRAILING = declare("trailing_axis", Severity.ERROR, "(N, 1) with (N,), which would broadcast")
TRANSPOSED = declare("axes_order", Severity.ERROR, "the first two axes are swapped")
SWAPPED = declare("swapped_inputs", Severity.ERROR, "predictions and targets are swapped")
ONE_HOT = declare("one_hot_labels", Severity.ERROR, "one-hot labels where indices are expected")
INDICES = declare("index_labels", Severity.ERROR, "class indices where one-hot rows are expected")
REFUSED = declare("refused", Severity.ERROR, "another reason why the loss cannot be computed")
CLASS_AXIS = declare(
    "class_axis",
    Severity.ERROR,
    "the class axis is not where the loss expects it",
    hides=("sum_not_one", "log_not_normalised"),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a plan is made of."""

    loss: Loss
    sources: tuple[Source, ...]
    options: dict[str, Any]
    settings: Settings
    call: Command
    sample_weight: Source | None = None
    mask: Source | None = None
    predicates: dict[str, bool] | None = None

    def make_plan(self) -> Plan:
        """Return the plan; raises DataError where inputs do not fit."""
        return make_plan(
            self.loss,
            self.sources,
            self.options,
            self.settings,
            self.sample_weight,
            self.mask,
            self.predicates,
        )

    def put(self, place: int, source: Source, call: Command) -> Setup:
        """Return the same with another source."""
        sources = [*self.sources]
        sources[place] = source
        return replace(self, sources=tuple(sources), call=call)


@dataclass(frozen=True, slots=True)
class Change:
    """A setup that may fit, and what was wrong if it does."""

    finding_type: FindingType
    evidence: Evidence
    setup: Setup
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan (None where nothing makes the inputs fit) and what was wrong."""

    plan: Plan | None
    findings: list[Finding]
    call: Command
    offsets: tuple[int, ...] = ()
    """By how many rows predictions may be shifted, apart from 1."""
    refusal: tuple[FindingType, Evidence] | None = None
    """Why there is no plan."""


def settle(setup: Setup) -> Settled:
    """Make a plan, if need be of inputs as they would be after a repair.

    Raises what is wrong with the call itself (UsageError), and with broken files.
    """
    try:
        return Settled(setup.make_plan(), [], setup.call)
    except DataError as refusal:
        first = refusal
    for chain in _chain_changes(setup):
        last = chain[-1]
        try:
            plan = last.setup.make_plan()
        except LossctlError:
            continue
        found = [one.finding_type.report(one.evidence) for one in chain]
        offsets = tuple(offset for one in chain for offset in one.offsets)
        return Settled(plan, found, last.setup.call, offsets)
    fits = _match(setup)
    finding_type = REFUSED if fits else SHAPES
    repair = Repair(first.remedies) if first.remedies else None
    evidence = Evidence("", first.finding, _shapes(setup), repair)
    return Settled(None, [], setup.call, refusal=(finding_type, evidence))


def _chain_changes(setup: Setup) -> Iterator[list[Change]]:
    """Yield changes, the smallest assumptions first; a pair includes that of axes of length 1."""
    near = [*_squeeze(setup), *_encode_labels(setup), *_move_classes(setup)]
    yield from ([one] for one in near)
    for one in near:
        if one.finding_type is TRAILING:
            sources = tuple(map(squeeze, one.setup.sources))
            setup = replace(one.setup, sources=sources)
            for two in (*_encode_labels(setup), *_move_classes(setup)):
                yield [one, two]
    yield from ([one] for one in (*_swap(setup), *_exchange_axes(setup), *_cut(setup)))


def _match(setup: Setup) -> bool:
    """Whether the shapes are not the reason for the refusal."""
    settings = setup.settings
    if setup.loss.class_axis_option:
        settings = replace(settings, class_axis=setup.options[setup.loss.class_axis_option])
    try:
        match_inputs(setup.loss, setup.sources, settings)
    except LossctlError:
        return False
    return True


def _shapes(setup: Setup) -> dict[str, Any]:
    pairs = zip(setup.loss.inputs, setup.sources, strict=True)
    return {"shapes": {one.name: list(source.shape) for one, source in pairs}}


def _squeeze(setup: Setup) -> Iterator[Change]:
    if setup.settings.squeeze or not any(1 in one.shape for one in setup.sources):
        return
    call = setup.call.change(squeeze=True)
    remedy = Remedy(RepairKind.DROP_AXES, {"option": OptionName("squeeze", True)})
    long = max(setup.sources, key=lambda one: len(one.shape))
    place = setup.sources.index(long)
    evidence = Evidence(
        setup.loss.inputs[place].name,
        f"the shapes are {_list_shapes(setup)}: there is an extra axis of length 1, which other"
        " libraries would broadcast",
        _shapes(setup),
        Repair((remedy,), (call,)),
    )
    settings = replace(setup.settings, squeeze=True)
    yield Change(TRAILING, evidence, replace(setup, settings=settings, call=call))


def _list_shapes(setup: Setup) -> str:
    pairs = zip(setup.loss.inputs, setup.sources, strict=True)
    return ", ".join(f"{one.name} {show(source.shape)}" for one, source in pairs)


def _move_classes(setup: Setup) -> Iterator[Change]:
    """Try other axes as the class axis."""
    rank = len(setup.sources[0].shape)
    if setup.settings.class_axis != 1 or setup.loss.class_axis_option or rank < 3:
        return
    for axis in (-1, *range(2, rank - 1)):
        call = setup.call.change(class_axis=axis)
        remedy = Remedy(RepairKind.SAY_CLASS_AXIS, {"option": OptionName("class_axis", axis)})
        evidence = Evidence(
            setup.loss.inputs[0].name,
            f"the shapes {_list_shapes(setup)} fit when the classes are along axis {axis}",
            _shapes(setup) | {"class_axis": axis},
            Repair((remedy,), (call,)),
        )
        settings = replace(setup.settings, class_axis=axis)
        yield Change(CLASS_AXIS, evidence, replace(setup, settings=settings, call=call))


def _swap(setup: Setup) -> Iterator[Change]:
    """Swap the first two inputs, if what would be the labels are integers."""
    kinds = {form.kind for form in setup.loss.inputs[1].forms}
    first = peek(setup.sources[0])
    if Kind.INDEX in kinds and not np.all(np.isfinite(first) & (first == np.floor(first))):
        return
    order = [1, 0, *range(2, len(setup.sources))]
    call = setup.call.reorder(order)
    evidence = Evidence(
        "",
        f"the shapes {_list_shapes(setup)} fit when they are swapped: predictions come first,"
        " then targets",
        _shapes(setup),
        Repair((Remedy(RepairKind.EXCHANGE_INPUTS),), (call,)),
    )
    sources = tuple(setup.sources[place] for place in order)
    yield Change(SWAPPED, evidence, replace(setup, sources=sources, call=call))


def _exchange_axes(setup: Setup) -> Iterator[Change]:
    for place, (declared, source) in enumerate(zip(setup.loss.inputs, setup.sources, strict=True)):
        swapped = swap_axes(source)
        if swapped is None:
            continue
        name = declared.name
        repair = setup.call.rewrite(RepairKind.EXCHANGE_AXES, **{name: f"{name}.swapaxes(0, 1)"})
        evidence = Evidence(
            name,
            f"the shapes are {_list_shapes(setup)}, and would fit with {show(swapped.shape)} for"
            f" {name}: {declared.shapes} is expected",
            _shapes(setup),
            repair,
        )
        yield Change(
            TRANSPOSED, evidence, setup.put(place, swapped, _follow(setup.call, place, repair))
        )


def _cut(setup: Setup) -> Iterator[Change]:
    """Drop the surplus rows of the longer input."""
    lengths = [source.length for source in setup.sources]
    if any(one.forms[0].axes[:1] != ("N",) for one in setup.loss.inputs) or None in lengths:
        return
    known = [length for length in lengths if length is not None]
    rows = min(known)
    if rows == max(known) or not rows:
        return
    sources = tuple(
        LimitedSource(one, rows) if length != rows else one
        for one, length in zip(setup.sources, known, strict=True)
    )
    names = [one.name for one in setup.loss.inputs]
    counts = dict(zip(names, known, strict=True))
    evidence = Evidence(
        "",
        "; ".join(f"{name} has {count} samples" for name, count in counts.items()),
        counts,
        setup.call.rewrite(
            RepairKind.FIND_MISSING_ROWS,
            **{name: f"{name}[:{rows}]" for name, count in counts.items() if count > rows},
        ),
    )
    apart = known[1] - known[0]
    offsets = (apart,) if 0 < abs(apart) <= MOST_SHIFTED else ()
    mask = None if setup.mask is None else LimitedSource(setup.mask, rows)
    weight = None if setup.sample_weight is None else LimitedSource(setup.sample_weight, rows)
    changed = replace(setup, sources=sources, mask=mask, sample_weight=weight)
    yield Change(LENGTHS, evidence, changed, offsets)


def _encode_labels(setup: Setup) -> Iterator[Change]:
    """Take one-hot rows as indices, or indices as one-hot rows."""
    first, *others = setup.sources
    if not others or len(first.shape) < 2:
        return
    target, declared = others[0], setup.loss.inputs[1]
    kinds = {form.kind for form in declared.forms}
    name, call = declared.name, setup.call
    plain = f"{name}.squeeze()" if setup.settings.squeeze else name
    if Kind.INDEX in kinds and len(target.shape) == len(first.shape):
        axis = _class_axis(setup, target)
        if target.shape[axis] != 1 and is_one_hot(peek(target), axis):
            text = f"{plain}.argmax(axis={axis})"
            if _may_lack(target):
                text = f"np.where(np.isnan({plain}).any(axis={axis}), np.nan, {text})"
            repair = call.rewrite(RepairKind.TAKE_INDICES, **{name: text})
            evidence = Evidence(
                name,
                f"{name} {show(target.shape)} contains one-hot labels, where class indices"
                " are expected",
                _shapes(setup),
                repair,
            )
            yield Change(
                ONE_HOT,
                evidence,
                setup.put(1, ArgmaxSource(target, axis), _follow(call, 1, repair)),
            )
    wanted = {Kind.DENSITY, Kind.DISTRIBUTION, Kind.SOFT_LABEL}
    if setup.loss.inputs[0].forms[0].kind == Kind.SCORE:
        wanted |= {Kind.REAL}  # the shares of Keras's categorical hinge
    if kinds <= wanted and len(target.shape) == len(first.shape) - 1:
        axis = _class_axis(setup, first)
        classes = first.shape[axis] or 0
        values = peek(target)
        values = values[values == values]  # noqa: PLR0124 - not those that are NaN
        whole = values.size and (values == values.astype(int)).all()
        if whole and values.min() >= 0 and values.max() <= classes:
            rows = f"np.eye({classes})[{plain}.astype(int)]"
            if _may_lack(target):
                equal = f"{plain}[..., None] == np.arange({classes})"
                rows = f"np.where(np.isnan({plain})[..., None], np.nan, {equal})"
            text = f"np.moveaxis({rows}, -1, {axis})"
            repair = call.rewrite(RepairKind.TAKE_ONE_HOT, **{name: text})
            evidence = Evidence(
                name,
                f"{name} {show(target.shape)} contains class indices, where a probability of each"
                f" class is expected: {show(first.shape)}",
                _shapes(setup),
                repair,
            )
            changed = OneHotSource(target, classes, axis)
            yield Change(INDICES, evidence, setup.put(1, changed, _follow(call, 1, repair)))


def _may_lack(source: Source) -> bool:
    """Whether a source may hold NaN behind the rows that were looked at."""
    seen = peek(source)
    longer = source.length is None or source.length > len(seen)
    return source.dtype.kind == "f" and (longer or bool(np.isnan(seen).any()))


def _class_axis(setup: Setup, source: Source) -> int:
    """Return where the classes are in the file, counted from the front."""
    axis = setup.options.get(setup.loss.class_axis_option, setup.settings.class_axis)
    if not setup.loss.class_axis_option and any(
        "*D C" in form.pattern for form in setup.loss.inputs[0].forms
    ):
        axis = -1
    rank = len(source.shape)
    return int(axis) % rank if -rank <= axis < rank else rank - 1


def _follow(call: Command, place: int, repair: Repair) -> Command:
    """Return the call after a repair that writes a file."""
    if not call.textual or not repair.commands:
        return call
    files = call.name_fixed(place)
    references = (*call.references[:place], files, *call.references[place + 1 :])
    return replace(call, references=references)


def follow_lengths(counts: dict[str, int], call: Command) -> Finding:
    """Return the finding of inputs that turned out to differ in length when they were read."""
    rows = min(counts.values())
    evidence = Evidence(
        "",
        "; ".join(f"{name} has {count} samples" for name, count in counts.items()),
        dict(counts),
        call.rewrite(
            RepairKind.FIND_MISSING_ROWS,
            **{
                name: f"{name}[:{rows}]"
                for name, count in counts.items()
                if count > rows and name in call.names
            },
        ),
    )
    return LENGTHS.report(evidence)


def compare_ids(ids: int, samples: int) -> Iterator[Finding]:
    """Yield the finding that there are not as many ids as samples."""
    if ids != samples:
        counts = {"ids": ids, "samples": samples}
        message = f"there are {ids} ids for {samples} samples"
        yield LENGTHS.report(Evidence("", message, counts, Repair.of(RepairKind.NAME_IDS)))
