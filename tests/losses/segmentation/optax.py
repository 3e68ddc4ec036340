"""The segmentation losses of optax, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.classes import label_shape
from tests.losses.declare import (
    cases,
    definition,
    largest_term,
    recomputed,
    reference,
    without_definition,
)
from tests.losses.definitions.exact import (
    ONE,
    Measured,
    Number,
    Vector,
    class_costs,
    exactly,
    total,
)
from tests.losses.definitions.points import Points, drawn, score_points
from tests.losses.steps.scope import Scope, log_normalise, sigmoid
from tests.losses.steps.shared import mean


@reference("optax.dice", "optax.losses.dice_loss", classes_last=True)
def dice_of_samples(
    theirs: Any, logits: Any, labels: Any, class_reduction: str = "mean", **options: Any
) -> Any:
    """What optax calls reduction is one over the classes."""
    return theirs(logits, labels, reduction=class_reduction, **options)


@cases("optax.dice")
def dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps of logits or probabilities with the share of each class in each pixel."""
    for shape in ((4, 3), (2, 3, 5), (2, 3, 2, 4), (1, 2, 2, 2, 2), (3, 1, 4), (0, 3, 2)):
        classes = shape[1]
        target = np.eye(classes)[draw.integers(classes, label_shape(shape))]
        hard = np.moveaxis(target, -1, 1)
        for choice in (
            {},
            *grid(smooth=(0.0, 1e-3), alpha=(0.5, 0.3), beta=(0.5, 0.7)),
            {"class_weights": draw.uniform((classes,), 0.1, 2.0)},
            {"ignore_background": True},
            {"class_reduction": "sum", "ignore_background": True},
            {"class_reduction": "mean"},
        ):
            yield Case(f"{label(shape)}-{spell(choice)}", (draw.normal(shape), hard), choice)
        if classes > 1:
            spread = draw.probabilities(shape, 1)
            choice = {"apply_softmax": False}
            yield Case(f"{label(shape)}-{spell(choice)}", (spread, hard), choice)
        soft = draw.probabilities(shape, 1)
        yield Case(f"{label(shape)}-soft", (draw.normal(shape), soft))


@definition("optax.dice", points=score_points)
def dice(x: Vector, y: int, smooth: Number = ONE) -> Measured:
    """The same for each class of one position, averaged."""
    costs = class_costs(x)
    losses = []
    for c, cost in enumerate(costs):
        p, t = mp.exp(-cost), mpf(int(c == y))
        losses.append((p + t - 2 * p * t) / (p + t + 2 * smooth))
    return total(losses) / len(losses), ONE


largest_term("optax.dice")(ones)


@reference("binary_dice", "optax.losses.binary_dice_loss")
def binary_dice_of_logits(
    theirs: Any, x: Any, labels: Any, apply_sigmoid: bool = True, **options: Any
) -> Any:
    """Optax refuses probabilities: it is given their logits."""
    import jax.numpy as jnp

    logits = x if apply_sigmoid else jnp.log(x) - jnp.log1p(-x)
    return theirs(logits, labels, **options)


