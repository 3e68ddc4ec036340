"""Negative log-likelihoods of distributions, and the divergence between two of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.kinds import Kind
from lossctl.losses.core.declaration import (
    UNBOUNDED,
    Input,
    Option,
    density,
    log_amount,
    log_probability,
    loss,
    real,
    variance,
)
from lossctl.losses.core.steps import Step, Steps, StepsToArray
from lossctl.losses.maths.numerics import at_least, xlogy

Array = NDArray[Any]

TARGET: Input = real("target", "*", help="observed values")


def _given_rates(options: Mapping[str, Any]) -> bool:
    return not options["log_input"]


LOG_RATE: Input = log_amount(
    "input",
    "*",
    help="log of the expected count, or the count itself",
    kind_if=((_given_rates, Kind.REAL),),
)


@loss(
    "poisson_nll",
    library="torch",
    range=UNBOUNDED,
    inputs=(LOG_RATE, TARGET),
    formula="exp(x) − y·x;  x − y·log(x + ε) without log_input;"
    "  + y·log y − y + ½ log(2πy) where y > 1, if full",
    unit="nats",
    source="https://docs.pytorch.org/docs/stable/generated/torch.nn.PoissonNLLLoss.html",
    example="regression.csv#log_rate regression.csv#target --full",
    traps=(
        "the input is the logarithm of the rate unless --no-log-input; Keras takes rates",
        "the Stirling term of --full is added only where target > 1",
    ),
)
def poisson_nll(
    input: Array,
    target: Array,
    *,
    log_input: Annotated[bool, Option("the input is the logarithm of the rate")] = True,
    full: Annotated[bool, Option("add Stirling's approximation of log(target!)")] = False,
    eps: Annotated[float, Option("added to the rate before its logarithm", at_least=0)] = 1e-8,
) -> Array:
    """Negative log-likelihood of counts under Poisson rates.

    input and target have the same shape (*). eps is used only without log_input.
    """
    if log_input:
        losses = np.exp(input)
        losses -= target * input
    else:
        losses = input - target * np.log(input + eps)
    if full:
        large = np.where(target > 1, target, 1)
        stirling = large * np.log(large) - large + 0.5 * np.log(2 * math.pi * large)
        losses += np.where(target > 1, stirling, 0)
    return losses


@poisson_nll.gradient
def poisson_nll_gradient(input: Array, target: Array, *, log_input: bool, eps: float) -> Array:
    """Return rate − y for the logarithm of a rate, and 1 − y / (rate + ε) for a rate."""
    return np.exp(input) - target if log_input else 1 - target / (input + eps)


@poisson_nll.steps
def poisson_nll_steps(x: Array, y: Array, *, log_input: bool, full: bool, eps: float) -> Steps:
    """Explain the negative log-likelihood of a count."""
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


@loss(
    "gaussian_nll",
    library="torch",
    range=UNBOUNDED,
    inputs=(
        real("input", "*", help="predicted means"),
        TARGET,
        variance("var", "*", help="predicted variances", broadcasts=True),
    ),
    formula="½ (log max(v, ε) + (x − y)² / max(v, ε));  + ½ log 2π, if full",
    unit="nats",
    source="Nix and Weigend 1994, doi:10.1109/ICNN.1994.374138",
    example="regression.csv#pred_forest regression.csv#target regression.csv#var_forest --full",
    facts={
        "clipping": "variance at least eps",
    },
    traps=(
        "var is a variance, not a standard deviation",
        "var may have the input's shape, lack the last axis, have one axis of 1, or be one number",
    ),
)
def gaussian_nll(
    input: Array,
    target: Array,
    var: Array,
    *,
    full: Annotated[bool, Option("add the constant ½ log 2π")] = False,
    eps: Annotated[
        float, Option("minimum variance; smaller ones are raised to it", above=0)
    ] = 1e-6,
) -> Array:
    """Negative log-likelihood of targets under normal distributions.

    input and target have the same shape (*); var has it too, or lacks the last axis, or has one
    axis of length 1, or is one number. A negative var is an error.
    """
    variance = at_least(var, eps)
    error = input - target
    losses = 0.5 * (np.log(variance) + error / variance * error)
    return losses + 0.5 * math.log(2 * math.pi) if full else losses


def _is_raised(_: Array, __: Array, var: Array, *, eps: float) -> NDArray[np.bool_]:
    return var < eps


@gaussian_nll.gradient(
    by=("input", "var"),
    convention=_is_raised,
    note="as in torch, a variance below eps has the derivative that it has at eps",
)
def gaussian_nll_gradient(
    input: Array, target: Array, var: Array, *, eps: float
) -> tuple[Array, Array]:
    """Return the derivatives with respect to the mean and the variance."""
    variance = at_least(var, eps)
    by_mean = (input - target) / variance
    return by_mean, 0.5 * (1 / variance - by_mean * by_mean)


@gaussian_nll.steps
def gaussian_nll_steps(x: Array, y: Array, var: Array, *, full: bool, eps: float) -> Steps:
    """Explain the negative log-likelihood under a normal distribution."""
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


@loss(
    "kl_div",
    library="torch",
    range=UNBOUNDED,
    inputs=(
        log_probability("input", "*", help="log-probabilities of the model"),
        density(
            "target",
            "*",
            help="probabilities of the reference distribution",
            kind_if=(("log_target", Kind.LOG_PROBABILITY),),
        ),
    ),
    aliases=("kl",),
    formula="y (log y − x);  exp(y) (y − x) with log_target",
    unit="nats",
    source="Kullback and Leibler 1951, doi:10.1214/aoms/1177729694",
    example="log_probs.npy digits_other_probs.npy -r batchmean",
    traps=(
        "the input contains logarithms of probabilities, the target probabilities",
        "mean divides by all elements; the mathematical divergence is --reduction batchmean",
        "a target of 0 contributes 0",
    ),
    mean_note="kl_div divides by all elements under 'mean'; 'batchmean' is the mathematical"
    " Kullback-Leibler divergence",
)
def kl_div(
    input: Array,
    target: Array,
    *,
    log_target: Annotated[bool, Option("the target contains log-probabilities too")] = False,
) -> Array:
    """Pointwise Kullback-Leibler divergence of the input from the target.

    input and target have the same shape (*). A target probability of 0 contributes 0.
    """
    if log_target:
        probability = np.exp(target)
        losses = probability * (target - input)
    else:
        probability = target
        losses = xlogy(target, target) - target * input
    impossible = (probability == 0) & ~np.isnan(input)
    losses[impossible] = 0
    return losses


@kl_div.gradient
def kl_div_gradient(_: Array, target: Array, *, log_target: bool) -> Array:
    """Return the target probability, negative."""
    return -np.exp(target) if log_target else -target


def divergence_steps(x: Array, y: Array) -> StepsToArray:
    """Yield the terms of a divergence of x, in logarithms, from y; return them."""
    yield Step("log-probabilities" if x.ndim else "log-probability", "x", x)
    yield Step("target", "y", y)
    yield Step("log of the target", "log y", np.log(y))
    terms = np.where((y == 0) & ~np.isnan(x), 0.0, xlogy(y, y) - y * x)
    return terms


def log_divergence_steps(x: Array, y: Array) -> StepsToArray:
    """Yield the same where the target contains logarithms too; return the terms."""
    yield Step("log-probabilities" if x.ndim else "log-probability", "x", x)
    yield Step("target", "y", y)
    yield Step("probability of the target", "exp(y)", np.exp(y))
    return np.where((np.exp(y) == 0) & ~np.isnan(x), 0.0, np.exp(y) * (y - x))


@kl_div.steps
def kl_div_steps(x: Array, y: Array, *, log_target: bool) -> Steps:
    """Explain the divergence at one place of a distribution."""
    if log_target:
        terms = yield from log_divergence_steps(x, y)
        yield Step("loss", "exp(y) (y − x), and 0 where exp(y) is 0", terms)
        return
    terms = yield from divergence_steps(x, y)
    yield Step("loss", "y (log y − x), and 0 where y is 0", terms)
