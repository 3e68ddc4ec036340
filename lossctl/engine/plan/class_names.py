"""Class names: which inputs may contain them as labels, and which columns have them as names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import fspath
from typing import Any

import numpy as np

from lossctl.data import is_streaming
from lossctl.data.arrays.cells import CELL
from lossctl.data.arrays.class_names import ClassNames, IndexedSource, load_classes
from lossctl.data.arrays.source import Source
from lossctl.data.references.columns import read_names
from lossctl.data.references.open import is_reference
from lossctl.data.references.parse import parse_reference
from lossctl.losses.core.inputs import Input

CLASSES = "C"


def name_inputs(
    given: Any, inputs: Sequence[Input], references: Sequence[Any]
) -> tuple[ClassNames | None, list[Any], list[int]]:
    """Return the names of the classes, the references with their columns, and the labels' places.

    ``given`` is what a user gives as class names: a list, a comma list or a file.
    """
    classes = load_classes(given)
    if classes is None:
        return None, list(references), []
    pairs = zip(inputs, references, strict=True)
    named = [name_columns(declared, one, classes) for declared, one in pairs]
    return classes, named, find_labels(inputs, named)


def index_labels(classes: ClassNames, sources: list[Source], names: Mapping[int, str]) -> None:
    """Replace the sources of cells at the places of labels by sources of class indices."""
    for place, name in names.items():
        if sources[place].dtype == CELL:
            sources[place] = IndexedSource(sources[place], classes, name)


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
        if any(form.kind.may_be_named for form in declared.forms) and _may_be_names(reference)
    ]


def _may_be_names(reference: Any) -> bool:
    """Whether something is one column, or an array of strings."""
    if not is_reference(reference):
        return getattr(getattr(reference, "dtype", None), "kind", None) in ("O", "U", "T")
    if isinstance(reference, list | tuple):
        return False
    fragment = parse_reference(fspath(reference)).fragment
    if fragment is not None:
        return "," not in fragment and ":" not in fragment
    return not is_streaming(reference) and len(read_names(reference)) == 1
