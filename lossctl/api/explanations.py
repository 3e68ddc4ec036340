"""The public API of explanations: how the loss of one row is computed, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossctl.engine.plan.call import make_call
from lossctl.errors import UsageError
from lossctl.explanation import two_losses
from lossctl.explanation.listing import list_steps
from lossctl.explanation.result import Difference, Explanation
from lossctl.explanation.row import Row, explain_row
from lossctl.losses.core.declaration import Loss

Progress = Callable[[int, "int | None"], None]


def explain(
    loss: str | Loss,
    *inputs: Any,
    row: Row | None = None,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Explanation:
    """Explain how the loss of one row is computed, step by step, and what it adds to the mean.

    The inputs are read once. Without inputs, the steps have formulas and no values.

    >>> import lossctl
    >>> found = lossctl.explain("huber", [1.0, 5.0], [1.0, 2.0], row=1)
    >>> for step in found.steps:
    ...     print(f"{step.key}: {step.value}")
    prediction: 5.0
    target: 2.0
    difference: 3.0
    distance: 3.0
    clipped distance: 1.0
    loss: 2.5
    denominator: 2.0
    contribution: 1.25
    result: 1.25

    Args:
        row: the row to explain, counted from 0. Where a row has several losses (the pixels of an
            image), ``row=(3, 10, 20)`` is one of them, and ``row=3`` its highest. Required with
            inputs.
        reduction: how the losses are reduced: any reduction but none; None is the default of the
            loss.

    Returns:
        An :class:`~lossctl.explanation.result.Explanation`: ``steps``, each with a key, a formula
        and a value; the last ones lead from the loss of the row, in the unit of the loss, to the
        result. Doubtful inputs are reported with LossctlWarning.

    Raises:
        UsageError: as for :func:`~lossctl.compute`; also a row that does not exist.
        DataError:
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
        threads=threads,
    )
    if call.has_inputs:
        return explain_row(call, row, progress)
    if row is not None:
        raise UsageError(f"row {row} was given without inputs", "Name the files.")
    return list_steps(call)


def explain_difference(
    loss: str | Loss,
    other: str | Loss,
    *inputs: Any,
    row: Row | None = None,
    reduction: str | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    classes: Any = None,
    squeeze: bool = False,
    nan: str = "propagate",
    threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Difference:
    """Explain the same row by two definitions, and find the step at which they diverge.

    Files are read again for each definition, so that inputs cannot be pipes.

    >>> import lossctl
    >>> found = lossctl.explain_difference("mse", "optax.l2", [1.0, 5.0], [1.0, 2.0])
    >>> found.left.row, found.pairs[found.divergence].key
    (1, 'loss')

    Args:
        other: another loss, optionally with options (``"keras.huber:delta=2"``); it also gets the
            options of ``loss`` that it has.
        row: the row to explain, as for :func:`explain`; None is the row where the two differ most.
        reduction: how the losses are reduced: any reduction but none; None is the default of each
            loss.

    Returns:
        A :class:`~lossctl.explanation.result.Difference`: ``left`` and ``right``, each an
        explanation with values in the unit of its loss; ``pairs`` of their steps, and
        ``divergence``, the first pair whose values differ.

    Raises:
        UsageError: as for :func:`explain`; also an input that is a pipe.
        DataError:
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
        threads=threads,
    )
    from lossctl.evaluation.request.specs import parse_loss

    spec = parse_loss(other)
    two_losses.refuse_pipes(call)
    own = spec.loss.reduction if reduction is None else reduction
    return two_losses.explain_difference(
        call, spec.loss, spec.options | spec.inputs, spec.mean or own, row, progress
    )
