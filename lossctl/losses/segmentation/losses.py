"""Losses of the overlap of two maps: each sample's, as optax defines them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    Option,
    Range,
    either,
    index,
    logit,
    loss,
    soft_label,
)
from lossctl.losses.core.steps import Step, Steps, StepsToArray
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
        soft_label("target", "N C *D", help="probability of each class, or class indices"),
        index("target", "N *D"),
    ),
)
SMOOTH = Option(
    "added to numerator and denominator, so that two empty masks have a loss of 0", at_least=0
)
SOFTMAX = Option("the input contains logits, not probabilities")
BACKGROUND = Option("exclude class 0")
PER_SAMPLE = {"axis": "all but the first: one loss per sample"}
RATIOS = "one ratio per sample; Keras's dice is one ratio over everything, unless axes are given"
FREQUENCY_EPS = 1e-7


@loss(
    "optax.dice",
    spellings=("dice_loss",),
    library="optax",
    range=NON_NEGATIVE,
    inputs=MAPS,
    results=("N",),
    formula="mean over the classes of 1 − (I + s) / (I + α (P − I) + β (T − I) + s),"
    "  I = Σ p t,  P = Σ p,  T = Σ t over a sample's positions",
    source="Milletari et al. 2016, V-Net, arXiv:1606.04797",
    example="preds.npy labels.npy",
    traps=(
        RATIOS,
        "takes logits unless --no-apply-softmax; with one class the sigmoid is used",
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
    alpha: Annotated[float, Option("weight of false positives")] = 0.5,
    beta: Annotated[float, Option("weight of false negatives")] = 0.5,
    apply_softmax: Annotated[bool, SOFTMAX] = True,
    ignore_background: Annotated[bool, BACKGROUND] = False,
    class_reduction: Annotated[
        str, Option("how the classes of a sample are reduced", choices=("mean", "sum"))
    ] = "mean",
) -> Array:
    """Dice loss of masks of several classes, per sample, averaged over the classes.

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


Maps = tuple[Array, Array, Array]
"""What is claimed of each class at each place, what it lacks to 1, and what is true."""


def _map_steps(x: Array, y: Array, *, softmax: bool) -> Generator[Step, None, Maps]:
    """Yield the maps of the classes (C, *D) in one sample; return p, 1 − p and the target."""
    claimed, absent, true = (one[0] for one in share(x[None], y[None], softmax=softmax))
    yield Step("logits" if softmax else "probabilities", "x" if softmax else "p", x)
    yield Step("target", "y", y)
    if softmax:
        formula = "p = softmax(x)" if len(x) > 1 else "p = 1 / (1 + exp(−x))"
        yield Step("probabilities", formula, claimed)
    return claimed, absent, true


def _overlap_steps(maps: Maps, smooth: float, alpha: float, beta: float, lost: str) -> StepsToArray:
    """Yield the sums over the places of a sample, one of each class; return their losses."""
    claimed, absent, true = (one.reshape(len(one), -1) for one in maps)
    shared = (claimed * true).sum(axis=1)
    wrong = (claimed * (1 - true)).sum(axis=1)
    missed = (absent * true).sum(axis=1)
    yield Step("intersection", "I = Σ p t over the positions", shared)
    yield Step("false positives", "F = Σ p (1 − t)", wrong)
    yield Step("false negatives", "M = Σ (1 − p) t", missed)
    lack = alpha * wrong + beta * missed
    losses = lack / (shared + lack + smooth)
    yield Step("class losses", f"{lost} / (I + {lost} + s)", losses)
    return losses


def _class_mean_steps(losses: Array, *, background: bool, added: bool = False) -> Steps:
    """Yield the mean, or the sum, over the classes."""
    if not background and len(losses) > 1:
        losses = losses[1:]
        yield Step("classes that count", "without class 0", losses)
    formula = f"{'Σ' if added else 'mean'} over the classes"
    yield Step("loss", formula, losses.sum() if added else losses.mean())


