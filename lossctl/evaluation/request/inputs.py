"""The columns that each input of a loss is read from, and arrays that all rows share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossctl.data import load_array
from lossctl.data.arrays.class_names import Accepted, ClassNames, LabelForm
from lossctl.data.references.open import is_reference
from lossctl.engine.plan.class_names import find_form, find_ignored
from lossctl.engine.plan.options import check_options
from lossctl.engine.plan.plan import Settings
from lossctl.errors import UsageError
from lossctl.evaluation.request.specs import LossSpec
from lossctl.evaluation.rows.dataset import Asked
from lossctl.evaluation.tasks import Task
from lossctl.evaluation.uncertainty.uncertainty import Method
from lossctl.findings import OptionName, Sentence
from lossctl.kinds import Kind
from lossctl.losses.core.inputs import Input

TARGET, WEIGHT, MASK, PRED, INPUT = "target", "sample weight", "mask", "pred", "input"
"""Keys of columns; those of predictions and further inputs are followed by their number."""


def index_labels(
    asked: dict[Any, Asked], specs: Sequence[LossSpec], classes: ClassNames | None
) -> frozenset[Any]:
    """Request the columns that may contain class names; UsageError where there are none."""
    if classes is None:
        return frozenset()
    predicted = any(form.kind == Kind.LABEL for spec in specs for form in spec.loss.inputs[0].forms)
    named = any(find_named(spec) for spec in specs)
    keys: list[Any] = [TARGET] if TARGET in asked and named else []
    keys += [key for key in asked if predicted and isinstance(key, tuple) and key[0] == PRED]
    chosen = []
    for key in keys:
        one = asked[key]
        single = not isinstance(one.given, str) or not any(mark in one.given for mark in ":,")
        if key != TARGET and (not single or not isinstance(one.given, str)):
            continue
        if single:
            chosen.append(key)
        if single and _may_be_text(one.given):
            asked[key] = Asked(one.given, labels=True, what=one.what)
    if not chosen:
        option = OptionName("classes")
        said = "{classes} has no effect: no loss is given labels that it could name"
        raise UsageError(Sentence.of(said, option), Sentence.of("Leave {classes} out.", option))
    return frozenset(chosen)


def find_named(spec: LossSpec) -> Input | None:
    """Return the input of a loss that takes the targets, if they may be names of classes."""
    declared = next((one for one in spec.loss.inputs[1:] if one.name == spec.target), None)
    named = declared is not None and any(form.kind.may_be_named for form in declared.forms)
    return declared if named else None


def find_accepted(specs: Sequence[LossSpec], tasks: Sequence[Task], settings: Settings) -> Accepted:
    """Return the numbers that may be labels beside the indices of the classes."""
    forms = {find_form(one) for spec in specs if (one := find_named(spec)) is not None}
    ignored = (find_ignored(task.spec.loss, task.options) for task in tasks)
    return Accepted(
        frozenset[int]().union(*ignored),
        LabelForm.SHARE in forms,
        LabelForm.SIGN in forms,
        settings.nan == "omit",
    )


def _may_be_text(given: Any) -> bool:
    if is_reference(given):
        return True
    dtype = getattr(given, "dtype", None)
    return dtype is None or getattr(dtype, "kind", "O") in "OUST"


def make_tasks(
    models: Mapping[str, Any],
    specs: Sequence[LossSpec],
    asked: dict[Any, Asked],
    settings: Settings,
) -> tuple[Task, ...]:
    """Return every loss of every model, and request the further columns that they need."""
    tasks = []
    for place, model in enumerate(models):
        for number, spec in enumerate(specs):
            options = check_options(spec.loss, spec.options, load_array)
            inputs = [
                _find_input(spec, name, (PRED, place), number, asked)
                for name in (one.name for one in spec.loss.inputs)
            ]
            weight = WEIGHT if WEIGHT in asked else None
            mask = MASK if MASK in asked else None
            tasks.append(Task(model, spec, options, tuple(inputs), weight, mask))
    if settings.class_axis != 1:
        for spec in specs:
            if not any(form.axes[:2] == ("N", "C") for form in spec.loss.inputs[0].forms):
                raise UsageError(f"{spec.name} has no class axis that could be moved")
    return tuple(tasks)


def _find_input(spec: LossSpec, name: str, pred: Any, number: int, asked: dict[Any, Asked]) -> Any:
    """Return where an input is read from: the key of a column, or an array that all rows share."""
    loss = spec.loss
    declared = next(one for one in loss.inputs if one.name == name)
    if name in spec.inputs:
        given = spec.inputs[name]
        if "N" not in declared.forms[0].axes and "*" not in declared.forms[0].axes:
            return load_array(given)
        constant = _read_number(given)
        if constant is not None and declared.broadcasts:
            return constant
        key = (INPUT, number, name)
        asked[key] = Asked(given, what=name)
        return key
    if name == loss.inputs[0].name:
        return pred
    if name == spec.target:
        if TARGET not in asked:
            raise UsageError(
                f"{spec.name} needs targets",
                Sentence.of("Name their column or file: {target}", OptionName("target", "label")),
            )
        return TARGET
    raise UsageError(
        f"no column is given for the input {name!r} of {spec.name}",
        Sentence.of(
            "Name its column with the loss: {loss}",
            OptionName("loss", f"{loss.key}:{name}=COLUMN"),
        ),
    )


def _read_number(given: Any) -> np.ndarray[Any, Any] | None:
    try:
        return np.array(float(given)) if isinstance(given, str | int | float) else None
    except ValueError:
        return None


def find_time_major(tasks: Sequence[Task]) -> frozenset[Any]:
    """Return the columns whose rows are along the second axis, as CTC has them."""
    time_major: dict[Any, bool] = {}
    for task in tasks:
        for key, declared in zip(task.inputs, task.spec.loss.inputs, strict=True):
            if isinstance(key, np.ndarray):
                continue
            second = declared.forms[0].axes[1:2] == ("N",)
            if time_major.setdefault(key, second) != second:
                raise UsageError(
                    f"{task.spec.name} takes {declared.name} in another order of axes than the"
                    " other losses",
                    "Evaluate it alone.",
                )
    return frozenset(key for key, second in time_major.items() if second)


def check_gathered(tasks: Sequence[Task], method: Method | None, sample_weight: Any) -> None:
    """Raise UsageError for options that do not apply to a loss that is a ratio of sums."""
    for task in tasks:
        if not task.gathered:
            continue
        name = task.spec.name
        if method is not None:
            raise UsageError(
                f"{name} is a ratio of sums over all rows, which has no confidence interval",
                Sentence.of("Leave {ci} out, or evaluate the loss alone.", OptionName("ci")),
            )
        if sample_weight is not None:
            raise UsageError(
                f"{name} is one ratio of sums over all rows, which row weights do not change",
                Sentence.of(
                    "Leave {sample_weight} out, or evaluate the loss alone.",
                    OptionName("sample_weight"),
                ),
            )
