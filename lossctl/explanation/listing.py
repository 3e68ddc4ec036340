"""The steps of a loss where there are no data: which there are, and under which options."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from lossctl.data import load_array
from lossctl.engine.plan.call import Call
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Settings
from lossctl.engine.sums.summary import is_default
from lossctl.errors import DataError, LossctlWarning, UsageError
from lossctl.explanation.placeholders import list_samples, vary_option
from lossctl.explanation.result import Explanation
from lossctl.explanation.row import run
from lossctl.findings import OptionName
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.description import describe, show_command
from lossctl.losses.core.steps import LEFT_OUT, Step

Array = NDArray[Any]
Run = Callable[[tuple[Array, ...], dict[str, Any]], Sequence[Step]]
"""Walks through a loss on some inputs, with some options more than those given."""


def list_steps(call: Call) -> Explanation:
    """Return the steps of a loss without values: those of the options given, and of others."""
    loss = call.loss
    check_options(loss, dict(call.options), load_array)
    defaults = {one.name: one.default for one in loss.parameters}
    given = {name: v for name, v in call.options.items() if not is_default(v, defaults[name])}
    settings = Settings(call.settings.reduction, threads=1)

    def try_out(inputs: tuple[Array, ...], more: dict[str, Any]) -> tuple[Step, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            finished = run(Call(loss, inputs, given | more, settings), 0)
            return finished.explain(0, finished.find(0, ()), chosen=False).steps

    steps = [
        replace(step, value=None, before=None, mark=None)
        for step in list_variants(loss, try_out, given)
    ]
    example = show_command(loss, "explain")
    return Explanation(loss.key, loss.key, describe(loss), tuple(steps), example=example)


def list_variants(loss: Loss, run: Run, given: Collection[str]) -> list[Step]:
    """Return the steps of a loss, each with a note on when it is taken if it is not always.

    The steps with the options given come first in what is shown; those that another option, or
    another form of the inputs, adds or changes are put where they belong.
    """
    (_, first), *others = list_samples(loss)
    found = list(run(first, {}))
    for number, inputs in others:
        _merge(found, _try(run, inputs, {}), _describe_form(loss, number))
    for parameter in loss.parameters:
        if parameter.name in given:
            continue
        for value in vary_option(parameter):
            plain = parameter.type is bool and not parameter.tensor
            told = value if plain or parameter.option.choices else None
            shown = OptionName(parameter.name, told)
            _merge(found, _try(run, first, {parameter.name: value}), f"with {shown}")
    return found


def _try(run: Run, inputs: tuple[Array, ...], options: dict[str, Any]) -> Sequence[Step]:
    """Return the steps, or none where such values do not go with the options given."""
    try:
        return run(inputs, options)
    except (UsageError, DataError):
        return ()


def _merge(found: list[Step], steps: Sequence[Step], note: str) -> None:
    """Put in the steps that are new, or have another formula, behind those that they follow."""
    left_out = [step for step in steps if step.key == LEFT_OUT]  # then most steps are not taken
    place = next((n for n, one in enumerate(found) if one.key == "loss"), 1) if left_out else 1
    keys = {step.key for step in steps}
    for step in left_out or steps:
        same = [n for n, one in enumerate(found) if one.key == step.key]
        place = max(same) + 1 if same else place
        if any(found[n].formula == step.formula for n in same):
            continue
        while (
            not same and place < len(found) and found[place].note and found[place].key not in keys
        ):
            place += 1  # what other options bring here was there first
        found.insert(place, replace(step, note=note))
        place += 1


def _describe_form(loss: Loss, number: int) -> str:
    """Say which input shows that another form is meant."""
    usual = [one.form(0).pattern for one in loss.inputs]
    for declared, pattern in zip(reversed(loss.inputs), reversed(usual), strict=True):
        other = declared.form(number).pattern
        if other != pattern:
            return f"{declared.name} ({', '.join(other.split())})"
    return ""
