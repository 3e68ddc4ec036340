"""The gradient of a call, in two passes over its inputs, into arrays, files or a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lossctl.data import is_streaming
from lossctl.engine.gradients.result import Gradient, GradientBlock
from lossctl.engine.gradients.stream import Gradients, make_chain_rule, name_inputs
from lossctl.engine.plan.call import Call
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.elements import Elements, Progress, compute
from lossctl.engine.sums.reduce import fill
from lossctl.errors import UsageError

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

Array = NDArray[Any]
Shape = tuple[int, ...]


class GradientWriter(Protocol):
    """Writes boxes of an array at their places in a file."""

    def write(self, start: Shape, values: Array) -> None:
        """Write a box that begins at ``start``."""


Open = Callable[
    [Sequence[str], Shape, Shape, "np.dtype[Any]", "Result"],
    AbstractContextManager[GradientWriter],
]
"""Opens files for an array: their names, its shape, and the shape in which it is stored."""


def check_differentiable(call: Call) -> tuple[str, ...]:
    """Return the inputs to differentiate with respect to; UsageError if there are none."""
    names = name_inputs(call.loss)
    if call.settings.reduction == "none":
        raise UsageError(
            "a gradient is that of one number, but reduction none gives many",
            "Reduction sum gives the derivative of each loss with respect to its own predictions.",
        )
    for reference in call.references:
        if isinstance(reference, str | PathLike) and is_streaming(reference):
            shown = "standard input" if fspath(reference).startswith("-") else fspath(reference)
            raise UsageError(
                f"a gradient reads its inputs twice, and {shown} can be read only once",
                "Write it to a file first.",
            )
    return names


def differentiate(
    call: Call,
    names: Sequence[str],
    files: Mapping[str, Sequence[str]],
    open_file: Open,
    *,
    keep: bool,
    check: bool,
    progress: Progress | None,
) -> Gradient:
    """Compute a gradient into files, or into arrays if ``keep``."""
    first = Elements(call.plan(), progress and _Half(progress))
    result = compute(first)
    # Inputs that are completely in memory are not opened and checked again.
    second = call.plan() if any(one.streamed for one in first.plan.streams) else first.plan
    rule = make_chain_rule(second, names, result, first.partial, check=check)
    stream = Gradients(second, rule, result.samples, progress and _Half(progress, result.samples))
    shapes = _find_shapes(second, names, result.samples)
    for measure in stream.measures.values():
        measure.shape = shapes[measure.name]
    arrays = {}
    if files:
        _write(stream, files, result, shapes, open_file)
    elif keep:
        arrays = _keep(stream, shapes)
    else:
        for _ in stream:
            continue
    declared = call.loss.declared_gradient
    return Gradient(
        result=result,
        measures=tuple(stream.measures.values()),
        arrays=arrays,
        files={name: ", ".join(paths) for name, paths in files.items()},
        numerical=rule.numerical,
        note=declared.note if declared is not None else "",
        agreement=stream.agreement if check and not rule.numerical else None,
    )


class _Half:
    """One half of the progress: the work is two passes over the samples."""

    def __init__(self, progress: Progress, before: int = 0) -> None:
        self._progress = progress
        self._before = before

    def __call__(self, done: int, total: int | None) -> None:
        self._progress((self._before + done) // 2, total)


def _keep(stream: Gradients, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Collect the blocks of a gradient in arrays."""
    dtype = stream.plan.dtype
    arrays = {name: np.zeros(shape, dtype) for name, shape in stream.shapes.items()}
    for block in stream:
        arrays[block.name][_box(block)] = block.values
    return {name: array.reshape(shapes[name]) for name, array in arrays.items()}


def _write(
    stream: Gradients,
    files: Mapping[str, Sequence[str]],
    result: Result,
    shapes: Mapping[str, Shape],
    open_file: Open,
) -> None:
    """Write the blocks of a gradient to files."""
    dtype = stream.plan.dtype
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                open_file(paths, stream.shapes[name], shapes[name], dtype, result)
            )
            for name, paths in files.items()
        }
        for block in stream:
            writers[block.name].write(block.start, block.values)


def _box(block: GradientBlock) -> tuple[slice, ...]:
    return tuple(
        slice(start, start + size)
        for start, size in zip(block.start, block.values.shape, strict=True)
    )


def _find_shapes(plan: Plan, names: Sequence[str], samples: int) -> dict[str, Shape]:
    """Return the original shapes of the inputs, with the axes that were dropped."""
    return {
        bound.name: fill(bound.source.given_shape, samples)
        for bound in plan.inputs
        if bound.name in names
    }
