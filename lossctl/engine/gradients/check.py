"""Declared gradients compared with finite differences at sampled elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.gradients.finite_differences import KernelBlock, find_difference, find_scale
from lossctl.engine.gradients.result import Agreement, DerivativeComparison
from lossctl.engine.plan.binding import BoundInput

Array = NDArray[Any]

STEPS = tuple(1e-2 * 0.1234567**number for number in range(11))
"""Step sizes, relative to the size of a number, tried in turn until two agree.

The ratio is not round: 1 + 1e-10 and 1 + 1e-11 are rounded alike, and agree on a wrong value.
"""

ROUNDING = 8 * float(np.finfo(np.float64).eps)
DOUBT = 4.0
"""The error of a difference is at most this many times the change from one step to the next."""

ENOUGH = 1e-9
"""If the error, relative to the derivative, is below this, no other step is tried."""

SMALL = 1e-3
"""The fraction of the median derivative below which one counts as small."""

FAINT = 1e-2
"""If the median of the numbers is below this, steps are relative to it: 1 would step over kinks."""

MOVED_NUMBERS = 2**20
"""How many numbers are copied at a time."""

TINY = float(np.finfo(np.float64).tiny)
KINK_STEP = 1e-6
KINK = 1e-3
"""By how much the one-sided derivatives differ at a kink."""


def compare(block: KernelBlock, gradients: Mapping[str, Array], wanted: float) -> Agreement:
    """Compare a block's gradient with finite differences at sampled elements of each input.

    ``wanted`` is their number, on average; which ones depends only on where the block is. Elements
    of several samples are moved together, in copies of their samples.
    """
    agreement = Agreement()
    if not wanted:
        return agreement
    region = block.region
    seed = [region.start, *(cut.start or 0 for cut in region.trailing)]
    random = np.random.default_rng(seed)
    count = int(wanted + random.random())
    for number, bound in enumerate(block.plan.inputs):
        gradient = gradients.get(bound.name)
        if gradient is None or not gradient.size or bound.fixed:
            continue
        chosen = random.choice(gradient.size, min(count, gradient.size), replace=False)
        usable = ~_mark_conventions(block, number)
        flat = chosen[usable.reshape(-1)[chosen]]
        agreement.kinks += len(chosen) - len(flat)
        floor = SMALL * _find_typical(gradient)
        step = 1
        if not block.plan.loss.needs_all_samples:
            step = max(1, MOVED_NUMBERS * len(gradient) // gradient.size)
        for start in range(0, len(flat), step):
            places = np.unravel_index(flat[start : start + step], gradient.shape)
            perturbation = Perturbation.of(block, number, bound, places)
            _compare_at(perturbation, gradient[places], floor, agreement)
    return agreement


def _mark_conventions(block: KernelBlock, number: int) -> NDArray[np.bool_]:
    """Mark where the declared derivative is a convention of the library, not a derivative."""
    declared, shape = block.plan.loss.declared_gradient, block.arrays[number].shape
    if declared is None or declared.convention is None:
        return np.zeros(shape, bool)
    marks = declared.convention(*block.arrays, **declared.pick(declared.convention, block.options))
    return np.broadcast_to(marks, shape)


def _find_typical(values: Array) -> float:
    """Return the median magnitude of the finite nonzero values."""
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.median(size)) if size.size else 0.0


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Some numbers of an input, each in a sample of its own, that are perturbed."""

    block: KernelBlock
    """The samples, one for each number; all of them if the loss needs all samples."""
    number: int
    """Which input."""
    bound: BoundInput
    places: tuple[Array, ...]
    """Where the numbers are in the block that was differentiated."""
    local: tuple[Array, ...]
    """Where they are in ``block``."""
    scale: Array
    """The sizes that steps are relative to."""

    @classmethod
    def of(
        cls, block: KernelBlock, number: int, bound: BoundInput, places: tuple[Array, ...]
    ) -> Perturbation:
        """Select the samples of these numbers."""
        local = places
        usual = _find_typical(np.asarray(block.arrays[number], np.float64))
        least = usual if 0 < usual < FAINT else 1.0
        if not block.plan.loss.needs_all_samples:
            block, local = block.take(places[0]), (np.arange(len(places[0])), *places[1:])
        values = np.asarray(block.arrays[number], dtype=np.float64)[local]
        scale = find_scale(values, bound.kind, least)
        return cls(block, number, bound, places, local, scale)

    def contribute(self, distances: Array) -> Array:
        """Return the contributions of the losses after each number moved by its distance."""
        moved = np.array(self.block.arrays[self.number], dtype=np.float64)
        moved[self.local] += distances
        return self.block.contribute(self.number, moved, alone=False)

    def add(self, changes: Array) -> Array:
        """Return the sum of the changes that belong to each number."""
        total: Array = changes.reshape(len(self.scale), -1).sum(axis=1)
        return total

    def differentiate(self, steps: Array) -> Array:
        """Return the finite differences with these steps."""
        return self.add(find_difference(lambda place: self.contribute(place * steps))) / steps


