"""Which function tells the steps of a loss: found by reading every module of this room."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lossctl.explanation as room
from lossctl.explanation.step import WALKS, Step, Steps, Walk, pick_options
from lossctl.losses.declaration import Loss

Array = NDArray[Any]


@functools.cache
def load_walks() -> None:
    """Import the modules of this room, which attach the steps of all losses of lossctl."""
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")


def find_walk(loss: Loss) -> Walk | None:
    """Return the function that tells the steps of a loss; None where nobody wrote one."""
    if loss not in WALKS and loss.home is None:
        load_walks()
    return WALKS.get(loss)


def walk_inputs(loss: Loss, arrays: Sequence[Array]) -> Steps:
    """Yield the inputs of any loss as they are."""
    for declared, array in zip(loss.inputs, arrays, strict=True):
        yield Step(declared.name, declared.help or declared.name, array)


def walk_loss(
    loss: Loss, arrays: Sequence[Array], options: Mapping[str, Any], value: float | None
) -> list[Step]:
    """Return the steps of one element: those that are told, or else inputs and options.

    ``value`` is the loss that the kernel returned, for a loss of a user's that tells no steps.
    """
    walk = find_walk(loss)
    if walk is not None:
        with np.errstate(all="ignore"):
            return list(walk(*arrays, **pick_options(walk, dict(options))))
    known = list(walk_inputs(loss, arrays))
    for parameter in loss.parameters:
        given = options[parameter.name]
        if given is not None:
            known.append(Step(parameter.name, parameter.option.help, given))
    known.append(Step("loss", loss.formula or "what its function returned", value))
    return known
