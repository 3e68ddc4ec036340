"""Sources without their axes of length 1, for those who ask for it."""

from __future__ import annotations

import numpy as np

from lossctl.data.arrays.source import Array, ArraySource, Source
from lossctl.data.arrays.views import WrappedSource


class SqueezedSource(WrappedSource):
    """A source whose axes of length 1 are dropped, apart from the sample axis."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, tuple(size for size in source.trailing if size != 1))

    def read(self, start: int, stop: int) -> Array:
        """Return rows without their axes of length 1."""
        rows = self.source.read(start, stop)
        return rows.reshape(len(rows), *self.trailing)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut along the axes that are left."""
        cuts = iter(box)
        full = tuple(slice(None) if size == 1 else next(cuts) for size in self.source.trailing)
        rows = self.source.read_box(start, stop, full)
        kept = [
            size
            for size, whole in zip(rows.shape[1:], self.source.trailing, strict=True)
            if whole != 1
        ]
        return rows.reshape(len(rows), *kept)

    def whole(self) -> Array:
        """Return the whole array without its axes of length 1."""
        values = self.source.whole()
        return values.reshape(values.shape[:1] + self.trailing)

    def place(self, position: tuple[int, ...]) -> str:
        """Say where an element is in the source as it was given."""
        rest = iter(position[1:])
        full = [0 if size == 1 else next(rest, 0) for size in self.source.trailing]
        return self.source.place((*position[:1], *full) if len(position) > 1 else position)


class ReshapedSource(SqueezedSource):
    """A source that lacks one axis of length 1, or has one more at its end."""

    def __init__(self, source: Source, axis: int | None) -> None:
        super().__init__(source)
        self.axis = axis
        kept = list(source.trailing)
        if axis is None:
            kept.append(1)
        else:
            del kept[axis - 1]
        self.trailing = tuple(kept)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> Array:
        """Return rows cut along the axes that there then are."""
        if self.axis is None:
            rows = self.source.read_box(start, stop, box[:-1])
            return rows[..., np.newaxis][..., box[-1]]
        cut = self.axis - 1
        rows = self.source.read_box(start, stop, (*box[:cut], slice(None), *box[cut:]))
        return rows.squeeze(self.axis)

    def place(self, position: tuple[int, ...]) -> str:
        """Say where an element is in the source as it was given."""
        if self.axis is None:
            return self.source.place(position[: len(self.source.shape)])
        if len(position) < self.axis:
            return self.source.place(position)
        return self.source.place((*position[: self.axis], 0, *position[self.axis :]))


def align_trailing(source: Source, other: Source, class_axis: int | None = None) -> Source:
    """Return a source with as many axes as another one, if one of length 1 is all they differ by.

    Of two sources the longer one loses its last axis, unless the other one is a vector, which
    gains one. For labels beside scores, ``class_axis`` says which axis of the scores they lack.
    """
    rank, wanted = len(source.shape), len(other.shape)
    if class_axis is not None:
        has_axis = rank == wanted > 1 and -rank <= class_axis < rank
        axis = class_axis % rank if has_axis else 0
        return ReshapedSource(source, axis) if axis and source.shape[axis] == 1 else source
    if rank == wanted + 1 and source.shape[-1] == 1 and wanted > 1:
        return ReshapedSource(source, rank - 1)
    if rank == 1 and wanted == 2 and other.shape[-1] == 1:
        return ReshapedSource(source, None)
    return source


def squeeze(source: Source, *, samples: bool = False) -> Source:
    """Return the source without its axes of length 1; the first only where ``samples`` says so."""
    if samples and 1 in source.shape:
        squeezed = ArraySource(source.name, np.squeeze(source.whole()), source.given_shape)
        squeezed.text = source.text
        return squeezed
    return SqueezedSource(source) if 1 in source.trailing else source
