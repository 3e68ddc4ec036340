"""Deviances of the exponential family: how much likelier each value would be as its own mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import NON_NEGATIVE, Option, loss, not_negative, positive, real
from lossctl.losses.core.steps import Step, Steps, StepsToArray

Array = NDArray[Any]

RATES = positive("input", "*", help="predicted means")
COUNTS = "regression.csv#pred_poisson regression.csv#target"
SOURCE = "https://scikit-learn.org/stable/modules/generated/sklearn.metrics.mean_{}_deviance.html"
NEAR = 0.5
LARGE = 1e300


@loss(
    "poisson_deviance",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(RATES, not_negative("target", "*", help="observed counts")),
    aliases=("mean_poisson_deviance",),
    formula="2 (y log(y/x) − y + x)",
    source=SOURCE.format("poisson"),
    example=COUNTS,
    traps=(
        "the input is a rate, not its logarithm",
        "a count of 0 has a loss of 2 x",
    ),
)
def poisson_deviance(input: Array, target: Array) -> Array:
    """Deviance of counts from predicted rates.

    input and target have the same shape (*). A rate of 0 or less, or a negative count, is an
    error.
    """
    return _deviate_counts(input, target)


@poisson_deviance.gradient
def poisson_deviance_gradient(input: Array, target: Array) -> Array:
    """Return 2 (1 − y / x)."""
    return 2 * (input - target) / input


def _log_ratio_steps(x: Array, y: Array) -> StepsToArray:
    """Yield what deviances begin with; return log(y / x), exact where both are near."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    ratio = take_log_ratio(y, x)
    yield Step("log-ratio", "log(y / x)", ratio)
    return ratio


@poisson_deviance.steps
def poisson_deviance_steps(x: Array, y: Array) -> Steps:
    """Explain the deviance of a count from a rate."""
    ratio = yield from _log_ratio_steps(x, y)
    scaled = np.where(y == 0, 0.0, y * ratio)
    yield Step("scaled log-ratio", "y log(y / x), and 0 where y is 0", scaled)
    yield Step("difference", "x − y", x - y)
    yield Step("loss", "2 (y log(y / x) + x − y)", 2 * ((x - y) + scaled))


def _deviate_counts(x: Array, y: Array) -> Array:
    # y log(y/x) is taken against x − y, not x and y apart, so that near hits keep their digits.
    logarithms = np.where(y == 0, 0, y * take_log_ratio(y, x))
    return 2 * ((x - y) + logarithms)


@loss(
    "gamma_deviance",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(RATES, positive("target", "*", help="observed amounts")),
    aliases=("mean_gamma_deviance",),
    formula="2 (log(x/y) + y/x − 1)",
    source=SOURCE.format("gamma"),
    example=COUNTS,
    traps=("it measures ratios: amounts in other units give the same deviance",),
)
def gamma_deviance(input: Array, target: Array) -> Array:
    """Deviance of positive amounts from predicted means.

    input and target have the same shape (*). A number of 0 or less is an error.
    """
    return _deviate_amounts(input, target)


@gamma_deviance.gradient
def gamma_deviance_gradient(input: Array, target: Array) -> Array:
    """Return 2 (1 / x − y / x²)."""
    return 2 * ((input - target) / input) / input


@gamma_deviance.steps
def gamma_deviance_steps(x: Array, y: Array) -> Steps:
    """Explain the deviance of a positive amount from its mean."""
    ratio = yield from _log_ratio_steps(x, y)
    relative = (y - x) / x
    yield Step("relative difference", "y / x − 1", relative)
    yield Step("loss", "2 (y / x − 1 − log(y / x))", 2 * (relative - ratio))


def _deviate_amounts(x: Array, y: Array) -> Array:
    return 2 * ((y - x) / x - take_log_ratio(y, x))


def take_log_ratio(y: Array, x: Array) -> Array:
    """Return log(y / x), right to the last digits where y is near x."""
    ratio = y / x
    near = (y - x) / x
    far = np.where((ratio > 1 / LARGE) & (ratio < LARGE), np.log(ratio), np.log(y) - np.log(x))
    return np.where(np.abs(near) < NEAR, np.log1p(near), far)


