"""Class names: which inputs may contain them as labels, and which columns have them as names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import fspath
from typing import Any

import numpy as np

from lossctl.data import is_streaming
from lossctl.data.arrays.cells import CELL
from lossctl.data.arrays.class_names import ClassNames, IndexedSource, LabelForm, load_classes
from lossctl.data.arrays.source import Source
from lossctl.data.references.columns import read_names
from lossctl.data.references.open import is_reference
from lossctl.data.references.parse import parse_reference
from lossctl.engine.plan.plan import Plan
from lossctl.errors import UsageError, warn
from lossctl.findings import OptionName, Sentence
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss, Role
from lossctl.losses.core.inputs import Input

CLASSES = "C"


def name_inputs(
    given: Any, loss: Loss, references: Sequence[Any]
) -> tuple[ClassNames, list[Any], list[int]]:
    """Return the names of the classes, the references with their columns, and the labels' places.

    ``given`` is what a user gives as class names: a list, a comma list or a file. Raises UsageError
    where no input of the loss could be named by them.
    """
    classes = take_classes(given)
    assert classes is not None
    pairs = list(zip(loss.inputs, references, strict=True))
    named = [name_columns(declared, one, classes) for declared, one in pairs]
    labels = find_labels(loss.inputs, named)
    if not labels and all(new is old for new, old in zip(named, references, strict=True)):
        raise reject_classes(loss.key)
    return classes, named, labels


def take_classes(given: Any) -> ClassNames | None:
    """Return the names of the classes, and warn where they may be taken for indices."""
    classes = load_classes(given)
    if classes is not None and classes.permuted:
        warn(
            f"the classes {', '.join(classes.names)} are names: the label {classes.names[0]} is"
            " the first class, whose scores come first"
        )
    return classes


def reject_classes(loss: str) -> UsageError:
    """Return the error for class names that name neither labels nor columns."""
    option = OptionName("classes")
    said = "{classes} has no effect: {loss} is given neither labels nor columns that it could name"
    return UsageError(
        Sentence.of(said, option, loss=loss), Sentence.of("Leave {classes} out.", option)
    )


def index_labels(
    classes: ClassNames,
    inputs: Sequence[Input],
    sources: list[Source],
    names: Mapping[int, str],
    ignored: frozenset[int],
    *,
    omits_missing: bool = False,
) -> None:
    """Replace the sources at the places of labels by sources of class indices, shares or signs."""
    for place, name in names.items():
        form = find_form(inputs[place])
        if not holds_shares(inputs[place], sources[place], sources[0]):
            sources[place] = IndexedSource(
                sources[place], classes, name, form, ignored, omits_missing=omits_missing
            )


def find_form(declared: Input) -> LabelForm:
    """Return what an input takes as labels."""
    kinds = {form.kind for form in declared.forms if form.kind.may_be_named}
    if Kind.SIGN in kinds:
        return LabelForm.SIGN
    return LabelForm.SHARE if kinds == {Kind.SOFT_LABEL} else LabelForm.INDEX


def holds_shares(declared: Input, source: Source, predicted: Source) -> bool:
    """Return whether an array has a number for each class, where labels could stand as well."""
    kinds = {form.kind for form in declared.forms}
    both = Kind.INDEX in kinds and bool(kinds & {Kind.DISTRIBUTION, Kind.SOFT_LABEL})
    return both and source.dtype != CELL and len(source.shape) == len(predicted.shape)


def find_ignored(loss: Loss, options: Mapping[str, Any]) -> frozenset[int]:
    """Return the label that a loss ignores, if there is one."""
    ignored = loss.read_role(Role.IGNORED_LABEL, options)
    return frozenset() if ignored is None else frozenset({int(ignored)})


def check_count(plan: Plan, classes: ClassNames, labels: Sequence[int]) -> None:
    """Raise UsageError where other classes are named than the loss has."""
    count = len(classes.names)
    for place in labels:
        two = plan.inputs[place].kind.has_two_classes
        wanted = 2 if two else plan.sizes.get("C")
        if wanted is not None and count != wanted:
            why = f"{plan.loss.key} takes labels of two classes here"
            if not two:
                name = plan.inputs[0].name
                why = f"{name} has {wanted} {'class' if wanted == 1 else 'classes'}"
            raise UsageError(
                Sentence(
                    "{option} names {count} {classes}, but {why}",
                    {
                        "option": OptionName("classes"),
                        "count": count,
                        "classes": "class" if count == 1 else "classes",
                        "why": why,
                    },
                ),
                "Name all classes, in the order of their scores.",
            )


def name_columns(declared: Input, reference: Any, classes: ClassNames) -> Any:
    """Return a reference to the columns of a table that are named after the classes, in order.

    A reference that names columns itself, or to a file without such columns, stays as it is. A
    list of names is an array of labels, not a list of files.
    """
    if isinstance(reference, list | tuple):
        named = is_reference(reference) and {str(one) for one in reference} <= set(classes.names)
        return np.array(reference, object) if named else reference
    if not is_reference(reference) or not any(CLASSES in form.axes for form in declared.forms):
        return reference
    if parse_reference(fspath(reference)).fragment is not None or is_streaming(reference):
        return reference
    columns = read_names(reference)
    if not set(classes.names) <= set(columns) or any("," in name for name in classes.names):
        return reference
    return f"{fspath(reference)}#{','.join(classes.names)}"


def find_labels(inputs: Sequence[Input], references: Sequence[Any]) -> list[int]:
    """Return the positions of the inputs that may contain class names as labels."""
    return [
        place
        for place, (declared, reference) in enumerate(zip(inputs, references, strict=True))
        if any(form.kind.may_be_named for form in declared.forms) and is_one_column(reference)
    ]


def is_one_column(reference: Any) -> bool:
    """Return whether something is one column, or an array."""
    if not is_reference(reference):
        return not hasattr(reference, "columns")
    first = reference[0] if isinstance(reference, list | tuple) else reference
    fragment = parse_reference(fspath(first)).fragment
    if fragment is not None and not is_streaming(reference) and not read_names(reference):
        return True  # an array of an archive
    if fragment is not None:
        return "," not in fragment and ":" not in fragment
    return is_streaming(reference) or len(read_names(reference)) <= 1


def find_cells(labels: Sequence[int], references: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Return the positions of labels that are read as cells, because they may be strings.

    Those of the second list come through a pipe: only reading tells whether they are one column.
    """
    cells = [place for place in labels if _may_be_strings(references[place])]
    unknown = [place for place in cells if _is_unnamed_stream(references[place])]
    return [place for place in cells if place not in unknown], unknown


def _may_be_strings(reference: Any) -> bool:
    if is_reference(reference):
        return True
    kind = getattr(getattr(reference, "dtype", None), "kind", None)
    return kind in tuple("OUST") and getattr(reference, "ndim", 1) == 1


def _is_unnamed_stream(reference: Any) -> bool:
    if not is_streaming(reference) or isinstance(reference, list | tuple):
        return False
    return parse_reference(fspath(reference)).fragment is None
