"""What becomes of a loss: how the steps behind it follow from it and from the whole result."""

from __future__ import annotations

import numpy as np

from tests.losses.declare import recomputed
from tests.losses.steps.scope import Formula, Scope


def finish(s: Scope, sums: str) -> float:
    """Return a ratio of sums, of those that end with these words."""
    hit = s.get(f"intersection {sums}", None)
    if hit is None:
        return s[f"divergence {sums}"]
    if "alpha" in s.o:
        wrong = s[f"false positives {sums}"], s[f"false negatives {sums}"]
        return 1 - hit / (hit + s.o["alpha"] * wrong[0] + s.o["beta"] * wrong[1] + 1e-7)
    return 1 - 2 * hit / (s[f"y_true {sums}"] + s[f"y_pred {sums}"] + 1e-7)


def finish_without(s: Scope) -> float:
    """Return what the ratio is without the sums of the row."""
    rest = {
        key.replace(" of all", " of the rest"): value - s[key.replace(" of all", " of the row")]
        for key, value in s.values.items()
        if key.endswith(" of all")
    }
    return finish(Scope({**s.values, **rest}, s.x, s.o, s.all, s.row, s.index), "of the rest")


def finish_loss(s: Scope) -> float:
    known = any(key.endswith(" of all") for key in s.values)
    return finish(s, "of all" if known else "of the row")


def divide(s: Scope, loss: float) -> float:
    """Return what a loss adds to the mean, NaN where there is nothing to divide by."""
    return loss / s["denominator"] if s["denominator"] else np.nan


PARTS = {
    "intersection": "intersection",
    "false positives": "false positives",
    "false negatives": "false negatives",
    "y_pred": "probabilities",
    "y_true": "target",
    "divergence": "class terms",
}
"""Of which step a named sum is the sum."""

recomputed(
    {
        ("loss", "mean over the last axis"): lambda s: np.mean(s["element losses"], axis=-1),
        ("loss without the row", "the same for the sums without the row"): finish_without,
        ("effect of the row", "loss − loss without the row"): lambda s: (
            s["loss"] - s["loss without the row"]
        ),
        ("contribution", "loss / denominator"): lambda s: divide(s, s["loss"]),
        ("contribution", "weighted loss / denominator"): lambda s: divide(s, s["weighted loss"]),
        ("contribution", "loss / divisor / denominator"): lambda s: divide(
            s, s["loss"] / s["divisor"]
        ),
        ("contribution", "loss"): lambda s: s["loss"],
        ("divisor", "its target length"): lambda s: max(int(s.x[3]), 1),
        ("weighted loss", "s × loss"): lambda s: s["sample weight"] * s["loss"],
        ("left out", "ignored: it contributes nothing"): lambda s: True,
        ("left out", "masked: it contributes nothing"): lambda s: True,
    }
)


def add_within(part: str) -> Formula:
    """Return the sum of a step over the axes of a row that are added up."""

    def add(s: Scope) -> float:
        rank, chosen = s.all[0].ndim, s.o.get("axis")
        if chosen is None or np.ndim(s[part]) < rank - 1:  # one position is left
            return np.sum(s[part])
        return np.sum(s[part], axis=tuple(one % rank - 1 for one in chosen if one % rank))

    return add


recomputed({f"{name} of the row": add_within(part) for name, part in PARTS.items()})
