"""The losses of evaluators and of optax as their definitions say, in several hundred digits.

Each function returns the loss, and the size that its error is measured by: the loss itself where
the definition adds terms of one sign, and the largest term where one is taken from another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

from tests.losses.definitions.torch_losses import (
    Measured,
    Number,
    Vector,
    ce,
    class_costs,
    exactly,
    log,
    mse,
    p_norm,
    softplus,
    total,
    triplet,
)

DOUBLE_EPS = mpf(2) ** -52
BOX_EPS = mpf(1e-7)
TRIPLET_EPS = mpf(1e-6)
QUARTER, HALF, ONE, TWO = mpf(0.25), mpf(0.5), mpf(1), mpf(2)


def log_cosh(x: Number, y: Number) -> Measured:
    """Log cosh (x - y)."""
    d = abs(x - y)
    if d > 300:
        return exactly(d - mp.log(2))
    return exactly(mp.log1p(2 * mp.sinh(d / 2) ** 2))


def msle(x: Number, y: Number) -> Measured:
    """(log(1 + x) - log(1 + y))²."""
    first, second = mp.log1p(x), mp.log1p(y)
    return (first - second) ** 2, max(abs(first), abs(second)) * abs(first - second) * 2


def mape(x: Number, y: Number) -> Measured:
    """|x - y| / max(|y|, eps)."""
    return exactly(abs(x - y) / max(abs(y), DOUBLE_EPS))


def smape(x: Number, y: Number) -> Measured:
    """2 |x - y| / (|x| + |y|)."""
    size = abs(x) + abs(y)
    return exactly(2 * abs(x - y) / size if size else mpf(0))


def pinball(x: Number, y: Number, alpha: Number = HALF) -> Measured:
    """Alpha for each unit that is missing, 1 - alpha for each that is too much."""
    return exactly(max(alpha * (y - x), (alpha - 1) * (y - x)))


def poisson_deviance(x: Number, y: Number) -> Measured:
    """2 (y log(y/x) - y + x), measured by y log(y/x) and x - y."""
    terms = [y * mp.log(y / x) if y else mpf(0), x - y]
    return 2 * total(terms), 2 * max(map(abs, terms))


def gamma_deviance(x: Number, y: Number) -> Measured:
    """2 (log(x/y) + y/x - 1), measured by log(x/y) and y/x - 1."""
    terms = [mp.log(x / y), (y - x) / x]
    return 2 * total(terms), 2 * max(map(abs, terms))


def tweedie_deviance(x: Number, y: Number, power: Number = ONE * 0) -> Measured:
    """The deviance of the power given."""
    if power == 0:
        return mse(x, y)
    if power == 1:
        return poisson_deviance(x, y)
    if power == 2:
        return gamma_deviance(x, y)
    terms = [
        max(y, mpf(0)) ** (2 - power) / ((1 - power) * (2 - power)),
        -y * x ** (1 - power) / (1 - power),
        x ** (2 - power) / (2 - power),
    ]
    return 2 * total(terms), 2 * max(map(abs, terms))


def log_loss(p: Any, y: Any) -> Measured:
    """-log of the right class's probability, clipped to [eps, 1 - eps]."""
    if isinstance(p, list):
        return exactly(-log(min(max(p[y], DOUBLE_EPS), 1 - DOUBLE_EPS)))
    clipped = min(max(p, DOUBLE_EPS), 1 - DOUBLE_EPS)
    return exactly(-log(clipped) if y == 1 else -mp.log1p(-clipped))


def brier(p: Any, y: Any, scale_by_half: str = "auto") -> Measured:
    """Sum over the classes of (p - [c = y])², halved for two classes."""
    spread = p if isinstance(p, list) else [1 - p, p]
    squares = total((share - int(c == y)) ** 2 for c, share in enumerate(spread))
    halved = scale_by_half == "true" or (scale_by_half == "auto" and len(spread) < 3)
    return exactly(squares / 2 if halved else squares)


def zero_one(x: Any, y: int, top_k: int = 1) -> Measured:
    """Whether k classes are better than the right one."""
    if not isinstance(x, list):
        return exactly(mpf(int(x != y)))
    better = [c for c, score in enumerate(x) if (score, c) > (x[y], y)]
    return exactly(mpf(int(len(better) >= top_k)))


