"""The steps of losses that ask for a margin between scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.margin import keras as keras_hinges
from lossctl.losses.margin import losses as margins
from lossctl.losses.margin import sparsemax as decisions
from lossctl.losses.maths.numerics import softplus

Array = NDArray[Any]


def bend_at_zero(lack: Array, formula: str) -> Steps:
    """Yield what is lacking, and the loss that is 0 where nothing is."""
    yield Step("lack", formula, lack)
    yield Step("loss", "max(0, lack)", np.maximum(lack, 0))


@steps(margins.margin_ranking)
def rank_scores(x1: Array, x2: Array, y: Array, *, margin: float) -> Steps:
    """Tell the hinge on the difference of two scores."""
    yield Step("first score", "x₁", x1)
    yield Step("second score", "x₂", x2)
    yield Step("sign", "y", y)
    yield Step("difference", "x₁ − x₂", x1 - x2)
    yield from bend_at_zero(margin - y * (x1 - x2), "margin − y (x₁ − x₂)")


@steps(margins.hinge_embedding)
def bend_distance(x: Array, y: Array, *, margin: float) -> Steps:
    """Tell the distance of a pair, or what it lacks of the margin."""
    yield Step("distance", "x", x)
    yield Step("sign", "y", y)
    yield Step("lack", "margin − x", margin - x)
    losses = np.where(y == 1, x, np.maximum(margin - x, 0))
    yield Step("loss", "x where y = 1; max(0, lack) where y = −1", losses)


def agree(x: Array, y: Array) -> Steps:
    """Yield a score and its sign."""
    yield Step("score", "x", x)
    yield Step("sign", "y", y)
    yield Step("agreement", "y x", y * x)


@steps(margins.soft_margin)
def bend_softly(x: Array, y: Array) -> Steps:
    """Tell the logistic loss."""
    yield from agree(x, y)
    yield Step("loss", "log(1 + exp(−y x))", softplus(-(y * x)))


@steps(decisions.perceptron)
def punish_wrong_signs(x: Array, y: Array) -> Steps:
    """Tell the size of a score with the wrong sign."""
    yield from agree(x, y)
    yield from bend_at_zero(-(y * x), "−y x")


@steps(decisions.hinge)
def ask_for_margin(x: Array, y: Array) -> Steps:
    """Tell the hinge on a score."""
    yield from agree(x, y)
    yield from bend_at_zero(1 - y * x, "1 − y x")


def sign_labels(x: Array, y: Array, *, binary: bool) -> Told:
    """Yield a score and its label, which is a sign or becomes one; return what it lacks of 1."""
    signs = 2 * y - 1 if binary else y
    yield Step("score", "x", x)
    yield Step("target", "y", y)
    if binary:
        yield Step("sign", "2 y − 1, for all labels are 0 or 1", signs, before=y)
    yield Step("agreement", "y x", signs * x)
    return 1 - signs * x


@steps(keras_hinges.hinge)
def ask_labels_for_margin(x: Array, y: Array, *, binary: bool) -> Steps:
    """Tell the hinge on a score whose labels may be 0 and 1."""
    lack = yield from sign_labels(x, y, binary=binary)
    yield from bend_at_zero(lack, "1 − y x")


@steps(keras_hinges.squared_hinge)
def square_lack(x: Array, y: Array, *, binary: bool) -> Steps:
    """Tell its square."""
    lack = yield from sign_labels(x, y, binary=binary)
    yield Step("lack", "1 − y x", lack)
    yield Step("loss", "max(0, lack)²", np.maximum(lack, 0) ** 2)


@steps(keras_hinges.categorical_hinge)
def compare_with_best_wrong(x: Array, y: Array) -> Steps:
    """Tell the hinge on the lead of the right class, by one-hot labels."""
    right, wrong = (y * x).sum(), ((1 - y) * x).max(initial=-np.inf)
    yield Step("scores", "x", x, mark=int(np.argmax(y)))
    yield Step("target", "y", y, mark=int(np.argmax(y)))
    yield Step("score of the target", "Σ_c y_c x_c", right)
    yield Step("best other score", "max_c (1 − y_c) x_c", wrong)
    lack = "1 + best other score − score of the target"
    yield from bend_at_zero(wrong - right + 1, lack)


def choose(x: Array, y: Array) -> Steps:
    """Yield scores, the right class, and its score."""
    yield Step("scores", "x", x, mark=int(y))
    yield Step("target", "y", y)
    yield Step("score of the target", "x_y", x[int(y)])


@steps(margins.multi_margin)
def add_hinges(x: Array, y: Array, *, p: int, margin: float, weight: Array | None) -> Steps:
    """Tell the hinges on the lead over every other class."""
    x = np.atleast_1d(x)
    own = int(y)
    yield from choose(x, y)
    hinges = np.maximum((margin - x[own]) + x, 0)
    hinges = hinges if p == 1 else hinges * hinges
    hinges[own] = 0
    power = "" if p == 1 else "²"
    yield Step("hinges", f"max(0, margin − x_y + x_i){power}, and 0 for y itself", hinges)
    total = hinges.sum() / len(x)
    if weight is None:
        yield Step("loss", "Σ of the hinges / C", total)
        return
    yield Step("weight", "w_y", weight[own])
    yield Step("loss", "w_y Σ of the hinges / C", total * weight[own])


@steps(margins.multilabel_margin)
def add_all_hinges(x: Array, y: Array) -> Steps:
    """Tell the hinges on the lead of every right class over every wrong one."""
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    ends = np.flatnonzero(y < 0)
    listed = y[: ends[0]] if len(ends) else y
    wrong = x.copy()
    wrong[listed] = -np.inf
    hinges = np.array([np.maximum((1 - x[own]) + wrong, 0).sum() for own in listed])
    yield Step("scores", "x", x, mark=int(listed[0]) if len(listed) else None)
    yield Step("target", "y", y)
    yield Step("listed classes", "y up to the first −1", listed)
    yield Step("hinges", "Σ_{i not listed} max(0, 1 − x_j + x_i) of each listed j", hinges)
    yield Step("loss", "Σ of the hinges / C", hinges.sum() / max(len(x), 1))


@steps(decisions.multiclass_perceptron)
def compare_with_best(x: Array, y: Array) -> Steps:
    """Tell the lead of the best class."""
    yield from choose(x, y)
    yield Step("maximum", "max_c x_c", x.max())
    yield Step("loss", "max_c x_c − x_y", x.max() - x[int(y)])


@steps(decisions.multiclass_hinge)
def ask_for_lead(x: Array, y: Array) -> Steps:
    """Tell the hinge on the lead over the best of the others."""
    yield from choose(x, y)
    best = np.delete(x, int(y)).max(initial=-np.inf)
    yield Step("best other score", "max_{c≠y} x_c", best)
    lack = "1 + best other score − score of the target"
    yield from bend_at_zero(1 + (best - x[int(y)]), lack)


@steps(decisions.sparsemax)
def bend_like_sparsemax(x: Array, y: Array) -> Steps:
    """Tell the loss of two classes that ends at a lead of 1."""
    lag = np.where(y == 1, -x, x)
    risen = np.maximum(lag, -1) + 1
    yield Step("score", "x", x)
    yield Step("target", "y", y)
    yield Step("lag", "l = −x for 1, x for 0", lag)
    losses = np.where(lag >= 1, lag, 0.25 * risen * risen)
    yield Step("loss", "0 to l = −1; ¼ (l + 1)² to 1; l beyond", losses)


@steps(decisions.multiclass_sparsemax)
def find_nearest_shares(x: Array, y: Array) -> Steps:
    """Tell the loss of the sparse probabilities that are nearest to the scores."""
    own, scores = int(y), (x - x.max())[np.newaxis]
    (threshold,) = decisions.find_threshold(scores)
    shares = np.maximum(scores[0] - threshold, 0)
    others = np.delete(shares, own)
    yield from choose(x, y)
    yield Step("threshold", "τ with Σ_c max(x_c − τ, 0) = 1", threshold + x.max())
    yield Step("probabilities", "p_c = max(x_c − τ, 0)", shares, mark=own)
    squares = (others * others).sum() + others.sum() ** 2
    yield Step("squared distance", "‖p − e_y‖²", squares)
    below = np.maximum(threshold - scores[0, own], 0)
    yield Step("below the threshold", "max(0, τ − x_y)", below)
    yield Step("loss", "½ squared distance + below the threshold", 0.5 * squares + below)
