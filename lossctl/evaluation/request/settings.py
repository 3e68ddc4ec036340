"""The settings of an evaluation as plain data, so that its numbers can be reproduced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from lossctl.data.references.open import is_reference
from lossctl.engine.sums.result import LARGE_TENSOR
from lossctl.evaluation.request.evaluation_options import EvaluationOptions, list_specs
from lossctl.evaluation.tasks import Task
from lossctl.evaluation.uncertainty.uncertainty import Method

RESAMPLING = "bootstrap"
"""The method whose numbers depend on a seed."""
LONGEST = 1000
"""Of longer lists of strings, which are labels rather than shards, only the length is stored."""


def describe_settings(
    options: EvaluationOptions,
    resolved: Mapping[str, Any],
    tasks: Sequence[Task],
    method: Method | None,
) -> dict[str, Any]:
    """Return the options by their names, with defaults, except those that change no number.

    ``resolved`` are those that were replaced by something else; arrays and tables in memory are
    described by their type and shape.
    """
    resampled = method if method is not None and method.name == RESAMPLING else None
    made = {
        **{name: describe(value) for name, value in resolved.items()},
        "loss": [describe_loss(task) for task in tasks if task.model == tasks[0].model],
        "ci": None if method is None else method.level,
        "ci_method": None if method is None else method.name,
        "replicates": None if resampled is None else resampled.replicates,
        "seed": None if resampled is None else resampled.seed,
    }
    return {
        name: made[name] if name in made else describe(getattr(options, name))
        for name, spec in list_specs().items()
        if spec.changes_numbers
    }


def describe_loss(task: Task) -> dict[str, Any]:
    """Return a loss with all its options, and the sources of its further inputs."""
    spec = task.spec
    return {
        "name": spec.name,
        "loss": spec.loss.key,
        "options": {
            name: _describe_option(value, spec.options.get(name))
            for name, value in task.options.items()
        },
        "reduction": spec.reduction,
        "inputs": describe(spec.inputs),
    }


def describe(given: Any) -> Any:
    """Return what was given: strings, numbers and names of files as they are."""
    if isinstance(given, PathLike):
        return fspath(given)
    if given is None or isinstance(given, str | bool | int | float):
        return given
    if isinstance(given, Mapping):
        return {str(name): describe(one) for name, one in given.items()}
    if isinstance(given, list | tuple):
        strings = is_reference(given) and len(given) <= LONGEST
        if not given or strings or _holds_columns(given):
            return [describe(one) for one in given]
    return _describe_array(given)


def _holds_columns(given: Sequence[Any]) -> bool:
    """Whether a list is one of columns, rather than of numbers."""
    return not is_reference(given) and any(
        is_reference(one) or getattr(one, "shape", ()) for one in given
    )


def _describe_array(given: Any) -> dict[str, Any]:
    shape = getattr(given, "shape", (len(given),) if hasattr(given, "__len__") else ())
    return {"source": type(given).__name__, "shape": [int(length) for length in shape]}


def _describe_option(value: Any, written: Any) -> Any:
    """Return an option; a large tensor as the place it came from and its shape."""
    if isinstance(value, np.ndarray):
        if value.size <= LARGE_TENSOR:
            return value.tolist()
        source = describe(written) if is_reference(written) else type(written).__name__
        return {"source": source, "shape": list(value.shape)}
    return list(value) if isinstance(value, tuple) else value