def focal(x: Number, y: Number, alpha: Number = QUARTER, gamma: Number = TWO) -> Measured:
    """Cross entropy times (1 - p)^gamma, whose error counts gamma times."""
    p, q = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    missing = y * q + (1 - y) * p
    value = (y * softplus(-x) + (1 - y) * softplus(x)) * missing**gamma
    if alpha >= 0:
        value *= alpha * y + (1 - alpha) * (1 - y)
    return value, value * max(ONE, gamma / 2)


def sigmoid_focal(
    x: Number, y: Number, alpha: Number | None = None, gamma: Number = TWO
) -> Measured:
    """The same without alpha."""
    return focal(x, y, -ONE if alpha is None else alpha, gamma)


def poly_ce(x: Vector, y: Any, epsilon: Number = TWO) -> Measured:
    """Cross entropy plus epsilon times (1 - p) of what is right."""
    shares = y if isinstance(y, list) else [mpf(int(c == y)) for c in range(len(x))]
    top = max(x)
    powers = [mp.exp(max(one - top, mpf(-1e5))) for one in x]
    missing = [1 - power / total(powers) for power in powers]
    if not isinstance(y, list):  # 1 - p of what is surely right has no digits left in 1 - p
        missing[y] = total(power for c, power in enumerate(powers) if c != y) / total(powers)
    extra = total(share * lack for share, lack in zip(shares, missing, strict=True))
    return exactly(ce(x, y)[0] + epsilon * extra)


