"""Losses of distances and angles between embeddings. Features are the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.declaration import NON_NEGATIVE, Option, Range, loss, real, sign
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import at_least, dot, p_norm, p_norm_gradient, power_of_two

Array = NDArray[Any]

Triplet = tuple[Array, Array, Array]
COSINE_EPSILON = float(np.float32(1e-12))  # torch holds it in single precision
COSINE_DISTANCE_FLOOR = 1e-8
TRIPLETS = tuple(
    real(name, "N *D F", "F", help=meaning)
    for name, meaning in (
        ("anchor", "embeddings to compare with"),
        ("positive", "embeddings of the same class as the anchor"),
        ("negative", "embeddings of another class"),
    )
)
TRIPLET_FILES = "triplets.npz#anchor triplets.npz#positive triplets.npz#negative"
MARGIN = Option("how much nearer the positive must be for a loss of 0", above=0)
SWAP = Option("use the distance between positive and negative where it is smaller")


@loss(
    "cosine_embedding",
    library="torch",
    range=Range(0, 2),
    inputs=(
        real("input1", "N F", "F", help="first embeddings"),
        real("input2", "N F", "F", help="second embeddings"),
        sign("target", "N", "", help="+1 for similar pairs, -1 for dissimilar pairs"),
    ),
    formula="1 − cos(x₁, x₂)  where y = 1;  max(0, cos(x₁, x₂) − margin)  where y = −1",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html",
    example="triplets.npz#pair_left triplets.npz#pair_right triplets.npz#pair_sign",
    traps=("a vector of zeros has cosine 0 with everything, as in torch",),
)
def cosine_embedding(
    input1: Array,
    input2: Array,
    target: Array,
    *,
    margin: Annotated[float, Option("cosine below which a pair of -1 has a loss of 0")] = 0.0,
) -> Array:
    """Cosine distance of similar pairs, hinge on the cosine of dissimilar pairs.

    input1 and input2 are (N, F) or (F), target (N) or one sign. A target that is not +1 or -1
    is an error.
    """
    product, norms = find_angle(input1, input2)
    cosine = product / norms
    return np.where(target == 1, 1 - cosine, at_least(cosine - margin, 0))


def find_angle(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the inner products and the products of the norms, both scaled alike."""
    product, norms = _add_squares(x, y)
    unsafe = ~(np.isfinite(product) & np.isfinite(norms))
    if unsafe.any():  # sums that overflowed are taken again, scaled exactly
        product[unsafe], norms[unsafe] = _add_squares(x[unsafe], y[unsafe], scaled=True)
    return product, norms


def _add_squares(x: Array, y: Array, *, scaled: bool = False) -> tuple[Array, Array]:
    size_x = size_y = np.ones(1, x.dtype)
    if scaled:
        size_x, size_y = (power_of_two(np.abs(one).max(axis=-1, initial=1)) for one in (x, y))
        x, y = x / size_x[:, np.newaxis], y / size_y[:, np.newaxis]
    norm_x = np.sqrt(dot(x, x) + COSINE_EPSILON / size_x / size_x)
    norm_y = np.sqrt(dot(y, y) + COSINE_EPSILON / size_y / size_y)
    return dot(x, y), norm_x * norm_y


@cosine_embedding.gradient(by=("input1", "input2"))
def cosine_embedding_gradient(
    input1: Array, input2: Array, target: Array, *, margin: float
) -> tuple[Array, Array]:
    """Return the gradients of −cos for pairs that belong together, of cos above the margin else."""
    floor = np.sqrt(COSINE_EPSILON)
    length1, length2 = (np.hypot(p_norm(x, 2), floor)[:, np.newaxis] for x in (input1, input2))
    unit1, unit2 = input1 / length1, input2 / length2
    cosine = dot(unit1, unit2)
    sign = np.where(target == 1, -1.0, cosine - margin >= 0)[:, np.newaxis]
    cosine = cosine[:, np.newaxis]
    return (
        sign * (unit2 - cosine * unit1) / length1,
        sign * (unit1 - cosine * unit2) / length2,
    )


@cosine_embedding.steps
def cosine_embedding_steps(x1: Array, x2: Array, y: Array, *, margin: float) -> Steps:
    """Explain the cosine of a pair, and what it costs."""
    yield Step("first embedding", "x₁", x1)
    yield Step("second embedding", "x₂", x2)
    yield Step("sign", "y", y)
    (product,), (norms,) = find_angle(x1[np.newaxis], x2[np.newaxis])
    yield Step("product", "x₁·x₂", product)
    yield Step("norms", "√(‖x₁‖² + 1e-12) √(‖x₂‖² + 1e-12)", norms)
    cosine = product / norms
    yield Step("cosine", "product / norms", cosine)
    losses = np.where(y == 1, 1 - cosine, np.maximum(cosine - margin, 0))
    yield Step("loss", "1 − cosine where y = 1; max(0, cosine − margin) where y = −1", losses)