def _compare_at(
    perturbation: Perturbation, declared: Array, floor: float, agreement: Agreement
) -> None:
    numerical, doubt = _estimate(perturbation, floor)
    usable = np.isfinite(numerical) & ~_find_kinks(perturbation, declared)
    agreement.kinks += int(np.count_nonzero(~usable))
    agreement.compared += int(np.count_nonzero(usable))
    for at in np.flatnonzero(usable):
        place = tuple(int(one[at]) for one in perturbation.places)
        where = perturbation.bound.position(place, perturbation.block.region)
        numbers = (float(one[at]) for one in (declared, numerical, doubt))
        agreement.found.append(DerivativeComparison(perturbation.bound.name, where, *numbers))


def _estimate(perturbation: Perturbation, floor: float) -> tuple[Array, Array]:
    """Return the finite differences with the best steps, and their error bounds.

    The best has the smallest error relative to itself, or to a floor: steps far too large may find
    a small derivative with a small error in a steep place.
    """
    floor = max(floor, TINY)
    noise = _measure_noise(perturbation)
    best, before = np.full(noise.shape, np.nan), np.full(noise.shape, np.nan)
    least, settled = np.full(noise.shape, np.inf), np.zeros(noise.shape, bool)
    for step in STEPS:
        now = perturbation.differentiate(step * perturbation.scale)
        size = np.maximum(np.abs(now), floor)
        rounding = noise / (step * perturbation.scale)
        with np.errstate(invalid="ignore"):
            doubt = (DOUBT * np.abs(now - before) + rounding) / size
            better = ~settled & (doubt < least)
            best, least = np.where(better, now, best), np.where(better, doubt, least)
            settled |= (least <= ENOUGH) | (rounding / size > least)
        if settled.all():
            break
        before = now
    return best, least * np.maximum(np.abs(best), floor)


def _measure_noise(perturbation: Perturbation) -> Array:
    """Return the rounding noise of the losses: their change when the last digits change."""
    least = float(np.finfo(np.float64).eps) * perturbation.scale
    middle = perturbation.contribute(0 * least)
    found = [perturbation.contribute(step * least) - middle for step in (-3, -1, 1, 2)]
    spread: Array = np.max([np.abs(perturbation.add(one)) for one in found], axis=0)
    return np.maximum(ROUNDING * perturbation.add(np.abs(middle)), DOUBT * spread)


def _find_kinks(perturbation: Perturbation, declared: Array) -> NDArray[np.bool_]:
    """Return where the one-sided derivatives differ, and the declared one is between them."""
    step = KINK_STEP * perturbation.scale
    middle = perturbation.contribute(0 * step)
    with np.errstate(invalid="ignore"):
        right = perturbation.add(perturbation.contribute(step) - middle) / step
        left = perturbation.add(middle - perturbation.contribute(-step)) / step
        rounding = 2 * ROUNDING * perturbation.add(np.abs(middle)) / step
        margin = np.maximum(KINK * np.maximum(np.abs(right), np.abs(left)), rounding)
        low, high = np.minimum(left, right) - margin, np.maximum(left, right) + margin
        apart = np.abs(right - left)
        between = (apart > margin) & (low <= declared) & (declared <= high)
        # The part due to curvature shrinks with the step; that of a kink does not.
        ahead, behind = perturbation.contribute(step / 4), perturbation.contribute(-step / 4)
        nearer = perturbation.add(ahead - middle - (middle - behind))
        stays: NDArray[np.bool_] = between & (np.abs(nearer) / (step / 4) > 0.5 * apart)
    return stays
