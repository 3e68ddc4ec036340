"""Scores of predicted classes and probabilities, as evaluators of classifiers use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.errors import UsageError
from lossctl.losses.core.declaration import (
    NON_NEGATIVE,
    ZERO_ONE,
    Option,
    Range,
    Terms,
    binary,
    class_label,
    class_probability,
    either,
    index,
    loss,
    probability,
    score,
)
from lossctl.losses.core.steps import Step, Steps
from lossctl.losses.maths.numerics import (
    align_classes,
    find_classes,
    take_class,
)

Array = NDArray[Any]

PROBABILITIES = either(
    probability("input", "*", help="probability of class 1, or of each class"),
    class_probability("input", "N C *D", "C"),
)
CLASSES = either(
    binary("target", "*", help="labels 0 and 1, or class indices"),
    index("target", "N *D", ""),
)


@loss(
    "log_loss",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(replace(PROBABILITIES, reads_few=True), CLASSES),
    results=("N *D", "", "N *D", ""),
    formula="−log p_y, p clipped to [ε, 1 − ε] with the ε of the file's dtype",
    unit="nats",
    source="https://scikit-learn.org/stable/modules/generated/sklearn.metrics.log_loss.html",
    example="binary.csv#probability binary.csv#target",
    traps=(
        "takes probabilities; for logits there is ce, and bce_with_logits for two classes",
        "one confident mistake has a loss of 36.04 in a float64 file and 15.94 in a float32 file,"
        " because"
        " ε is that of the dtype: 2.2e-16, 1.2e-7",
        "rows are not divided by their sum; those that do not sum to 1 are reported",
    ),
    facts={"clipping": "probabilities to [ε, 1 − ε], ε of the file's dtype"},
)
def log_loss(input: Array, target: Array) -> Terms:
    """Negative logarithm of the probability of the right class.

    input holds probabilities of class 1 (*), with target the labels 0 and 1 of the same shape;
    or probabilities of the classes (N, C, *D) or (C), with class indices (N, *D) or one index.
    A probability outside [0, 1] is an error.
    """
    two_classes = input.ndim == target.ndim
    given = input if two_classes else take_class(input, target)
    floor = float(np.finfo(given.dtype).eps)
    given = given.astype(np.float64, copy=False)
    clipped = np.clip(given, floor, 1 - floor)
    if two_classes:
        losses = -np.where(target == 1, np.log(clipped), np.log1p(-clipped))
        low = np.where(target == 1, given < floor, given > 1 - floor)
    else:
        losses, low = -np.log(clipped), given < floor
    return Terms(losses, clamped=low, clamp=f"what was right has a probability below {floor:.2g}")


@log_loss.gradient
def log_loss_gradient(input: Array, target: Array) -> Array:
    """Return −1 over the probability of what was right, 0 where it is clipped."""
    floor = float(np.finfo(input.dtype).eps)
    given = input.astype(np.float64, copy=False)
    if given.ndim == target.ndim:
        gradient = np.where(target == 1, -1 / given, 1 / (1 - given))
        return np.where((given >= floor) & (given <= 1 - floor), gradient, 0)
    gradient = np.zeros(given.shape)
    flat, places = find_classes(gradient, target)
    own = take_class(given, target)
    flat[places] = np.where((own >= floor) & (own <= 1 - floor), -1 / own, 0)
    return gradient


@log_loss.steps
def log_loss_steps(p: Array, y: Array) -> Steps:
    """Explain the logarithm of the probability of what was right, clipped by the file's dtype."""
    floor = float(np.finfo(p.dtype).eps)
    between = f"between {floor:.2g} and 1 − {floor:.2g}"
    if p.ndim:
        own = p[int(y)].astype(np.float64)
        kept = np.clip(own, floor, 1 - floor)
        yield Step("probabilities", "p", p, mark=int(y))
        yield Step("target", "y", y)
        yield Step("probability", "p_y", own)
        yield Step("clipped probability", f"p_y {between}", kept, before=own)
        yield Step("log-probability", "log p_y", np.log(kept))
        yield Step("loss", "−log p_y", -np.log(kept))
        return
    given = p.astype(np.float64)
    kept = np.clip(given, floor, 1 - floor)
    log = np.where(y == 1, np.log(kept), np.log1p(-kept))
    yield Step("probability", "p", given)
    yield Step("target", "y", y)
    yield Step("clipped probability", f"p {between}", kept, before=given)
    yield Step("log-probability", "log p for 1, log(1 − p) for 0", log)
    yield Step("loss", "−log-probability", -log)


@loss(
    "brier",
    library="scikit-learn",
    range=Range(0, 2),
    inputs=(PROBABILITIES, CLASSES),
    results=("N *D", "", "N *D", ""),
    aliases=("brier_score",),
    formula="½ Σ_c (p_c − [c = y])², which is (p − y)² for two classes; without ½ for three or"
    " more, unless asked for",
    source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    example="binary.csv#probability binary.csv#target",
    traps=(
        "two classes: from 0 to 1; three or more: from 0 to 2, as in scikit-learn and in Brier's"
        " own definition; --scale-by-half overrides this",
    ),
)
def brier(
    input: Array,
    target: Array,
    *,
    scale_by_half: Annotated[
        str,
        Option(
            "halve the sum of squares; auto: for two classes", choices=("auto", "true", "false")
        ),
    ] = "auto",
) -> Array:
    """Squared difference of predicted probabilities and outcomes.

    input holds probabilities of class 1 (*), with target the labels 0 and 1 of the same shape;
    or probabilities of the classes (N, C, *D) or (C), with class indices (N, *D) or one index.
    A probability outside [0, 1] is an error.
    """
    if input.ndim == target.ndim:
        error = input - target
        squares = error * error
        return squares if scale_by_half != "false" else 2 * squares
    error = input.copy(order="K")
    flat, places = find_classes(error, target)
    flat[places] -= 1
    error *= error
    squares = error.sum(axis=1)
    halved = scale_by_half == "true" or (scale_by_half == "auto" and input.shape[1] < 3)
    return 0.5 * squares if halved else squares


