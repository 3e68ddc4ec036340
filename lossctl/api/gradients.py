"""The public API of gradients: one call, on arrays or files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import Any

from lossctl.api.writers import check_gradient, open_gradient
from lossctl.data import reject_overwriting
from lossctl.engine.gradients.differentiation import check_differentiable, differentiate
from lossctl.engine.gradients.result import Gradient
from lossctl.engine.plan.call import make_call
from lossctl.errors import UsageError
from lossctl.losses.core.declaration import Loss

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
    names = check_differentiable(call)
    files = {} if output is None else _name_files(fspath(output), names, call.references)
    return differentiate(
        call, names, files, open_gradient, keep=keep, check=check, progress=progress
    )


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
