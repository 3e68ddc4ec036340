"""The triplet loss as optax defines it."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, loss, real
from lossctl.losses.core.steps import Steps
from lossctl.losses.embedding.losses import triplet_steps
from lossctl.losses.maths.numerics import at_least, open_half, power_of_two

Array = NDArray[Any]


@loss(
    "optax.triplet_margin",
    spellings=("triplet_margin_loss",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=tuple(
        real(name, "N *D F", "F", help=meaning)
        for name, meaning in (
            ("anchor", "embeddings to compare with"),
            ("positive", "embeddings of the same class as the anchor"),
            ("negative", "embeddings of another class"),
        )
    ),
    formula="max(0, (Σ|a − p|ᵈ + ε)^(1/d) − (Σ|a − n|ᵈ + ε)^(1/d) + margin)",
    unit="the unit of the embeddings",
    source="Balntas et al. 2016, doi:10.5244/C.30.119",
    example="triplets.npz#anchor triplets.npz#positive triplets.npz#negative",
    traps=(
        "eps is added to the sum of powers, so that the minimum distance is √ε; torch adds it to"
        " every difference",
        "differences are absolute; optax adds signed powers for odd degrees, or returns NaN",
    ),
)
def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    norm_degree: Annotated[float, Option("degree of the norm", above=0)] = 2.0,
    margin: Annotated[float, Option("how much nearer the positive must be for a loss of 0")] = 1.0,
    eps: Annotated[float, Option("added to the sum of powers", at_least=0)] = 1e-6,
) -> Array:
    """Hinge on the distance to the positive minus the distance to the negative.

    anchor, positive and negative have the same shape (N, *D, F) or (F).
    """
    near = measure_distance(anchor - positive, norm_degree, eps)
    far = measure_distance(anchor - negative, norm_degree, eps)
    return at_least(near - far + margin, 0)


def measure_distance(difference: Array, degree: float, eps: float) -> Array:
    """Return (Σ|d|^degree + eps)^(1/degree) over the last axis."""
    size = np.abs(difference)
    least = eps ** (1 / degree)
    # Powers of numbers about 1 neither overflow nor multiply the rounding of 1/d.
    scale = power_of_two(at_least(size.max(axis=-1, initial=0), least))
    powers = ((size / scale[..., np.newaxis]) ** degree).sum(axis=-1)
    extra = eps / scale**degree if eps else 0.0
    return scale * (powers + extra) ** (1 / degree)


@triplet_margin.gradient(by=("anchor", "positive", "negative"))
def triplet_margin_gradient(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    norm_degree: float,
    margin: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Return the gradients of both distances; half of them where the hinge is just 0."""
    near, near_gradient = _differentiate(anchor - positive, norm_degree, eps)
    far, far_gradient = _differentiate(anchor - negative, norm_degree, eps)
    active = open_half(near - far + margin)[..., np.newaxis]
    return active * (near_gradient - far_gradient), -active * near_gradient, active * far_gradient


@triplet_margin.steps
def triplet_margin_steps(
    a: Array, p: Array, n: Array, *, norm_degree: float, margin: float, eps: float
) -> Steps:
    """Explain the distances by a norm, eps added to the sum of powers."""

    def distance(x: Array, y: Array) -> Array:
        return measure_distance(x - y, norm_degree, eps)

    shown = "(Σ|{} − {}|^d + ε)^(1/d)"
    yield from triplet_steps((a, p, n), distance, shown, margin, swap=False)


def _differentiate(difference: Array, degree: float, eps: float) -> tuple[Array, Array]:
    """Return a distance and its gradient with respect to the difference, 0 where undefined."""
    distance = measure_distance(difference, degree, eps)
    relative = np.abs(difference) / distance[..., np.newaxis]
    return distance, np.where(difference == 0, 0, np.sign(difference) * relative ** (degree - 1))
