"""The steps of likelihoods, divergences and deviances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core.keras import EPSILON
from lossctl.losses.core.steps import Step, Steps, Told, steps
from lossctl.losses.deviance import losses as deviance
from lossctl.losses.likelihood import divergences, keras
from lossctl.losses.likelihood import losses as likelihood
from lossctl.losses.maths.numerics import xlogy

Array = NDArray[Any]


@steps(likelihood.poisson_nll)
def count_events(x: Array, y: Array, *, log_input: bool, full: bool, eps: float) -> Steps:
    """Tell the negative log-likelihood of a count."""
    yield Step("log-rate" if log_input else "rate", "x", x)
    yield Step("target", "y", y)
    if log_input:
        yield Step("rate", "exp(x)", np.exp(x))
        loss, formula = np.exp(x) - y * x, "exp(x) − y x"
    else:
        yield Step("log-rate", "log(x + ε)", np.log(x + eps))
        loss, formula = x - y * np.log(x + eps), "x − y log(x + ε)"
    if not full:
        yield Step("loss", formula, loss)
        return
    large = np.where(y > 1, y, 1)
    stirling = large * np.log(large) - large + 0.5 * np.log(2 * math.pi * large)
    stirling = np.where(y > 1, stirling, 0)
    yield Step("likelihood term", formula, loss)
    yield Step("Stirling term", "y log y − y + ½ log(2πy) where y > 1", stirling)
    yield Step("loss", "likelihood term + Stirling term", loss + stirling)


@steps(keras.poisson)
def count_from_rate(p: Array, y: Array) -> Steps:
    """Tell the same from a rate, without its constant."""
    yield Step("rate", "x", p)
    yield Step("target", "y", y)
    yield Step("log-rate", "log(x + 1e-7)", np.log(p + EPSILON))
    yield Step("loss", "x − y log(x + 1e-7)", p - y * np.log(p + EPSILON))


@steps(likelihood.gaussian_nll)
def scatter_normally(x: Array, y: Array, var: Array, *, full: bool, eps: float) -> Steps:
    """Tell the negative log-likelihood under a normal distribution."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    yield Step("difference", "d = x − y", x - y)
    kept = np.maximum(var, eps)
    yield Step("variance", "v", var)
    yield Step("clipped variance", "v̂ = max(v, ε)", kept, before=var)
    yield Step("log of the variance", "log v̂", np.log(kept))
    scaled = (x - y) / kept * (x - y)
    yield Step("scaled square", "d² / v̂", scaled)
    losses = 0.5 * (np.log(kept) + scaled)
    if not full:
        yield Step("loss", "½ (log v̂ + d² / v̂)", losses)
        return
    constant = 0.5 * math.log(2 * math.pi)
    yield Step("constant", "½ log 2π", constant)
    yield Step("loss", "½ (log v̂ + d² / v̂) + ½ log 2π", losses + constant)


def diverge(x: Array, y: Array) -> Told:
    """Yield the terms of a divergence of x, in logarithms, from y; return them."""
    yield Step("log-probabilities" if x.ndim else "log-probability", "x", x)
    yield Step("target", "y", y)
    yield Step("log of the target", "log y", np.log(y))
    terms = np.where((y == 0) & ~np.isnan(x), 0.0, xlogy(y, y) - y * x)
    return terms


def diverge_in_logarithms(x: Array, y: Array) -> Told:
    """Yield the same where the target is given by logarithms too; return the terms."""
    yield Step("log-probabilities" if x.ndim else "log-probability", "x", x)
    yield Step("target", "y", y)
    yield Step("probability of the target", "exp(y)", np.exp(y))
    return np.where((np.exp(y) == 0) & ~np.isnan(x), 0.0, np.exp(y) * (y - x))


