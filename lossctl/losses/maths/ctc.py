"""The sum over all alignments in connectionist temporal classification (CTC).

Graves et al. 2006, doi:10.1145/1143844.1143891. The recursion runs over states: a blank stands
before, between and after the labels, and a step of time stays, moves on by one state, or jumps
over a blank between two different labels. ``state[0, j]`` is the blank after j labels and
``state[1, j]`` is label j, counted from 1 (``state[1, 0]`` is never reached). The sample axis
comes last, and no operation mixes samples.

In each frame the largest score is taken out, and the sum of what is taken out is exact. The rest
is added up in one of three ways, chosen for each sample by itself:

- scaled: as probabilities times a power of two, which adds no rounding. What falls below the
  range is dropped, and then a second run, which lifts it into the range, must agree.
- apart: if the best scores of the frames spell the target, that alignment is taken out as well,
  and the loss is -score - log1p(all others), so that a loss of 1e-12 keeps its digits.
- logarithms: for the rest, such as scores thousands apart, NaN and impossible targets.

A frame multiplies once and adds at most twice, all terms positive, so the error is at most 4 T
times 2**-53 absolute (about its square root in practice) and one unit in the last place of the
loss; ``apart`` has this error times the share of the other alignments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]

CHUNK = 131_072
"""About how many scores are looked at together."""

# Scaled states are brought up to 2**TOP every RESCALE frames. In between they cannot leave the
# doubles: a step at most triples the largest, and takes at most a factor of NARROW off the least.
RESCALE = 8
TOP = 1000
FLOOR = 2.0**-200
NARROW = 2.0**-100

HUGE = 1e300
"""Scores from here on are not taken out: their sum might leave the doubles."""

# log 2 in two parts, the first short enough for its product with an exponent to be exact.
LOG2_HIGH = 0.6931471803691238
LOG2_LOW = 1.9082149292705878e-10


def pad_targets(concatenated: Integers, target_lengths: Integers) -> Integers:
    """Return targets given end to end (L,) as rows (n, longest), padded with zeros."""
    longest = int(target_lengths.max(initial=0))
    padded = np.zeros((len(target_lengths), longest), concatenated.dtype)
    padded[np.arange(longest) < target_lengths[:, None]] = concatenated
    return padded


def negative_log_likelihood(
    log_probs: Scores,
    targets: Integers,
    input_lengths: Integers,
    target_lengths: Integers,
    blank: int,
) -> Floats:
    """Return -log p(targets | log_probs) of each sample, (n,), summed over all alignments.

    ``log_probs`` is (n, T, C) in any memory order, ``targets`` (n, S) with any padding. A target
    that does not fit into its input gives +inf. Frames need not be normalised.
    """
    order = np.argsort(-input_lengths.astype(np.int64), kind="stable")
    lattice = Lattice.build(
        order, input_lengths[order], target_lengths[order], targets[order], blank
    )
    values = np.empty(len(order))
    with np.errstate(all="ignore"):
        values[order] = _add_alignments(log_probs, lattice)
    return values


@dataclass(frozen=True, slots=True)
class Lattice:
    """The states of samples sorted by falling input length; the last axis is samples."""

    rows: Integers  # of log_probs
    frames: Integers  # input lengths
    ends: Integers  # target lengths
    labels: Integers  # (1 + S, n): the blank, then the labels, with blanks for padding
    jumps: Flags  # (S, n): whether label j may follow label j - 1 at once
    first: NDArray[np.int32]  # (2, 1 + S, n): the first frame in which a state can be reached
    last: NDArray[np.int32]  # (2, 1 + S, n): the last frame from which the end can be reached

    @classmethod
    def build(
        cls, rows: Integers, frames: Integers, ends: Integers, targets: Integers, blank: int
    ) -> Lattice:
        """Lay out the states, and the frames in which each of them matters."""
        frames, ends = frames.astype(np.int32), ends.astype(np.int32)
        place = np.arange(targets.shape[1] + 1, dtype=np.int32)[:, None]
        labels = np.full((len(place), len(rows)), blank, np.intp)
        np.copyto(labels[1:], targets.T, where=place[1:] <= ends)
        jumps = np.ones((len(place) - 1, len(rows)), np.bool_)
        jumps[1:] = (labels[2:] != labels[1:-1]) | (place[2:] > ends)
        repeats = np.zeros(labels.shape, np.int32)
        np.cumsum(~jumps, axis=0, out=repeats[1:])
        first = np.stack([place + repeats, place + repeats - 1])
        first[1, 0] = np.iinfo(np.int32).max
        # A blank before a repeated label serves as the one that must stand between the two.
        behind = np.stack([np.concatenate([repeats[1:], repeats[-1:]]), repeats])
        last = frames - 1 - (ends - place + repeats[-1] - behind)
        return cls(rows, frames, ends, labels, jumps, first, np.where(place <= ends, last, -2))

    def select(self, columns: NDArray[np.intp]) -> Lattice:
        """Return the lattice of some samples."""
        if len(columns) == len(self.rows):
            return self
        return Lattice(*(getattr(self, part.name)[..., columns] for part in fields(self)))

    def fit(self) -> Flags:
        """Return which samples have an alignment."""
        fits: Flags = (self.frames > 0) & (self.last[0, 0] >= -1)
        return fits

    def at_end(self, state: Floats) -> Floats:
        """Return the two states (2, n) in which an alignment may end."""
        return state[:, self.ends, np.arange(len(self.ends))]

    def matter(self, frame: int, count: int) -> Flags:
        """Return which states of the first samples are on a way to the end in a frame."""
        return (self.first[..., :count] <= frame) & (self.last[..., :count] >= frame)

    def counts(self, start: int, stop: int) -> list[int]:
        """Return how many samples, from the left, have each frame."""
        return [int(count) for count in np.searchsorted(-self.frames, -np.arange(start, stop))]


def _iterate_frames(log_probs: Scores, lattice: Lattice) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield pieces of time: the first frame, scores (t, 1 + S, n) less their peaks, peaks.

    Samples that end before a piece are left out of it.
    """
    rows = lattice.rows
    if len(rows) < len(log_probs):
        log_probs, rows = log_probs[rows], np.arange(len(rows))
    samples, _, classes = log_probs.shape
    by_time = log_probs.transpose(1, 0, 2)
    index = rows * classes + lattice.labels
    frames = int(lattice.frames[0])
    step = max(1, CHUNK // (samples * max(classes, len(index))))
    for start in range(0, frames, step):
        (count,) = lattice.counts(start, start + 1)
        piece = by_time[start : min(start + step, frames)]
        flat = piece.reshape(len(piece), samples * classes)
        scores = flat.take(index[:, :count].ravel(), axis=1).astype(np.float64, copy=False)
        scores = scores.reshape(len(piece), len(index), count)
        peaks = scores.max(axis=1)
        peaks[~(np.abs(peaks) < HUGE)] = 0.0
        scores -= peaks[:, None]
        yield start, scores, peaks


def _add_exactly(lattice: Lattice, taken: Floats, *others: Floats) -> Floats:
    """Return minus the sum of what was taken out (T, n) in each sample's frames, and others."""
    columns = zip(lattice.frames, taken.T.tolist(), zip(*others, strict=True), strict=True)
    sums = [math.fsum((*column[:frames], *more)) for frames, column, more in columns]
    return 0.0 - np.array(sums)


def _advance(
    state: Floats,
    probs: Floats,
    jumps: Floats,
    work: tuple[Floats, Floats],
    others: Sequence[Floats] = (),
) -> None:
    """Move probabilities one frame on, in place; ``others`` join the blanks and the labels."""
    blanks, labels = state
    total, entering = work
    np.add(blanks, labels, out=total)
    np.multiply(labels[:-1], jumps, out=entering)
    entering += blanks[:-1]
    if others:
        total += others[0]
        entering += others[1]
    labels[1:] += entering
    labels[1:] *= probs[1:]
    np.multiply(total, probs[0], out=blanks)


def _add_alignments(log_probs: Scores, lattice: Lattice) -> Floats:
    """Compute each sample in the way that suits it."""
    values = np.full(len(lattice.rows), np.nan)
    for add in (_add_scaled, _add_logarithms):
        missing = np.flatnonzero(np.isnan(values))
        if len(missing):
            values[missing] = add(log_probs, lattice.select(missing))
    return values


def _add_scaled(log_probs: Scores, lattice: Lattice) -> Floats:
    """Add up probabilities; NaN where they do not serve."""
    values = np.full(len(lattice.rows), np.nan)
    served = np.flatnonzero(lattice.fit())
    if not len(served):
        return values
    low = _run_scaled(log_probs, lattice.select(served), lift=False)
    values[served] = low.values
    doubtful = np.flatnonzero(low.dropped)
    if len(doubtful):
        high = _run_scaled(log_probs, lattice.select(served[doubtful]), lift=True)
        growth = np.ldexp(high.sums / low.sums[doubtful], low.powers[doubtful] - high.powers)
        values[served[doubtful[~(growth - 1 < 2.0**-50)]]] = np.nan
    # The best scores alone have a sum of 0 here: near it, one alignment may hold nearly all.
    near = served[(np.ldexp(low.sums, -low.powers) > 0.5) & ~np.isnan(values[served])]
    if len(near):
        closer = _add_apart(log_probs, lattice.select(near))
        # Off only if something too small to keep grew again; NaN where that sum does not serve.
        agrees = np.abs(closer - values[near]) < 2.0**-30 * (1.0 + np.abs(closer))
        values[near[agrees]] = closer[agrees]
    return values


@dataclass(frozen=True, slots=True)
class _Scaled:
    """Likelihoods as sums / 2**powers, without what was taken out; values with it."""

    sums: Floats
    powers: NDArray[np.int32]
    values: Floats
    dropped: Flags
    """Samples with something that fell below the range."""


def _run_scaled(log_probs: Scores, lattice: Lattice, *, lift: bool) -> _Scaled:
    """Add up probabilities; what falls below the range is dropped, or lifted into it.

    All terms are positive, so that the one gives a lower bound, the other an upper bound.
    """
    samples = len(lattice.rows)
    whole = state = np.zeros((2, *lattice.labels.shape))
    state[0, 0] = 2.0**TOP
    powers, dropped = np.full(samples, TOP, np.int32), np.zeros(samples, np.bool_)
    taken = np.zeros((int(lattice.frames[0]), samples))
    jumps = lattice.jumps.astype(np.float64)
    work = np.empty_like(state[0]), np.empty_like(jumps)
    for start, probs, peaks in _iterate_frames(log_probs, lattice):
        stop, width = start + len(probs), peaks.shape[1]
        taken[start:stop, :width] = peaks
        inside = np.arange(start, stop)[:, None] < lattice.frames[:width]
        np.exp(probs, out=probs)
        narrow = ~(probs.min(axis=1) >= NARROW)
        dropped[:width] |= (narrow & inside).any(axis=0)
        if lift:
            np.maximum(probs, NARROW, out=probs)
        elif narrow.any():
            probs[probs < NARROW] = 0.0
        for frame, count in enumerate(lattice.counts(start, stop), start):
            if count < jumps.shape[1]:
                state, jumps = state[..., :count], jumps[:, :count]
                work = work[0][:, :count], work[1][:, :count]
            _advance(state, probs[frame - start, :, :count], jumps, work)
            if (frame + 1) % RESCALE == 0:
                matters = lattice.matter(frame, count)
                if lift:
                    np.maximum(state, FLOOR, out=state)
                else:
                    kept = matters & (state >= FLOOR)
                    dropped[:count] |= (kept != matters).any(axis=(0, 1))
                    matters = kept
                state *= matters
                powers[:count] += _rescale(state)
    sums = lattice.at_end(whole).sum(axis=0)
    mantissas, exponents = np.frexp(sums)
    factors = (exponents - powers).astype(np.float64)
    logs = np.log(mantissas), factors * LOG2_HIGH, factors * LOG2_LOW
    dropped |= ~((sums > 0) & (sums < np.inf))
    return _Scaled(sums, powers, _add_exactly(lattice, taken, *logs), dropped)


def _rescale(state: Floats) -> NDArray[np.int32]:
    """Bring the largest state of each sample to 2**TOP, and return the exponents added."""
    _, exponents = np.frexp(state.max(axis=(0, 1)))
    powers: NDArray[np.int32] = np.minimum(TOP - exponents, TOP).astype(np.int32)
    state *= np.ldexp(1.0, powers)
    return powers


def _add_apart(log_probs: Scores, lattice: Lattice) -> Floats:
    """Add up what lies beside the alignment of the best scores; NaN where that is none."""
    samples = len(lattice.rows)
    falling = np.arange(len(lattice.labels), 0, -1, dtype=np.int32)[:, None]
    whole = state = np.zeros((2, *lattice.labels.shape))
    weights = lattice.jumps.astype(np.float64)
    work = np.empty_like(state[0]), np.empty_like(weights)
    taken = np.zeros((int(lattice.frames[0]), samples))
    spells = np.ones(samples, np.bool_)
    reached, kind = np.zeros(samples, np.int32), lattice.labels[0]
    for start, probs, peaks in _iterate_frames(log_probs, lattice):
        stop, width = start + len(probs), peaks.shape[1]
        taken[start:stop, :width] = peaks
        labels, jumps = lattice.labels[:, :width], lattice.jumps[:, :width]
        inside = np.arange(start, stop)[:, None] < lattice.frames[:width]
        best = len(falling) - ((probs == 0) * falling).max(axis=1, initial=1)
        # Where the best alignment is, from one frame before this piece of time.
        kinds = np.concatenate([kind[None, :width], np.take_along_axis(labels, best, axis=0)])
        voiced = kinds != labels[0]
        begins = voiced[1:] & (kinds[1:] != kinds[:-1]) & inside
        begun = np.concatenate([reached[None, :width], begins]).cumsum(axis=0, dtype=np.int32)
        expected = np.take_along_axis(labels, np.minimum(begun, len(labels) - 1), axis=0)
        spells[:width] &= (~voiced | (kinds == expected))[1:].all(axis=0, where=inside)
        kind, reached[:width] = kinds[-1], begun[-1]
        leaving = _leave_alignment(begun, voiced, jumps)
        np.exp(probs, out=probs)
        for frame, count in enumerate(lattice.counts(start, stop), start):
            if count < weights.shape[1]:
                state, weights = state[..., :count], weights[:, :count]
                work = work[0][:, :count], work[1][:, :count]
            prob, *others = (part[frame - start, :, :count] for part in (probs, *leaving))
            _advance(state, prob, weights, work, others)
            if (frame + 1) % RESCALE == 0:
                # Too little to change the sum, and numbers below the normal range are slow.
                state *= state >= 2.0**-900
    rest = lattice.at_end(whole).sum(axis=0)
    values = _add_exactly(lattice, taken, np.log1p(rest))
    values[~(spells & (reached == lattice.ends) & np.isfinite(rest))] = np.nan
    return values


def _leave_alignment(begun: Integers, voiced: Flags, jumps: Flags) -> tuple[Floats, Floats]:
    """Return what leaves an alignment of probability 1 for blanks, and for labels.

    The alignment has begun that many labels (1 + t, n), and is on one where ``voiced``.
    """
    place = np.arange(len(jumps) + 1, dtype=np.int32)[:, None]
    here, then = begun[:-1, None], begun[1:, None]
    on_label, to_label = voiced[:-1, None], voiced[1:, None]
    blanks = (place == here) & to_label
    place = place[1:]
    labels = ((place == here) & on_label) | ((place == here + 1) & (jumps | ~on_label))
    labels &= ~((place == then) & to_label)
    return blanks.astype(np.float64), labels.astype(np.float64)


def _add_logarithms(log_probs: Scores, lattice: Lattice) -> Floats:
    """Add up in logarithms, taking out the largest now and then to keep them small."""
    samples = len(lattice.rows)
    taken = np.zeros((int(lattice.frames[0]), samples))
    whole = state = np.full((2, *lattice.labels.shape), -np.inf)
    state[0, 0] = 0.0
    offsets = []
    for start, scores, peaks in _iterate_frames(log_probs, lattice):
        stop = start + len(scores)
        taken[start:stop, : peaks.shape[1]] = peaks
        if start == 0:
            scores[0, 2:] = -np.inf  # not reached yet, whatever stands there
        for frame, count in enumerate(lattice.counts(start, stop), start):
            state = state[..., :count]
            blanks, labels = state
            score = scores[frame - start, :, :count]
            jumping = np.where(lattice.jumps[:, :count], labels[:-1], -np.inf)
            moved = _add_exponentials(labels[1:], blanks[:-1], jumping)
            np.add(_add_exponentials(blanks, labels), score[0], out=blanks)
            np.add(moved, score[1:], out=labels[1:])
            if (frame + 1) % RESCALE == 0:
                matters = lattice.matter(frame, count)
                offset = np.zeros(samples)
                offset[:count] = state.max(axis=(0, 1), where=matters, initial=-np.inf)
                offset[~(np.abs(offset) < HUGE)] = 0.0
                state -= offset[:count]
                offsets.append(offset)
    return _add_exactly(lattice, taken, *offsets, _add_exponentials(*lattice.at_end(whole)))


def _add_exponentials(*terms: Floats) -> Floats:
    """Return the logarithm of the sum of the exponentials of some arrays, place by place."""
    peak = reduce(np.maximum, terms)
    peak[peak == -np.inf] = 0.0
    total = np.log(reduce(np.add, [np.exp(term - peak) for term in terms]))
    total += peak
    return total