@dice.steps
def dice_steps(
    x: Array,
    y: Array,
    *,
    class_weights: Array | None,
    smooth: float,
    alpha: float,
    beta: float,
    apply_softmax: bool,
    ignore_background: bool,
    class_reduction: str,
) -> Steps:
    """Explain the overlap of each class in one sample."""
    maps = yield from _map_steps(x, y, softmax=apply_softmax)
    losses = yield from _overlap_steps(maps, smooth, alpha, beta, "(α F + β M)")
    if class_weights is not None:
        yield Step("weight", "w_c", class_weights)
        losses = losses * class_weights
        yield Step("class terms", "w_c × class loss", losses)
    yield from _class_mean_steps(
        losses, background=not ignore_background, added=class_reduction == "sum"
    )


@loss(
    "binary_dice",
    library="optax",
    range=Range(0, 1),
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
    apply_sigmoid: Annotated[bool, Option("the input contains logits, not probabilities")] = True,
) -> Array:
    """Dice loss of masks of one class, per sample.

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


@binary_dice.steps
def binary_dice_steps(x: Array, y: Array, *, smooth: float, apply_sigmoid: bool) -> Steps:
    """Explain the overlap of one class in one sample."""
    claimed, absent = sigmoids(x) if apply_sigmoid else (x, 1 - x)
    yield Step("logits" if apply_sigmoid else "probabilities", "x" if apply_sigmoid else "p", x)
    yield Step("target", "y", y)
    if apply_sigmoid:
        yield Step("probabilities", "p = 1 / (1 + exp(−x))", claimed)
    maps = (claimed[None], absent[None], y[None])
    losses = yield from _overlap_steps(maps, smooth, 0.5, 0.5, "½ (F + M)")
    yield Step("loss", "that of the one class", losses[0])


@loss(
    "multiclass_generalized_dice",
    library="optax",
    range=NON_NEGATIVE,
    inputs=MAPS,
    results=("N",),
    aliases=("generalized_dice",),
    formula="mean over the classes of w_c dice_c,  w_c ∝ 1 / (frequency_c² + 1e-7), Σ w = C",
    source="Sudre et al. 2017, Generalised Dice overlap, arXiv:1707.03237",
    example="preds.npy labels.npy",
    traps=(
        "frequencies are counted over all samples, so that each sample's loss depends on the"
        " others: the loss of a dataset is not the mean of the losses of its parts",
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
    """Dice loss of masks of several classes, in which rare classes count as much as common ones.

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


@multiclass_generalized_dice.steps
def multiclass_generalized_dice_steps(
    x: Array, y: Array, *, smooth: float, apply_softmax: bool, ignore_background: bool, row: int
) -> Steps:
    """Explain the overlap in one sample, weighed by how rare each class is in all samples."""
    _, _, true = share(x, y, softmax=apply_softmax)
    frequency = true.sum(axis=(0, *range(2, x.ndim)))
    weights = 1 / (frequency**2 + FREQUENCY_EPS)
    maps = yield from _map_steps(x[row], y[row], softmax=apply_softmax)
    losses = yield from _overlap_steps(maps, smooth, 0.5, 0.5, "½ (F + M)")
    yield Step("frequencies", "positions of each class in all samples", frequency)
    weights = weights / weights.sum() * len(weights)
    yield Step("weight", "w_c ∝ 1 / (frequency² + 1e-7), Σ w = C", weights)
    yield Step("class terms", "w_c × class loss", weights * losses)
    yield from _class_mean_steps(weights * losses, background=not ignore_background)


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
    """Return the gradient with respect to the input, from that of its probabilities."""
    if not softmax:
        return gradient
    if gradient.shape[1] == 1:
        return gradient * shares[0] * shares[1]
    return shares[0] * (gradient - (gradient * shares[0]).sum(axis=1, keepdims=True))
