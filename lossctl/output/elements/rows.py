"""Per-element losses as rows: their indices, and their text.

Text is made block by block, in one of two ways with the same result to the last character:
Python's own `repr` for the first blocks, and pyarrow, which is five times faster and takes 0.1 s
to import, for long streams.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from lossctl.engine.sums.result import Result

_PLAIN_ROWS = 262_144
"""Rows of a stream that are formatted without pyarrow: that takes as long as to import it."""

_COMMON = (1e-3, 1e6)
"""Between these sizes, pyarrow and `repr` write a number alike but for the ``.0``."""

Array = NDArray[Any]


class ElementStream(Protocol):
    """Per-element losses on their way: blocks in C order, and the counts after the last one."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape; the length of axis 0 is None where it is known only at the end."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the losses."""

    def __iter__(self) -> Iterator[Array]:
        """Yield the losses block by block."""

    def result(self) -> Result:
        """Return the counts, once all blocks were taken."""


class Rows(NamedTuple):
    """Consecutive elements: the place of the first one, and the losses."""

    start: int
    losses: Array

    @property
    def stop(self) -> int:
        """The place behind the last element."""
        return self.start + len(self.losses)


class Labels(NamedTuple):
    """A column of texts, each one of a few."""

    codes: Array
    texts: tuple[str, ...]


_RELEASED_ROWS = 262_144
"""Rows after which unused memory is given back: 10 to 15 MB less, in no measurable time."""

Piece = str | Array | Labels
"""What a row is made of: the same text in every row, whole numbers, losses, or labels."""


_PIECE_ROWS = 32_768
"""Rows made into text or records at once: their texts take ten times the memory of the losses."""


def choose_dtype(stream: ElementStream) -> np.dtype[Any]:
    """Return the type in which the losses are written: single or double precision."""
    return np.dtype(np.float32 if stream.dtype == np.float32 else np.float64)


def name_column(stream: ElementStream) -> str:
    """Return what the numbers of the stream are called: losses, unless it says otherwise."""
    return getattr(stream, "column", "loss")


def read_rows(stream: ElementStream) -> Iterator[Rows]:
    """Yield the blocks of the stream, flat and in pieces, each with its place."""
    start = 0
    dtype = choose_dtype(stream)
    for block in stream:
        losses = np.ascontiguousarray(block, dtype).reshape(-1)
        for first in range(0, len(losses), _PIECE_ROWS):
            yield Rows(start + first, losses[first : first + _PIECE_ROWS])
        if (start + len(losses)) // _RELEASED_ROWS > start // _RELEASED_ROWS:
            _release_memory()
        start += len(losses)


def _release_memory() -> None:
    """Let pyarrow, where it is loaded, give back the memory that it keeps for later."""
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()


def name_axes(shape: Sequence[int | None]) -> list[str]:
    """Return the names of the index columns: sample, then d1, d2, …."""
    return [f"d{axis}" if axis else "sample" for axis in range(len(shape))]


def index_rows(rows: Rows, shape: Sequence[int | None]) -> list[Array]:
    """Return the index of every row along every axis."""
    place = np.arange(rows.start, rows.stop, dtype=np.int64)
    axes: list[Array] = []
    for size in reversed([size or 1 for size in shape[1:]]):
        place, axis = np.divmod(place, size)
        axes.append(axis)
    return [place, *reversed(axes)] if shape else []


def count_elements(shape: Sequence[int | None]) -> int | None:
    """Return how many elements the shape has, or None if that is not known yet."""
    known = [size for size in shape if size is not None]
    return math.prod(known) if len(known) == len(shape) else None


def format_rows(pieces: Sequence[Piece], rows: Rows, names: dict[str, str]) -> str:
    """Return the text of the rows, each the concatenation of its pieces.

    Losses are written in the shortest form that reads back as the same number of their type;
    ``names`` says how numbers like ``nan`` are written.
    """
    if rows.stop > _PLAIN_ROWS:
        return _format_with_arrow(pieces, names)
    columns = [_format_plain(piece, names) for piece in pieces]
    # The losses make one column at least finite, which ends the repeated texts.
    return "".join(chain.from_iterable(zip(*columns, strict=False)))


def _format_plain(piece: Piece, names: dict[str, str]) -> Iterable[str]:
    if isinstance(piece, str):
        return repeat(piece)
    if isinstance(piece, Labels):
        return [piece.texts[code] for code in piece.codes.tolist()]
    if piece.dtype.kind == "f":
        return _format_floats(piece, names)
    return map(str, piece.tolist())


def _format_floats(losses: Array, names: dict[str, str]) -> list[str]:
    if losses.dtype == np.float32:
        texts = list(map(str, losses))
    else:
        texts = list(map(repr, losses.tolist()))
    return [names.get(text, text) for text in texts] if names else texts


def _format_with_arrow(pieces: Sequence[Piece], names: dict[str, str]) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str):
            columns.append(pa.scalar(piece))
        elif isinstance(piece, Labels):
            columns.append(pa.array(piece.texts).take(pa.array(piece.codes)))
        elif piece.dtype.kind == "f":
            columns.append(_format_floats_with_arrow(piece, names))
        else:
            columns.append(pa.array(piece).cast(pa.string()))
    lines = pc.binary_join_element_wise(*columns, "")
    # The texts of an Arrow array lie behind each other in memory: they are the text of the block.
    _, offsets, characters = lines.buffers()
    size = int(np.frombuffer(offsets, np.int32)[len(lines)])
    return str(memoryview(characters)[:size], "utf-8")


def _format_floats_with_arrow(losses: Array, names: dict[str, str]) -> pa.Array:
    """Return the texts that `repr` gives, which pyarrow writes apart from three differences.

    Whole numbers lack their ``.0``; very small and very large ones turn to powers of ten
    elsewhere; and ``names`` are ours.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pa.array(losses)
    texts = numbers.cast(pa.string())
    size = np.abs(losses)
    common = (size >= _COMMON[0]) & (size < _COMMON[1]) | (size == 0)
    with np.errstate(invalid="ignore"):
        whole = common & (losses == np.rint(losses))
    if whole.any():
        texts = pc.if_else(pa.array(whole), pc.binary_join_element_wise(texts, ".0", ""), texts)
    if not common.all():
        rare = pa.array(_format_floats(losses[~common], names), pa.string())
        texts = pc.replace_with_mask(texts, pa.array(~common), rare)
    return texts
