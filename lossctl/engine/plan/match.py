"""Matching inputs with a loss: order, form, and checks before any block is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.source import Source
from lossctl.data.arrays.views import align_trailing, squeeze
from lossctl.data.rules import shapes
from lossctl.data.rules.kinds import not_whole
from lossctl.engine.plan.binding import BoundInput, class_order
from lossctl.engine.plan.blocks import Region
from lossctl.engine.plan.plan import Settings
from lossctl.errors import DataError, UsageError, warn
from lossctl.findings import Sentence
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Form, Loss

Array = NDArray[Any]

NUMBER_BYTES = 8
MUCH_MEMORY = 2**30


def match_inputs(
    loss: Loss, sources: Sequence[Source], settings: Settings
) -> tuple[shapes.Match, Sequence[Source], list[str]]:
    """Find the form that fits, in the declared order of inputs or another recognised one."""
    if settings.squeeze:
        try:
            kept = [squeeze(source) for source in sources]
            return match_inputs(loss, kept, replace(settings, squeeze=False))
        except DataError:
            sources = [squeeze(source, samples=True) for source in sources]
    if loss.squeeze_trailing:
        sources = _align(loss, sources, settings.class_axis)
    readings = {tuple(one.name for one in loss.inputs): sources}
    for order in loss.other_orders:
        given = dict(zip(order, sources, strict=True))
        readings[order] = [given[one.name] for one in loss.inputs]
    fitting, refusals = {}, []
    for order, ordered in readings.items():
        try:
            fitting[order] = (_match_order(loss, ordered, settings.class_axis), ordered)
        except DataError as refusal:
            refusals.append(refusal)
    if not fitting:
        raise refusals[0]
    taken = next(iter(fitting))
    notes = []
    if len(fitting) > 1:
        notes.append(
            f"the shapes fit in more than one order; the inputs are taken as {', '.join(taken)}"
        )
    return *fitting[taken], notes


def _align(loss: Loss, sources: Sequence[Source], class_axis: int) -> Sequence[Source]:
    """Let the first two inputs differ by an axis of length 1, as Keras does."""
    first, second, *rest = sources
    if loss.inputs[1].forms[0].kind == Kind.INDEX:
        axis = class_axis if loss.class_axis_option else -1
        return [first, align_trailing(second, first, axis), *rest]
    return [align_trailing(first, second), align_trailing(second, first), *rest]


def _match_order(loss: Loss, sources: Sequence[Source], class_axis: int) -> shapes.Match:
    shape = sources[0].shape
    if len(shape) > (not loss.class_axis_option) and not -len(shape) <= class_axis < len(shape):
        name = loss.inputs[0].name
        raise UsageError(f"{name} has shape {shapes.show(shape)}: it has no axis {class_axis}")
    rigid = [(i, s) for i, s in zip(loss.inputs, sources, strict=True) if not i.broadcasts]
    forms = [
        [_arrange(loss, i.form(number), s.shape, class_axis) for i, s in rigid]
        for number in range(loss.form_count)
    ]
    return shapes.match([i.name for i, _ in rigid], forms, [s.shape for _, s in rigid])


def _arrange(
    loss: Loss, form: Form, shape: shapes.Shape, class_axis: int
) -> tuple[tuple[str, ...], shapes.Shape]:
    """Return a form's words and a shape with the class axis in the same place."""
    if form.axes[:2] == ("N", "C") and class_axis in (-1, len(shape) - 1) and len(shape) > 1:
        return ("N", *form.axes[2:], "C"), shape
    order = class_order(form, len(shape), class_axis, last=bool(loss.class_axis_option))
    return form.axes, tuple(shape[axis] for axis in order)


def reject_integers(inputs: Sequence[BoundInput]) -> None:
    """Reject integers where the shape means probabilities, as torch does; text has no types."""
    for bound in inputs:
        whole = bound.source.dtype.kind in "iub" and not bound.source.text
        if bound.kind == Kind.DISTRIBUTION and whole:
            raise DataError(
                f"{bound.name} has the shape of {inputs[0].name},"
                f" {shapes.show(bound.source.shape)}, which means probabilities of the classes,"
                f" but contains {bound.source.dtype}",
                "Class indices have no class axis. Give probabilities as floats. For one score"
                " and a label of 0 or 1 per sample there is bce_with_logits.",
            )


def reject_no_classes(inputs: Sequence[BoundInput], sizes: dict[str, int | None]) -> None:
    """Reject an empty class axis."""
    chooses = any(one.kind in (Kind.INDEX, Kind.INDEX_LIST, Kind.DISTRIBUTION) for one in inputs)
    if chooses and sizes.get("C") == 0 and sizes["N"] != 0:
        raise DataError(
            f"{inputs[0].name} has shape {shapes.show(inputs[0].source.shape)}: it has no classes",
            "Class scores are (N, C) or (N, C, ...).",
        )


