"""The public API of checks: what the command ``check`` is one call of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lossctl.engine.plan.call import make_call
from lossctl.losses.core.declaration import Loss

if TYPE_CHECKING:
    from lossctl.checks.result import CheckResult


def check(
    loss: str | Loss | None,
    *inputs: Any,
    sample_weight: Any = None,
    mask: Any = None,
    id: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    **options: Any,
) -> CheckResult:
    """Find what is wrong with predictions and targets, in one scan over arrays or files.

    Takes what :func:`~lossctl.compute` takes, but for reductions and parts; with None for the
    loss, those that fit are proposed, and the first of them is looked at. ``id`` is a column or
    array of what names the samples, in which nothing may occur twice.

    What :func:`~lossctl.compute` refuses is a finding here, and the scan goes on, as if it were
    repaired where that can be done.

    >>> import lossctl
    >>> found = lossctl.check("ce", [[2.0, 0.5, 0.1], [0.2, 1.5, 0.3]], [1, 3])
    >>> [(one.code, one.severity.value) for one in found.findings]
    [('labels_start_at_1', 'error')]
    >>> found.findings[0].commands[0]
    'target = target - 1'

    Returns an :class:`~lossctl.checks.result.CheckResult`. Raises UsageError, and DataError or
    FileError for files that cannot be read.
    """
    from lossctl.checks.checker import run_check

    call = make_call(
        loss,
        inputs,
        options,
        sample_weight=sample_weight,
        mask=mask,
        classes=classes,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=threads,
    )
    return run_check(call, id, progress)
