"""What is to be computed: a loss, its inputs and options, and how the samples are cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data import shapes
from lossctl.data.kinds import not_whole
from lossctl.data.source import ArraySource, Source
from lossctl.engine.binding import INTEGER_KINDS, Bound, axis_order, kind_under, view_axes
from lossctl.engine.blocks import Cutting, Region, plan_cutting
from lossctl.engine.options import TensorOption, bind_tensor
from lossctl.errors import DataError, UsageError
from lossctl.losses.declaration import Form, Input, Kind, Loss

Array = NDArray[Any]

REDUCTIONS = (
    "none",
    "mean",
    "sum",
    "batchmean",
    "sum_over_batch_size",
    "mean_with_sample_weight",
)
NAN_POLICIES = ("propagate", "omit", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything beside the loss, its inputs and its options."""

    reduction: str = "mean"
    class_axis: int = 1
    squeeze: bool = False
    nan: str = "propagate"
    dtype: str = "float64"
    threads: int = 1
    part: tuple[int, int] | None = None
    """Work on the k-th of n parts of the blocks."""


@dataclass(slots=True)
class Plan:
    """A computation, checked as far as shapes and options go, before any data are read."""

    loss: Loss
    inputs: tuple[Bound, ...]
    options: dict[str, Any]
    tensors: dict[str, TensorOption]
    settings: Settings
    sizes: dict[str, int | None]
    cutting: Cutting
    axes: tuple[str, ...]
    """Words of the per-element losses in the kernel's view."""
    shape: tuple[int | None, ...]
    """Shape of the per-element losses as the user sees them."""
    sample_weight: Bound | None = None
    mask: Bound | None = None
    given: dict[str, str] = field(default_factory=dict)
    """Tensor-valued options as the user wrote them."""

    @property
    def samples(self) -> int | None:
        """The number of samples, or None where it is not known before the end."""
        return self.sizes["N"]

    @property
    def classes(self) -> int:
        """The number of classes; 1 where an input has no axis for them."""
        return self.sizes.get("C", 1) or 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that the arithmetic is done in."""
        return np.dtype(self.settings.dtype)

    @property
    def streams(self) -> tuple[Bound, ...]:
        """Everything that is read per region: inputs, weights, mask."""
        return (*self.inputs, *(one for one in (self.sample_weight, self.mask) if one))

    def regions(self) -> Iterator[Region]:
        """Yield the blocks; one empty block where there are no samples."""
        if self.settings.part is None:
            if self.samples == 0:
                return iter([Region(0, 0, self.cutting.boxes[0])])
            return self.cutting.regions(self.samples)
        if self.samples is None:
            raise UsageError(
                "parts need inputs whose length is known before they are read",
                "Use NPY, Parquet or Arrow files, or compute whole files and merge their states.",
            )
        part, parts = self.settings.part
        count = self.cutting.count(self.samples)
        first, last = count * (part - 1) // parts, count * part // parts
        return islice(self.cutting.regions(self.samples, first), last - first)


def make_plan(
    loss: Loss,
    sources: Sequence[Source],
    options: dict[str, Any],
    settings: Settings,
    sample_weight: Source | None = None,
    mask: Source | None = None,
) -> Plan:
    """Bind sources to a loss's inputs; raises DataError where shapes do not fit together."""
    _check_settings(loss, settings)
    if settings.squeeze:
        sources = [squeeze(source) for source in sources]
    match, ordered = _match(loss, sources, settings.class_axis)
    sizes = dict(match.sizes)
    batched = any("N" in one.form(match.form).axes for one in loss.inputs)
    if not batched:
        sizes["N"] = 1
    inputs = tuple(
        _bind(declared, source, match, batched, options, settings)
        for declared, source in zip(loss.inputs, ordered, strict=True)
    )
    _stretch(inputs, loss)
    _prepare(loss, inputs, sizes, options)
    axes = tuple(word for axis in loss.result_axes(0) for word in _words(axis, len(match.further)))
    plan = Plan(
        loss=loss,
        inputs=inputs,
        options=options,
        tensors=_tensors(loss, options, sizes, match.further),
        settings=settings,
        sizes=sizes,
        cutting=plan_cutting(_cost(loss, inputs, sizes, match.further), match.further),
        axes=axes,
        shape=_result_shape(loss, match, sizes),
    )
    plan.sample_weight = _per_sample("sample weight", sample_weight, plan)
    plan.mask = _per_sample("mask", mask, plan)
    return plan