def load_whole(loss: Loss, inputs: Sequence[BoundInput], sizes: dict[str, int | None]) -> None:
    """Read all inputs of a loss that needs all samples at once, with a note if they are large."""
    total = sum(math.prod(size or 0 for size in bound.source.shape) for bound in inputs)
    if total * NUMBER_BYTES > MUCH_MEMORY:
        warn(
            f"{loss.key} compares all samples with each other: all of them are held in memory,"
            f" {total * NUMBER_BYTES / 2**30:.1f} GiB"
        )
    try:
        for bound in inputs:
            bound.load()
    except MemoryError as error:
        raise DataError(
            f"{loss.key} needs all samples at once, and they do not fit into memory",
            "Take fewer samples: a batch as in training, or a sample of the dataset.",
        ) from error
    lengths = {bound.name: len(bound.array) for bound in inputs if bound.array is not None}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count} samples" for name, count in lengths.items())
        raise DataError(
            f"the inputs differ in length: {counts}",
            "All inputs must contain the same samples in the same order.",
        )
    sizes["N"] = next(iter(lengths.values()))


def reject_missing(loss: Loss, inputs: Sequence[BoundInput]) -> None:
    """Reject NaN in samples that are compared with each other, as no loss is without it."""
    for bound in inputs:
        values = bound.array
        if values is None or values.dtype.kind != "f" or not (gone := np.isnan(values)).any():
            continue
        first = np.argwhere(gone)[0].tolist()
        place = bound.source.locate(bound.position(tuple(first), Region(0, len(values), ())))
        raise DataError(
            f"{bound.name}: {int(gone.sum())} of the values are NaN, the first at {place};"
            f" {loss.key} compares all samples with each other, so that none can be left out",
            "Leave the samples out of the inputs.",
        )


def broadcast_inputs(inputs: tuple[BoundInput, ...], loss: Loss) -> None:
    """Broadcast the inputs that may have fewer axes to the shape of the first."""
    first = inputs[0]
    for declared, bound in zip(loss.inputs, inputs, strict=True):
        if not declared.broadcasts:
            continue
        shape, target = bound.source.shape, first.source.shape
        kept = shapes.find_broadcast_axes(shape, target)
        if kept is None:
            raise DataError(
                f"{bound.name} has shape {shapes.show(shape)}, which does not fit"
                f" {first.name} {shapes.show(target)}",
                f"{bound.name} may have the shape of {first.name}, or lack its last axis, or have"
                " one axis of length 1, or be one number.",
            )
        bound.axes, bound.batched = first.axes, first.batched
        bound.order = tuple(range(len(target)))
        if kept or not first.batched:
            sizes: list[int | None] = [
                1 if axis in kept else size for axis, size in enumerate(target)
            ]
            values = bound.source.whole()
            known = [len(values) if size is None else size for size in sizes]
            bound.array = values.reshape(known if first.batched else (1, *known))
            bound.fixed = frozenset(kept if first.batched else (axis + 1 for axis in kept))
        else:
            bound.array, bound.fixed = None, frozenset()


def prepare(
    loss: Loss,
    inputs: tuple[BoundInput, ...],
    sizes: dict[str, int | None],
    options: dict[str, Any],
) -> None:
    """Let a loss check its complete small inputs (lengths, label sequences) in advance."""
    if loss.preparation is None:
        return
    whole = {bound.name: whole_numbers(bound) for bound in inputs if bound.kind.is_integer}
    known = {word: size or 0 for word, size in sizes.items()}
    sources = {bound.name: bound.source.name for bound in inputs}
    for name, array in loss.preparation(known, sources, **whole, **options).items():
        bound = next(one for one in inputs if one.name == name)
        bound.array, bound.shared = array, False
        bound.axes = ("N", *bound.axes[-1:])


def whole_numbers(bound: BoundInput) -> Array:
    """Return a complete input as integers; raises DataError if it contains anything else."""
    assert bound.array is not None
    values = bound.array
    if values.dtype.kind == "f":
        broken = not_whole(values)
        if broken.any():
            at = tuple(int(i) for i in np.argwhere(broken)[0])
            raise DataError(
                Sentence(
                    "{name}: {count} of the values are not integers; the first is {value} at"
                    " {place}",
                    {
                        "name": bound.name,
                        "count": int(broken.sum()),
                        "value": values[at],
                        "place": bound.source.locate(at),
                    },
                ),
                f"{bound.name} must be integers.",
            )
    bound.array = values.astype(np.intp, copy=False)
    return bound.array
