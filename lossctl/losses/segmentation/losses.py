"""Losses of the overlap of two maps: each sample's, as optax defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Option, either, index, logit, loss, soft_label
from lossctl.losses.maths.numerics import align_classes, sigmoids

Array = NDArray[Any]


def _given_softmax(options: Mapping[str, Any]) -> bool:
    return not options["apply_softmax"]


def _given_sigmoid(options: Mapping[str, Any]) -> bool:
    return not options["apply_sigmoid"]


MAPS = (
    logit(
        "input",
        "N C *D",
        help="logits of the classes, or probabilities",
        kind_if=((_given_softmax, Kind.CLASS_PROBABILITY),),
    ),
    either(
        soft_label("target", "N C *D", help="share of each class, or class indices"),
        index("target", "N *D"),
    ),
)
SMOOTH = Option("added above and below, so that nothing against nothing is right", at_least=0)
SOFTMAX = Option("the input holds logits, not probabilities")
BACKGROUND = Option("leave out class 0")
PER_SAMPLE = {"axis": "all but the first: one loss per sample"}
RATIOS = "each sample has its ratio; Keras's dice is one ratio of everything, unless told the axes"
FREQUENCY_EPS = 1e-7


@loss(
    "optax.dice",
    family="segmentation",
    inputs=MAPS,
    results=("N",),
    library="optax",
    formula="mean over the classes of 1 − (I + s) / (I + α (P − I) + β (T − I) + s),"
    "  I = Σ p t,  P = Σ p,  T = Σ t over a sample's positions",
    source="Milletari et al. 2016, V-Net, arXiv:1606.04797",
    example="preds.npy labels.npy",
    traps=(
        RATIOS,
        "takes logits unless --no-apply-softmax; of one class alone the sigmoid is taken",
        "with class_weights the mean still divides by the number of classes",
    ),
    facts=PER_SAMPLE,
)
def dice(
    input: Array,
    target: Array,
    *,
    class_weights: Annotated[Array | None, Option("weight of each class", shape="C")] = None,
    smooth: Annotated[float, SMOOTH] = 1.0,
    alpha: Annotated[float, Option("weight of what is claimed wrongly")] = 0.5,
    beta: Annotated[float, Option("weight of what is missed")] = 0.5,
    apply_softmax: Annotated[bool, SOFTMAX] = True,
    ignore_background: Annotated[bool, BACKGROUND] = False,
    class_reduction: Annotated[
        str, Option("what is made of the classes of a sample", choices=("mean", "sum"))
    ] = "mean",
) -> Array:
    """How little two maps of classes overlap, per sample, averaged over the classes.

    input is (N, C, *D); target has the same shape, or holds class indices (N, *D).
    """
    losses = _miss(*share(input, target, softmax=apply_softmax), smooth, alpha, beta)
    if class_weights is not None:
        losses = losses * class_weights
    if ignore_background and losses.shape[1] > 1:
        losses = losses[:, 1:]
    return losses.sum(axis=1) if class_reduction == "sum" else losses.mean(axis=1)


@dice.gradient
def dice_gradient(
    input: Array,
    target: Array,
    *,
    class_weights: Array | None,
    smooth: float,
    alpha: float,
    beta: float,
    apply_softmax: bool,
    ignore_background: bool,
    class_reduction: str,
) -> Array:
    """Return the gradients of the ratios of all classes, through the softmax."""
    shares = share(input, target, softmax=apply_softmax)
    weights = np.ones(input.shape[1]) if class_weights is None else np.array(class_weights)
    if class_reduction == "mean":
        weights = weights / _count(input, ignore_background)
    if ignore_background and len(weights) > 1:
        weights = _leave_out_background(weights)
    gradient = _differentiate_miss(*shares, smooth, alpha, beta) * align_classes(
        weights, input.ndim
    )
    return _through_shares(gradient, shares, softmax=apply_softmax)


@loss(
    "binary_dice",
    family="segmentation",
    inputs=(
        logit(
            "input",
            "N *D",
            help="logits of the positive class, or probabilities",
            kind_if=((_given_sigmoid, Kind.PROBABILITY),),
        ),
        soft_label("target", "N *D", help="1 for the positive class, 0 for the negative"),
    ),
    results=("N",),
    library="optax",
    formula="1 − (I + s) / (½ P + ½ T + s),  I = Σ p t,  P = Σ p,  T = Σ t over a sample",
    source="Milletari et al. 2016, V-Net, arXiv:1606.04797",
    example="attributes_logits.npy attributes.npy",
    traps=(RATIOS, "takes logits unless --no-apply-sigmoid, with which optax itself fails"),
    facts=PER_SAMPLE,
)
def binary_dice(
    input: Array,
    target: Array,
    *,
    smooth: Annotated[float, SMOOTH] = 1.0,
    apply_sigmoid: Annotated[bool, Option("the input holds logits, not probabilities")] = True,
) -> Array:
    """How little two maps of one class overlap, per sample.

    input and target are (N, *D); the losses are (N).
    """
    pair = sigmoids(input) if apply_sigmoid else (input, 1 - input)
    claimed, absent = (one[:, np.newaxis] for one in pair)
    return _miss(claimed, absent, target[:, np.newaxis], smooth, 0.5, 0.5)[:, 0]


@binary_dice.gradient
def binary_dice_gradient(
    input: Array, target: Array, *, smooth: float, apply_sigmoid: bool
) -> Array:
    """Return the gradient of the ratio, through the sigmoid."""
    pair = sigmoids(input) if apply_sigmoid else (input, 1 - input)
    claimed, absent = (one[:, np.newaxis] for one in pair)
    gradient = _differentiate_miss(claimed, absent, target[:, np.newaxis], smooth, 0.5, 0.5)
    return (gradient * claimed * absent if apply_sigmoid else gradient)[:, 0]


@loss(
    "multiclass_generalized_dice",
    family="segmentation",
    inputs=MAPS,
    results=("N",),
    library="optax",
    aliases=("generalized_dice",),
    formula="mean over the classes of w_c dice_c,  w_c ∝ 1 / (frequency_c² + 1e-7), Σ w = C",
    source="Sudre et al. 2017, Generalised Dice overlap, arXiv:1707.03237",
    example="preds.npy labels.npy",
    traps=(
        "frequencies are counted over all samples, so that each sample's loss depends on the"
        " others: the answer for a dataset is not the mean of those for its parts",
        "a class that never occurs gets nearly all of the weight, as in optax",
    ),
    needs_all_samples=True,
    facts=PER_SAMPLE,
)
def multiclass_generalized_dice(
    input: Array,
    target: Array,
    *,
    smooth: Annotated[float, SMOOTH] = 1.0,
    apply_softmax: Annotated[bool, SOFTMAX] = True,
    ignore_background: Annotated[bool, BACKGROUND] = False,
) -> Array:
    """How little two maps of classes overlap, rare classes weighing as much as common ones.

    input is (N, C, *D); target has the same shape, or holds class indices (N, *D).
    """
    shares = share(input, target, softmax=apply_softmax)
    frequency = shares[2].sum(axis=(0, *range(2, input.ndim)))
    weights = 1 / (frequency**2 + FREQUENCY_EPS)
    losses = _miss(*shares, smooth, 0.5, 0.5) * (weights / weights.sum() * len(weights))
    if ignore_background and losses.shape[1] > 1:
        losses = losses[:, 1:]
    return losses.mean(axis=1)


@multiclass_generalized_dice.gradient
def multiclass_generalized_dice_gradient(
    input: Array, target: Array, *, smooth: float, apply_softmax: bool, ignore_background: bool
) -> Array:
    """Return the gradients of the weighed ratios, through the softmax."""
    shares = share(input, target, softmax=apply_softmax)
    frequency = shares[2].sum(axis=(0, *range(2, input.ndim)))
    weights = 1 / (frequency**2 + FREQUENCY_EPS)
    weights = weights / weights.sum() * len(weights) / _count(input, ignore_background)
    if ignore_background and len(weights) > 1:
        weights = _leave_out_background(weights)
    gradient = _differentiate_miss(*shares, smooth, 0.5, 0.5) * align_classes(weights, input.ndim)
    return _through_shares(gradient, shares, softmax=apply_softmax)


def _leave_out_background(weights: Array) -> Array:
    return np.where(np.arange(len(weights)) == 0, 0, weights)


def _count(input: Array, ignore_background: bool) -> int:
    """Return over how many classes the mean goes."""
    return input.shape[1] - (1 if ignore_background and input.shape[1] > 1 else 0)


def share(input: Array, target: Array, *, softmax: bool) -> tuple[Array, Array, Array]:
    """Return probabilities, what they lack to 1, and the share of each class in the target."""
    if target.ndim < input.ndim:
        classes = align_classes(np.arange(input.shape[1]), input.ndim)
        target = (target[:, np.newaxis] == classes).astype(input.dtype)
    if not softmax:
        return input, 1 - input, target
    if input.shape[1] == 1:
        return *sigmoids(input), target
    powers = np.exp(input - input.max(axis=1, keepdims=True))
    total = powers.sum(axis=1, keepdims=True)
    return powers / total, (total - powers) / total, target


def _miss(
    claimed: Array, absent: Array, true: Array, smooth: float, alpha: float, beta: float
) -> Array:
    """Return what is not shared, relative to all: (n, c) from maps (n, c, *d)."""
    positions = tuple(range(2, claimed.ndim))
    shared = (claimed * true).sum(axis=positions)
    wrong = alpha * (claimed * (1 - true)).sum(axis=positions)
    missed = beta * (absent * true).sum(axis=positions)
    return (wrong + missed) / (shared + wrong + missed + smooth)


def _differentiate_miss(
    claimed: Array, absent: Array, true: Array, smooth: float, alpha: float, beta: float
) -> Array:
    """Return the gradient of what is not shared by each probability, (n, c, *d)."""
    positions = tuple(range(2, claimed.ndim))
    shared = (claimed * true).sum(axis=positions, keepdims=True)
    wrong = alpha * (claimed * (1 - true)).sum(axis=positions, keepdims=True)
    missed = beta * (absent * true).sum(axis=positions, keepdims=True)
    whole = shared + wrong + missed + smooth
    risen = alpha * (1 - true) - beta * true
    return (risen - (wrong + missed) / whole * (true + risen)) / whole


def _through_shares(gradient: Array, shares: tuple[Array, Array, Array], *, softmax: bool) -> Array:
    """Return the gradient by the input from that by the probabilities made of it."""
    if not softmax:
        return gradient
    if gradient.shape[1] == 1:
        return gradient * shares[0] * shares[1]
    return shares[0] * (gradient - (gradient * shares[0]).sum(axis=1, keepdims=True))
