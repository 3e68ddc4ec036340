"""The formulas of explanations, written down once more: how tests recompute every step."""

from __future__ import annotations

from tests.explanation.explained import classes, elementwise, endings, geometry, losses
from tests.explanation.explained.scope import Formula, Formulas

EXACT: Formulas = {
    **elementwise.READ,
    **elementwise.SIMPLE,
    **elementwise.BINARY,
    **classes.CLASSES,
    **classes.SCORES,
    **geometry.EMBEDDINGS,
    **geometry.BOXES,
    **geometry.MAPS,
    **geometry.SEQUENCES,
    **losses.LOSSES,
    **endings.ENDINGS,
}
BY_KEY: dict[str, Formula] = {**geometry.BY_KEY, **classes.BY_KEY, **endings.BY_KEY}
"""For steps in whose formula an option stands as a number."""


def find_formula(key: str, formula: str) -> Formula | None:
    """Return the recomputation of a step, if there is one."""
    return EXACT.get((key, formula)) or BY_KEY.get(key)
