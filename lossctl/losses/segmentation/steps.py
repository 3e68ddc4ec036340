"""The steps of losses of the overlap of two maps."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from numpy.typing import NDArray

from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.maths.numerics import sigmoids
from lossctl.losses.segmentation import keras as keras_overlap
from lossctl.losses.segmentation import losses as overlap

Array = NDArray[Any]
Maps = tuple[Array, Array, Array]
"""What is claimed of each class at each place, what it lacks to 1, and what is true."""


def share(x: Array, y: Array, *, softmax: bool) -> Generator[Step, None, Maps]:
    """Yield the maps of the classes (C, *D) in one sample; return p, 1 − p and the target."""
    claimed, absent, true = (one[0] for one in overlap.share(x[None], y[None], softmax=softmax))
    yield Step("logits" if softmax else "probabilities", "x" if softmax else "p", x)
    yield Step("target", "y", y)
    if softmax:
        formula = "p = softmax(x)" if len(x) > 1 else "p = 1 / (1 + exp(−x))"
        yield Step("probabilities", formula, claimed)
    return claimed, absent, true


def add_places(maps: Maps, smooth: float, alpha: float, beta: float, lost: str) -> Told:
    """Yield the sums over the places of a sample, one of each class; return their losses."""
    claimed, absent, true = (one.reshape(len(one), -1) for one in maps)
    shared = (claimed * true).sum(axis=1)
    wrong = (claimed * (1 - true)).sum(axis=1)
    missed = (absent * true).sum(axis=1)
    yield Step("intersection", "I = Σ p t over the places", shared)
    yield Step("false positives", "F = Σ p (1 − t)", wrong)
    yield Step("false negatives", "M = Σ (1 − p) t", missed)
    lack = alpha * wrong + beta * missed
    losses = lack / (shared + lack + smooth)
    yield Step("class losses", f"{lost} / (I + {lost} + s)", losses)
    return losses


@steps(overlap.dice)
def overlap_classes(
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
    """Tell the overlap of each class in one sample."""
    maps = yield from share(x, y, softmax=apply_softmax)
    losses = yield from add_places(maps, smooth, alpha, beta, "(α F + β M)")
    if class_weights is not None:
        yield Step("weight", "w_c", class_weights)
        losses = losses * class_weights
        yield Step("class terms", "w_c × class loss", losses)
    yield from _average(losses, background=not ignore_background, added=class_reduction == "sum")


def _average(losses: Array, *, background: bool, added: bool = False) -> Steps:
    """Yield the mean, or the sum, over the classes."""
    if not background and len(losses) > 1:
        losses = losses[1:]
        yield Step("classes that count", "without class 0", losses)
    formula = f"{'Σ' if added else 'mean'} over the classes"
    yield Step("loss", formula, losses.sum() if added else losses.mean())


@steps(overlap.binary_dice)
def overlap_one_class(x: Array, y: Array, *, smooth: float, apply_sigmoid: bool) -> Steps:
    """Tell the overlap of one class in one sample."""
    claimed, absent = sigmoids(x) if apply_sigmoid else (x, 1 - x)
    yield Step("logits" if apply_sigmoid else "probabilities", "x" if apply_sigmoid else "p", x)
    yield Step("target", "y", y)
    if apply_sigmoid:
        yield Step("probabilities", "p = 1 / (1 + exp(−x))", claimed)
    maps = (claimed[None], absent[None], y[None])
    losses = yield from add_places(maps, smooth, 0.5, 0.5, "½ (F + M)")
    yield Step("loss", "that of the one class", losses[0])


@steps(overlap.multiclass_generalized_dice)
def overlap_rare_classes(
    x: Array, y: Array, *, smooth: float, apply_softmax: bool, ignore_background: bool, row: int
) -> Steps:
    """Tell the overlap in one sample, weighed by how rare each class is in all samples."""
    _, _, true = overlap.share(x, y, softmax=apply_softmax)
    frequency = true.sum(axis=(0, *range(2, x.ndim)))
    weights = 1 / (frequency**2 + overlap.FREQUENCY_EPS)
    maps = yield from share(x[row], y[row], softmax=apply_softmax)
    losses = yield from add_places(maps, smooth, 0.5, 0.5, "½ (F + M)")
    yield Step("frequencies", "places of each class in all samples", frequency)
    weights = weights / weights.sum() * len(weights)
    yield Step("weight", "w_c ∝ 1 / (frequency² + 1e-7), Σ w = C", weights)
    yield Step("class terms", "w_c × class loss", weights * losses)
    yield from _average(weights * losses, background=not ignore_background)


@steps(keras_overlap.dice)
def overlap_everything(p: Array, y: Array) -> Steps:
    """Tell what a row adds to the sums of one ratio."""
    yield Step("probabilities", "p", p)
    yield Step("target", "y", y)
    yield Step("intersection", "y p", y * p)


@steps(keras_overlap.tversky)
def overlap_by_error(p: Array, y: Array) -> Steps:
    """Tell the same, where both kinds of errors have weights."""
    yield from overlap_everything(p, y)
    yield Step("false positives", "(1 − y) p", (1 - y) * p)
    yield Step("false negatives", "y (1 − p)", y * (1 - p))
