"""Declared gradients compared with numerical derivatives, at some elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.engine.binding import Bound
from lossctl.engine.differences import BOUNDED, Block, differentiate_at
from lossctl.engine.gradient_result import Agreement, Comparison

Array = NDArray[Any]

STEPS = tuple(1e-2 * 0.1234567**number for number in range(11))
"""Tried in turn, relative to the size of a number, until two agree.

No round ratio: 1 + 1e-10 and 1 + 1e-11 are rounded alike, and agree in what is wrong.
"""

ROUNDING = 8 * float(np.finfo(np.float64).eps)
DOUBT = 4.0
"""How many times the change from one step to the next a difference may be off."""

ENOUGH = 1e-9
"""Up to which doubt, relative to the derivative, no other step is tried."""

SMALL = 1e-3
"""What part of the median derivative counts as hardly any."""

TINY = float(np.finfo(np.float64).tiny)
KINK_STEP = 1e-6
KINK = 1e-3
"""By how much slopes on both sides differ at a kink."""


def compare(block: Block, slopes: Mapping[str, Array], wanted: float) -> Agreement:
    """Compare a block's gradient with differences at so many elements of each input, on average.

    Which ones depends on where the block is alone.
    """
    agreement = Agreement()
    if not wanted:
        return agreement
    region = block.region
    seed = [region.start, *(cut.start or 0 for cut in region.further)]
    random = np.random.default_rng(seed)
    count = int(wanted + random.random())
    for number, bound in enumerate(block.plan.inputs):
        slope = slopes.get(bound.name)
        if slope is None or not slope.size or bound.fixed:
            continue
        floor = SMALL * _find_typical(slope)
        for flat in random.choice(slope.size, min(count, slope.size), replace=False):
            place = tuple(int(at) for at in np.unravel_index(flat, slope.shape))
            _compare_at(block, number, bound, place, float(slope[place]), floor, agreement)
    return agreement


def _find_typical(slope: Array) -> float:
    """Return the median size of the derivatives that are numbers, and not 0."""
    size = np.abs(slope[np.isfinite(slope) & (slope != 0)])
    return float(np.median(size)) if size.size else 0.0


def _compare_at(
    block: Block,
    number: int,
    bound: Bound,
    place: tuple[int, ...],
    declared: float,
    floor: float,
    agreement: Agreement,
) -> None:
    row = block.row(place[0])
    local = place if block.plan.loss.whole else (0, *place[1:])
    values = np.asarray(row.arrays[number], dtype=np.float64)
    size = abs(float(values[local]))
    scale = size / 4 if bound.kind in BOUNDED and 0 < size < 1 else max(size, 1.0)
    if not np.isfinite(declared) or _is_convention(row, number, local):
        agreement.kinks += 1
        return
    numerical, doubt = _estimate(row, number, values, local, scale, floor)
    if not np.isfinite(numerical) or _is_kink(
        row, number, values, local, KINK_STEP * scale, declared
    ):
        agreement.kinks += 1
        return
    agreement.compared += 1
    where = bound.position(place, block.region)
    agreement.found.append(Comparison(bound.name, where, declared, numerical, doubt))


def _is_convention(block: Block, number: int, place: tuple[int, ...]) -> bool:
    """Whether the declared derivative at a place follows a library where it is none."""
    slope = block.plan.loss.slope
    if slope is None or slope.convention is None:
        return False
    marks = slope.convention(*block.arrays, **slope.pick(slope.convention, block.options))
    shape = block.arrays[number].shape
    return bool(np.broadcast_to(marks, shape)[place])


def _estimate(
    block: Block,
    number: int,
    values: Array,
    place: tuple[int, ...],
    scale: float,
    floor: float,
) -> tuple[float, float]:
    """Return the derivative by the step that serves best, and how far it may be off.

    The best has the least doubt relative to itself, or to a floor: steps far too large may find
    hardly any slope, and little doubt, in a steep place.
    """
    floor = max(floor, TINY)
    noise = _measure_noise(block, number, values, place, scale)
    best, least = np.nan, np.inf
    before = np.nan
    for step in STEPS:
        now = differentiate_at(block, number, values, place, step * scale)
        rounding = noise / (step * scale)
        doubt = DOUBT * abs(now - before) + rounding
        if doubt / max(abs(now), floor) < least:
            best, least = now, doubt / max(abs(now), floor)
        if least <= ENOUGH:
            break
        before = now
    return best, least * max(abs(best), floor)


def _measure_noise(
    block: Block, number: int, values: Array, place: tuple[int, ...], scale: float
) -> float:
    """Return how far rounding throws the loss: what moves of the last digits make of it."""
    least = float(np.finfo(np.float64).eps) * scale
    found = []
    for step in (-3, -1, 0, 1, 2):
        moved = values.copy()
        moved[place] += step * least
        found.append(block.contribute(number, moved, alone=False))
    size = float(np.abs(found[2]).sum())
    spread = max(float(np.abs((one - found[2]).sum())) for one in found)
    return max(ROUNDING * size, DOUBT * spread)


def _is_kink(
    block: Block,
    number: int,
    values: Array,
    place: tuple[int, ...],
    step: float,
    declared: float,
) -> bool:
    """Whether slopes differ on both sides, and the declared one is between them."""

    def contribute(distance: float) -> Array:
        moved = values.copy()
        moved[place] += distance
        return block.contribute(number, moved, alone=False)

    middle = contribute(0.0)
    right = float((contribute(step) - middle).sum()) / step
    left = float((middle - contribute(-step)).sum()) / step
    rounding = 2 * ROUNDING * float(np.abs(middle).sum()) / step
    margin = max(KINK * max(abs(right), abs(left)), rounding)
    low, high = min(left, right) - margin, max(left, right) + margin
    if not (abs(right - left) > margin and low <= declared <= high):
        return False
    # What curvature makes of the difference shrinks with the step; a corner stays.
    nearer = contribute(step / 4) - middle - (middle - contribute(-step / 4))
    return abs(float(nearer.sum())) / (step / 4) > 0.5 * abs(right - left)
