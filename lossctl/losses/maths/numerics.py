"""Stable pieces of maths that several kernels share. Class axes are axis 1."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def at_least(x: Array, bound: float, out: Array | None = None) -> Array:
    """Return max(x, bound); np.clip is 3 to 4 times faster here than np.maximum."""
    return np.clip(x, bound, np.inf, out=out)


def at_most(x: Array, bound: float, out: Array | None = None) -> Array:
    """Return min(x, bound)."""
    return np.clip(x, -np.inf, bound, out=out)


def log1p_exp(x: Array) -> Array:
    """Return log(1 + exp(−|x|)), the part of softplus that is the same for x and −x."""
    small = np.abs(x, out=np.empty_like(x))
    np.negative(small, out=small)
    np.exp(small, out=small)
    return np.log1p(small, out=small)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow and without losing small values."""
    small = log1p_exp(x)
    small += at_least(x, 0)
    return small


def sigmoids(x: Array) -> tuple[Array, Array]:
    """Return σ(x) and σ(−x); the lesser of them is nearly as exact as the exponential."""
    tail = np.exp(-np.abs(x))
    lesser = tail - tail * (tail / (1 + tail))
    greater = 1 - lesser
    rising = x >= 0
    return np.where(rising, greater, lesser), np.where(rising, lesser, greater)


def exp_below(x: Array, top: Array) -> Array:
    """Return exp(x − top), with what the rounding of the difference took of it given back."""
    difference = x - top
    back = x - difference
    error = (x - (difference + back)) + (back - top)
    power = np.exp(difference)
    return power + np.where(np.isfinite(error), power * error, 0)


def log_softmax(x: Array) -> Array:
    """Return log softmax over the last axis; the largest keeps its digits near 0."""
    best = x.argmax(axis=-1, keepdims=True)
    shifted = x - np.take_along_axis(x, best, axis=-1)
    others = np.exp(shifted)
    np.put_along_axis(others, best, 0, axis=-1)
    shifted -= np.log1p(others.sum(axis=-1, keepdims=True))
    return shifted


def log1p_difference(x: Array, y: Array) -> Array:
    """Return log(1 + x) − log(1 + y), near each other and far apart: log1p((x − y) / (1 + y)).

    The lesser one divides: with the greater, the quotient comes near −1 where they are far apart.
    """
    difference = x - y
    ratio = np.abs(difference)
    ratio /= 1 + np.minimum(x, y)
    return np.copysign(np.log1p(ratio, out=ratio), difference, out=ratio)


def xlogy(x: Array, y: Array) -> Array:
    """Return x·log(y), and 0 where x is 0."""
    return np.where(x == 0, np.where(np.isnan(y), y, 0), x * np.log(y))


def align_classes(vector: Array, ndim: int) -> Array:
    """Reshape one number per class so that it broadcasts along axis 1 of ``ndim`` axes."""
    return vector.reshape(1, -1, *(1,) * (ndim - 2))


@functools.lru_cache(maxsize=8)
def count_up(numbers: int, step: int) -> Array:
    """Return 0, step, 2·step, …, to be read only: the same for every block."""
    counted = np.arange(0, numbers * step, step)
    counted.flags.writeable = False
    return counted


def flatten(values: Array) -> Array:
    """Return (N, C, *D) in one axis, in the order of memory: a view where there is an order."""
    if values.ndim == 2 and values.flags.f_contiguous:
        return values.T.reshape(-1)
    return values.reshape(-1)


def find_classes(values: Array, index: Array) -> tuple[Array, Array]:
    """Return the values (N, C, *D) flattened, and where ``index`` (N, *D) points in that.

    Flat places are read and written 5 times faster than pairs of indices.
    """
    samples, classes = values.shape[:2]
    if values.ndim == 2 and values.flags.f_contiguous:
        places = index * samples
        places += count_up(samples, 1)
        return flatten(values), places
    if values.ndim == 2:
        return flatten(values), index + count_up(samples, classes)
    further = math.prod(values.shape[2:])
    rows = count_up(samples, classes)[:, np.newaxis] + index.reshape(samples, further)
    places = rows * further + count_up(further, 1)
    return flatten(values), places.reshape(index.shape)


def take_class(values: Array, index: Array) -> Array:
    """Return ``values[n, index[n, *d], *d]``: (N, C, *D) and (N, *D) give (N, *D)."""
    flat, places = find_classes(values, index)
    return flat.take(places)


def separate_ignored(target: Array, ignore_index: int) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return the target with 0 for what is ignored, and where that is (None: nowhere)."""
    ignored = target == ignore_index
    if not ignored.any():
        return target, None
    return np.where(ignored, 0, target), ignored


def dot(x: Array, y: Array) -> Array:
    """Return the inner products over the last axis."""
    return np.einsum("...f,...f->...", x, y)


def p_norm(x: Array, p: float) -> Array:
    """Return the p-norm over the last axis, without overflow or underflow on the way."""
    if p == 2:
        return _euclidean_norm(x)
    size = np.abs(x)
    if p == 1:
        return size.sum(axis=-1)
    if p == 0:
        return (size != 0).sum(axis=-1).astype(x.dtype)
    if p == np.inf:
        return size.max(axis=-1, initial=0)
    largest = size.max(axis=-1, initial=0)
    largest = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
    scaled = (size / largest[..., np.newaxis]) ** p
    return largest * scaled.sum(axis=-1) ** (1 / p)


def p_norm_gradient(x: Array, norm: Array, p: float) -> Array:
    """Return the derivative of the p-norm over the last axis; at 0 it is 0, as in torch.

    Entries that are the largest alike share the gradient of the maximum norm.
    """
    sign = find_sign(x)
    if p == 0:
        return np.zeros_like(x)
    if p == 1:
        return sign
    norm = norm[..., np.newaxis]
    if p == np.inf:
        largest = np.abs(x) == norm
        return np.where(largest, sign / np.maximum(largest.sum(axis=-1, keepdims=True), 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = x / norm if p == 2 else sign * (np.abs(x) / norm) ** (p - 1)
    return np.where((x == 0) | (norm == 0), 0, gradient)


def _euclidean_norm(x: Array) -> Array:
    squares = dot(x, x)
    limits = np.finfo(x.dtype)
    unsafe = ~((squares > limits.tiny / limits.eps) & (squares < limits.max * limits.eps))
    norm = np.asarray(np.sqrt(squares))
    if unsafe.any():  # squares that over- or underflowed are taken again, scaled exactly
        rows = x[unsafe]
        scale = power_of_two(np.abs(rows).max(axis=-1, initial=0))
        scaled = rows / scale[..., np.newaxis]
        norm[unsafe] = scale * np.sqrt(dot(scaled, scaled))
    return norm


def power_of_two(size: Array) -> Array:
    """Return the power of two at or below each size (1 for 0, NaN and infinity)."""
    usable = np.isfinite(size) & (size > 0)
    exponent = np.frexp(np.where(usable, size, 1))[1] - 1
    return np.ldexp(np.ones_like(size), exponent)


def open_half(x: Array) -> Array:
    """Return the gradient of max(x, 0): 1 above 0, ½ at it, where both are equal; 0 at NaN too."""
    return np.where(x == 0, x.dtype.type(0.5), x > 0)


def find_sign(x: Array) -> Array:
    """Return −1, 0 or 1, the gradient of |x|; 0 at NaN, as torch has it."""
    return np.where(np.isnan(x), 0, np.sign(x))
