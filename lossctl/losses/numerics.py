"""Stable pieces of maths that several kernels share. Class axes are axis 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow and without losing small values."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def xlogy(x: Array, y: Array) -> Array:
    """Return x·log(y), and 0 where x is 0."""
    return np.where(x == 0, np.where(np.isnan(y), y, 0), x * np.log(y))


def align_classes(vector: Array, ndim: int) -> Array:
    """Reshape one number per class so that it broadcasts along axis 1 of ``ndim`` axes."""
    return vector.reshape(1, -1, *(1,) * (ndim - 2))


def take_class(values: Array, index: Array) -> Array:
    """Return ``values[n, index[n, *d], *d]``: (N, C, *D) and (N, *D) give (N, *D)."""
    if values.ndim == 2:
        return values[np.arange(len(values)), index]
    taken: Array = np.take_along_axis(values, index[:, np.newaxis], axis=1)[:, 0]
    return taken


def separate_ignored(target: Array, ignore_index: int) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return the target with 0 for what is ignored, and where that is (None: nowhere)."""
    ignored = target == ignore_index
    if not ignored.any():
        return target, None
    return np.where(ignored, 0, target), ignored


def p_norm(x: Array, p: float) -> Array:
    """Return the p-norm over the last axis, without overflow or underflow on the way."""
    size = np.abs(x)
    if p == 1:
        return size.sum(axis=-1)
    if p == 0:
        return (size != 0).sum(axis=-1).astype(x.dtype)
    if p == np.inf:
        return size.max(axis=-1, initial=0)
    if p == 2:
        return _euclidean_norm(x)
    largest = _power_of_two(size.max(axis=-1, initial=0))
    scaled = (size / largest[..., np.newaxis]) ** p
    return largest * scaled.sum(axis=-1) ** (1 / p)


def _euclidean_norm(x: Array) -> Array:
    squares = (x * x).sum(axis=-1)
    limits = np.finfo(x.dtype)
    unsafe = ~((squares > limits.tiny / limits.eps) & (squares < limits.max * limits.eps))
    norm = np.sqrt(squares)
    if unsafe.any():  # squares that over- or underflowed are taken again, scaled exactly
        rows = x[unsafe]
        scale = _power_of_two(np.abs(rows).max(axis=-1, initial=0))
        scaled = rows / scale[..., np.newaxis]
        norm[unsafe] = scale * np.sqrt((scaled * scaled).sum(axis=-1))
    return norm


def _power_of_two(size: Array) -> Array:
    """Return the power of two at or below each size (1 for 0, NaN and infinity)."""
    usable = np.isfinite(size) & (size > 0)
    exponent = np.frexp(np.where(usable, size, 1))[1] - 1
    return np.ldexp(np.ones_like(size), exponent)
