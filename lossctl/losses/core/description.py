"""What a declaration knows, as plain data for listings, help pages and documentation."""

from __future__ import annotations

import inspect
import math
import shlex
from collections.abc import Sequence
from typing import Any

from lossctl.losses.core.declaration import FACTS, Loss, Parameter
from lossctl.losses.core.documentation import show_axes, show_default, show_losses
from lossctl.losses.core.names import spell, title
from lossctl.losses.core.registry import namesakes

ABSENT = "-"
"""What stands for an input or an option that a loss does not have."""


def describe(loss: Loss) -> dict[str, Any]:
    """Return everything that a loss's declaration says, ready for JSON."""
    return {
        "key": loss.key,
        "library": loss.library,
        "library_title": title(loss.library),
        "package": loss.origin.package if loss.origin is not None else "",
        "family": loss.family,
        "aliases": spell(loss)[1:],
        "namesakes": [other.key for other in namesakes(loss)],
        "summary": loss.summary,
        "formula": loss.formula,
        "unit": loss.unit,
        "range": describe_range(loss),
        "inputs": [
            {
                "name": one.name,
                "help": one.help,
                "shapes": one.patterns,
                "shown_shapes": one.shapes,
                "kinds": list(dict.fromkeys(form.kind.label for form in one.forms)),
                "stretched": one.broadcasts,
            }
            for one in loss.inputs
        ],
        "options": [
            {
                "name": one.name,
                "flag": one.flag,
                "type": one.type_name,
                "default": one.default,
                "shown_default": show_default(one.default),
                "help": one.option.help,
                "bounds": one.option.bounds,
                "above": one.option.above,
                "at_least": one.option.at_least,
                "at_most": one.option.at_most,
                "choices": list(one.option.choices),
                "shape": one.option.shape or one.option.broadcast_to,
            }
            for one in loss.parameters
        ],
        "result_shapes": [show_axes(loss.result_axes(form)) for form in range(loss.form_count)],
        "facts": list_facts(loss),
        "gradient": _describe_gradient(loss),
        "traps": list(loss.traps),
        "source": loss.source,
        "example": show_command(loss),
        "documentation": inspect.getdoc(loss.kernel),
    }


def describe_range(loss: Loss) -> dict[str, Any]:
    """Return between which numbers the values lie; None stands for a bound that is not there."""
    found = loss.range.transformed(loss.transform)
    ends = (end if math.isfinite(end) else None for end in (found.lowest, found.highest))
    return {**dict(zip(("lowest", "highest"), ends, strict=True)), "label": found.label}


def show_command(loss: Loss, verb: str = "compute") -> str:
    """Return the command line of the example, or one with the names of the inputs."""
    name = loss.key if loss.origin is None else loss.origin.refer(loss.key)
    return f"lossctl {verb} {shlex.quote(name)} {loss.example or _name_inputs(loss)}"


def _describe_gradient(loss: Loss) -> dict[str, Any]:
    """Return with respect to which inputs a loss is differentiated, and how; to none if to none."""
    note = "" if loss.declared_gradient is None else loss.declared_gradient.note
    return {
        "by": [] if loss.undifferentiable else list(loss.prediction_inputs),
        "declared": loss.declared_gradient is not None,
        "note": loss.undifferentiable or note,
    }


def compare(losses: Sequence[Loss]) -> dict[str, Any]:
    """Return in what the definitions of losses differ, and in what they are the same.

    ``differences`` have a fact and one value per loss; ``same`` a fact and the value.
    """
    found = [list_definition(one) for one in losses]
    differences, same = [], []
    facts = dict.fromkeys(fact for one in found for fact in one)
    for fact in sorted(facts, key=_rank):
        values = [one.get(fact, ABSENT) for one in found]
        if len(set(values)) > 1:
            differences.append({"fact": fact, "values": values})
        else:
            same.append({"fact": fact, "value": values[0]})
    return {"losses": [one.key for one in losses], "differences": differences, "same": same}


def _rank(fact: str) -> int:
    """Order facts as a declaration has them: what it is, inputs, options, results."""
    if fact in ("library", "formula"):
        return 0
    return 1 if fact.startswith("input ") else 2 if fact.startswith("--") else 3


def list_definition(loss: Loss) -> dict[str, str]:
    """Return all that makes a loss's numbers what they are, each fact in words."""
    found = {"library": title(loss.library), "formula": loss.formula}
    for number, one in enumerate(loss.inputs, start=1):
        found[f"input {number}"] = f"{one.name} {one.shapes}: {one.kinds}"
    found |= {one.flag: _show_option(one) for one in loss.parameters}
    found["reduction"] = loss.reduction
    found["losses"] = show_losses(loss, "--")
    return found | list_facts(loss)


def list_facts(loss: Loss) -> dict[str, str]:
    """Return the facts that a loss declares, and the usual case of those that it does not."""
    facts = FACTS | loss.facts
    if not facts["axis"]:
        kept = loss.result_axes(0)
        reduced = [axis for axis in loss.inputs[0].form(0).axes if axis not in kept]
        facts["axis"] = ", ".join(reduced) or "none"
    return facts


def _show_option(parameter: Parameter) -> str:
    bounds = parameter.option.bounds
    return f"{show_default(parameter.default)}{f' ({bounds})' if bounds else ''}"


def _name_inputs(loss: Loss) -> str:
    return " ".join(one.name.upper() for one in loss.inputs)