def _positive_means(options: Mapping[str, Any]) -> bool:
    return bool(options["power"] != 0)


def _positive_targets(options: Mapping[str, Any]) -> bool:
    return bool(options["power"] >= 2)


def _counted_targets(options: Mapping[str, Any]) -> bool:
    return bool(1 <= options["power"] < 2)


@loss(
    "tweedie_deviance",
    library="scikit-learn",
    range=NON_NEGATIVE,
    inputs=(
        real("input", "*", help="predicted means", kind_if=((_positive_means, Kind.POSITIVE),)),
        real(
            "target",
            "*",
            help="observed values",
            kind_if=((_positive_targets, Kind.POSITIVE), (_counted_targets, Kind.NOT_NEGATIVE)),
        ),
    ),
    aliases=("mean_tweedie_deviance", "tweedie"),
    formula="2 (max(y, 0)²⁻ᵖ / ((1 − p)(2 − p)) − y x¹⁻ᵖ / (1 − p) + x²⁻ᵖ / (2 − p))",
    source=SOURCE.format("tweedie"),
    example=f"{COUNTS} --power 1.5",
    traps=(
        "power 0 is the squared error, 1 the Poisson deviance, 2 the gamma deviance, 3 the"
        " inverse Gaussian deviance; no Tweedie distribution has a power between 0 and 1",
        "means must be positive unless power is 0; targets at least 0 from power 1, and positive"
        " from power 2 on",
    ),
)
def tweedie_deviance(
    input: Array,
    target: Array,
    *,
    power: Annotated[float, Option("power p of the mean in the variance", gap=(0, 1))] = 0.0,
) -> Array:
    """Deviance of the Tweedie distribution whose variance grows with a power of its mean.

    input and target have the same shape (*). Numbers for which a power is not defined are an
    error.
    """
    if power == 0:
        return (target - input) ** 2
    if power == 1:
        return _deviate_counts(input, target)
    if power == 2:
        return _deviate_amounts(input, target)
    # Both exponents are exact from power 1 on; below 0 the exact one is −p, and the rest products.
    means, amounts = input, np.clip(target, 0, None)
    if power < 0:
        gradient, level = means * means**-power, means * means**-power * means
        own = amounts * amounts * amounts**-power
    else:
        gradient, level, own = means ** (1 - power), means ** (2 - power), amounts ** (2 - power)
    return 2 * (
        own / ((1 - power) * (2 - power)) - target * gradient / (1 - power) + level / (2 - power)
    )


@tweedie_deviance.gradient
def tweedie_deviance_gradient(input: Array, target: Array, *, power: float) -> Array:
    """Return 2 (x − y) / xᵖ."""
    return 2 * (input - target) * (1 if power == 0 else input**-power)


@tweedie_deviance.steps
def tweedie_deviance_steps(x: Array, y: Array, *, power: float) -> Steps:
    """Explain the deviance whose variance grows with a power of the mean."""
    if power == 0:
        yield Step("prediction", "x", x)
        yield Step("target", "y", y)
        yield Step("difference", "x − y", x - y)
        yield Step("loss", "(x − y)², because p is 0", (y - x) ** 2)
        return
    if power in (1, 2):
        yield from poisson_deviance_steps(x, y) if power == 1 else gamma_deviance_steps(x, y)
        return
    amounts = np.clip(y, 0, None)
    if power < 0:  # both exponents are exact so: see the kernel
        gradient, level = x * x**-power, x * x**-power * x
        own = amounts * amounts * amounts**-power
    else:
        gradient, level, own = x ** (1 - power), x ** (2 - power), amounts ** (2 - power)
    terms = own / ((1 - power) * (2 - power)), y * gradient / (1 - power), level / (2 - power)
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield Step("term of the target", "max(y, 0)^(2 − p) / ((1 − p) (2 − p))", terms[0])
    yield Step("term of both", "y x^(1 − p) / (1 − p)", terms[1])
    yield Step("term of the prediction", "x^(2 − p) / (2 − p)", terms[2])
    formula = "2 (term of the target − term of both + term of the prediction)"
    yield Step("loss", formula, 2 * (terms[0] - terms[1] + terms[2]))
