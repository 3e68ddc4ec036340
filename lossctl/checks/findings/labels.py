"""Findings about labels: their first index, missing classes, ignored labels, permuted classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossctl.checks.findings.catalogue import Evidence, finding_type
from lossctl.checks.findings.context import CheckContext
from lossctl.checks.measurements.confusion import Order
from lossctl.checks.repairs.remedies import Repair, RepairKind
from lossctl.checks.result import Severity
from lossctl.engine.sums.reduce import describe_unused
from lossctl.findings import Remedy
from lossctl.kinds import Kind

SURENESS = 6.0
LEAST_GAIN = 0.1
MOST_LISTED = 20
MANY = 20
"""The least number of labels for which a missing class is reported."""


@finding_type(
    "labels_start_at_1",
    Severity.ERROR,
    "class labels from 1 to C instead of 0 to C - 1",
    hides=("label_out_of_range", "permuted_classes", "missing_classes"),
)
def find_labels_from_one(context: CheckContext) -> Iterator[Evidence]:
    """Find labels that start at 1."""
    classes = context.plan.classes
    for profile in context.inputs(Kind.INDEX):
        found, name = profile.measures, profile.bound.name
        ignored = context.plan.ignored_label
        if not found.whole or found.high != classes or found.low < 1 or ignored in (0, classes):
            continue
        repair = context.call.rewrite(RepairKind.SUBTRACT_1, **{name: f"{name} - 1"})
        ones = "" if found.low == 1 else f" (the smallest is {found.low:g})"
        yield Evidence(
            name,
            f"labels go up to {classes} and none is 0{ones}, but the indices of {classes} classes"
            f" are 0 to {classes - 1}: these labels start at 1",
            {"minimum": found.low, "maximum": found.high, "classes": classes},
            repair,
        )


@finding_type(
    "single_class",
    Severity.WARNING,
    "scores of one class only, so that no prediction can be wrong",
)
def find_single_class(context: CheckContext) -> Iterator[Evidence]:
    """Find class axes of length 1."""
    plan = context.plan
    indices = any(one.kind == Kind.INDEX for one in plan.inputs)
    if indices and plan.sizes.get("C") == 1:
        yield Evidence(
            plan.inputs[0].name,
            "the class axis has length 1: a softmax over one class is always 1",
            {"classes": 1},
            Repair.of(RepairKind.TAKE_BINARY_LOSS),
        )


@finding_type(
    "missing_classes",
    Severity.INFO,
    "classes without any label",
)
def find_missing_classes(context: CheckContext) -> Iterator[Evidence]:
    """Find classes that never occur."""
    if context.labels is None or int(context.labels.sum()) < MANY * len(context.labels):
        return
    ignored = context.plan.ignored_label
    missing = [one for one in np.flatnonzero(context.labels == 0).tolist() if one != ignored]
    if missing:
        one = len(missing) == 1
        yield Evidence(
            context.plan.inputs[1].name,
            f"{'class' if one else 'classes'} {_list(missing)} never {'occurs' if one else 'occur'}"
            f" among {int(context.labels.sum())} labels of {len(context.labels)} classes",
            {"missing": missing[:MOST_LISTED], "count": len(missing)},
        )


@finding_type(
    "ignore_never",
    Severity.WARNING,
    "the value to ignore never occurs",
)
def find_ignored_never(context: CheckContext) -> Iterator[Evidence]:
    """Find a value to ignore that never occurs."""
    option, result = context.ignoring, context.result
    if option is None or option.name not in context.call.options or result is None:
        return
    if result.counted and result.ignored == 0:
        value = context.plan.ignored_label
        yield Evidence(
            context.plan.inputs[1].name,
            describe_unused(value, result.counted),
            {"value": value, "labels": result.counted},
            Repair(
                (Remedy(RepairKind.DROP_IGNORED_LABEL),), (context.call.leave_out(option.name),)
            ),
        )


@finding_type(
    "nothing_counts",
    Severity.ERROR,
    "everything is ignored, masked or has weight 0: the result is NaN",
    hides=("constant_targets",),
)
def find_nothing_left(context: CheckContext) -> Iterator[Evidence]:
    """Find computations in which no element counts."""
    result = context.result
    if result is None or not context.partial.elements:
        return
    if result.counted and result.denominator:
        return
    left_out = {name: getattr(result, name) for name in ("ignored", "masked", "omitted")}
    why = ", ".join(f"{count} {name}" for name, count in left_out.items() if count)
    option = context.ignoring
    repair = Repair.of(RepairKind.CHANGE_WHAT_IS_LEFT_OUT)
    if result.ignored and option is not None:
        value = context.plan.ignored_label
        repair = Repair.of(RepairKind.NAME_LABELS, label=value)
        if option.name in context.call.options:
            remedy = Remedy(RepairKind.CHANGE_IGNORED_LABEL, {"label": value})
            repair = Repair((remedy,), (context.call.leave_out(option.name),))
    yield Evidence(
        context.plan.inputs[min(1, len(context.plan.inputs) - 1)].name,
        f"nothing is left to average of {context.partial.elements} elements"
        f" ({why or 'all weights are 0'}): the loss is NaN",
        {"elements": context.partial.elements, **left_out},
        repair,
    )


@finding_type(
    "permuted_classes",
    Severity.ERROR,
    "predictions and labels have the classes in different orders: accuracy rises when they are"
    " permuted",
    hides=("one_class_predicted", "no_better_than_guessing"),
)
def find_permuted_classes(context: CheckContext) -> Iterator[Evidence]:
    """Find an order of the predicted classes that fits the labels better."""
    if context.confusion is None:
        return
    order = context.confusion.find_order(SURENESS, LEAST_GAIN)
    if order is None:
        return
    predicted, true = (one.name for one in context.plan.inputs[:2])
    yield Evidence(
        "",
        f"accuracy rises from {100 * order.before:.1f} % to {100 * order.accuracy:.1f} % when"
        f" {_describe(order, predicted, true)}",
        {
            "accuracy": order.before,
            "accuracy_permuted": order.accuracy,
            "columns": list(order.columns),
        },
        _repair_order(context, order),
    )


def _describe(order: Order, predicted: str, true: str) -> str:
    classes = len(order.columns)
    steps = {(column - place) % classes for place, column in enumerate(order.columns)}
    if classes == 2:
        return f"the two classes of {predicted} are swapped"
    if len(steps) == 1:
        step = steps.pop()
        away = step if step <= classes // 2 else step - classes
        return f"the labels of {true} are {'raised' if away > 0 else 'lowered'} by {abs(away)}"
    moved = [(place, one) for place, one in enumerate(order.columns) if place != one]
    shown = ", ".join(f"{one} for {place}" for place, one in moved[:4])
    more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
    return f"columns of {predicted} are permuted ({shown}{more})"


def _repair_order(context: CheckContext, order: Order) -> Repair:
    predicted, true = context.plan.inputs[:2]
    if true.name in context.call.strings:
        names = dict(zip(order.columns, context.call.options["classes"].split(","), strict=True))
        remedy = RepairKind.ORDER_CLASS_NAMES
        return context.call.advise(remedy, classes=",".join(names[one] for one in sorted(names)))
    axis = predicted.axes.index("C") if "C" in predicted.axes else None
    if (axis is not None and context.labels is not None) or (
        axis is not None and len(order.columns) == context.plan.classes
    ):
        place = predicted.order[axis - (not predicted.batched)]
        text = f"np.take({predicted.name}, {list(order.columns)}, axis={place})"
        remedy = RepairKind.ORDER_COLUMNS
        return context.call.rewrite(remedy, **{predicted.name: text})
    other = f"-{true.name}" if true.kind == Kind.SIGN else f"1 - {true.name}"
    return context.call.rewrite(RepairKind.EXCHANGE_LABELS, **{true.name: other})


@finding_type(
    "one_class_predicted",
    Severity.WARNING,
    "the same class is predicted for every sample",
)
def find_one_class_predicted(context: CheckContext) -> Iterator[Evidence]:
    """Find models that always predict the same class."""
    if context.confusion is None:
        return
    counts = context.confusion.counts
    predicted, true = np.flatnonzero(counts.sum(axis=0)), np.flatnonzero(counts.sum(axis=1))
    if counts.sum() >= MANY and len(predicted) == 1 and len(true) > 1:
        wrong = int(counts[:, predicted[0]].sum() - counts[predicted[0], predicted[0]])
        yield Evidence(
            context.plan.inputs[0].name,
            f"class {predicted[0]} is predicted for all {int(counts.sum())} labels,"
            f" {wrong} of which are of another class",
            {"class": int(predicted[0]), "labels": int(counts.sum())},
            Repair.of(RepairKind.LOOK_AT_MODEL),
        )


@finding_type(
    "float_indices",
    Severity.INFO,
    "class indices stored as floats",
)
def find_float_indices(context: CheckContext) -> Iterator[Evidence]:
    """Find indices that are stored as floats."""
    for profile in context.inputs(Kind.INDEX):
        source, name = profile.bound.source, profile.bound.name
        missing = profile.measures.nan or context.found("nan", name)  # no integer says so
        if source.dtype.kind == "f" and not source.text and profile.measures.whole and not missing:
            yield Evidence(
                name,
                f"{name} contains {source.dtype} integers, which are used as class indices",
                {"dtype": str(source.dtype)},
                context.call.rewrite(RepairKind.SAVE_INTEGERS, **{name: f"{name}.astype(int)"}),
            )


def _list(places: list[int]) -> str:
    shown = ", ".join(map(str, places[:MOST_LISTED]))
    more = f" and {len(places) - MOST_LISTED} more" if len(places) > MOST_LISTED else ""
    return shown + more
