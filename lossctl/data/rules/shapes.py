"""Matching the shapes of inputs with the symbolic shapes that are declared.

A pattern is a tuple of words: ``N`` samples, ``C`` classes, any other letter an axis of its own,
``*D`` any number of axes, ``1`` an axis of length one, ``4`` one of four. Words that occur in
several patterns must have the same size everywhere. Nothing is ever broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossctl.errors import DataError
from lossctl.findings import Remedy, RemedyKind

Shape = tuple[int | None, ...]
Pattern = tuple[str, ...]
Sizes = dict[str, int | None]
Arrangement = Sequence[tuple[Pattern, Shape]]


@dataclass(frozen=True, slots=True)
class Match:
    """The form that fits, the size of each word, and the sizes of the trailing axes ``*D``."""

    form: int
    sizes: Sizes
    trailing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where a form did not match."""

    input: int
    expected: str
    lengths: tuple[int, int] | None = None


def unify(pattern: Pattern, shape: Shape, sizes: Sizes, trailing: list[tuple[int, ...]]) -> bool:
    """Bind the words of a pattern to a shape; False (with partial bindings) if it cannot fit."""
    starred = "*D" in pattern
    extra = len(shape) - len(pattern) + starred
    if extra < 0 or (extra > 0 and not starred):
        return False
    position = 0
    for word in pattern:
        if word == "*D":
            axes = tuple(size or 0 for size in shape[position : position + extra])
            if trailing and trailing[0] != axes:
                return False
            trailing[:] = [axes]
            position += extra
            continue
        size = shape[position]
        known = int(word) if word.isdecimal() else sizes.get(word)
        if known is not None and size is not None and known != size:
            return False
        if not word.isdecimal() and (size is not None or word not in sizes):
            sizes[word] = size
        position += 1
    return True


def match(names: Sequence[str], forms: Sequence[Arrangement], shapes: Sequence[Shape]) -> Match:
    """Return the first form that all shapes fit, or raise a DataError that shows them.

    ``forms`` holds, per form and in the order of ``names``, what each input should look like and
    its shape in that form (the class axis may be elsewhere in the file); ``shapes`` are the
    shapes as the user knows them.
    """
    conflicts = []
    for number, arrangement in enumerate(forms):
        sizes: Sizes = {}
        trailing: list[tuple[int, ...]] = []
        for position, (pattern, shape) in enumerate(arrangement):
            before, axes = dict(sizes), list(trailing)
            if not unify(pattern, shape, sizes, trailing):
                conflicts.append(_conflict(position, pattern, shape, before, axes))
                break
        else:
            return Match(number, sizes, trailing[0] if trailing else ())
    patterns = [[pattern for pattern, _ in arrangement] for arrangement in forms]
    raise _mismatch(names, patterns, shapes, conflicts)


def _conflict(
    position: int, pattern: Pattern, shape: Shape, sizes: Sizes, trailing: list[tuple[int, ...]]
) -> Conflict:
    words: list[str] = []
    for word in pattern:
        if word == "*D":
            words += map(str, trailing[0]) if trailing else ["…"]
        else:
            size = sizes.get(word)
            words.append(word if size is None else str(size))
    expected = f"({', '.join(words)}{',' if len(words) == 1 else ''})"
    lengths = None
    samples = sizes.get("N")
    if pattern[:1] == ("N",) and shape[:1] not in ((samples,), ()) and samples is not None:
        trial: list[tuple[int, ...]] = list(trailing)
        if unify(pattern, (samples, *shape[1:]), dict(sizes), trial) and shape[0] is not None:
            lengths = (samples, shape[0])
    return Conflict(position, expected, lengths)


def show(shape: Shape) -> str:
    """Return a shape as Python writes it, with ``?`` for what is not known yet."""
    inner = ", ".join("?" if size is None else str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _mismatch(
    names: Sequence[str],
    forms: Sequence[Sequence[Pattern]],
    shapes: Sequence[Shape],
    conflicts: Sequence[Conflict],
) -> DataError:
    furthest = max(conflict.input for conflict in conflicts)
    candidates = [conflict for conflict in conflicts if conflict.input == furthest]
    listed = ", ".join(f"{name} {show(shape)}" for name, shape in zip(names, shapes, strict=True))
    for conflict in candidates:
        if conflict.lengths:
            first, other = conflict.lengths
            return DataError(
                f"{names[0]} has {first} samples, but {names[furthest]} has {other}"
                f" (shapes: {listed})",
                Remedy(RemedyKind.ALIGN_SAMPLES),
            )
    wanted = " or ".join(dict.fromkeys(conflict.expected for conflict in candidates))
    message = f"the shapes do not fit together: {listed}; {names[furthest]} should be {wanted}"
    return DataError(message, _remedy(forms, shapes))


def _fits(forms: Sequence[Sequence[Pattern]], shapes: Sequence[Shape]) -> bool:
    for patterns in forms:
        sizes: Sizes = {}
        trailing: list[tuple[int, ...]] = []
        if all(unify(p, s, sizes, trailing) for p, s in zip(patterns, shapes, strict=True)):
            return True
    return False


def _remedy(forms: Sequence[Sequence[Pattern]], shapes: Sequence[Shape]) -> Remedy:
    """Return what would make the shapes fit."""
    if _fits(forms, [tuple(size for size in shape if size != 1) for shape in shapes]):
        return Remedy(RemedyKind.SQUEEZE)
    first = shapes[0]
    if any("C" in pattern for patterns in forms for pattern in patterns[:1]) and len(first) > 2:
        moved = (first[0], first[-1], *first[1:-1])
        if _fits(forms, [moved, *shapes[1:]]):
            return Remedy(RemedyKind.MOVE_CLASS_AXIS, {"axis": -1})
    swapped = [*shapes[1::-1], *shapes[2:]]
    if swapped != list(shapes) and _fits(forms, swapped):
        return Remedy(RemedyKind.SWAP_INPUTS)
    return Remedy(RemedyKind.GIVE_SHAPES)


def _agree(one: int | None, other: int | None) -> bool:
    """Whether two sizes may be the same; one that is not known yet may be any."""
    return one is None or other is None or one == other


def find_broadcast_axes(shape: Shape, target: Shape) -> tuple[int, ...] | None:
    """Return the axes of ``target`` along which a variance of this shape stays 1, or None.

    As torch does: the same shape, the shape without its last axis, one axis of length 1, or
    one number.
    """
    if len(shape) == len(target) and all(map(_agree, shape, target)):
        return ()
    if shape in ((), (1,)) and len(target) <= 1:
        return tuple(range(len(target)))
    if not shape:
        return tuple(range(len(target)))
    if len(shape) == len(target) - 1 and all(map(_agree, shape, target)):
        return (len(target) - 1,)
    if len(shape) == len(target):
        differing = [axis for axis in range(len(shape)) if not _agree(shape[axis], target[axis])]
        if len(differing) == 1 and shape[differing[0]] == 1:
            return tuple(differing)
    return None
