"""The description of a computation: enough to finish its sums, here or later."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossctl.engine.plan.plan import Plan
from lossctl.engine.sums.result import LARGE_TENSOR
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss, Role

Part = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """A loss with its options, settings and inputs, in plain values."""

    loss: str
    reduction: str
    settings: dict[str, Any]
    """The other settings that affect the numbers: dtype, nan, class_axis, squeeze."""
    options: dict[str, Any]
    """Options that differ from their defaults."""
    given: dict[str, str]
    inputs: tuple[tuple[str, str, tuple[int | None, ...]], ...]
    """Name, source and shape of each input; None for a length known only at the end."""
    shape: tuple[int | None, ...]
    extras: tuple[tuple[str, str], ...] = ()
    """Name and source of the sample weight and the mask, where there are."""
    sample_axes: tuple[int | None, ...] = ()
    """Which axis of each input counts samples (None for weights of a layer and the like)."""
    part: Part | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)
    """Notes that do not depend on the data."""
    single: bool = False
    """Whether ``shape`` is that of losses that are known only at the end."""
    weight: tuple[float, ...] = ()
    """The weights of these losses, if any."""
    keeps_ignored: bool = True
    """Whether the batch size counts ignored elements; Keras masks them."""
    transform: str = ""
    """The transform of the mean at the end, such as a square root."""
    ignored_label: Any = None
    """The ignored label, if there is one."""
    declared: Loss | None = field(default=None, compare=False)
    """The loss itself, if it is needed to finish the sums or the mean."""

    @classmethod
    def of(cls, plan: Plan) -> Summary:
        """Return the summary of a plan."""
        settings, options = plan.settings, _changed_options(plan)
        return cls(
            loss=plan.loss.key,
            reduction=settings.reduction,
            settings={
                "dtype": settings.dtype,
                "nan": settings.nan,
                "class_axis": settings.class_axis,
                "squeeze": settings.squeeze,
                "sample_weight": plan.sample_weight is not None,
                "mask": plan.mask is not None,
                "answers": plan.predicates,
            },
            options=options,
            given=plan.given,
            inputs=tuple((one.name, one.source.name, one.source.shape) for one in plan.inputs),
            shape=plan.shape,
            extras=tuple(
                (one.name, one.source.name) for one in (plan.sample_weight, plan.mask) if one
            ),
            sample_axes=tuple(one.order[0] if one.batched else None for one in plan.inputs),
            part=settings.part,
            single=plan.single,
            weight=_weight(plan),
            keeps_ignored=plan.loss.reduction != "sum_over_batch_size",
            transform=plan.loss.transform.name if plan.loss.transform is not None else "",
            ignored_label=plan.loss.read_role(Role.IGNORED_LABEL, options),
            declared=plan.loss,
            notes=tuple(_standing_notes(plan)),
        )


def _weight(plan: Plan) -> tuple[float, ...]:
    """Return the weights of losses that are known at the end."""
    weight = plan.sample_weight
    if not plan.single or weight is None or weight.array is None:
        return ()
    shape = tuple(size or 0 for size in plan.shape)
    spread = weight.array.reshape(weight.array.shape + (1,) * (len(shape) - weight.array.ndim))
    return tuple(np.broadcast_to(spread, shape or (1,)).ravel().tolist())


def _changed_options(plan: Plan) -> dict[str, Any]:
    return {
        parameter.name: plan.options[parameter.name]
        for parameter in plan.loss.parameters
        if not is_default(plan.options[parameter.name], parameter.default)
    }


def is_default(value: Any, default: Any) -> bool:
    """Return whether the value of an option is its default."""
    return value is default or (not isinstance(value, np.ndarray) and bool(value == default))


def _standing_notes(plan: Plan) -> list[str]:
    omits = plan.settings.nan == "omit"  # what is missing makes floats of indices in a table
    notes = plan.notes + [
        f"{bound.name}: {bound.source.dtype} values are read as class indices"
        for bound in plan.inputs
        if bound.kind == Kind.INDEX and bound.source.dtype.kind == "f" and bound.source.length != 0
        if not (omits and bound.source.text)
    ]
    if plan.settings.reduction == "mean" and plan.loss.mean_note:
        notes.append(plan.loss.mean_note)
    return notes


def plain_option(value: Any) -> Any:
    """Return an option's value in the types of JSON; a large tensor as its shape and digest."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, list):
        return [plain_option(one) for one in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.size <= LARGE_TENSOR:
        return plain_option(value.tolist())
    data = np.ascontiguousarray(value)
    return {"shape": list(value.shape), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
