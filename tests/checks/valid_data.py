"""Random valid data for any loss, drawn from what its declaration says and from nothing else."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import lossctl
from lossctl.engine.plan.binding import kind_under
from lossctl.errors import LossctlError, LossctlWarning
from lossctl.kinds import Kind
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.inputs import Form
from tests.losses.cases.case import Array, Shape
from tests.support.command_line import save

ATTEMPTS = 20
LARGE = 3000
"""Samples of a loss that sees all of them at once are fewer."""

SUFFIXES = ("npy", "npz", "csv", "tsv", "parquet")

Draw = Callable[[np.random.Generator, Shape, int], Array]
"""Draws an array with so many classes; the classes are the last axis."""


def draw_inputs(loss: Loss, rng: np.random.Generator) -> tuple[Array, ...]:
    """Draw inputs of one of the forms of a loss, with a sample axis, that have a loss.

    What a declaration calls real may mean amounts (the rates of Keras's Poisson loss).
    """
    for attempt in range(ATTEMPTS):
        inputs = _draw_inputs(loss, rng, DRAWS | ({Kind.REAL: _amount} if attempt % 2 else {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LossctlWarning)
            value = lossctl.compute(loss, *inputs, threads=1).value
        if value is not None and math.isfinite(value):
            return inputs
    raise AssertionError(f"{loss.key} has no loss for what is drawn")


def _draw_size(rng: np.random.Generator, most: int) -> int:
    """Draw a number of samples, as often from 1 to 10 as from 100 to 1000."""
    return int(math.exp(rng.uniform(0, math.log(most))))


def draw_extras(loss: Loss, inputs: Sequence[Array], rng: np.random.Generator) -> dict[str, Array]:
    """Draw weights of samples and a mask that keeps some, each for half of the calls."""
    sizes = {len(one) for one in inputs if np.ndim(one)}
    if len(sizes) != 1:
        return {}
    (count,) = sizes
    extras: dict[str, Array] = {}
    if rng.random() < 0.5:
        extras["sample_weight"] = rng.uniform(0.1, 3, count)
    if rng.random() < 0.5:
        extras["mask"] = rng.random(count) < 0.8
        extras["mask"][rng.integers(count)] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossctlWarning)
        try:
            value = lossctl.compute(loss, *inputs, threads=1, **extras).value
        except LossctlError:
            return {}
    return extras if value is not None and math.isfinite(value) else {}


def save_inputs(
    inputs: Sequence[Array], folder: Path, rng: np.random.Generator
) -> tuple[Array | str, ...]:
    """Return inputs as they are, or as files of a format that can hold them."""
    suffix = str(rng.choice(["", *SUFFIXES]))
    if not suffix:
        return tuple(inputs)
    saved: list[str] = []
    for number, one in enumerate(inputs):
        fits = one.ndim == 1 or (one.ndim == 2 and one.shape[1] > 1)
        plain = suffix if fits or suffix in ("npy", "npz") else "npy"
        saved.append(str(folder / save(folder, f"input{number}", one, plain)))
    return tuple(saved)


def _draw_inputs(
    loss: Loss, rng: np.random.Generator, draws: dict[Kind, Draw]
) -> tuple[Array, ...]:
    options = {one.name: one.default for one in loss.parameters}
    form = int(rng.choice([one for one in range(loss.form_count) if _is_batched(loss, one)]))
    sizes = {
        "N": _draw_size(rng, 40 if loss.needs_all_samples else LARGE),
        "C": int(rng.integers(2, 12)),
        "F": int(rng.integers(2, 20)),
        "T": int(rng.integers(20, 40)),
        "S": int(rng.integers(1, 6)),
    }
    further = tuple(rng.integers(1, 6, rng.integers(0, 3)).tolist())
    sizes["L"] = 0
    drawn: dict[str, Array] = {}
    for declared in loss.inputs:
        shape_form = declared.form(form)
        kind = kind_under(declared, shape_form, options)
        array = _draw(draws.get(kind, _real), shape_form, sizes, further, rng)
        if loss.class_axis_option and shape_form.axes[:2] == ("N", "C"):
            array = np.moveaxis(array, 1, -1)
        drawn[declared.name] = array
    _fit_sequences(loss, form, drawn, sizes, rng)
    _follow(loss, form, drawn, rng)
    return tuple(drawn.values())


def _is_batched(loss: Loss, form: int) -> bool:
    return any("N" in one.form(form).axes for one in loss.inputs)


def _draw(
    draw: Draw, form: Form, sizes: dict[str, int], further: Shape, rng: np.random.Generator
) -> Array:
    shape: list[int] = []
    for word in form.axes:
        shape += further if word == "*D" else [int(word) if word.isdecimal() else sizes[word]]
    axis = form.axes.index("C") if "C" in form.axes else len(shape) - 1
    if "C" in form.axes[2:]:  # behind further axes
        axis = len(shape) - 1
    turned = [*shape[:axis], *shape[axis + 1 :], *shape[axis : axis + 1]]
    array = np.moveaxis(draw(rng, tuple(turned), sizes["C"]), -1, axis)
    dtype = rng.choice([np.float32, np.float64]) if array.dtype.kind == "f" else array.dtype
    return np.ascontiguousarray(array).astype(dtype)


def _real(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.normal(rng.normal() * 3, 0.5 + rng.exponential(3), shape)


def _score(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.normal(0, 0.5 + rng.exponential(3), shape)


def _simplex(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    raw = rng.gamma(0.5 + rng.exponential(1), 1.0, shape) + 1e-6
    return raw / raw.sum(axis=-1, keepdims=True)


def _log_simplex(rng: np.random.Generator, shape: Shape, classes: int) -> Array:
    return np.log(_simplex(rng, shape, classes))


def _index(rng: np.random.Generator, shape: Shape, classes: int) -> Array:
    return rng.integers(0, classes, shape).astype(rng.choice([np.int64, np.int32, np.uint8]))


def _index_list(rng: np.random.Generator, shape: Shape, classes: int) -> Array:
    order = rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
    kept = rng.integers(0, shape[-1] + 1, (*shape[:-1], 1))
    return np.where(np.arange(shape[-1]) < kept, order, -1)


def _sign(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return (2 * rng.integers(0, 2, shape) - 1).astype(rng.choice([np.int64, np.int8]))


def _bit(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.integers(0, 2, shape).astype(rng.choice([np.int64, np.uint8]))


def _soft_label(rng: np.random.Generator, shape: Shape, classes: int) -> Array:
    return _bit(rng, shape, classes) if rng.random() < 0.7 else rng.random(shape)


def _probability(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.beta(0.5, 0.5, shape)


def _amount(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.gamma(2.0, 1 + rng.exponential(3), shape) + 1e-3


def _log_amount(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.normal(1.0, 0.5, shape)


def _box(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    corner = rng.uniform(0, 50, (*shape[:-1], 2))
    return np.concatenate([corner, corner + rng.uniform(1, 30, corner.shape)], axis=-1)


DRAWS: dict[Kind, Draw] = {
    Kind.LOGIT: _score,
    Kind.SCORE: _score,
    Kind.INDEX: _index,
    Kind.LABEL: _index,
    Kind.INDEX_LIST: _index_list,
    Kind.SIGN: _sign,
    Kind.BINARY: _bit,
    Kind.SOFT_LABEL: _soft_label,
    Kind.PROBABILITY: _probability,
    Kind.CLIPPED: _probability,
    Kind.CLASS_PROBABILITY: _simplex,
    Kind.DISTRIBUTION: _simplex,
    Kind.DENSITY: _simplex,
    Kind.MASS: _simplex,
    Kind.LOG_PROBABILITY: _log_simplex,
    Kind.LOG_AMOUNT: _log_amount,
    Kind.VARIANCE: _amount,
    Kind.POSITIVE: _amount,
    Kind.NOT_NEGATIVE: _amount,
    Kind.ABOVE_MINUS_ONE: _amount,
    Kind.BOX: _box,
}


def _fit_sequences(
    loss: Loss, form: int, drawn: dict[str, Array], sizes: dict[str, int], rng: np.random.Generator
) -> None:
    """Draw label sequences that fit into their frames, with their lengths."""
    for declared in loss.inputs:
        if declared.form(form).kind != Kind.LABELS:
            continue
        labels = rng.integers(1, sizes["C"], (sizes["N"], sizes["S"]))
        counts = rng.integers(0, sizes["S"] + 1, sizes["N"])
        padded = np.where(np.arange(sizes["S"]) < counts[:, np.newaxis], labels, 0)
        lengths = [one.name for one in loss.inputs if one.form(form).kind == Kind.LENGTH]
        if lengths:
            drawn[lengths[0]] = rng.integers(12, sizes["T"] + 1, sizes["N"])
            drawn[lengths[1]] = counts
        joined = declared.form(form).axes == ("L",)
        drawn[declared.name] = padded[padded > 0] if joined else padded


def _follow(loss: Loss, form: int, drawn: dict[str, Array], rng: np.random.Generator) -> None:
    """Let half of the predictions follow their targets, as those of a model do."""
    if len(loss.inputs) < 2 or rng.random() < 0.5:
        return
    first, second = (drawn[one.name] for one in loss.inputs[:2])
    kinds = [one.form(form).kind for one in loss.inputs[:2]]
    scores = kinds[0] in (Kind.LOGIT, Kind.SCORE)
    if scores and kinds[1] == Kind.INDEX and first.ndim > 1 and not loss.class_axis_option:
        right = np.arange(first.shape[1]).reshape(-1, *(1,) * (first.ndim - 2))
        first += (right == second[:, np.newaxis]) * first.dtype.type(2 * first.std())
    elif first.shape == second.shape and kinds == [Kind.REAL, Kind.REAL]:
        first += (second - first) * first.dtype.type(0.8)
