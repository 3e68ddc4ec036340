"""The losses of torch.nn as their definitions say, in arithmetic of several hundred digits.

Each function takes one sample's inputs (mpf numbers, lists of them, integers) and options, and
returns two numbers: the loss, and the size that its error is measured by. That size is the loss
itself where the definition adds terms of one sign, and the largest term where it takes one
number from another of about the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

Number = Any
Vector = Sequence[Any]
Measured = tuple[Number, Number]
Distance = Callable[[Vector, Vector], Number]

COSINE_EPS = mpf(9.999999960041972e-13)
"""1e-12 in single precision, which is what torch adds."""
SIMILARITY_EPS = mpf(1e-8)
POISSON_EPS = mpf(1e-8)
GAUSSIAN_EPS = mpf(1e-6)
ONE, TWO = mpf(1), mpf(2)
PAIRWISE_EPS = mpf(1e-6)
FAR = mpf(-1e5)
"""exp(-1e5) is as good as 0 to float64, and quicker to have than exp(-1e300)."""
LEAST_NORMAL = mpf(2) ** -1022


def exactly(value: Number) -> Measured:
    """Measure an error by the loss itself."""
    return value, abs(value)


def total(values: Any) -> Number:
    """Add up exactly enough."""
    return mp.fsum(values)


def log(x: Number) -> Number:
    """Return log x, minus infinity for 0."""
    return mp.log(x) if x > 0 else -mp.inf


def softplus(x: Number) -> Number:
    """Return log(1 + exp(x))."""
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def l1(x: Number, y: Number) -> Measured:
    """|x - y|."""
    return exactly(abs(x - y))


def mse(x: Number, y: Number) -> Measured:
    """(x - y)²."""
    return exactly((x - y) ** 2)


def smooth_l1(x: Number, y: Number, beta: Number = 1) -> Measured:
    """½ d² / beta below beta, d - ½ beta from there on."""
    d = abs(x - y)
    return exactly(d * d / (2 * beta) if d < beta else d - beta / 2)


def huber(x: Number, y: Number, delta: Number = 1) -> Measured:
    """½ d² up to delta, delta (d - ½ delta) beyond."""
    d = abs(x - y)
    return exactly(d * d / 2 if d <= delta else delta * (d - delta / 2))


def bce(p: Number, y: Number, weight: Number = 1) -> Measured:
    """-[y log p + (1 - y) log(1 - p)], logarithms not below -100."""
    return exactly(-weight * (y * max(log(p), -100) + (1 - y) * max(log(1 - p), -100)))


def bce_with_logits(x: Number, y: Number, weight: Number = 1, pos_weight: Number = 1) -> Measured:
    """pos_weight y log(1 + exp(-x)) + (1 - y) log(1 + exp(x))."""
    return exactly(weight * (pos_weight * y * softplus(-x) + (1 - y) * softplus(x)))


def soft_margin(x: Number, y: Number) -> Measured:
    """log(1 + exp(-y x))."""
    return exactly(softplus(-y * x))


def multilabel_soft_margin(x: Vector, y: Vector, weight: Vector | None = None) -> Measured:
    """Mean over the labels of binary cross entropies."""
    weights = weight or [1] * len(x)
    terms = [bce_with_logits(*triple)[0] for triple in zip(x, y, weights, strict=True)]
    return exactly(total(terms) / len(x))


def nll(x: Vector, y: int, weight: Vector | None = None, ignore_index: int = -100) -> Measured:
    """-weight[y] x[y]."""
    if y == ignore_index:
        return exactly(mpf(0))
    return exactly(-x[y] * (weight[y] if weight else 1))


def class_costs(x: Vector) -> list[Number]:
    """Return -log softmax of each class: its distance from the top, plus log1p of the others."""
    top = max(x)
    best = x.index(top)
    others = total(mp.exp(max(one - top, FAR)) for j, one in enumerate(x) if j != best)
    return [top - one + mp.log1p(others) for one in x]


def ce(
    x: Vector,
    y: Any,
    weight: Vector | None = None,
    ignore_index: int = -100,
    label_smoothing: Number = 0,
) -> Measured:
    """Cross entropy of logits with a class index or probabilities."""
    costs = class_costs(x)
    weights = weight or [1] * len(x)
    if not isinstance(y, list):
        if y == ignore_index:
            return exactly(mpf(0))
        y = [mpf(int(c == y)) for c in range(len(x))]
    shares = [(1 - label_smoothing) * share + label_smoothing / len(x) for share in y]
    return exactly(total(a * w * cost for a, w, cost in zip(shares, weights, costs, strict=True)))


def linear_ce(
    x: Vector, y: int, linear_weight: Sequence[Vector], linear_bias: Any = None, **options: Any
) -> Measured:
    """Cross entropy of x · W + b: measured by the largest |x_f · W_cf|, unless all are exact."""
    biases = linear_bias or [mpf(0)] * len(linear_weight)
    terms = [[a * b for a, b in zip(x, row, strict=True)] for row in linear_weight]
    logits = [total([*row, bias]) for row, bias in zip(terms, biases, strict=True)]
    value, size = ce(logits, y, **options)
    if all(float(logit) == logit for logit in logits):
        return value, size
    heaviest = max(options.get("weight") or [mpf(1)])
    return value, max(size, heaviest * max(abs(term) for row in terms for term in row))


def poisson_nll(
    x: Number, y: Number, log_input: bool = True, full: bool = False, eps: Number = POISSON_EPS
) -> Measured:
    """exp(x) - y x, or x - y log(x + eps), with Stirling's term for counts above 1."""
    rate, log_rate = (mp.exp(x), x) if log_input else (x, log(x + eps))
    terms = [rate, -y * log_rate]
    if full and y > 1:
        terms += [y * mp.log(y), -y, mp.log(2 * mp.pi * y) / 2]
    return total(terms), max(map(abs, terms))