@loss(
    "triplet_margin",
    spellings=("TripletMarginLoss", "triplet_margin_loss"),
    library="torch",
    range=NON_NEGATIVE,
    inputs=TRIPLETS,
    formula="max(0, ‖a − p + ε‖ₚ − ‖a − n + ε‖ₚ + margin)",
    unit="the unit of the embeddings",
    source="Balntas et al. 2016, doi:10.5244/C.30.119",
    example=TRIPLET_FILES,
    traps=("eps is added to every difference before the norm, as in torch's pairwise distance",),
)
def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: Annotated[float, MARGIN] = 1.0,
    p: Annotated[float, Option("degree of the norm", at_least=0)] = 2.0,
    eps: Annotated[float, Option("added to every difference")] = 1e-6,
    swap: Annotated[bool, SWAP] = False,
) -> Array:
    """Hinge on the distance to the positive minus the distance to the negative.

    anchor, positive and negative have the same shape (N, F) or (F).
    """
    return _triplet(lambda x, y: _pairwise(x, y, p, eps), anchor, positive, negative, margin, swap)


@triplet_margin.gradient(by=("anchor", "positive", "negative"))
def triplet_margin_gradient(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float,
    p: float,
    eps: float,
    swap: bool,
) -> Triplet:
    """Return the gradients of both distances where the hinge is not below 0."""

    def distance(x: Array, y: Array) -> Triplet:
        return _differentiate_norm(x - y + eps, p)

    return _triplet_gradient(distance, anchor, positive, negative, margin, swap)


Distance = Callable[[Array, Array], Array]


def triplet_steps(
    triplet: tuple[Array, Array, Array],
    distance: Distance,
    shown: str,
    margin: float,
    *,
    swap: bool,
) -> Steps:
    """Yield the distances of a triplet, and the hinge on their difference."""
    anchor, positive, negative = triplet
    yield Step("anchor", "a", anchor)
    yield Step("positive", "p", positive)
    yield Step("negative", "n", negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    yield Step("distance to the positive", shown.format("a", "p"), near)
    yield Step("distance to the negative", shown.format("a", "n"), far)
    if swap:
        between = distance(positive, negative)
        yield Step("distance between both", shown.format("p", "n"), between)
        nearer = np.minimum(far, between)
        yield Step("nearer distance", "the smaller of the last two", nearer, before=far)
        far = nearer
    lack = margin + near - far
    yield Step("lack", "margin + distance to p − distance to n", lack)
    yield Step("loss", "max(0, lack)", np.maximum(lack, 0))


@triplet_margin.steps
def triplet_margin_steps(
    a: Array, positive: Array, n: Array, *, margin: float, p: float, eps: float, swap: bool
) -> Steps:
    """Explain the distances by a norm, eps added to every difference."""

    def distance(x: Array, y: Array) -> Array:
        return p_norm(x - y + eps, p)

    triplet = (a, positive, n)
    yield from triplet_steps(triplet, distance, "‖{} − {} + ε‖, degree --p", margin, swap=swap)


def _differentiate_norm(difference: Array, p: float) -> Triplet:
    """Return the p-norm and its derivatives with respect to both ends of the difference."""
    norm = p_norm(difference, p)
    gradient = p_norm_gradient(difference, norm, p)
    return norm, gradient, -gradient


def _pairwise(x: Array, y: Array, p: float, eps: float) -> Array:
    difference = x - y
    difference += eps
    return p_norm(difference, p)


def _triplet(
    distance: Callable[[Array, Array], Array],
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float,
    swap: bool,
) -> Array:
    near = distance(anchor, positive)
    far = distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    return at_least(margin + near - far, 0)


def _triplet_gradient(
    distance: Callable[[Array, Array], Triplet],
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float,
    swap: bool,
) -> Triplet:
    """Return the gradients by the three; two equal distances share the gradient of swapping."""
    near, anchor_gradient, positive_gradient = distance(anchor, positive)
    far, away, negative_gradient = distance(anchor, negative)
    if swap:
        other, from_positive, from_negative = distance(positive, negative)
        share = np.where(far < other, 1.0, np.where(far == other, 0.5, 0.0))[..., np.newaxis]
        away, far = away * share, np.minimum(far, other)
        positive_gradient = positive_gradient - from_positive * (1 - share)
        negative_gradient = negative_gradient * share + from_negative * (1 - share)
    active = (margin + near - far >= 0)[..., np.newaxis]
    gradients = anchor_gradient - away, positive_gradient, -negative_gradient
    by_anchor, by_positive, by_negative = (gradient * active for gradient in gradients)
    return by_anchor, by_positive, by_negative


def _cosine_distance(x: Array, y: Array) -> Array:
    norms = at_least(p_norm(x, 2), COSINE_DISTANCE_FLOOR)
    others = at_least(p_norm(y, 2), COSINE_DISTANCE_FLOOR)
    return 1 - ((x / norms[..., np.newaxis]) * (y / others[..., np.newaxis])).sum(axis=-1)


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "euclidean": lambda x, y: _pairwise(x, y, 2, 1e-6),
    "cosine": _cosine_distance,
    "manhattan": lambda x, y: p_norm(x - y, 1),
    "chebyshev": lambda x, y: p_norm(x - y, np.inf),
    "squared_euclidean": lambda x, y: ((x - y) ** 2).sum(axis=-1),
}


