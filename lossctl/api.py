"""The public Python API: everything that a command does is one call of these functions."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from lossctl.data import load_array, open_sources
from lossctl.engine import reduction as engine
from lossctl.engine.options import check_options
from lossctl.engine.plan import Plan, Settings, make_plan
from lossctl.engine.result import Result
from lossctl.engine.threads import available_threads
from lossctl.errors import UsageError, did_you_mean
from lossctl.losses.declaration import Loss
from lossctl.losses.description import describe as describe_declaration
from lossctl.losses.registry import find, registry


def compute(
    loss: str | Loss,
    *inputs: Any,
    reduction: str = "mean",
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    **options: Any,
) -> Result:
    """Compute a loss over arrays or files.

    ``loss`` is any name that ``lossctl list`` shows, ``inputs`` are arrays or references such as
    ``"eval.parquet#logit_0:logit_9"``, in torch's order (predictions first) or by name, and
    ``options`` are the loss's own under torch's names. Inputs are read block by block.

    ``reduction`` is none, mean, sum, batchmean, sum_over_batch_size or mean_with_sample_weight.
    ``sample_weight`` and ``mask`` (0 leaves out) have one number per sample, or the shape of the
    losses. ``class_axis`` says where the classes are; ``squeeze`` drops axes of length 1;
    ``nan`` is propagate, omit or error; ``dtype`` (float64, float32) is what elements are
    computed in, sums are always float64; ``threads`` defaults to all cores.

    Returns a :class:`~lossctl.engine.result.Result` with ``value``, or ``elements`` (an array of
    torch's shape) for the reduction ``none``, the counts and the denominator. Warns with
    LossctlWarning. Raises UsageError, DataError or FileError.
    """
    settings = Settings(
        reduction=reduction,
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=available_threads() if threads is None else threads,
    )
    return engine.compute(_plan(find(loss), inputs, sample_weight, mask, settings, options))


def elements(
    loss: str | Loss,
    *inputs: Any,
    sample_weight: Any = None,
    mask: Any = None,
    class_axis: int = 1,
    squeeze: bool = False,
    nan: str = "propagate",
    dtype: str = "float64",
    threads: int | None = None,
    **options: Any,
) -> engine.Elements:
    """Compute per-element losses as a stream of blocks: flat memory for files of any size.

    Takes what :func:`compute` takes. Iterate over what is returned, then call its ``result()``
    for the counts; its ``shape`` has None where the length is not known before the end.
    """
    settings = Settings(
        reduction="none",
        class_axis=class_axis,
        squeeze=squeeze,
        nan=nan,
        dtype=dtype,
        threads=available_threads() if threads is None else threads,
    )
    return engine.Elements(_plan(find(loss), inputs, sample_weight, mask, settings, options))


def describe(loss: str | Loss) -> dict[str, Any]:
    """Return everything that the declaration of a loss says, as plain data."""
    return describe_declaration(find(loss))


def describe_all(family: str | None = None) -> list[dict[str, Any]]:
    """Return the descriptions of all losses, or of one family."""
    every = [describe_declaration(one) for one in registry().values()]
    if family is None:
        return every
    families = list(dict.fromkeys(one["family"] for one in every))
    if family not in families:
        raise UsageError(f"there is no family {family!r}", did_you_mean(family, families))
    return [one for one in every if one["family"] == family]


def _plan(
    loss: Loss,
    inputs: Sequence[Any],
    sample_weight: Any,
    mask: Any,
    settings: Settings,
    options: dict[str, Any],
) -> Plan:
    references = _collect_inputs(loss, inputs, options)
    checked = check_options(loss, options, load_array)
    extras = [one for one in (sample_weight, mask) if one is not None]
    sources = open_sources([*references, *extras])
    names = [*(one.name for one in loss.inputs), "sample weight", "mask"]
    for name, reference, source in zip(names, [*references, *extras], sources, strict=False):
        if not is_text(reference):
            source.name = name
    rest = list(sources[len(references) :])
    plan = make_plan(
        loss,
        sources[: len(references)],
        checked,
        settings,
        sample_weight=rest.pop(0) if sample_weight is not None else None,
        mask=rest.pop(0) if mask is not None else None,
    )
    plan.given = {
        name: str(value)
        for name, value in options.items()
        if name in plan.tensors and is_text(value)
    }
    return plan


def _collect_inputs(loss: Loss, inputs: Sequence[Any], options: dict[str, Any]) -> list[Any]:
    """Return positional inputs followed by those given by name, which leave ``options``."""
    names = [one.name for one in loss.inputs]
    if len(inputs) > len(names):
        raise UsageError(
            f"{loss.key} takes {len(names)} inputs ({', '.join(names)}), but got {len(inputs)}"
        )
    given = list(inputs)
    for name in names[len(inputs) :]:
        if name not in options:
            hint = did_you_mean(name, [key for key in options if key not in names])
            missing = ", ".join(names[len(given) :])
            raise UsageError(
                f"{loss.key} takes {len(names)} inputs ({', '.join(names)}); missing: {missing}",
                hint if options else "",
            )
        given.append(options.pop(name))
    return [
        _number_or_reference(value) if declared.fits else value
        for declared, value in zip(loss.inputs, given, strict=True)
    ]


def _number_or_reference(value: Any) -> Any:
    """Return a number written in place of a file as the number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def is_text(value: Any) -> bool:
    """Whether a value is a reference or a list in words, not an array in memory."""
    return isinstance(value, str | PathLike)
