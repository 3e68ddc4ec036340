"""The scoring losses of scikit-learn, as the tests know them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.losses.cancellation import ones
from tests.losses.cases.case import Array, Case, Draw, grid, label, spell
from tests.losses.cases.classes import CLASS_SHAPES, class_count, label_shape
from tests.losses.cases.differences import FILLED
from tests.losses.declare import cases, definition, kink, largest_term, recomputed, reference
from tests.losses.definitions.exact import DOUBLE_EPS, Measured, exactly, log, total
from tests.losses.definitions.points import Points, cross, score_points


@reference("log_loss", "sklearn.metrics.log_loss", labels=True)
def log_loss_of_all_classes(theirs: Any, predicted: Array, target: Array, **options: Any) -> float:
    """Scikit-learn has to be told the classes that a batch lacks."""
    classes = 2 if predicted.ndim == 1 else predicted.shape[1]
    return float(theirs(target.astype(int), predicted, labels=range(classes), **options))


def probability_cases(draw: Draw, choices: Sequence[dict[str, Any]]) -> Iterator[Case]:
    """Yield cases of probabilities: of class 1 against labels, and of classes against indices."""
    for shape in FILLED:
        for choice in choices:
            pair = (draw.uniform(shape), draw.integers(2, shape))
            yield Case(f"{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    for shape in CLASS_SHAPES:
        for choice in choices:
            axis = 1 if len(shape) > 1 else 0
            spread = draw.probabilities(shape, axis)
            pair = (spread, draw.integers(class_count(shape), label_shape(shape)))
            yield Case(f"classes-{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    sure = np.array([0.0, 1.0, 0.0, 1.0, 1e-300, 0.5, 0.25, 1e-10, 1e-17])
    for choice in choices:
        for dtype in (np.int64, np.float64, np.bool_):
            labels = np.array([0, 1, 1, 0, 1, 0, 1, 1, 1]).astype(dtype)
            name = f"certain-{np.dtype(dtype)}-{spell(choice)}"
            yield Case(name, (sure, labels), choice, ("sum",))
        rows = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0.75, 0.25]])
        pair = (rows, np.array([0, 1, 2, 2, 0]))
        yield Case(f"certain-classes-{spell(choice)}", pair, choice, ("sum",))


@cases("log_loss")
def log_loss_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of log_loss, with impossible answers."""
    yield from probability_cases(draw, [{}])


def probability_points() -> list[Points]:
    """Return probabilities up to both ends with both labels, and of three classes."""
    ends = (0.0, 1.0, 5e-324, 1e-300, 1e-17, 1e-10, 0.1, 0.5, 0.75, 1 - 2.0**-53, 0.999999)
    p, y = cross(ends, (0.0, 1.0))
    rows = np.array([[1.0, 0, 0], [0.25, 0.5, 0.25], [1e-9, 1 - 1e-9, 0], [1e-300, 0, 1]])
    return [
        Points((p, y.astype(int))),
        Points((np.repeat(rows, 3, axis=0), np.tile(np.arange(3), 4))),
    ]


@definition("log_loss", points=probability_points)
def log_loss(p: Any, y: Any) -> Measured:
    """-log of the right class's probability, clipped to [eps, 1 - eps]."""
    if isinstance(p, list):
        return exactly(-log(min(max(p[y], DOUBLE_EPS), 1 - DOUBLE_EPS)))
    clipped = min(max(p, DOUBLE_EPS), 1 - DOUBLE_EPS)
    return exactly(-log(clipped) if y == 1 else -mp.log1p(-clipped))


largest_term("log_loss")(ones)
kink("log_loss", "clipped", ([0.0, 1.0], [1, 0]), [[0.0, 0.0]])


@reference("brier", "sklearn.metrics.brier_score_loss", labels=True)
def brier_of_all_classes(
    theirs: Any, predicted: Array, target: Array, scale_by_half: str = "auto"
) -> float:
    """The labels of two classes are the positive one and the other."""
    half = {"auto": "auto", "true": True, "false": False}[scale_by_half]
    labels: dict[str, Any] = {"pos_label": 1}
    if predicted.ndim > 1:
        labels = {"labels": range(predicted.shape[1])}
    return float(theirs(target.astype(int), predicted, scale_by_half=half, **labels))


