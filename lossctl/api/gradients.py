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
"""The placeholder for the name of an input in the name of a file."""


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
    output: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    keep: bool = True,
    check: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Gradient:
    """Compute the gradient of a reduced loss with respect to its prediction inputs.

    It is what ``backward()`` of the loss's library computes, at kinks too. Inputs are read twice,
    block by block: the denominator of the mean must be known before the first derivative. A custom
    loss that declares no gradient gets 4th-order finite differences with respect to its first
    input.

    >>> import lossctl
    >>> lossctl.gradient("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["input"]
    array([ 0.        ,  0.        , -1.33333333])

    Args:
        reduction: how the losses are reduced: any reduction but none; None is the default of the
            loss.
        output: a file for the gradient (.npy, or another format of per-element losses), or several,
            with ``{input}`` in each name where the loss has several prediction inputs; None keeps
            the arrays in memory.
        keep: whether arrays are kept in memory where there is no ``output``; False only
            measures the gradient.
        check: whether it is compared with finite differences at a few hundred sampled elements.

    Returns:
        A :class:`~lossctl.engine.gradients.result.Gradient`: an array per prediction input, in the
        unit of the loss per unit of the input; also norms, extremes and counts, and the result of
        the check. Doubtful inputs are reported with LossctlWarning.

    Raises:
        UsageError: as for :func:`~lossctl.compute`; also a loss that has no gradient.
        DataError: as for :func:`~lossctl.compute`; also inputs that change between the two reads.
        FileError:
        CustomLossError:

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
    targets = [output] if isinstance(output, str | PathLike) else output or ()
    files = _name_files([fspath(one) for one in targets], names, call.files)
    return differentiate(
        call, names, files, open_gradient, keep=keep, check=check, progress=progress
    )


def _name_files(
    templates: Sequence[str], names: Sequence[str], references: Iterable[object]
) -> dict[str, list[str]]:
    """Return the files of each input's gradient, if all of them can be written."""
    for template in templates:
        if len(names) > 1 and PLACE not in template:
            raise UsageError(
                f"the loss has {len(names)} prediction inputs ({', '.join(names)}), and"
                f" {template} is one file",
                f"Put {PLACE} into the name, such as grad_{PLACE}.npy.",
            )
    if not templates:
        return {}
    files = {name: [one.replace(PLACE, name) for one in templates] for name in names}
    every = [path for paths in files.values() for path in paths]
    for path in every:
        check_gradient(path)
    reject_overwriting(every, references)
    return files
