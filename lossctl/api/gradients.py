"""The public API of gradients: one call, on arrays or files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.api.writers import check_gradient, open_gradient
from lossctl.data import is_streaming, reject_overwriting
from lossctl.engine.gradients.result import Gradient, GradientBlock
from lossctl.engine.gradients.stream import Gradients, make_chain_rule, name_inputs
from lossctl.engine.plan.call import make_call
from lossctl.engine.plan.plan import Plan
from lossctl.engine.run.elements import Elements, compute
from lossctl.engine.sums.reduce import fill
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Loss

if TYPE_CHECKING:
    from lossctl.engine.sums.result import Result

Array = NDArray[Any]
Shape = tuple[int, ...]
Progress = Callable[[int, "int | None"], None]
PLACE = "{input}"
"""What stands for the name of an input in the name of a file."""


def gradient(
    loss: str | Loss,
    *inputs: Any,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    output: str | PathLike[str] | None = None,
    keep: bool = True,
    check: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Gradient:
    """Compute the gradient of a reduced loss by its prediction inputs, as ``backward()`` does.

    Takes what :func:`~lossctl.compute` takes; ``reduction`` is any but none. Inputs are read
    twice, block by block: what the mean is divided by must be known before the first derivative.
    At kinks the derivative is that of the library of the loss. A loss of your own that declares
    no gradient gets differences of the fourth order, by its first input.

    ``output`` is a file for the gradient (.npy, or another format of per-element losses), with
    ``{input}`` in its name where there are several prediction inputs; without it, the arrays are
    in memory, unless ``keep`` is false: then the gradient is measured only. ``check`` compares it
    with differences at some hundred elements.

    >>> import lossctl
    >>> lossctl.gradient("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["input"]
    array([ 0.        ,  0.        , -1.33333333])

    Returns a :class:`~lossctl.engine.gradients.result.Gradient`. Warns with LossctlWarning. Raises
    UsageError, DataError or FileError.
    """
    call = make_call(
        loss,
        inputs,
        options,
        reduction=reduction,
        sample_weight=sample_weight,
        mask=mask,
        classes=classes,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=threads,
    )
    declared = call.loss
    names = name_inputs(declared)
    if call.settings.reduction == "none":
        raise UsageError(
            "a gradient is that of one number, and the reduction none gives many",
            "The reduction sum gives the derivative of each loss by its own predictions.",
        )
    _refuse_pipes(call.references)
    files = {} if output is None else _name_files(fspath(output), names, call.references)

    first = Elements(call.plan(), progress and _Half(progress))
    result = compute(first)
    # What is held in memory as a whole is not opened and checked again.
    second = call.plan() if any(one.streamed for one in first.plan.streams) else first.plan
    rule = make_chain_rule(second, names, result, first.partial, check=check)
    stream = Gradients(
        second,
        rule,
        result.samples,
        progress and _Half(progress, result.samples),
    )
    shapes = _find_shapes(second, names, result.samples)
    arrays = _fill(stream, files, result, shapes, keep=keep)
    return Gradient(
        result=result,
        measures=tuple(stream.measures.values()),
        arrays=arrays,
        files=files,
        numerical=rule.numerical,
        note=declared.declared_gradient.note if declared.declared_gradient is not None else "",
        agreement=stream.agreement if check and not rule.numerical else None,
    )


class _Half:
    """Half of a progress: two readings of the samples are one piece of work."""

    def __init__(self, progress: Progress, before: int = 0) -> None:
        self._progress = progress
        self._before = before

    def __call__(self, done: int, total: int | None) -> None:
        self._progress((self._before + done) // 2, total)


def _fill(
    stream: Gradients,
    files: Mapping[str, str],
    result: Result,
    shapes: Mapping[str, Shape],
    *,
    keep: bool,
) -> dict[str, Array]:
    """Put the blocks of a gradient into files, or into arrays."""
    dtype = stream.plan.dtype
    for measure in stream.measures.values():
        measure.shape = shapes[measure.name]
    if not files and not keep:
        for _ in stream:
            continue
        return {}
    if not files:
        arrays = {name: np.zeros(shape, dtype) for name, shape in stream.shapes.items()}
        for block in stream:
            arrays[block.name][_box(block)] = block.values
        return {name: array.reshape(shapes[name]) for name, array in arrays.items()}
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                open_gradient(path, stream.shapes[name], shapes[name], dtype, result)
            )
            for name, path in files.items()
        }
        for block in stream:
            writers[block.name].write(block.start, block.values)
    return {}


def _box(block: GradientBlock) -> tuple[slice, ...]:
    return tuple(
        slice(start, start + size)
        for start, size in zip(block.start, block.values.shape, strict=True)
    )


def _find_shapes(plan: Plan, names: Sequence[str], samples: int) -> dict[str, Shape]:
    """Return the shapes of the inputs as they were given, with the axes that were dropped."""
    return {
        bound.name: fill(bound.source.given_shape, samples)
        for bound in plan.inputs
        if bound.name in names
    }


def _name_files(
    template: str, names: Sequence[str], references: Iterable[object]
) -> dict[str, str]:
    """Return the file for the gradient by each input, if all of them can be written."""
    if len(names) > 1 and PLACE not in template:
        raise UsageError(
            f"the loss has {len(names)} prediction inputs ({', '.join(names)}), and"
            f" {template} is one file",
            f"Put {PLACE} into the name, such as grad_{PLACE}.npy.",
        )
    files = {name: template.replace(PLACE, name) for name in names}
    for path in files.values():
        check_gradient(path)
        reject_overwriting(path, references)
    return files


def _refuse_pipes(references: Sequence[Any]) -> None:
    for reference in references:
        if isinstance(reference, str | PathLike) and is_streaming(reference):
            shown = "standard input" if fspath(reference).startswith("-") else fspath(reference)
            raise UsageError(
                f"a gradient takes two readings, and {shown} can be read only once",
                "Write it to a file first.",
            )
