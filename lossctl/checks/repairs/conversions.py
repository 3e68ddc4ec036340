"""Conversions between forms of scores: logits, probabilities, their logarithms.

Three repairs are tried in this order: an option of the loss that accepts the form which is there;
another loss of the same library that accepts it and gives the same number (which is tried on the
first rows); and a conversion of the file.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.checks.findings.context import CheckContext
from lossctl.checks.measurements.probes import LOGITS, LOGS, SHARES, file_axis, find_class_axis
from lossctl.checks.measurements.profile import Profile
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.data.arrays.source import ArraySource
from lossctl.engine.plan.binding import kind_under
from lossctl.engine.plan.build import make_plan
from lossctl.engine.plan.plan import Plan, Settings
from lossctl.engine.plan.predicates import evaluate_predicate
from lossctl.engine.run.elements import Elements, compute
from lossctl.errors import LossctlError, LossctlWarning
from lossctl.findings import OptionName, Remedy
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import registry

Array = NDArray[Any]

LEAST = 1e-12
SAME = 1e-5
"""How far the loss of converted numbers may be from another loss of these."""

TRIED = 200


@dataclass(frozen=True, slots=True)
class Conversion:
    """A function from one form to another, and how it is written, with {x} and {axis}."""

    kind: RepairKind
    apply: Callable[[Array, int], Array]
    text: str


def _softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def _log_softmax(x: Array, axis: int) -> Array:
    low = x - x.max(axis, keepdims=True)
    return np.asarray(low - np.log(np.exp(low).sum(axis, keepdims=True)))


_CLIP = f"np.clip({{x}}.astype(float), {LEAST}, 1)"
_INSIDE = f"np.clip({{x}}.astype(float), {LEAST}, 1 - {LEAST})"
LOG = Conversion(
    RepairKind.TAKE_LOGARITHMS, lambda x, _: np.log(np.clip(x, LEAST, 1)), f"np.log({_CLIP})"
)
ODDS = Conversion(
    RepairKind.TAKE_ODDS,
    lambda x, _: np.log(np.clip(x, LEAST, 1 - LEAST)) - np.log1p(-np.clip(x, LEAST, 1 - LEAST)),
    f"(lambda p: np.log(p) - np.log1p(-p))({_INSIDE})",
)
LOG_AMOUNT = Conversion(RepairKind.TAKE_LOGARITHMS, lambda x, _: np.log(x), "np.log({x})")
EXPONENTIAL = Conversion(RepairKind.EXPONENTIATE, lambda x, _: np.exp(x), "np.exp({x})")
SIGMOID = Conversion(
    RepairKind.TAKE_SIGMOID,
    lambda x, _: 1 / (1 + np.exp(-x)),
    "1 / (1 + np.exp(-{x}.astype(float)))",
)
LOG_SIGMOID = Conversion(
    RepairKind.TAKE_LOG_SIGMOID,
    lambda x, _: -np.logaddexp(0, -x),
    "-np.logaddexp(0, -{x})",
)
SOFTMAX = Conversion(
    RepairKind.TAKE_SOFTMAX,
    _softmax,
    "(lambda e: e / e.sum({axis}, keepdims=True))(np.exp({x} - {x}.max({axis}, keepdims=True)))",
)
LOG_SOFTMAX = Conversion(
    RepairKind.TAKE_LOG_SOFTMAX,
    _log_softmax,
    "(lambda z: z - np.log(np.exp(z).sum({axis}, keepdims=True)))"
    "({x} - {x}.max({axis}, keepdims=True))",
)
NORMALISATION = Conversion(
    RepairKind.NORMALISE,
    lambda x, axis: x / x.sum(axis, keepdims=True),
    "{x} / {x}.sum({axis}, keepdims=True)",
)

CONVERSIONS: dict[tuple[str, str, bool], Conversion] = {
    ("shares", "logits", True): LOG,
    ("shares", "logits", False): ODDS,
    ("shares", "logs", True): LOG,
    ("shares", "logs", False): LOG,
    ("logits", "shares", True): SOFTMAX,
    ("logits", "shares", False): SIGMOID,
    ("logits", "logs", True): LOG_SOFTMAX,
    ("logits", "logs", False): LOG_SIGMOID,
    ("logs", "shares", True): EXPONENTIAL,
    ("logs", "shares", False): EXPONENTIAL,
    ("amounts", "log amounts", True): LOG_AMOUNT,
    ("amounts", "log amounts", False): LOG_AMOUNT,
}
FORMS: dict[str, Sequence[Kind]] = {
    "shares": SHARES,
    "logits": LOGITS,
    "logs": LOGS,
    "amounts": (Kind.REAL, Kind.POSITIVE, Kind.NOT_NEGATIVE),
    "log amounts": (Kind.LOG_AMOUNT,),
}
CALLED = {
    "shares": "probabilities",
    "logits": "logits",
    "logs": "log-probabilities",
    "amounts": "amounts",
}


def name_form(kind: Kind) -> str:
    """Return the form of scores that a kind asks for ("" for other numbers)."""
    return next((form for form, kinds in FORMS.items() if kind in kinds), "")


def repair_form(context: CheckContext, profile: Profile, have: str) -> Repair:
    """Return the repair where an input is of another form than its kind asks for."""
    form = {"form": CALLED[have]}
    option = _find_option(context, profile, have)
    if option is not None:
        remedy = Remedy(RepairKind.SAY_FORM, {**form, "option": option})
        return context.call.advise(remedy, **{option.name: option.value})
    conversion = _choose(context, profile, have)
    if conversion is None:
        return Repair.of(RepairKind.CONVERT, **form)
    for other in _list_siblings(context, profile, have):
        if _agree(context, profile, conversion, other):
            remedy = Remedy(RepairKind.TAKE_OTHER_LOSS, {**form, "loss": other.key})
            return Repair((remedy,), (context.call.change(loss=other),))
    values = {**form, "conversion": Remedy(conversion.kind)}
    return convert(context, profile, conversion, Remedy(RepairKind.CONVERT_BY, values))


def convert(
    context: CheckContext, profile: Profile, conversion: Conversion, remedy: Remedy | RepairKind
) -> Repair:
    """Return the repair that converts an input."""
    bound = profile.bound
    axis = file_axis(bound, _score_axis(profile))
    text = conversion.text.format(x=bound.name, axis=axis)
    return context.call.rewrite(remedy, **{bound.name: text})


def _score_axis(profile: Profile) -> int:
    axis = find_class_axis(profile.bound)
    return len(profile.bound.axes) - 1 if axis is None else axis


def _choose(context: CheckContext, profile: Profile, have: str) -> Conversion | None:
    wanted = name_form(profile.bound.kind)
    # Log-probabilities, and what sums to 1, have classes also where the shape does not say so.
    classes = find_class_axis(profile.bound) is not None and context.plan.classes > 1
    classes = classes or (wanted == "logs" and len(profile.bound.axes) > 1)
    if "*" in profile.bound.axes and profile.bound.axes[-1:] == ("C",):
        classes = context.plan.inputs[1].kind in (Kind.INDEX, Kind.DENSITY, Kind.DISTRIBUTION)
    return CONVERSIONS.get((have, wanted, classes))


def _find_option(context: CheckContext, profile: Profile, have: str) -> OptionName | None:
    """Return a switch of the loss under which it takes the form that is there."""
    loss, plan = context.plan.loss, context.plan
    declared = loss.inputs[profile.number]
    form = next((one for one in declared.forms if one.kind == profile.bound.kind), declared.form(0))
    for parameter in loss.parameters:
        if parameter.type is not bool:
            continue
        value = not plan.options[parameter.name]
        kind = kind_under(declared, form, {**plan.options, parameter.name: value})
        if kind in FORMS[have] and kind != profile.bound.kind:
            return OptionName(parameter.name, value)
    return None


def _list_siblings(context: CheckContext, profile: Profile, have: str) -> Iterator[Loss]:
    """Yield losses of the same library with one input that takes the form which is there."""
    loss = context.plan.loss
    for other in registry().values():
        if other is loss or other.library != loss.library or len(other.inputs) != len(loss.inputs):
            continue
        kinds = {form.kind for form in other.inputs[profile.number].forms}
        if kinds & set(FORMS[have]) and not other.needs_all_samples:
            yield other


def _agree(context: CheckContext, profile: Profile, conversion: Conversion, other: Loss) -> bool:
    """Whether another loss of the first rows is this loss of them converted."""
    if not context.head or not len(context.head[0]):
        return False
    arrays = [one[:TRIED] for one in context.head]
    given = compute_arrays(other, arrays, context.plan)
    converted = list(arrays)
    axis = _score_axis(profile)
    with np.errstate(all="ignore"):
        numbers = np.asarray(arrays[profile.number], np.float64)
        converted[profile.number] = conversion.apply(numbers, axis)
    own = compute_arrays(context.plan.loss, converted, context.plan)
    if given is None or own is None:
        return False
    return math.isfinite(own) and math.isclose(given, own, rel_tol=SAME, abs_tol=SAME)


def compute_arrays(loss: Loss, arrays: Sequence[Array], plan: Plan) -> float | None:
    """Return a loss of arrays in the kernel's view, with the options that it has of a plan's."""
    options = {one.name: plan.options.get(one.name, one.default) for one in loss.parameters}
    settings = Settings(reduction=loss.reduction, threads=1)
    sources = [ArraySource(one.name, array) for one, array in zip(loss.inputs, arrays, strict=True)]
    predicates = plan.predicates
    if (
        loss.predicate is not None and loss.predicate.name not in predicates
    ):  # another loss, another question
        (asked,) = (one for one in sources if one.name == loss.predicate.input)
        predicates = {
            loss.predicate.name: evaluate_predicate(
                loss.predicate, asked, omits_missing=plan.settings.nan == "omit"
            )
        }
    try:
        made = make_plan(loss, sources, options, settings, predicates=predicates)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            return compute(Elements(made)).value
    except LossctlError:
        return None
