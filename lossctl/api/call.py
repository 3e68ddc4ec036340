"""From the arguments of a call to a plan: inputs opened, options checked, nothing read yet."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from lossctl.api.class_names import find_labels, name_columns
from lossctl.data import load_array, open_sources
from lossctl.data.arrays.cells import CELL
from lossctl.data.arrays.class_names import IndexedSource, load_classes
from lossctl.data.arrays.views import keep_row
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.plan.predicates import ask
from lossctl.errors import UsageError, did_you_mean
from lossctl.losses.core.declaration import Loss


def plan_computation(
    loss: Loss,
    inputs: Sequence[Any],
    sample_weight: Any,
    mask: Any,
    settings: Settings,
    options: dict[str, Any],
    classes: Any = None,
    row: int | None = None,
) -> Plan:
    """Open the inputs and make a plan; ``options`` may hold inputs by name, which leave it.

    The one ``row`` can still be read when everything has been read.
    """
    references = _collect_inputs(loss, inputs, options)
    named, labels = load_classes(classes), []
    if named is not None:
        pairs = zip(loss.inputs, references, strict=True)
        references = [name_columns(declared, one, named) for declared, one in pairs]
        labels = find_labels(loss.inputs, references)
    checked = check_options(loss, options, load_array)
    sample_weight = None if sample_weight is None else _number_or_reference(sample_weight)
    extras = [one for one in (sample_weight, mask) if one is not None]
    sources = open_sources([*references, *extras], labels)
    names = [one.name for one in loss.inputs]
    names += [
        name for name, one in (("sample weight", sample_weight), ("mask", mask)) if one is not None
    ]
    for name, reference, source in zip(names, [*references, *extras], sources, strict=True):
        if not is_text(reference):
            source.name = name
    for place in labels:
        if named is not None and sources[place].dtype == CELL:
            sources[place] = IndexedSource(sources[place], named, names[place])
    try:
        for source in sources if settings.part is not None else ():
            source.measure()
        answers = ask(loss, references, sources)
        if row is not None:
            sources = [keep_row(source, row) for source in sources]
        rest = sources[len(references) :]
        plan = make_plan(
            loss,
            sources[: len(references)],
            checked,
            settings,
            sample_weight=rest.pop(0) if sample_weight is not None else None,
            mask=rest.pop(0) if mask is not None else None,
            answers=answers,
        )
    except BaseException:
        for source in sources:
            source.close()
        raise
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
        _number_or_reference(value) if declared.broadcasts else value
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
