"""Small valid inputs of any loss, on which its steps are listed where there are no data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss, Parameter
from lossctl.losses.core.inputs import Form

Array = NDArray[Any]

SIZES = {"N": 2, "C": 3, "F": 2, "T": 5, "S": 2, "L": 4, "R": 3}
"""How long the axes are; further axes are left out."""

NUMBERS: dict[Kind, float] = {
    Kind.INDEX: 1,
    Kind.INDEX_LIST: 0,
    Kind.LABELS: 1,
    Kind.SIGN: 1,
    Kind.BINARY: 1,
    Kind.LABEL: 1,
    Kind.LENGTH: 2,
    Kind.LOG_PROBABILITY: -1,
    Kind.VARIANCE: 1,
}


def list_samples(loss: Loss) -> Iterator[tuple[int, tuple[Array, ...]]]:
    """Yield inputs of a loss in each form that has samples, and the number of the form."""
    for number in range(loss.form_count):
        forms = [one.form(number) for one in loss.inputs]
        if any("N" in form.axes for form in forms):
            yield number, tuple(_fill(form) for form in forms)


def _fill(form: Form) -> Array:
    shape = tuple(
        SIZES.get(word, int(word) if word.isdecimal() else 1) for word in form.axes if word != "*D"
    )
    if form.kind == Kind.BOX:
        return np.broadcast_to(np.array([0.0, 0.0, 2.0, 1.0]), shape)
    if form.kind in NUMBERS:
        return np.full(shape, NUMBERS[form.kind], np.int64 if form.kind.is_integer else np.float64)
    sizes = np.arange(1.0, 1 + math.prod(shape)).reshape(shape)
    return sizes / sizes.sum(axis=-1, keepdims=True) if shape[1:] else sizes / 4


def vary_option(parameter: Parameter) -> Iterator[Any]:
    """Yield values of an option that differ from its default."""
    option = parameter.option
    if parameter.tensor:
        words = (option.shape or option.broadcast_to or "").split()
        yield np.ones([SIZES[word] for word in words if word not in ("*D", "N")])
    elif parameter.type is bool:
        yield not parameter.default
    elif option.choices:
        yield from (one for one in option.choices if one != parameter.default)
    elif option.axes:
        yield from ((0,), (1,))
    else:
        tries = itertools.chain((0.5, 1, 2, 3), (-1.0, -0.5))
        usable = (parameter.type(one) for one in tries)
        good = (one for one in usable if option.objection(one) is None)
        yield from itertools.islice((one for one in good if one != parameter.default), 3)
