"""Losses that optax calls by a name under which another library computes another number."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.declaration import Option, loss, real, sign
from lossctl.losses.numerics import at_least, power_of_two

Array = NDArray[Any]


@loss(
    "optax.l2",
    family="regression",
    inputs=(real("input", "*", help="predictions"), real("target", "*", help="true values")),
    library="optax",
    formula="½ (x − y)²",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="regression.csv#pred_forest regression.csv#target",
    traps=("half of the squared error: mse has no ½",),
)
def l2(input: Array, target: Array) -> Array:
    """Half of the squared error of each element.

    input and target have the same shape (*).
    """
    error = input - target
    return 0.5 * (error * error)


@loss(
    "optax.hinge",
    family="margin",
    inputs=(real("input", "*", help="scores"), sign("target", "*", help="+1 or -1")),
    library="optax",
    formula="max(0, 1 − y x)",
    source="https://optax.readthedocs.io/en/latest/api/losses.html",
    example="binary.csv#logit binary.csv#sign",
    traps=(
        "each element has its loss, and targets are +1 and -1; Keras takes 0 and 1 too, and"
        " averages over the last axis",
    ),
)
def hinge(input: Array, target: Array) -> Array:
    """Hinge on a score that should have a given sign.

    input and target have the same shape (*). A target that is not +1 or -1 is an error.
    """
    return at_least(1 - target * input, 0)


@loss(
    "optax.triplet_margin",
    family="embedding",
    inputs=tuple(
        real(name, "N *D F", "F", help=meaning)
        for name, meaning in (
            ("anchor", "embeddings to compare with"),
            ("positive", "embeddings of the same class as the anchor"),
            ("negative", "embeddings of another class"),
        )
    ),
    library="optax",
    formula="max(0, (Σ|a − p|ᵈ + ε)^(1/d) − (Σ|a − n|ᵈ + ε)^(1/d) + margin)",
    source="Balntas et al. 2016, doi:10.5244/C.30.119",
    example="triplets.npz#anchor triplets.npz#positive triplets.npz#negative",
    traps=(
        "eps is added to the sum of powers, so that the least distance is √ε; torch adds it to"
        " every difference",
        "differences are taken absolute; optax adds signed powers for odd degrees, or answers NaN",
    ),
)
def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    norm_degree: Annotated[float, Option("degree of the norm", above=0)] = 2.0,
    margin: Annotated[float, Option("how much nearer the positive must be to cost nothing")] = 1.0,
    eps: Annotated[float, Option("added to the sum of powers", at_least=0)] = 1e-6,
) -> Array:
    """Hinge on the distance to the positive against the distance to the negative.

    anchor, positive and negative have the same shape (N, *D, F) or (F).
    """

    def distance(other: Array) -> Array:
        size = np.abs(anchor - other)
        least = eps ** (1 / norm_degree)
        # Powers of numbers about 1 neither overflow nor multiply the rounding of 1/d.
        scale = power_of_two(at_least(size.max(axis=-1, initial=0), least))
        powers = ((size / scale[..., np.newaxis]) ** norm_degree).sum(axis=-1)
        extra = eps / scale**norm_degree if eps else 0.0
        return scale * (powers + extra) ** (1 / norm_degree)

    return at_least(distance(positive) - distance(negative) + margin, 0)