def box_terms(a: Vector, b: Vector) -> tuple[Number, Number, Number, Number]:
    """Return intersection, union, and the sides of the enclosing box."""
    width = max(mpf(0), min(a[2], b[2]) - max(a[0], b[0]))
    height = max(mpf(0), min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
    outer = [max(a[i + 2], b[i + 2]) - min(a[i], b[i]) for i in (0, 1)]
    return width * height, areas[0] + areas[1] - width * height, outer[0], outer[1]


def giou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """1 - IoU + the empty share of the enclosing box."""
    shared, union, width, height = box_terms(a, b)
    area = width * height
    return 1 - (shared / (union + eps) - (area - union) / (area + eps)), ONE


def diou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """1 - IoU + the squared distance of the centres, relative to the diagonal's."""
    shared, union, width, height = box_terms(a, b)
    apart = total((a[i] + a[i + 2] - b[i] - b[i + 2]) ** 2 for i in (0, 1)) / 4
    return 1 - shared / (union + eps) + apart / (width**2 + height**2 + eps), ONE


def ciou(a: Vector, b: Vector, eps: Number = BOX_EPS) -> Measured:
    """Diou + alpha v."""
    shared, union, _, _ = box_terms(a, b)
    angles = [mp.atan2(one[2] - one[0], one[3] - one[1]) for one in (a, b)]
    v = 4 / mp.pi**2 * (angles[0] - angles[1]) ** 2
    alpha = v / (1 - shared / (union + BOX_EPS) + v + eps) if v else v
    return diou(a, b)[0] + alpha * v, ONE


def l2(x: Number, y: Number) -> Measured:
    """½ (x - y)²."""
    return exactly((x - y) ** 2 / 2)


def hinge(x: Number, y: Number) -> Measured:
    """max(0, 1 - y x)."""
    return max(mpf(0), 1 - y * x), max(ONE, abs(x))


def perceptron(x: Number, y: Number) -> Measured:
    """max(0, -y x)."""
    return exactly(max(mpf(0), -y * x))


def multiclass_perceptron(x: Vector, y: int) -> Measured:
    """The best score less the right one."""
    return exactly(max(x) - x[y])


def multiclass_hinge(x: Vector, y: int) -> Measured:
    """The hinge on the lead over the best of the others."""
    others = [score for c, score in enumerate(x) if c != y]
    lag = max(others) - x[y]
    return max(mpf(0), 1 + lag), max(ONE, abs(lag))


def sparsemax(x: Number, y: int) -> Measured:
    """Nothing to -1, a parabola to 1, a line beyond."""
    lag = -x if y == 1 else x
    return exactly(lag if lag >= 1 else max(mpf(0), lag + 1) ** 2 / 4)


def multiclass_sparsemax(x: Vector, y: int) -> Measured:
    """Max over q of [q·x - ½ |q|²] + ½ - x_y, measured by the shares of wrong classes, too."""
    ordered = sorted(x, reverse=True)
    size = max(k for k in range(1, len(x) + 1) if 1 + k * ordered[k - 1] > total(ordered[:k]))
    threshold = (total(ordered[:size]) - 1) / size
    shares = [max(mpf(0), score - threshold) for score in x]
    best = total(q * s - q * q / 2 for q, s in zip(shares, x, strict=True))
    value = best + HALF - x[y]
    return value, max(value, 1 - shares[y])


def generalized_kl(x: Vector, y: Vector) -> Measured:
    """Σ y (log y - x) + exp(x) - y."""
    terms = divergence_terms(x, y) + [mp.exp(one) for one in x] + [-one for one in y]
    return total(terms), max(map(abs, terms))


def kl_divergence(x: Vector, y: Vector) -> Measured:
    """Σ y (log y - x)."""
    terms = divergence_terms(x, y)
    return total(terms), max(map(abs, terms))


def divergence_terms(x: Vector, y: Vector) -> list[Number]:
    """Return y log y and -y x of each."""
    return [part for a, b in zip(x, y, strict=True) if b for part in (b * mp.log(b), -b * a)]


def kl_divergence_with_log_targets(x: Vector, y: Vector) -> Measured:
    """Σ exp(y) (y - x)."""
    terms = [mp.exp(b) * (b - a) for a, b in zip(x, y, strict=True)]
    return total(terms), max(map(abs, terms))


def ranking_softmax(x: Vector, y: Vector) -> Measured:
    """-Σ y log softmax(x)."""
    return exactly(total(b * cost for b, cost in zip(y, class_costs(x), strict=True)))


def cosine_distance(x: Vector, y: Vector, epsilon: Number = ONE * 0) -> Measured:
    """1 - cos, no square of a length being taken as less than epsilon."""
    lengths = [max(p_norm(one, TWO), mp.sqrt(epsilon)) for one in (x, y)]
    return 1 - total(a * b for a, b in zip(x, y, strict=True)) / (lengths[0] * lengths[1]), ONE


def triplet_margin(
    anchor: Vector, positive: Vector, negative: Vector, norm_degree: Number = TWO,
    margin: Number = ONE, eps: Number = TRIPLET_EPS,
) -> Measured:  # fmt: skip
    """Triplet loss of (Σ |d|^p + eps)^(1/p)."""

    def distance(u: Sequence[Number], v: Sequence[Number]) -> Number:
        powers = total(abs(s - t) ** norm_degree for s, t in zip(u, v, strict=True))
        return (powers + eps) ** (1 / norm_degree)

    return triplet(distance, (anchor, positive, negative), margin, swap=False)


def binary_dice(x: Vector, y: Vector, smooth: Number = ONE) -> Measured:
    """1 - (I + s) / (½ P + ½ T + s)."""
    shares = [1 / (1 + mp.exp(-one)) for one in x]
    shared = total(p * t for p, t in zip(shares, y, strict=True))
    whole = (total(shares) + total(y)) / 2 + smooth
    return exactly((whole - smooth - shared) / whole)


def dice(x: Vector, y: int, smooth: Number = ONE) -> Measured:
    """The same for each class of one position, averaged."""
    costs = class_costs(x)
    losses = []
    for c, cost in enumerate(costs):
        p, t = mp.exp(-cost), mpf(int(c == y))
        losses.append((p + t - 2 * p * t) / (p + t + 2 * smooth))
    return total(losses) / len(losses), ONE


DEFINITIONS: dict[str, Callable[..., Measured]] = {
    "rmse": mse,
    "perplexity": ce,
    "optax.sigmoid_focal": sigmoid_focal,
    "optax.l2": l2,
    "optax.hinge": hinge,
    "optax.kl_divergence": kl_divergence,
    "optax.kl_divergence_with_log_targets": kl_divergence_with_log_targets,
    "safe_softmax_cross_entropy": ranking_softmax,
    "optax.triplet_margin": triplet_margin,
    "optax.dice": dice,
    **{
        function.__name__: function
        for function in (
            log_cosh, msle, mape, smape, pinball, poisson_deviance, gamma_deviance,
            tweedie_deviance, log_loss, brier, zero_one, focal, giou, diou, ciou, poly_ce,
            perceptron, multiclass_perceptron, multiclass_hinge, sparsemax, multiclass_sparsemax,
            generalized_kl, ranking_softmax, cosine_distance, binary_dice,
        )
    },
}  # fmt: skip