@loss(
    "triplet_margin_with_distance",
    library="torch",
    range=NON_NEGATIVE,
    inputs=TRIPLETS,
    formula="max(0, d(a, p) − d(a, n) + margin)",
    source="https://docs.pytorch.org/docs/stable/generated/"
    "torch.nn.TripletMarginWithDistanceLoss.html",
    example=f"{TRIPLET_FILES} --distance cosine --margin 0.5",
    traps=(
        "euclidean is torch's pairwise distance, with 1e-6 added to every difference;"
        " the others are the plain definitions",
        "torch takes a function; --distance takes a name",
    ),
)
def triplet_margin_with_distance(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance: Annotated[
        str, Option("distance between two embeddings", choices=tuple(DISTANCES))
    ] = "euclidean",
    margin: Annotated[float, MARGIN] = 1.0,
    swap: Annotated[bool, SWAP] = False,
) -> Array:
    """Triplet margin loss with a choice of distances.

    anchor, positive and negative have the same shape (N, F) or (F).
    """
    return _triplet(DISTANCES[distance], anchor, positive, negative, margin, swap)


def _differentiate_cosine_distance(x: Array, y: Array) -> Triplet:
    """Return the distance and its gradients; a raised length has a gradient too, as in torch."""
    norms = [p_norm(one, 2) for one in (x, y)]
    lengths = [at_least(norm, COSINE_DISTANCE_FLOOR)[..., np.newaxis] for norm in norms]
    unit_x, unit_y = x / lengths[0], y / lengths[1]
    along_x, along_y = (
        p_norm_gradient(one, norm, 2) for one, norm in zip((x, y), norms, strict=True)
    )
    cosine = dot(unit_x, unit_y)[..., np.newaxis]
    by_x = (cosine * along_x - unit_y) / lengths[0]
    by_y = (cosine * along_y - unit_x) / lengths[1]
    return 1 - cosine[..., 0], by_x, by_y


def _differentiate_square(x: Array, y: Array) -> Triplet:
    difference = x - y
    return dot(difference, difference), 2 * difference, -2 * difference


DISTANCE_slopeS: dict[str, Callable[[Array, Array], Triplet]] = {
    "euclidean": lambda x, y: _differentiate_norm(x - y + 1e-6, 2),
    "cosine": _differentiate_cosine_distance,
    "manhattan": lambda x, y: _differentiate_norm(x - y, 1),
    "chebyshev": lambda x, y: _differentiate_norm(x - y, np.inf),
    "squared_euclidean": _differentiate_square,
}


@triplet_margin_with_distance.gradient(by=("anchor", "positive", "negative"))
def triplet_margin_with_distance_gradient(
    anchor: Array, positive: Array, negative: Array, *, distance: str, margin: float, swap: bool
) -> Triplet:
    """Return the gradients of both distances where the hinge is not below 0."""
    differentiate = DISTANCE_slopeS[distance]
    return _triplet_gradient(differentiate, anchor, positive, negative, margin, swap)


@triplet_margin_with_distance.steps
def triplet_margin_with_distance_steps(
    a: Array, p: Array, n: Array, *, distance: str, margin: float, swap: bool
) -> Steps:
    """Explain the distances of the chosen kind."""
    chosen = DISTANCES[distance]
    yield from triplet_steps(
        (a, p, n), chosen, f"{distance.replace('_', ' ')} distance of {{}}, {{}}", margin, swap=swap
    )