def _check_settings(loss: Loss, settings: Settings) -> None:
    if settings.reduction not in REDUCTIONS:
        raise UsageError(
            f"there is no reduction {settings.reduction!r}", f"There is: {', '.join(REDUCTIONS)}."
        )
    if settings.nan not in NAN_POLICIES:
        raise UsageError(f"nan is one of {', '.join(NAN_POLICIES)}, not {settings.nan!r}")
    if settings.dtype not in ("float64", "float32"):
        raise UsageError(f"dtype is float64 or float32, not {settings.dtype!r}")
    if settings.part is not None and not 1 <= settings.part[0] <= settings.part[1]:
        part, parts = settings.part
        raise UsageError(
            f"there is no part {part} of {parts}", "Parts are counted from 1, such as 3/40."
        )
    if settings.threads < 1:
        raise UsageError(f"threads must be at least 1, but is {settings.threads}")
    has_class_axis = any(f.axes[:2] == ("N", "C") for one in loss.inputs for f in one.forms)
    if settings.class_axis != 1 and not has_class_axis:
        raise UsageError(f"{loss.key} has no class axis that could be moved")


def squeeze(source: Source) -> Source:
    """Return the source without its axes of length 1."""
    if 1 not in source.shape:
        return source
    squeezed = ArraySource(source.name, np.squeeze(source.whole()))
    squeezed.text = source.text
    return squeezed


def _match(
    loss: Loss, sources: Sequence[Source], class_axis: int
) -> tuple[shapes.Match, Sequence[Source]]:
    """Find the form that fits, in the declared order of inputs or another recognised one."""
    declared = [one.name for one in loss.inputs]
    try:
        return _match_order(loss, sources, class_axis), sources
    except DataError:
        for other in loss.other_orders:
            given = dict(zip(other, sources, strict=True))
            reordered = [given[name] for name in declared]
            try:
                return _match_order(loss, reordered, class_axis), reordered
            except DataError:
                continue
        raise


def _match_order(loss: Loss, sources: Sequence[Source], class_axis: int) -> shapes.Match:
    shape = sources[0].shape
    if len(shape) > 1 and not -len(shape) <= class_axis < len(shape):
        name = loss.inputs[0].name
        raise UsageError(f"{name} has shape {shapes.show(shape)}: it has no axis {class_axis}")
    rigid = [(i, s) for i, s in zip(loss.inputs, sources, strict=True) if not i.fits]
    forms = [
        [(i.form(number).axes, _moved_shape(i.form(number), s.shape, class_axis)) for i, s in rigid]
        for number in range(loss.form_count)
    ]
    return shapes.match([i.name for i, _ in rigid], forms, [s.shape for _, s in rigid])


def _moved_shape(form: Form, shape: shapes.Shape, class_axis: int) -> shapes.Shape:
    """Return a shape with its class axis where the form has it."""
    has_axis = len(shape) > 1 and -len(shape) <= class_axis < len(shape)
    if class_axis == 1 or form.axes[:2] != ("N", "C") or not has_axis:
        return shape
    axes = list(shape)
    axes.insert(1, axes.pop(class_axis))
    return tuple(axes)


def _bind(
    declared: Input,
    source: Source,
    match: shapes.Match,
    batched: bool,
    options: dict[str, Any],
    settings: Settings,
) -> Bound:
    form = declared.form(match.form)
    moved = (
        settings.class_axis
        if "C" in form.axes and len(match.further) + 2 == len(source.shape)
        else 1
    )
    shared = "N" not in declared.forms[0].axes or (batched and "N" not in form.axes)
    has_samples = "N" in form.axes or form.axes == ("1",)
    axes = view_axes(form, len(match.further))
    bound = Bound(
        name=declared.name,
        kind=kind_under(declared, form, options),
        source=source,
        axes=axes if has_samples or shared else ("N", *axes),
        order=axis_order(form, len(source.shape), moved),
        batched=has_samples,
        shared=shared,
        picked=declared.picked,
    )
    whole = bound.kind in (Kind.LENGTH, Kind.LABELS)
    if shared or not has_samples or whole or bound.order[:1] != (0,):
        bound.load()
    return bound


