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
from lossctl.errors import CustomLossError
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.registry import family_modules
from lossctl.losses.core.steps import WALKS, Step, Steps, Walk, pick_options

Array = NDArray[Any]


@functools.cache
def load_walks() -> None:
    """Import the modules of this room, which attach the steps of all losses of lossctl."""
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
    for name in family_modules():
        if name.endswith("steps"):
            importlib.import_module(name)


def find_walk(loss: Loss) -> Walk | None:
    """Return the function that tells the steps of a loss; None where nobody wrote one."""
    if loss not in WALKS and loss.origin is None:
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
            if loss.origin is None:
                return list(walk(*arrays, **pick_options(walk, dict(options))))
            return _walk_own(loss, walk, arrays, options)
    known = list(walk_inputs(loss, arrays))
    for parameter in loss.parameters:
        given = options[parameter.name]
        if given is not None:
            known.append(Step(parameter.name, parameter.option.help, given))
    known.append(Step("loss", loss.formula or "what its function returned", value))
    return known


def _walk_own(
    loss: Loss, walk: Walk, arrays: Sequence[Array], options: Mapping[str, Any]
) -> list[Step]:
    """Return the steps that a user's function tells; what is wrong with it is told as theirs."""
    from lossctl.losses.custom.attribution import attribute_errors, owner_hint, show_place

    assert loss.origin is not None
    with attribute_errors(loss.origin):
        told = list(walk(*arrays, **pick_options(walk, dict(options))))
    odd = next((one for one in told if not isinstance(one, Step)), None)
    objection = "" if odd is None else f"it yielded {odd!r}, which is no lossctl.Step"
    if not objection and loss.finalize is None and (not told or told[-1].key != "loss"):
        objection = "its last step is not called 'loss'"
    if objection:
        code = walk.__code__
        place = show_place(code.co_filename, code.co_firstlineno, code.co_name)
        raise CustomLossError(f"{place}: {objection}", owner_hint(loss.origin))
    return told