@steps(likelihood.kl_div)
def diverge_at_one_place(x: Array, y: Array, *, log_target: bool) -> Steps:
    """Tell the divergence at one place of a distribution."""
    if log_target:
        terms = yield from diverge_in_logarithms(x, y)
        yield Step("loss", "exp(y) (y − x), and 0 where exp(y) is 0", terms)
        return
    terms = yield from diverge(x, y)
    yield Step("loss", "y (log y − x), and 0 where y is 0", terms)


@steps(divergences.kl_divergence)
def diverge_over_classes(x: Array, y: Array) -> Steps:
    """Tell the divergence of a distribution."""
    terms = yield from diverge(x, y)
    yield Step("class terms", "y_c (log y_c − x_c), and 0 where y_c is 0", terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())


@steps(divergences.kl_divergence_with_log_targets)
def diverge_over_logarithms(x: Array, y: Array) -> Steps:
    """Tell the same, both distributions given by logarithms."""
    terms = yield from diverge_in_logarithms(x, y)
    yield Step("class terms", "exp(y_c) (y_c − x_c), and 0 where exp(y_c) is 0", terms)
    yield Step("loss", "Σ_c of the class terms", terms.sum())


@steps(divergences.generalized_kl)
def diverge_generally(x: Array, y: Array) -> Steps:
    """Tell the divergence of amounts that need not sum to 1."""
    terms = yield from diverge(x, y)
    surplus = np.exp(x) - y
    yield Step("surplus", "exp(x_c) − y_c", surplus)
    yield Step("class terms", "y_c (log y_c − x_c) + exp(x_c) − y_c", terms + surplus)
    yield Step("loss", "Σ_c of the class terms", (terms + surplus).sum())


@steps(keras.kl_divergence)
def diverge_clipped(p: Array, y: Array) -> Steps:
    """Tell the terms of the divergence of clipped probabilities."""
    predicted, true = np.clip(p, EPSILON, 1), np.clip(y, EPSILON, 1)
    yield Step("probabilities" if p.ndim else "probability", "p", p)
    yield Step("target", "y", y)
    yield Step("clipped probabilities", "p between 1e-7 and 1", predicted, before=p)
    yield Step("clipped target", "y between 1e-7 and 1", true, before=y)
    yield Step("class terms", "y_c log(y_c / p_c)", true * np.log(true / predicted))


def relate(x: Array, y: Array) -> Told:
    """Yield what deviances begin with; return log(y / x), exact where both are near."""
    yield Step("prediction", "x", x)
    yield Step("target", "y", y)
    ratio = deviance.take_log_ratio(y, x)
    yield Step("log-ratio", "log(y / x)", ratio)
    return ratio


@steps(deviance.poisson_deviance)
def deviate_counts(x: Array, y: Array) -> Steps:
    """Tell the deviance of a count from a rate."""
    ratio = yield from relate(x, y)
    scaled = np.where(y == 0, 0.0, y * ratio)
    yield Step("scaled log-ratio", "y log(y / x), and 0 where y is 0", scaled)
    yield Step("difference", "x − y", x - y)
    yield Step("loss", "2 (y log(y / x) + x − y)", 2 * ((x - y) + scaled))


@steps(deviance.gamma_deviance)
def deviate_amounts(x: Array, y: Array) -> Steps:
    """Tell the deviance of a positive amount from its mean."""
    ratio = yield from relate(x, y)
    relative = (y - x) / x
    yield Step("relative difference", "y / x − 1", relative)
    yield Step("loss", "2 (y / x − 1 − log(y / x))", 2 * (relative - ratio))


@steps(deviance.tweedie_deviance)
def deviate_by_power(x: Array, y: Array, *, power: float) -> Steps:
    """Tell the deviance whose variance grows with a power of the mean."""
    if power == 0:
        yield Step("prediction", "x", x)
        yield Step("target", "y", y)
        yield Step("difference", "x − y", x - y)
        yield Step("loss", "(x − y)², because p is 0", (y - x) ** 2)
        return
    if power in (1, 2):
        yield from deviate_counts(x, y) if power == 1 else deviate_amounts(x, y)
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