def gaussian_nll(
    x: Number, y: Number, var: Number, full: bool = False, eps: Number = GAUSSIAN_EPS
) -> Measured:
    """½ (log v + (x - y)² / v), v at least eps, plus ½ log 2π."""
    v = max(var, eps)
    terms = [mp.log(v) / 2, (x - y) ** 2 / v / 2, mp.log(2 * mp.pi) / 2 if full else mpf(0)]
    return total(terms), max(map(abs, terms))


def kl_div(x: Number, y: Number, log_target: bool = False) -> Measured:
    """y (log y - x), 0 where y is 0."""
    probability, log_y = (mp.exp(y), y) if log_target else (y, log(y))
    if probability == 0:
        return exactly(mpf(0))
    terms = [probability * log_y, -probability * x]
    # exp(y) below the least normal number has fewer digits, and the loss with it.
    underflow = LEAST_NORMAL * abs(log_y - x) if log_target else mpf(0)
    return total(terms), max(underflow, *map(abs, terms))


def margin_ranking(x1: Number, x2: Number, y: Number, margin: Number = 0) -> Measured:
    """max(0, -y (x1 - x2) + margin)."""
    return max(mpf(0), margin - y * (x1 - x2)), max(abs(margin), abs(x1 - x2))


def hinge_embedding(x: Number, y: Number, margin: Number = 1) -> Measured:
    """x for y = 1, max(0, margin - x) for y = -1."""
    return exactly(x if y == 1 else max(mpf(0), margin - x))


def multi_margin(
    x: Vector, y: int, p: int = 1, margin: Number = 1, weight: Vector | None = None
) -> Measured:
    """Mean over the classes of max(0, margin - x_y + x_i)^p, i other than y."""
    others = [own for i, own in enumerate(x) if i != y]
    hinges = [max(mpf(0), margin - x[y] + other) for other in others]
    size = max([abs(margin), *map(abs, x)])
    factor = (weight[y] if weight else mpf(1)) / len(x)
    # The error of a hinge is in the last place of its terms; a square doubles it.
    return factor * total(h**p for h in hinges), factor * size * (
        max(hinges, default=mpf(0)) * 2 if p == 2 else 1
    )


def multilabel_margin(x: Vector, y: Sequence[int]) -> Measured:
    """Mean over the classes of max(0, 1 - x_j + x_i), j among the labels and i not."""
    listed = list(y[: y.index(-1)] if -1 in y else y)
    wrong = [own for i, own in enumerate(x) if i not in listed]
    hinges = [max(mpf(0), 1 - x[j] + other) for j in listed for other in wrong]
    return total(hinges) / len(x), max([1, *map(abs, x)])


def cosine_embedding(a: Vector, b: Vector, y: Number, margin: Number = 0) -> Measured:
    """1 - cos for y = 1, max(0, cos - margin) for y = -1; 1e-12 is added to both squares."""
    products = [p * q for p, q in zip(a, b, strict=True)]
    squares = [total(p * p for p in vector) + COSINE_EPS for vector in (a, b)]
    length = mp.sqrt(squares[0] * squares[1])
    cosine, size = total(products) / length, max(map(abs, products)) / length
    value = 1 - cosine if y == 1 else max(mpf(0), cosine - margin)
    return value, max(abs(margin), size, mpf(int(y == 1)))


def p_norm(x: Vector, p: Number) -> Number:
    """(Σ |x|^p)^(1/p)."""
    sizes = [abs(one) for one in x]
    return max(sizes) if p == mp.inf else total(size**p for size in sizes if size) ** (1 / p)


