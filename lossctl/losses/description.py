"""What a declaration knows, as plain data for listings, help pages and documentation."""

from __future__ import annotations

import inspect
from typing import Any

from lossctl.losses.declaration import Loss


def describe(loss: Loss) -> dict[str, Any]:
    """Return everything that a loss's declaration says, ready for JSON."""
    return {
        "key": loss.key,
        "library": loss.library,
        "family": loss.family,
        "aliases": list(loss.aliases),
        "summary": loss.summary,
        "formula": loss.formula,
        "inputs": [
            {
                "name": one.name,
                "help": one.help,
                "shapes": list(dict.fromkeys(form.pattern for form in one.forms)),
                "shown_shapes": one.shapes,
                "kinds": list(dict.fromkeys(form.kind.value for form in one.forms)),
                "stretched": one.fits,
            }
            for one in loss.inputs
        ],
        "options": [
            {
                "name": one.name,
                "flag": one.flag,
                "type": one.type_name,
                "default": one.default,
                "help": one.option.help,
                "bounds": one.option.bounds,
                "above": one.option.above,
                "at_least": one.option.at_least,
                "at_most": one.option.at_most,
                "choices": list(one.option.choices),
                "shape": one.option.shape or one.option.fits,
            }
            for one in loss.parameters
        ],
        "traps": list(loss.traps),
        "source": loss.source,
        "example": f"lossctl compute {loss.key} {loss.example}",
        "documentation": inspect.getdoc(loss.kernel),
    }
