"""Keras's losses of overlap: ratios of sums over everything, or over the axes given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from numpy.typing import NDArray

from lossctl.losses.core.declaration import Option, Range, Terms, loss, real
from lossctl.losses.core.keras import BATCH, EPSILON
from lossctl.losses.core.steps import Step, Steps

Array = NDArray[Any]

MAPS = (
    real("y_pred", "N *D", help="predicted mask, such as probabilities"),
    real("y_true", "N *D", help="true mask, such as 0 and 1"),
)
AXES = Option("axes to sum over; all if none is given", axes=True)
RATIO: dict[str, Any] = BATCH | {"reduce_axes": "axis"}
FACTS = {
    "axis": "one ratio over the given axes, by default over everything",
    "denominator": "ratios",
}
RATIO_TRAP = "without axis it is one ratio of sums over everything, not an average over samples"


def _finalize_dice(sums: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return 1 - 2 * sums["intersection"] / (sums["y_true"] + sums["y_pred"] + EPSILON)


@loss(
    "keras.dice",
    spellings=("Dice", "dice"),
    inputs=MAPS,
    range=Range(0, 1),
    formula="1 − 2 Σ y p / (Σ y + Σ p + 1e-7)",
    source="https://keras.io/api/losses/segmentation_losses/#dice-class",
    example="probs.npy one_hot.npy --axis 0",
    traps=(RATIO_TRAP,),
    facts=FACTS,
    finalize=_finalize_dice,
    **RATIO,
)
def dice(
    y_pred: Array, y_true: Array, *, axis: Annotated[tuple[int, ...] | None, AXES] = None
) -> Terms:
    """Dice loss of two masks: 1 − twice their intersection over the sum of their sizes.

    y_pred and y_true have the same shape (N, *D); the losses have the axes that are not summed
    over.
    """
    return Terms(sums={"intersection": y_true * y_pred, "y_true": y_true, "y_pred": y_pred})


@dice.gradient
def dice_gradient(_: Array, y_true: Array, *, cotangent: dict[str, Array]) -> Array:
    """Return the share of each place in the ratio's gradient."""
    return cotangent["intersection"] * y_true + cotangent["y_pred"]


@dice.steps
def dice_steps(p: Array, y: Array) -> Steps:
    """Explain what a row adds to the sums of one ratio."""
    yield Step("probabilities", "p", p)
    yield Step("target", "y", y)
    yield Step("intersection", "y p", y * p)


def _finalize_tversky(sums: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    hit = sums["intersection"]
    wrong = options["alpha"] * sums["false_positives"] + options["beta"] * sums["false_negatives"]
    return 1 - hit / (hit + wrong + EPSILON)


@loss(
    "keras.tversky",
    inputs=MAPS,
    range=Range(0, 1),
    formula="1 − Σ y p / (Σ y p + α Σ (1 − y) p + β Σ y (1 − p) + 1e-7)",
    source="Salehi et al. 2017, Tversky loss function, arXiv:1706.05721",
    example="probs.npy one_hot.npy --alpha 0.3 --beta 0.7",
    traps=(
        RATIO_TRAP,
        "alpha weighs false positives and beta false negatives, as fixed in keras#23333;"
        " Keras 3.15.1 has them the other way round",
    ),
    facts=FACTS,
    finalize=_finalize_tversky,
    **RATIO,
)
def tversky(
    y_pred: Array,
    y_true: Array,
    *,
    alpha: Annotated[float, Option("weight of false positives")] = 0.5,
    beta: Annotated[float, Option("weight of false negatives")] = 0.5,
    axis: Annotated[tuple[int, ...] | None, AXES] = None,
) -> Terms:
    """Dice loss with separate weights of false positives and false negatives.

    y_pred and y_true have the same shape (N, *D); the losses have the axes that are not summed
    over.
    """
    return Terms(
        sums={
            "intersection": y_true * y_pred,
            "false_positives": (1 - y_true) * y_pred,
            "false_negatives": y_true * (1 - y_pred),
        }
    )


@tversky.gradient
def tversky_gradient(_: Array, y_true: Array, *, cotangent: dict[str, Array]) -> Array:
    """Return the share of each place in the ratio's gradient."""
    return (
        cotangent["intersection"] * y_true
        + cotangent["false_positives"] * (1 - y_true)
        - cotangent["false_negatives"] * y_true
    )


@tversky.steps
def tversky_steps(p: Array, y: Array) -> Steps:
    """Explain what a row adds to the sums, where both kinds of errors have weights."""
    yield from dice_steps(p, y)
    yield Step("false positives", "(1 − y) p", (1 - y) * p)
    yield Step("false negatives", "y (1 − p)", y * (1 - p))
