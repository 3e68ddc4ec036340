"""The public API of checks, which the command ``check`` calls."""

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
    """Find what is wrong with predictions and targets, in one pass over arrays or files.

    What :func:`~lossctl.compute` rejects is a finding here; the pass continues as if it were
    fixed, where that is possible.

    >>> import lossctl
    >>> found = lossctl.check("ce", [[2.0, 0.5, 0.1], [0.2, 1.5, 0.3]], [1, 3])
    >>> [(one.code, one.severity.value) for one in found.findings]
    [('labels_start_at_1', 'error')]
    >>> found.findings[0].commands[0]
    'target = target - 1'

    Args:
        loss: a loss, as for :func:`~lossctl.compute`; None suggests the losses that fit, and
            checks with the first of them.
        id: a column or an array of sample ids, which must be unique.

    Returns:
        A :class:`~lossctl.checks.result.CheckResult`: ``findings`` (each with its code, severity,
        evidence and a fix), what the inputs contain, and the mean of the loss, in the unit of the
        loss, beside that of guessing.

    Raises:
        UsageError:
        DataError: a file whose content cannot be read as an array.
        FileError:
        CustomLossError:

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
