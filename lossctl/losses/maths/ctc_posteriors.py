"""How likely each class is in each frame, given the labels: what the gradient of CTC is made of.

The forward-backward algorithm of Graves et al. 2006, in logarithms. In every frame the largest
logarithm is taken out, and the probabilities of the states are divided by their own sum, so that
nothing under- or overflows and the rounding of one frame does not add to that of the others.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
Scores = NDArray[np.floating]

STATE_NUMBERS = 2**21
"""How many logarithms of states are held at once."""


def find_occupation(
    log_probs: Scores,
    targets: Integers,
    input_lengths: Integers,
    target_lengths: Integers,
    blank: int,
) -> Floats:
    """Return p(class in frame | targets, log_probs) of each sample, (n, T, C).

    Frames behind an input's length have 0 throughout, and NaN where no alignment is possible.
    """
    samples, frames, _ = log_probs.shape
    found = np.zeros(log_probs.shape)
    longest = int(target_lengths.max(initial=0))
    step = max(1, STATE_NUMBERS // max(1, frames * (2 * longest + 1)))
    for start in range(0, samples, step):
        rows = slice(start, start + step)
        longest = int(target_lengths[rows].max(initial=0))
        labels = np.full((2 * longest + 1, len(target_lengths[rows])), blank)
        labels[1::2] = targets[rows, :longest].T
        with np.errstate(all="ignore"):
            _occupy(log_probs[rows], labels, input_lengths[rows], target_lengths[rows], found[rows])
    return found


def _occupy(
    log_probs: Scores, labels: Integers, frames: Integers, ends: Integers, found: Floats
) -> None:
    """Fill in the occupation of the states ``labels`` (2 S + 1, n), blanks between labels."""
    samples, last, classes = log_probs.shape
    scores = log_probs.transpose(1, 0, 2).astype(np.float64, copy=False)
    place = np.arange(len(labels))[:, np.newaxis]
    real = place <= 2 * ends
    labels = np.where(real, labels, labels[0])
    jumps = np.zeros(labels.shape, bool)
    jumps[2:] = (place[2:] % 2 == 1) & (labels[2:] != labels[:-2])
    index = np.arange(samples) * classes + labels
    forward = _go_forward(scores, index, jumps, real)
    final = np.where((place >= 2 * ends - 1) & real, 0.0, -np.inf)
    state = np.full(labels.shape, -np.inf)
    for frame in range(last - 1, -1, -1):
        if frame + 1 < last:
            state = _go_back(state + scores[frame + 1].reshape(-1)[index], jumps)
        state = np.where(frame == frames - 1, final, state)
        shares = _normalise(forward[frame] + state)
        inside = np.broadcast_to(frame < frames, shares.shape)
        shares = np.where(inside, shares, 0)
        added = np.bincount(index.ravel(), shares.ravel(), samples * classes)
        found[:, frame] = added.reshape(samples, classes)
        found[np.isnan(shares).any(axis=0), frame] = np.nan


def _go_forward(
    scores: Floats, index: Integers, jumps: NDArray[np.bool_], real: NDArray[np.bool_]
) -> Floats:
    """Return log p(frames so far, state) of each frame, less the largest of the frame."""
    forward = np.full((len(scores), *index.shape), -np.inf)
    state = np.full(index.shape, -np.inf)
    for frame, score in enumerate(scores):
        if frame == 0:
            state[:2] = 0.0
        else:
            state = _add(state, _shift(state, 1), np.where(jumps, _shift(state, 2), -np.inf))
        state = np.where(real, state + score.reshape(-1)[index], -np.inf)
        state -= _finite_peak(state)
        forward[frame] = state
    return forward


def _go_back(state: Floats, jumps: NDArray[np.bool_]) -> Floats:
    """Return log p(frames to come | state), less the largest, from that of the next frame."""
    jumping = _shift(np.where(jumps, state, -np.inf), -2)
    state = _add(state, _shift(state, -1), jumping)
    return state - _finite_peak(state)


def _shift(state: Floats, steps: int) -> Floats:
    """Move the states up (or down), with minus infinity for what is new."""
    moved = np.full(state.shape, -np.inf)
    if steps > 0:
        moved[steps:] = state[:-steps]
    else:
        moved[:steps] = state[-steps:]
    return moved


def _finite_peak(state: Floats) -> Floats:
    peak = state.max(axis=0)
    return np.where(np.isfinite(peak), peak, 0.0)


def _normalise(logarithms: Floats) -> Floats:
    """Return probabilities that sum to 1 over the states; NaN where all are impossible."""
    powers = np.exp(logarithms - logarithms.max(axis=0))
    return powers / powers.sum(axis=0)


def _add(*terms: Floats) -> Floats:
    """Return the logarithm of the sum of the exponentials of some arrays, place by place."""
    peak = reduce(np.maximum, terms)
    peak = np.where(peak == -np.inf, 0.0, peak)
    return np.log(reduce(np.add, [np.exp(term - peak) for term in terms])) + peak
