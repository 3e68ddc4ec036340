"""How the axes of a source become the axes of a kernel's input.

A kernel sees every input with the sample axis first and the trailing axes where its pattern has
them. A :class:`BoundInput` input turns a region of samples into that view, and an index in the view
back into a place in the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.source import Source
from lossctl.engine.plan.blocks import Region
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Form, Input

Array = NDArray[Any]


@dataclass(slots=True)
class BoundInput:
    """An input of a loss, bound to a source.

    ``order`` lists the source's axes as the kernel wants them. ``batched`` says whether the
    source has a sample axis; ``shared`` inputs (the weights of a layer) belong to all samples.
    ``reads_few`` ones are passed to the kernel as they are stored, because it reads few of their
    numbers. ``axes`` are the words of the kernel's view, one per axis, with ``*`` for trailing
    axes.
    """

    name: str
    kind: Kind
    source: Source
    axes: tuple[str, ...]
    order: tuple[int, ...]
    batched: bool
    shared: bool
    reads_few: bool = False
    fixed: frozenset[int] = frozenset()
    """Axes of the view that keep length 1 while the others are cut."""
    array: Array | None = field(default=None)
    """The complete input in the kernel's view, if it is not read block by block."""

    @property
    def streamed(self) -> bool:
        """Whether the input is read block by block from its source."""
        return self.array is None

    def load(self) -> None:
        """Read the complete input, in the kernel's view."""
        values = self.source.whole().transpose(self.order)
        self.array = values if self.batched or self.shared else values[np.newaxis]

    def block(self, region: Region) -> Array:
        """Return the region of this input in the kernel's view, as it is stored."""
        if self.shared:
            assert self.array is not None
            return self.array
        rows = slice(region.start, region.stop)
        if self.array is not None:
            values = self.array if 0 in self.fixed else self.array[rows]
            return values[self._box(region)] if region.partial else values
        if region.partial:
            return self._read_box(region)
        values = self.source.read(region.start, region.stop)
        return values.reshape(len(values), *self.source.trailing).transpose(self.order)

    def _read_box(self, region: Region) -> Array:
        """Read only the part of a sample that is in the region."""
        cuts = self._box(region)
        box = [slice(None)] * len(cuts)
        for axis, original in enumerate(self.order):
            box[original] = cuts[axis]
        values = self.source.read_box(region.start, region.stop, tuple(box[1:]))
        return values.transpose(self.order)

    def _box(self, region: Region) -> tuple[slice, ...]:
        cuts = iter(region.trailing)
        everything = slice(None)
        box = []
        for axis, word in enumerate(self.axes):
            cut = next(cuts) if word == "*" else everything
            box.append(everything if axis in self.fixed else cut)
        return tuple(box)

    def position(self, local: tuple[int, ...], region: Region) -> tuple[int, ...]:
        """Return the place in the source of an index into a block."""
        found = list(local)
        if not self.shared and 0 not in self.fixed:
            found[0] += region.start
        for axis, cut in enumerate(self._box(region)):
            found[axis] += cut.start or 0
        if not self.batched and not self.shared:
            del found[0]
        place = [0] * len(found)
        for axis, original in enumerate(self.order):
            place[original] = found[axis]
        return tuple(place)


def view_axes(form: Form, trailing: int) -> tuple[str, ...]:
    """Return the words of a kernel's view of a form: samples first, one ``*`` per trailing axis."""
    words: list[str] = []
    for word in form.axes:
        words += ["*"] * trailing if word == "*D" else ["N" if word == "1" else word]
    if "N" in words:
        words.remove("N")
        words.insert(0, "N")
    return tuple(words)


def class_order(form: Form, rank: int, class_axis: int, *, last: bool) -> list[int]:
    """Return the source's axes with the class axis moved to where the form has it.

    ``last`` allows it for forms that have the class axis at the end.
    """
    axes = list(range(rank))
    if rank < 2 or not -rank <= class_axis < rank:
        return axes
    if form.axes[:2] == ("N", "C"):
        axes.insert(1, axes.pop(class_axis))
    elif last and form.axes[:1] == ("N",) and form.axes[-1:] == ("C",):
        axes.append(axes.pop(class_axis))
    return axes


def axis_order(form: Form, rank: int, class_axis: int, *, last: bool) -> tuple[int, ...]:
    """Return the source's axes in the order of the kernel's view."""
    axes = class_order(form, rank, class_axis, last=last)
    if "N" in form.axes and form.axes[0] != "N":
        axes.insert(0, axes.pop(form.axes.index("N")))
    return tuple(axes)


def kind_under(declared: Input, form: Form, options: dict[str, Any]) -> Kind:
    """Return the kind of an input under these options."""
    for condition, kind in declared.kind_if:
        if condition(options) if callable(condition) else options.get(condition):
            return kind
    return form.kind