@cases("binary_dice")
def binary_dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps of logits or probabilities with labels."""
    for shape in ((5,), (3, 4), (3, 1), (2, 3, 4), (2, 1, 2, 3), (0, 3)):
        for choice in ({}, *grid(smooth=(0.5, 1e-6))):
            pair = (draw.normal(shape, 2.0), draw.integers(2, shape).astype(np.float64))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice)
        yield Case(f"{label(shape)}-soft", (draw.normal(shape), draw.uniform(shape)))
        given = (draw.uniform(shape, 0.01, 0.99), draw.integers(2, shape).astype(np.float64))
        yield Case(f"{label(shape)}-probabilities", given, {"apply_sigmoid": False})


def mask_points() -> list[Points]:
    """Return maps of logits against labels, sure and right, sure and wrong, unsure."""
    x = np.array([[40.0, -40, 50, -50], [-40, 40, 0, 0], [0.1, -0.1, 3, 2], [700, 700, 700, 700]])
    y = np.array([[1.0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
    soft = np.abs(np.sin(drawn(9, 7)))
    pairs = ((x, y), (drawn(9, 7, scale=4.0), soft))
    return [Points(pair, choice) for pair in pairs for choice in grid(smooth=(1.0, 1e-3))]


@definition("binary_dice", points=mask_points)
def binary_dice(x: Vector, y: Vector, smooth: Number = ONE) -> Measured:
    """1 - (I + s) / (½ P + ½ T + s)."""
    shares = [1 / (1 + mp.exp(-one)) for one in x]
    shared = total(p * t for p, t in zip(shares, y, strict=True))
    whole = (total(shares) + total(y)) / 2 + smooth
    return exactly((whole - smooth - shared) / whole)


largest_term("binary_dice")(ones)


def count_samples(logits: Any, _: Any) -> int:
    """Return the number of samples."""
    return len(logits)


@reference(
    "multiclass_generalized_dice",
    "optax.losses.multiclass_generalized_dice_loss",
    classes_last=True,
    count=count_samples,
)
def generalized_dice_of_samples(theirs: Any, logits: Any, labels: Any, **options: Any) -> Any:
    """Return the losses of samples of which optax has the mean."""
    import optax

    frequency = labels.sum(axis=tuple(range(labels.ndim - 1)))
    weights = 1 / (frequency**2 + 1e-7)
    weights = weights / weights.sum() * len(weights)
    losses = optax.losses.dice_loss(logits, labels, class_weights=weights, **options)
    np.testing.assert_allclose(losses.mean(), theirs(logits, labels, **options), rtol=1e-13)
    return losses


without_definition(
    "multiclass_generalized_dice", "its weights are of a batch: test_optax compares whole batches"
)


@cases("multiclass_generalized_dice")
def generalized_dice_cases(draw: Draw) -> Iterator[Case]:
    """Yield maps whose classes are common, rare and absent."""
    for shape in ((4, 3), (3, 3, 5), (2, 4, 2, 3), (5, 2, 3)):
        classes = shape[1]
        target = np.eye(classes)[np.minimum(draw.integers(classes + 2, label_shape(shape)), 1)]
        hard = np.moveaxis(target, -1, 1)
        for choice in ({}, *grid(smooth=(1.0, 1e-3), ignore_background=(False, True))):
            yield Case(f"{label(shape)}-{spell(choice)}", (draw.normal(shape), hard), choice)
        for choice in grid(apply_softmax=(False,), ignore_background=(False, True)):
            spread = draw.probabilities(shape, 1)
            yield Case(f"{label(shape)}-{spell(choice)}", (spread, hard), choice)


largest_term("multiclass_generalized_dice")(ones)


def flat(maps: Array) -> Array:
    """Return maps of classes with their places in one axis."""
    return np.reshape(maps, (len(maps), -1))


def softmax_of(s: Scope) -> Array:
    x = flat(s["logits"])
    columns = [np.exp(log_normalise(column)) for column in x.T]
    return np.array(columns).T.reshape(np.shape(s["logits"]))


def claimed(s: Scope) -> Array:
    """Return the maps (C, places) of what is claimed."""
    p = np.asarray(s["probabilities"], np.float64)
    return p.reshape(1 if "apply_sigmoid" in s.o else len(p), -1)


def true(s: Scope, target: Array | None = None) -> Array:
    """Return the maps of what is true, made of class indices if need be."""
    p, y = np.asarray(s["probabilities"]), s["target"] if target is None else target
    if np.ndim(y) < np.ndim(p):
        y = np.stack([y == place for place in range(len(p))]).astype(float)
    return np.reshape(y, claimed(s).shape)


def absent(s: Scope) -> Array:
    """Return what is not claimed; of logits, without taking 1 from 1."""
    if "logits" not in s:
        return 1 - claimed(s)
    x = np.reshape(s["logits"], claimed(s).shape)
    if len(x) == 1:
        return sigmoid(-x)
    return np.array([np.delete(claimed(s), n, axis=0).sum(axis=0) for n in range(len(x))])


def count_classes(s: Scope) -> Array:
    """Return how often each class is in all samples."""
    return sum(true(s, one).sum(axis=1) for one in s.all[1])


def lose(s: Scope) -> Array:
    """Return the class losses, with the weights of both errors and the smoothing."""
    alpha, beta = s.o.get("alpha", 0.5), s.o.get("beta", 0.5)
    lack = alpha * s["false positives"] + beta * s["false negatives"]
    return lack / (s["intersection"] + lack + s.o["smooth"])


recomputed(
    {
        ("probabilities", "p = softmax(x)"): softmax_of,
        ("probabilities", "p = 1 / (1 + exp(−x))"): lambda s: sigmoid(s["logits"]),
        ("intersection", "I = Σ p t over the positions"): lambda s: (claimed(s) * true(s)).sum(
            axis=1
        ),
        ("false positives", "F = Σ p (1 − t)"): lambda s: (claimed(s) * (1 - true(s))).sum(axis=1),
        ("false negatives", "M = Σ (1 − p) t"): lambda s: (absent(s) * true(s)).sum(axis=1),
        ("frequencies", "positions of each class in all samples"): count_classes,
        ("weight", "w_c ∝ 1 / (frequency² + 1e-7), Σ w = C"): lambda s: (
            len(s["frequencies"])
            / (s["frequencies"] ** 2 + 1e-7)
            / (1 / (s["frequencies"] ** 2 + 1e-7)).sum()
        ),
        ("class terms", "w_c × class loss"): lambda s: s["weight"] * s["class losses"],
        ("classes that count", "without class 0"): lambda s: s.get(
            "class terms", s["class losses"]
        )[1:],
        "class losses": lose,
        ("loss", "mean over the classes"): lambda s: mean(
            s.get("classes that count", s.get("class terms", s["class losses"]))
        ),
        ("loss", "Σ over the classes"): lambda s: math.fsum(
            s.get("classes that count", s.get("class terms", s["class losses"]))
        ),
        ("loss", "that of the one class"): lambda s: s["class losses"][0],
    }
)