@brier.gradient
def brier_gradient(input: Array, target: Array, *, scale_by_half: str) -> Array:
    """Return twice the error of each probability, or the error alone where it is halved."""
    if input.ndim == target.ndim:
        return (4 if scale_by_half == "false" else 2) * (input - target)
    error = np.array(input)
    flat, places = find_classes(error, target)
    flat[places] -= 1
    halved = scale_by_half == "true" or (scale_by_half == "auto" and input.shape[1] < 3)
    return error if halved else 2 * error


@brier.steps
def brier_steps(p: Array, y: Array, *, scale_by_half: str) -> Steps:
    """Explain the squared distance of probabilities from what happened."""
    if p.ndim == 0:
        yield Step("probability", "p", p)
        yield Step("target", "y", y)
        yield Step("difference", "p − y", p - y)
        doubled = scale_by_half == "false"
        squares = (p - y) * (p - y)
        yield Step("loss", "2 (p − y)²" if doubled else "(p − y)²", squares * (1 + doubled))
        return
    happened = np.arange(len(p)) == int(y)
    yield Step("probabilities", "p", p, mark=int(y))
    yield Step("target", "y", y)
    yield Step("class terms", "(p_c − [c = y])²", (p - happened) * (p - happened))
    total = ((p - happened) * (p - happened)).sum()
    halved = scale_by_half == "true" or (scale_by_half == "auto" and len(p) < 3)
    yield Step(
        "loss",
        "½ Σ_c of the class terms" if halved else "Σ_c of the class terms",
        total * (0.5 if halved else 1),
    )


@loss(
    "zero_one",
    library="scikit-learn",
    range=ZERO_ONE,
    inputs=(
        either(
            class_label("input", "*", help="predicted labels, or scores of the classes"),
            score("input", "N C *D", "C"),
        ),
        either(class_label("target", "*", help="true labels"), index("target", "N *D", "")),
    ),
    results=("N *D", "", "N *D", ""),
    aliases=("misclassification", "error_rate"),
    formula="0 where the right class is among the k highest scores, 1 elsewhere",
    source="https://scikit-learn.org/stable/modules/generated/sklearn.metrics.zero_one_loss.html",
    example="preds.npy labels.npy --top-k 3",
    traps=(
        "classes with equal scores rank by index, the higher one first, as in"
        " scikit-learn's top_k_accuracy_score; an argmax takes the lower one",
        "labels of several axes are counted one by one; scikit-learn counts whole rows",
    ),
    undifferentiable="it counts wrong answers, so that its gradient is 0 wherever it exists",
)
def zero_one(
    input: Array,
    target: Array,
    *,
    top_k: Annotated[
        int, Option("number of highest-scoring classes that count as the answer", at_least=1)
    ] = 1,
) -> Array | Terms:
    """Wrong answers count 1, right ones 0: the mean is 1 - accuracy.

    input holds predicted labels (*), with target the true labels of the same shape; or scores of
    the classes (N, C, *D) or (C), with class indices (N, *D) or one index. Scores that contain a
    NaN give NaN.
    """
    if input.ndim == target.ndim:
        if top_k != 1:
            raise UsageError(
                f"top_k is {top_k}, but the input contains one label per sample",
                "top_k needs the scores of the classes, (N, C).",
            )
        return (input != target).astype(np.float64)
    own = take_class(input, target)[:, np.newaxis]
    later = align_classes(np.arange(input.shape[1]), input.ndim) > target[:, np.newaxis]
    better = ((input > own) | ((input == own) & later)).sum(axis=1)
    wrong = np.where(np.isnan(input).any(axis=1), np.nan, (better >= top_k).astype(input.dtype))
    if top_k < input.shape[1]:
        return wrong
    always = "{are} right whatever the scores, because top_k is not below the number of classes"
    return Terms(wrong, notes={always: np.ones(wrong.shape, bool)})


@zero_one.steps
def zero_one_steps(x: Array, y: Array, *, top_k: int) -> Steps:
    """Explain whether the answer is wrong."""
    if x.ndim == 0:
        yield Step("prediction", "x", x)
        yield Step("target", "y", y)
        yield Step("loss", "0 where x = y, 1 elsewhere", (x != y).astype(np.float64))
        return
    own = int(y)
    later = np.arange(len(x)) > own
    rank = 1 + int(((x > x[own]) | ((x == x[own]) & later)).sum())
    yield Step("scores", "x", x, mark=own)
    yield Step("target", "y", y)
    yield Step("score of the target", "x_y", x[own])
    yield Step("rank of the target", "1 + the number of better classes", rank)
    wrong = np.nan if np.isnan(x).any() else float(rank > top_k)
    yield Step("loss", "0 where the rank is at most k, 1 elsewhere", wrong)