def triplet(
    distance: Distance, triple: tuple[Vector, Vector, Vector], margin: Number, swap: bool
) -> Measured:
    """max(0, d(a, p) - d(a, n) + margin), or with d(p, n) where that is smaller."""
    anchor, positive, negative = triple
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = min(far, distance(positive, negative))
    return max(mpf(0), near - far + margin), max(near, far, margin)


def triplet_margin(
    anchor: Vector, positive: Vector, negative: Vector, margin: Number = ONE, p: Number = TWO,
    eps: Number = PAIRWISE_EPS, swap: bool = False,
) -> Measured:  # fmt: skip
    """Triplet loss of p-norms, with eps added to every difference."""
    return triplet(
        lambda u, v: p_norm([s - t + eps for s, t in zip(u, v, strict=True)], p),
        (anchor, positive, negative), margin, swap,
    )  # fmt: skip


def cosine_distance(u: Vector, v: Vector) -> Number:
    """1 - cos, no vector being taken as shorter than 1e-8."""
    lengths = [max(p_norm(vector, mpf(2)), SIMILARITY_EPS) for vector in (u, v)]
    return 1 - total(s * t for s, t in zip(u, v, strict=True)) / (lengths[0] * lengths[1])


DISTANCES: dict[str, Distance] = {
    "euclidean": lambda u, v: p_norm(
        [s - t + PAIRWISE_EPS for s, t in zip(u, v, strict=True)], mpf(2)
    ),
    "cosine": cosine_distance,
    "manhattan": lambda u, v: total(abs(s - t) for s, t in zip(u, v, strict=True)),
    "chebyshev": lambda u, v: max(abs(s - t) for s, t in zip(u, v, strict=True)),
    "squared_euclidean": lambda u, v: total((s - t) ** 2 for s, t in zip(u, v, strict=True)),
}


def triplet_margin_with_distance(
    anchor: Vector, positive: Vector, negative: Vector, distance: str = "euclidean",
    margin: Number = ONE, swap: bool = False,
) -> Measured:  # fmt: skip
    """Triplet loss of a named distance."""
    value, size = triplet(DISTANCES[distance], (anchor, positive, negative), margin, swap)
    return value, max(size, mpf(1)) if distance == "cosine" else size


def ctc(
    log_probs: Sequence[Vector], labels: Sequence[int], steps: int, length: int, blank: int = 0,
    zero_infinity: bool = False,
) -> Measured:  # fmt: skip
    """-log of the sum over alignments (Graves et al. 2006, section 4.1).

    If that sum is nearly 1, the loss is the cost of the best alignment less log1p of the others'
    share, and is measured by the larger. Each of the others is exp of a sum of inputs, which is
    known to the last bit of that sum: their share counts as many times as its logarithm says.
    """
    states = [blank]
    for one in labels[:length]:
        states += [one, blank]
    probability = add_alignments(log_probs[:steps], states, total)
    if probability == 0 and zero_infinity:
        return exactly(mpf(0))
    value = -log(probability)
    if probability < mpf(1) / 2:
        return exactly(value)
    best = add_alignments(log_probs[:steps], states, max)
    others = probability / best - 1
    share = others * max(1, -log(others)) if others else mpf(0)
    return value, max(abs(value), abs(log(best)), share)


def add_alignments(
    log_probs: Sequence[Vector], states: Sequence[int], combine: Callable[[list[Number]], Number]
) -> Number:
    """Return the sum (or the maximum) over alignments of their probabilities."""
    blank = states[0]
    alpha = [mpf(1), *[mpf(0)] * (len(states) - 1)]  # before the first step: nothing emitted
    for t, frame in enumerate(log_probs):
        emit = {c: mp.exp(frame[c]) for c in set(states)}
        previous = alpha
        alpha = []
        for s, state in enumerate(states):
            reached = [previous[s]]
            if s > 0 and (t > 0 or s == 1):
                reached.append(previous[s - 1])
            if s > 1 and t > 0 and state not in (blank, states[s - 2]):
                reached.append(previous[s - 2])
            alpha.append(combine(reached) * emit[state])
    return combine(alpha[-2:] if log_probs else alpha[-1:])


DEFINITIONS: dict[str, Callable[..., Measured]] = {
    function.__name__: function
    for function in (
        l1, mse, smooth_l1, huber, bce, bce_with_logits, soft_margin, multilabel_soft_margin,
        nll, ce, linear_ce, poisson_nll, gaussian_nll, kl_div, margin_ranking, hinge_embedding,
        multi_margin, multilabel_margin, cosine_embedding, triplet_margin,
        triplet_margin_with_distance, ctc,
    )
}  # fmt: skip