def _stretch(inputs: tuple[Bound, ...], loss: Loss) -> None:
    """Stretch the inputs that may have fewer axes to the shape of the first."""
    first = inputs[0]
    for declared, bound in zip(loss.inputs, inputs, strict=True):
        if not declared.fits:
            continue
        shape, target = bound.source.shape, first.source.shape
        kept = shapes.stretch(shape, target)
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


def _prepare(
    loss: Loss, inputs: tuple[Bound, ...], sizes: dict[str, int | None], options: dict[str, Any]
) -> None:
    """Let a loss look at its whole small inputs (lengths, label sequences) before the work."""
    if loss.preparation is None:
        return
    whole = {bound.name: whole_numbers(bound) for bound in inputs if bound.kind in INTEGER_KINDS}
    known = {word: size or 0 for word, size in sizes.items()}
    sources = {bound.name: bound.source.name for bound in inputs}
    for name, array in loss.preparation(known, sources, **whole, **options).items():
        bound = next(one for one in inputs if one.name == name)
        bound.array, bound.shared = array, False
        bound.axes = ("N", *bound.axes[-1:])


def whole_numbers(bound: Bound) -> Array:
    """Return a whole input as integers; raises DataError where it holds anything else."""
    assert bound.array is not None
    values = bound.array
    if values.dtype.kind == "f":
        broken = not_whole(values)
        if broken.any():
            at = tuple(int(i) for i in np.argwhere(broken)[0])
            raise DataError(
                f"{bound.name}: {int(broken.sum())} of the values are not whole numbers; the first"
                f" is {values[at]} at {bound.source.place(at)} of {bound.source.name}",
                f"{bound.name} must be whole numbers.",
            )
    bound.array = values.astype(np.intp, copy=False)
    return bound.array


def _words(axis: str, further: int) -> list[str]:
    return ["*"] * further if axis == "*D" else [axis]


def _result_shape(
    loss: Loss, match: shapes.Match, sizes: dict[str, int | None]
) -> tuple[int | None, ...]:
    shape: list[int | None] = []
    for word in loss.result_axes(match.form):
        shape += match.further if word == "*D" else [1 if word == "1" else sizes[word]]
    return tuple(shape)


def _cost(
    loss: Loss, inputs: tuple[Bound, ...], sizes: dict[str, int | None], further: tuple[int, ...]
) -> int:
    """Return how many numbers one sample takes: in its largest input, unless the loss says."""
    if loss.sample_cost is not None:
        known = {word: size or 0 for word, size in sizes.items()}
        return loss.sample_cost({**known, "*D": math.prod(further)})
    costs = [1]
    for bound in inputs:
        if not bound.shared:
            words = [word for word in bound.axes if word not in ("N", "*")]
            starred = math.prod(further) if "*" in bound.axes else 1
            costs.append(math.prod(sizes.get(word) or 1 for word in words) * starred)
    return max(costs)


def _tensors(
    loss: Loss,
    options: dict[str, Any],
    sizes: dict[str, int | None],
    further: tuple[int, ...],
) -> dict[str, TensorOption]:
    return {
        parameter.name: bind_tensor(loss, parameter, options[parameter.name], sizes, further)
        for parameter in loss.parameters
        if parameter.tensor and options[parameter.name] is not None
    }


def _per_sample(name: str, source: Source | None, plan: Plan) -> Bound | None:
    """Bind a weight or mask, which broadcasts from the sample axis onwards."""
    if source is None:
        return None
    shape, wanted = source.shape, plan.shape
    fits = len(shape) <= len(wanted) and all(
        have == 1 or have is None or size is None or have == size
        for have, size in zip(shape, wanted, strict=False)
    )
    if not fits or shape[:1] == (1,) != wanted[:1] or (not shape and wanted):
        raise DataError(
            f"the {name} has shape {shapes.show(shape)}, but the losses are {shapes.show(wanted)}",
            f"A {name} has one number per sample, or the shape of the losses.",
        )
    axes = plan.axes[: len(shape)] if wanted else plan.axes
    bound = Bound(
        name=name,
        kind=Kind.REAL,
        source=source,
        axes=axes,
        order=tuple(range(len(shape))),
        batched=bool(wanted),
        shared=False,
        fixed=frozenset(
            axis for axis, size in enumerate(shape) if axis and size == 1 != wanted[axis]
        ),
    )
    if not wanted:
        bound.load()
    return bound