@cases("brier")
def brier_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of brier, halved or not."""
    yield from probability_cases(draw, [{}, *grid(scale_by_half=("auto", "true", "false"))])


def brier_points() -> list[Points]:
    """Return the same with every scale."""
    return [
        Points(points.inputs, choice)
        for points in probability_points()
        for choice in grid(scale_by_half=("auto", "true", "false"))
    ]


@definition("brier", points=brier_points)
def brier(p: Any, y: Any, scale_by_half: str = "auto") -> Measured:
    """Sum over the classes of (p - [c = y])², halved for two classes."""
    spread = p if isinstance(p, list) else [1 - p, p]
    squares = total((share - int(c == y)) ** 2 for c, share in enumerate(spread))
    halved = scale_by_half == "true" or (scale_by_half == "auto" and len(spread) < 3)
    return exactly(squares / 2 if halved else squares)


@reference("zero_one", "sklearn.metrics.zero_one_loss", labels=True)
def zero_one_of_labels_or_scores(
    theirs: Any, predicted: Array, target: Array, top_k: int = 1
) -> float:
    """Return the share of wrong labels, or of right classes that are not among the best."""
    if predicted.ndim == 1:
        return float(theirs(target, predicted))
    from sklearn.metrics import top_k_accuracy_score

    labels = range(predicted.shape[1])
    return 1 - float(top_k_accuracy_score(target, predicted, k=top_k, labels=labels))


@cases("zero_one")
def zero_one_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of zero_one: labels, and scores with ties; scikit-learn needs 3 classes."""
    for shape in FILLED:
        pair = (draw.integers(4, shape), draw.integers(4, shape))
        yield Case(label(shape), pair, skipped=("sum",))
    negative = (np.array([-1, 5, 70000, 2]), np.array([-1.0, 5, 3, 1]))
    yield Case("any-labels", negative, skipped=("sum",))
    for shape in ((3,), (4, 3), (7, 5), (3, 4, 2), (1, 3), (2, 3, 2, 2), (9, 6), (20, 4)):
        classes = class_count(shape)
        for choice in ({}, *grid(top_k=range(1, classes))):
            pair = (draw.normal(shape), draw.integers(classes, label_shape(shape)))
            yield Case(f"scores-{label(shape)}-{spell(choice)}", pair, choice, ("sum",))
    ties = np.array([[1.0, 1, 0], [0, 0, 0], [2, 1, 1], [0, 3, 3]])
    for choice in grid(top_k=(1, 2)):
        for target in ([0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 0, 0]):
            name = f"ties-{spell(choice)}-{target[0]}"
            yield Case(name, (ties, np.array(target)), choice, ("sum",))


def rank_points() -> list[Points]:
    """Return the same with several k."""
    return [Points(score_points()[0].inputs, choice) for choice in grid(top_k=(1, 2))]


@definition("zero_one", points=rank_points)
def zero_one(x: Any, y: int, top_k: int = 1) -> Measured:
    """Whether k classes are better than the right one."""
    if not isinstance(x, list):
        return exactly(mpf(int(x != y)))
    better = [c for c, score in enumerate(x) if (score, c) > (x[y], y)]
    return exactly(mpf(int(len(better) >= top_k)))


recomputed(
    {
        ("difference", "p − y"): lambda s: s.x[0] - s.x[1],
        ("log-probability", "log p for 1, log(1 − p) for 0"): lambda s: (
            np.log(s["clipped probability"]) if s.x[1] == 1 else np.log1p(-s["clipped probability"])
        ),
        ("class terms", "(p_c − [c = y])²"): lambda s: (s.x[0] - np.eye(len(s.x[0]))[s.y]) ** 2,
        ("rank of the target", "1 + the number of better classes"): lambda s: (
            1
            + sorted(zip(s.x[0], range(len(s.x[0])), strict=True), reverse=True).index(
                (s.x[0][s.y], s.y)
            )
        ),
        "clipped probability": lambda s: np.clip(  # log_loss, by the dtype of the file
            s["probability"], np.finfo(s.all[0].dtype).eps, 1 - np.finfo(s.all[0].dtype).eps
        ),
        ("loss", "−log-probability"): lambda s: -s["log-probability"],
        ("loss", "½ Σ_c of the class terms"): lambda s: sum(s["class terms"]) / 2,
        ("loss", "(p − y)²"): lambda s: s["difference"] ** 2,
        ("loss", "2 (p − y)²"): lambda s: 2 * s["difference"] ** 2,
        ("loss", "0 where x = y, 1 elsewhere"): lambda s: 0 if s.x[0] == s.x[1] else 1,
        ("loss", "0 where the rank is at most k, 1 elsewhere"): lambda s: (
            math.nan if np.isnan(s.x[0]).any() else int(s["rank of the target"] > s.o["top_k"])
        ),
    }
)
